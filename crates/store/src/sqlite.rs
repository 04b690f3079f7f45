//! SQLite: one file, one writer, a few readers.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error::{OpenError, Result};
use crate::transaction::{Read, Route, Write};

/// A look-up takes some ten microseconds, so few readers serve many.
const READERS: u32 = 4;
/// How long to wait for the writer, for a reader, or for another process that opens the file.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How often to look whether another process has finished opening.
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// The pools of one database file.
#[derive(Clone)]
pub(crate) struct SqliteEngine {
    readers: SqlitePool,
    writer: SqlitePool,
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
        Ok(Self { readers, writer })
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

/// A local file does not go stale, so its connections live as long as the pool.
fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn file(path: &str) -> std::result::Result<PathBuf, OpenError> {
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
    let give_up = Instant::now() + PATIENCE;
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
