//! The door: opens the database and starts transactions.

use crate::anchors::AnchorIssued;
use crate::audit::AuditLine;
use crate::error::{OpenError, Result};
use crate::postgres::{PostgresEngine, persist};
use crate::record::Recorder;
use crate::sessions::SignOn;
use crate::sign_outs::SessionApp;
use crate::sqlite::SqliteEngine;
use crate::transaction::{Read, Write};

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    recorder: Recorder,
}

impl Store {
    /// Connects to `sqlite://…` or `postgres://…` and brings its tables up to date.
    ///
    /// Any number of processes may do so at the same time.
    pub async fn open(url: &str) -> std::result::Result<Self, OpenError> {
        let engine = Engine::open(url).await?;
        let recorder = Recorder::start(engine.clone());
        Ok(Self { engine, recorder })
    }

    /// Starts looking.
    pub async fn read(&self) -> Result<Read> {
        self.engine.read().await
    }

    /// Starts changing; nothing happens before [`Write::commit`].
    pub async fn write(&self) -> Result<Write> {
        self.engine.write().await
    }

    /// The session with this hash and what it allows at an application; `None` without a session.
    ///
    /// The same as [`Read::sign_on`] for less: one statement needs no transaction of its own.
    pub async fn sign_on(&self, id_hash: &[u8], app_id: &str) -> Result<Option<SignOn>> {
        match &self.engine {
            Engine::Postgres(postgres) => {
                let attempt =
                    || async move { postgres.read_once().await?.sign_on(id_hash, app_id).await };
                persist(attempt).await
            }
            Engine::Sqlite(sqlite) => sqlite.read_once().await?.sign_on(id_hash, app_id).await,
        }
    }

    /// Appends to the audit; on return the line is durable.
    ///
    /// For a line that belongs to no other change. Callers who wait at the same time share one
    /// commit, and a line once handed over is written even when its caller stops waiting.
    pub async fn record(&self, line: AuditLine) -> Result<()> {
        self.recorder.record(line, None, None).await
    }

    /// As [`Store::record`], for a token: with the line it becomes durable which application got a token of
    /// which session, and that an ImmutableID is out in the world.
    pub async fn record_token(
        &self,
        line: AuditLine,
        participant: Option<(Vec<u8>, SessionApp)>,
        anchor: Option<AnchorIssued>,
    ) -> Result<()> {
        self.recorder.record(line, participant, anchor).await
    }

    /// Whether changes can be made: the engine answers, nobody else keeps it locked, its file is in place.
    pub async fn ready(&self) -> Result<()> {
        if let Engine::Sqlite(sqlite) = &self.engine {
            sqlite.in_place()?;
        }
        self.engine.write().await.map(drop)
    }

    /// Closes the connections, after the transactions under way have ended.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Postgres(postgres) => postgres.close().await,
            Engine::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}

impl std::fmt::Debug for Store {
    /// Names the engine only: connection options hold a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self.engine {
            Engine::Postgres(_) => "Store(PostgreSQL)",
            Engine::Sqlite(_) => "Store(SQLite)",
        })
    }
}

/// The two engines.
#[derive(Clone)]
pub(crate) enum Engine {
    Postgres(PostgresEngine),
    Sqlite(SqliteEngine),
}

impl Engine {
    async fn open(url: &str) -> std::result::Result<Self, OpenError> {
        match url.split_once("://") {
            Some(("sqlite", path)) => Ok(Self::Sqlite(SqliteEngine::open(path).await?)),
            Some(("postgres" | "postgresql", _)) => {
                Ok(Self::Postgres(PostgresEngine::open(url).await?))
            }
            _ => Err(OpenError::Url {
                problem: "does not start with sqlite:// or postgres://",
            }),
        }
    }

    async fn read(&self) -> Result<Read> {
        match self {
            Self::Postgres(postgres) => postgres.read().await,
            Self::Sqlite(sqlite) => sqlite.read().await,
        }
    }

    pub(crate) async fn write(&self) -> Result<Write> {
        match self {
            Self::Postgres(postgres) => postgres.write().await,
            Self::Sqlite(sqlite) => sqlite.write().await,
        }
    }
    /// For one change, which is a transaction by itself.
    pub(crate) async fn write_once(&self) -> Result<Write> {
        match self {
            Self::Postgres(postgres) => postgres.write_once().await,
            Self::Sqlite(sqlite) => sqlite.write_once().await,
        }
    }
}
