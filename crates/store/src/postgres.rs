//! PostgreSQL: one pool, whose dead connections are noticed where they are used.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::error::{OpenError, Result};
use crate::transaction::{Read, Route, Write};

const CONNECTIONS: u32 = 16;
/// How long a caller waits for a connection before the database counts as away.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long to wait for an answer; a little longer than PostgreSQL itself lets a statement run.
const ANSWER: Duration = Duration::from_secs(12);
/// How long to wait at start: the database may be starting too.
const PATIENCE_AT_START: Duration = Duration::from_secs(10);

const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
const WRITE: &str = "BEGIN";

/// The pool of one database.
#[derive(Clone)]
pub(crate) struct PostgresEngine {
    pool: PgPool,
}

impl PostgresEngine {
    pub(crate) async fn open(url: &str) -> std::result::Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| OpenError::Url {
                problem: "cannot be read as PostgreSQL's",
            })?
            .application_name("countersign")
            .statement_cache_capacity(256)
            .disable_statement_logging();
        migrate(options.clone()).await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            // `begin` notices a dead connection itself, without a question per transaction.
            .test_before_acquire(false)
            .connect_with(options.options([
                ("statement_timeout", "10s"),
                ("lock_timeout", "5s"),
                ("idle_in_transaction_session_timeout", "10s"),
            ]))
            .await
            .map_err(OpenError::Connect)?;
        Ok(Self { pool })
    }

    pub(crate) async fn read(&self) -> Result<Read> {
        Ok(Read::new(self.begin(READ).await?))
    }

    pub(crate) async fn write(&self) -> Result<Write> {
        Ok(Write::new(self.begin(WRITE).await?))
    }

    /// For one look-up, which the caller repeats while its connection turns out to be dead.
    pub(crate) async fn read_once(&self) -> Result<Read> {
        Ok(Read::new(Route::PostgresOnce(self.pool.acquire().await?)))
    }

    /// For one change.
    pub(crate) async fn write_once(&self) -> Result<Write> {
        Ok(Write::new(Route::PostgresOnce(self.pool.acquire().await?)))
    }

    async fn begin(&self, statement: &'static str) -> Result<Route> {
        // In a task of its own, which ends even if nobody waits any more: a BEGIN that is given up half-way
        // would leave its connection inside a transaction, and the pool would hand it to the next caller.
        let transaction = persist(|| {
            let pool = self.pool.clone();
            let begun = tokio::spawn(async move { pool.begin_with(statement).await });
            async move { Ok(begun.await.map_err(|_| sqlx::Error::WorkerCrashed)??) }
        });
        Ok(Route::Postgres(transaction.await?))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Tries again when a connection turns out to have died in the pool. It leaves the pool with that,
/// so the pool is out of dead ones after as many tries as it has connections.
pub(crate) async fn persist<T, A: Future<Output = Result<T>>>(
    attempt: impl Fn() -> A,
) -> Result<T> {
    let attempts = async {
        for _ in 0..CONNECTIONS {
            match attempt().await {
                Err(error) if error.is_unavailable() => {}
                outcome => return outcome,
            }
        }
        attempt().await
    };
    tokio::time::timeout(PATIENCE, attempts)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
}

/// Waits for the answer to a statement no longer than an answer can take: a server behind a dead
/// network path says nothing at all.
pub(crate) async fn answered<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(ANSWER, answer)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Migrates over a connection of its own, without the time limits of everyday statements.
///
/// sqlx holds an advisory lock meanwhile, so several servers may start at once.
async fn migrate(options: PgConnectOptions) -> std::result::Result<(), OpenError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE_AT_START)
        .connect_with(options)
        .await
        .map_err(OpenError::Connect)?;
    let outcome = sqlx::migrate!("../../migrations").run(&pool).await;
    pool.close().await;
    Ok(outcome?)
}
