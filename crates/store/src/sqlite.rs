//! SQLite: one file, one writer, a few readers.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error::{OpenError, Result};
use crate::transaction::{Read, Route, Write};

/// A look-up takes some ten microseconds, so few readers serve many.
const READERS: u32 = 4;
/// How long to wait for another process that opens the file.
const PATIENCE_AT_START: Duration = Duration::from_secs(10);
/// How long a caller waits for the writer or a reader before the database counts as away.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(2);
/// How often to look whether another process has finished opening.
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// The pools of one database file.
#[derive(Clone)]
pub(crate) struct SqliteEngine {
    readers: SqlitePool,
    writer: SqlitePool,
    file: Arc<OpenFile>,
}

/// The file as it was opened. One that was moved or deleted since can still be written to, and is lost with
/// the process.
struct OpenFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SqliteEngine {
    /// `path` is what follows `sqlite://` in the URL.
    pub(crate) async fn open(path: &str) -> std::result::Result<Self, OpenError> {
        let path = file(path)?;
        // Changing to WAL mode does not wait for others, and sqlx does not lock SQLite to migrate.
        let _opening = lock(&suffixed(&path, "-lock")).await?;
        create_private(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let writer = pool(1)
            .connect_with(
                options
                    .clone()
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full),
            )
            .await
            .map_err(OpenError::Connect)?;
        sqlx::migrate!("../../migrations").run(&writer).await?;
        let readers = pool(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(OpenError::Connect)?;
        let identity = identity(&path).map_err(|source| OpenError::File {
            path: path.clone(),
            source,
        })?;
        let file = Arc::new(OpenFile { path, identity });
        Ok(Self {
            readers,
            writer,
            file,
        })
    }

    /// Whether the file is still where it was opened.
    pub(crate) fn in_place(&self) -> Result<()> {
        match identity(&self.file.path) {
            Ok(identity) if identity == self.file.identity => Ok(()),
            Ok(_) => Err(sqlx::Error::Io(ErrorKind::NotFound.into()).into()),
            Err(error) => Err(sqlx::Error::Io(error).into()),
        }
    }

    pub(crate) async fn read(&self) -> Result<Read> {
        let transaction = self.readers.begin().await?;
        Ok(Read::new(Route::Sqlite(transaction)))
    }

    pub(crate) async fn write(&self) -> Result<Write> {
        // A deferred transaction that reads first and then writes fails at once beside another.
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write::new(Route::Sqlite(transaction)))
    }

    /// For one look-up.
    pub(crate) async fn read_once(&self) -> Result<Read> {
        Ok(Read::new(Route::SqliteOnce(self.readers.acquire().await?)))
    }

    /// For one change.
    pub(crate) async fn write_once(&self) -> Result<Write> {
        Ok(Write::new(Route::SqliteOnce(self.writer.acquire().await?)))
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The device and the number of a file, which stay with it when it is moved.
fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// A local file does not go stale, so its connections live as long as the pool.
fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// The file that a URL names after `sqlite://`.
pub(crate) fn file(path: &str) -> std::result::Result<PathBuf, OpenError> {
    // Other programs want to be told that they may make the file; here it goes without saying.
    let path = path.strip_suffix("?mode=rwc").unwrap_or(path);
    let problem = match path {
        "" => "names no file",
        ":memory:" => "names no file: a database in memory would be lost",
        path if path.contains(['?', '#', '\0']) => "has parameters, of which SQLite has none here",
        _ => {
            return std::path::absolute(path).map_err(|source| OpenError::File {
                path: path.into(),
                source,
            });
        }
    };
    Err(OpenError::Url { problem })
}

/// SQLite gives its `-wal` and `-shm` files the mode of the database file, so that one decides.
fn create_private(path: &Path) -> std::result::Result<(), OpenError> {
    // Only a new file is opened here: closing an open one would drop SQLite's own locks on it.
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(source) if source.kind() != ErrorKind::AlreadyExists => Err(OpenError::File {
            path: path.into(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Waits until no other process opens this database; unlocked when dropped.
async fn lock(path: &Path) -> std::result::Result<File, OpenError> {
    let failed = |source| OpenError::File {
        path: path.into(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let give_up = Instant::now() + PATIENCE_AT_START;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => {
                tokio::time::sleep(LOCK_INTERVAL).await;
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
