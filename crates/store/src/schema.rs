//! Whether the tables are those of this version: looked at, and left alone.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::Store;
use crate::error::OpenError;
use crate::sqlite;

/// How long a database may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(10);
const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";

/// How the tables of a database compare with what this version works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// No server has ever started on it.
    Missing,
    /// A server of this version would migrate it at its start.
    Older {
        /// How many migrations it lacks.
        lacks: usize,
    },
    /// As this version needs it.
    Current,
    /// A newer version has been here.
    Newer {
        /// The migration that we do not know.
        version: i64,
    },
}

impl Store {
    /// Compares the tables with this version; unlike [`Store::open`] it neither makes nor migrates any.
    pub async fn schema(url: &str) -> Result<Schema, OpenError> {
        let look = async {
            match url.split_once("://") {
                Some(("sqlite", path)) => of_sqlite(path).await,
                Some(("postgres" | "postgresql", _)) => of_postgres(url).await,
                _ => Err(OpenError::Url {
                    problem: "does not start with sqlite:// or postgres://",
                }),
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .unwrap_or(Err(OpenError::Connect(sqlx::Error::PoolTimedOut)))
    }
}

async fn of_sqlite(path: &str) -> Result<Schema, OpenError> {
    let path = sqlite::file(path)?;
    if !path.exists() {
        return Ok(Schema::Missing);
    }
    // Not read-only: to read in WAL mode SQLite has to make a file beside it if no server runs.
    let options = SqliteConnectOptions::new().filename(&path);
    let mut connection: SqliteConnection = options
        .disable_statement_logging()
        .connect()
        .await
        .map_err(OpenError::Connect)?;
    let applied = sqlx::query_scalar(APPLIED).fetch_all(&mut connection).await;
    // Closing tidies up; what was read is read.
    let _ = connection.close().await;
    compare(applied)
}

async fn of_postgres(url: &str) -> Result<Schema, OpenError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url {
        problem: "cannot be read as PostgreSQL's",
    })?;
    let mut connection: PgConnection = options
        .application_name("countersign")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(OpenError::Connect)?;
    let applied = sqlx::query_scalar(APPLIED).fetch_all(&mut connection).await;
    let _ = connection.close().await;
    compare(applied)
}

fn compare(applied: sqlx::Result<Vec<i64>>) -> Result<Schema, OpenError> {
    let applied = match applied {
        Ok(applied) => applied,
        // "no such table" of SQLite, and "undefined table" of PostgreSQL.
        Err(sqlx::Error::Database(refusal))
            if matches!(refusal.code().as_deref(), Some("1" | "42P01")) =>
        {
            return Ok(Schema::Missing);
        }
        Err(error) => return Err(OpenError::Connect(error)),
    };
    let known: Vec<i64> = sqlx::migrate!("../../migrations")
        .iter()
        .map(|migration| migration.version)
        .collect();
    if let Some(version) = applied.iter().copied().find(|one| !known.contains(one)) {
        return Ok(Schema::Newer { version });
    }
    Ok(match known.len() - applied.len() {
        0 => Schema::Current,
        lacks => Schema::Older { lacks },
    })
}
