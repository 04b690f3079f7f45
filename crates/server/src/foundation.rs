//! What the server and the command line stand on: the database, the master key, and the provider over both.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use idp::master_key::{self, MasterKey};
use idp::password_pool::PasswordPool;
use idp::urls::Urls;
use idp::{Clock, Idp};
use store::Store;

use crate::config::Config;

/// Opens the database, migrating it when needed, and proves that the master key is the right one.
pub async fn open(config: &Config, clock: Clock) -> anyhow::Result<Idp> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data_dir)
        .with_context(|| {
            format!(
                "cannot create the data directory {}",
                config.data_dir.display()
            )
        })?;
    let store = Store::open(&config.database_url)
        .await
        .context("cannot open the database")?;
    let key = read_or_make_key(config, &store).await?;
    if !master_key::agree(&store, &key).await? {
        bail!(
            "the master key in {} is not the one that this database is sealed under; put the right file there (COUNTERSIGN_MASTER_KEY_FILE), or restore the database that belongs to it",
            config.master_key_file.display()
        );
    }
    Ok(Idp::new(
        store,
        clock,
        Arc::new(key),
        PasswordPool::for_this_machine(),
        Urls::new(&config.public_url),
    ))
}

async fn read_or_make_key(config: &Config, store: &Store) -> anyhow::Result<MasterKey> {
    let path = &config.master_key_file;
    if !path.exists() {
        if !config.may_make_master_key {
            bail!(
                "there is no master key file {}; make one with “openssl rand -base64 32” and mode 0600",
                path.display()
            );
        }
        if master_key::is_sealed(store).await? {
            bail!(
                "the master key file {} is missing, and this database is sealed under the key it held; put the file back, a new one cannot open the database",
                path.display()
            );
        }
        make_key(path)
            .with_context(|| format!("cannot write the master key file {}", path.display()))?;
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the master key file {}", path.display()))?;
    MasterKey::parse(text.trim())
        .with_context(|| format!("the master key file {} is damaged", path.display()))
}

/// Written beside and linked into place, so that of two processes that start at once one file wins whole.
fn make_key(path: &Path) -> std::io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(file, "{}", MasterKey::generate().to_text().as_str())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
