//! A transaction that looks, and one that changes.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};

use crate::error::{Error, Result};
use crate::postgres;

/// A consistent view of the database: every look-up sees the same moment.
pub struct Read {
    route: Route,
    failure: Option<Error>,
}

/// A change of the database: all of it happens at [`Write::commit`], or nothing.
///
/// Keep it short: on SQLite there is one at a time. Hash, sign and fetch before it starts.
pub struct Write(Read);

/// Where statements go; a transaction that is dropped rolls back.
pub(crate) enum Route {
    Postgres(sqlx::Transaction<'static, Postgres>),
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// For one statement, which is a transaction by itself.
    PostgresOnce(PoolConnection<Postgres>),
    /// For one statement, which is a transaction by itself.
    SqliteOnce(PoolConnection<Sqlite>),
}

/// The engine that a statement is for.
pub(crate) enum Connection<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

impl Read {
    pub(crate) fn new(route: Route) -> Self {
        Self {
            route,
            failure: None,
        }
    }

    pub(crate) fn connection(&mut self) -> Connection<'_> {
        match &mut self.route {
            Route::Postgres(transaction) => Connection::Postgres(transaction),
            Route::PostgresOnce(connection) => Connection::Postgres(connection),
            Route::Sqlite(transaction) => Connection::Sqlite(transaction),
            Route::SqliteOnce(connection) => Connection::Sqlite(connection),
        }
    }

    /// Remembers the first failure, which [`Write::commit`] must not forget.
    pub(crate) fn note<T>(&mut self, outcome: sqlx::Result<T>) -> Result<T> {
        outcome.map_err(|error| {
            let error = Error::from(error);
            self.failure.get_or_insert_with(|| error.clone());
            error
        })
    }
}

impl Write {
    pub(crate) fn new(route: Route) -> Self {
        Self(Read::new(route))
    }

    /// Makes the change happen; on return it is durable.
    ///
    /// Refuses with the first error if any statement failed, since PostgreSQL would answer success
    /// and keep nothing, and SQLite would keep the rest.
    pub async fn commit(self) -> Result<()> {
        if let Some(error) = self.0.failure {
            return Err(error);
        }
        match self.0.route {
            Route::Postgres(transaction) => postgres::answered(transaction.commit()).await?,
            Route::Sqlite(transaction) => transaction.commit().await?,
            Route::PostgresOnce(_) | Route::SqliteOnce(_) => {}
        }
        Ok(())
    }
}

impl Deref for Write {
    type Target = Read;

    fn deref(&self) -> &Read {
        &self.0
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Read {
        &mut self.0
    }
}
