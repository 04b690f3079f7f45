//! What the server and the command line stand on: the database, the master key, and the provider over both.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use idp::master_key::{self, MasterKey};
use idp::password_pool::PasswordPool;
use idp::urls::Urls;
use idp::{Clock, Idp};
use store::{OpenError, Store};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::problem::in_one_line;

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
        .map_err(|error| cannot_open(&error))?;
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
        Urls::new(&config.public_url()),
    ))
}

/// What is wrong with the database and what to do about it, in one sentence.
pub fn cannot_open(error: &OpenError) -> anyhow::Error {
    let setting = "database_url (COUNTERSIGN_DATABASE_URL)";
    let fault = in_one_line(error);
    match error {
        OpenError::Connect(_) => anyhow!("{fault}; start PostgreSQL, or correct {setting}"),
        OpenError::File { .. } => {
            anyhow!("{fault}; make the folder and let this user write there, or correct {setting}")
        }
        OpenError::Url { .. } => anyhow!("{fault}; correct {setting}"),
        _ => anyhow!("{fault}"),
    }
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
    read_key(path)
}

/// The master key, from a file that is there and private.
pub fn read_key(path: &Path) -> anyhow::Result<MasterKey> {
    let text = read_private(path)?;
    MasterKey::parse(text.trim())
        .with_context(|| format!("the master key file {} is damaged", path.display()))
}

/// What a file holds that only its owner may change, and nobody outside of its group may read.
fn read_private(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let cannot_read = || format!("cannot read the master key file {}", path.display());
    let mut file = std::fs::File::open(path).with_context(cannot_read)?;
    let mode = file.metadata().with_context(cannot_read)?.mode() & 0o777;
    // The group may read: that is how Kubernetes hands a secret to a process that is not root.
    if mode & 0o027 != 0 {
        bail!(
            "other users of this machine may read or change the master key file {file} (mode {mode:o}); run “chmod 600 {file}”",
            file = path.display()
        );
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).with_context(cannot_read)?;
    Ok(text)
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
