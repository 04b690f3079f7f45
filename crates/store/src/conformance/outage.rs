//! PostgreSQL goes away and comes back.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::Database;
use super::engines::on_postgres;
use super::samples::{line, user};
use crate::Store;

#[tokio::test(flavor = "multi_thread")]
async fn killed_connections_are_replaced_without_an_error() {
    on_postgres(|database| async move {
        fill_the_pool(&database.store).await;
        assert!(kill_all(&database).await >= 8);
        // As many at once as the pool has connections, all of them dead.
        let mut callers = JoinSet::new();
        for number in 0..16 {
            let store = database.store.clone();
            callers.spawn(async move {
                store.sign_on(&[0; 32], "a").await?;
                store.read().await?.users().await?;
                let mut write = store.write().await?;
                write.add_user(&user(&format!("user{number}"))).await?;
                write.commit().await
            });
        }
        for outcome in callers.join_all().await {
            outcome.unwrap();
        }
        assert_eq!(database.read().await.users().await.unwrap().len(), 16);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_line_survives_killed_connections() {
    on_postgres(|database| async move {
        for seconds in 0..3 {
            fill_the_pool(&database.store).await;
            kill_all(&database).await;
            database.store.record(line("kept", seconds)).await.unwrap();
        }
        let lines = database.read().await.audit(10, None).await.unwrap();
        assert_eq!(lines.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_loses_its_connection_is_unavailable_and_nothing_is_written() {
    on_postgres(|database| async move {
        let mut write = database.write().await;
        write.add_user(&user("alice")).await.unwrap();
        kill_all(&database).await;
        let lost = write.add_user(&user("bob")).await.unwrap_err();
        assert!(lost.is_unavailable(), "{lost:?}");
        assert!(write.commit().await.unwrap_err().is_unavailable());
        assert_eq!(database.read().await.users().await.unwrap(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_unavailable_soon_and_back_at_once() {
    on_postgres(|database| async move {
        let mut gate = Gate::open(&database.url).await;
        let store = Store::open(&gate.url).await.unwrap();
        fill_the_pool(&store).await;
        gate.shut().await;
        let started = Instant::now();
        let away = store.read().await.map(drop).unwrap_err();
        assert!(away.is_unavailable(), "{away:?}");
        let away = store.record(line("lost", 0)).await.unwrap_err();
        assert!(away.is_unavailable(), "{away:?}");
        assert!(started.elapsed() < Duration::from_secs(8));
        gate.reopen().await;
        store.record(line("kept", 1)).await.unwrap();
        let lines = store.read().await.unwrap().audit(10, None).await.unwrap();
        assert_eq!(lines.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_wait_at_once_share_commits() {
    on_postgres(|database| async move {
        let mut callers = JoinSet::new();
        for number in 0..200 {
            let store = database.store.clone();
            callers.spawn(async move { store.record(line("event", number)).await });
        }
        for outcome in callers.join_all().await {
            outcome.unwrap();
        }
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        let commits: i64 = sqlx::query_scalar("SELECT COUNT(DISTINCT xmin::text) FROM audit")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(
            (1..50).contains(&commits),
            "{commits} commits for 200 lines"
        );
    })
    .await;
}

/// Leaves several idle connections in the pool.
async fn fill_the_pool(store: &Store) {
    let mut reads = Vec::new();
    for _ in 0..12 {
        reads.push(store.read().await.unwrap());
    }
}

/// Ends every other connection to the database, as a restart of the server does.
async fn kill_all(database: &Database) -> usize {
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let killed: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    killed.len()
}

/// Stands between the store and the server, and can cut the line.
struct Gate {
    url: String,
    address: SocketAddr,
    server: (String, u16),
    task: JoinHandle<()>,
}

impl Gate {
    async fn open(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).unwrap();
        let server = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = options.host("127.0.0.1").port(address.port());
        Self {
            url: options.to_url_lossy().to_string(),
            address,
            task: tokio::spawn(forward(listener, server.clone())),
            server,
        }
    }

    /// Cuts every connection and refuses new ones.
    async fn shut(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    async fn reopen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = tokio::spawn(forward(listener, self.server.clone()));
    }
}

async fn forward(listener: TcpListener, server: (String, u16)) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let server = server.clone();
        connections.spawn(async move {
            let mut server = TcpStream::connect(server).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
