//! A fresh database for each test, on either engine.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::{Read, Store, Write};

/// A fresh database and the way to it.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) url: String,
    pub(super) store: Store,
}

impl Database {
    pub(super) async fn read(&self) -> Read {
        self.store.read().await.expect("the database is there")
    }

    pub(super) async fn write(&self) -> Write {
        self.store.write().await.expect("the database is there")
    }

    /// Runs statements that the store itself never would.
    pub(super) async fn meddle(&self, sql: impl Into<String>) {
        let sql = AssertSqlSafe(sql.into());
        if let Some(path) = self.url.strip_prefix("sqlite://") {
            let options = SqliteConnectOptions::new().filename(path);
            let mut connection: SqliteConnection = options.connect().await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

pub(super) async fn on_sqlite<T: Future<Output = ()>>(test: impl FnOnce(Database) -> T) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    let store = Store::open(&url).await.expect("a new file opens");
    test(Database { url, store }).await;
}

pub(super) async fn on_postgres<T: Future<Output = ()> + Send + 'static>(
    test: impl FnOnce(Database) -> T,
) {
    let Some(server) = environment("COUNTERSIGN_TEST_POSTGRES_URL") else {
        eprintln!("skipped on PostgreSQL: COUNTERSIGN_TEST_POSTGRES_URL is not set");
        return;
    };
    let name = format!("test_{}", Uuid::new_v4().simple());
    administer(&server, format!("CREATE DATABASE {name}")).await;
    let options = PgConnectOptions::from_str(&server).expect("the test server's URL is valid");
    let url = options.database(&name).to_url_lossy().to_string();
    let store = Store::open(&url).await.expect("a new database opens");
    let outcome = tokio::spawn(test(Database { url, store })).await;
    administer(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn administer(server: &str, sql: String) {
    let mut connection = PgConnection::connect(server)
        .await
        .expect("the test server is there");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .expect("the test user may make and drop databases");
}
