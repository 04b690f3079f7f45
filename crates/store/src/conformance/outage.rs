//! PostgreSQL goes away and comes back.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_half_way_leaves_no_transaction_behind() {
    on_postgres(|database| async move {
        let gate = Gate::open(&database.url).await;
        let store = Store::open(&gate.url).await.unwrap();
        for round in 0..8 {
            fill_the_pool(&store).await;
            let (writing, committing) = (store.clone(), store.write().await.unwrap());
            gate.held.send(true).unwrap();
            let (reading, looking) = (store.clone(), store.clone());
            let callers = [
                tokio::spawn(async move { writing.write().await.map(drop) }),
                tokio::spawn(async move { reading.read().await.map(drop) }),
                tokio::spawn(async move { looking.sign_on(&[0; 32], "a").await.map(drop) }),
                tokio::spawn(async move { committing.commit().await }),
            ];
            // Long enough for each statement to be sent, and not to be answered.
            tokio::time::sleep(Duration::from_millis(30)).await;
            for caller in &callers {
                caller.abort();
            }
            for caller in callers {
                let _ = caller.await;
            }
            gate.held.send(false).unwrap();
            // Whichever connection it gets, what is acknowledged is there for everybody.
            let mut recorders = JoinSet::new();
            for number in 0..20 {
                let store = store.clone();
                recorders.spawn(async move {
                    store.record(line("kept", number)).await.unwrap();
                    let mut write = store.write().await.unwrap();
                    let name = format!("user{round}x{number}");
                    write.add_user(&user(&name)).await.unwrap();
                    write.commit().await.unwrap();
                });
            }
            recorders.join_all().await;
            let mut read = database.read().await;
            assert_eq!(
                read.audit(1_000, None).await.unwrap().len(),
                20 * (round + 1)
            );
            assert_eq!(read.users().await.unwrap().len(), 20 * (round + 1));
        }
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
    /// Whether the server's answers wait.
    held: watch::Sender<bool>,
}

impl Gate {
    async fn open(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).unwrap();
        let server = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = options.host("127.0.0.1").port(address.port());
        let held = watch::Sender::new(false);
        Self {
            url: options.to_url_lossy().to_string(),
            address,
            task: tokio::spawn(forward(listener, server.clone(), held.subscribe())),
            server,
            held,
        }
    }

    /// Cuts every connection and refuses new ones.
    async fn shut(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    async fn reopen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let held = self.held.subscribe();
        self.task = tokio::spawn(forward(listener, self.server.clone(), held));
    }
}

async fn forward(listener: TcpListener, server: (String, u16), held: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, held) = (server.clone(), held.clone());
        connections.spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            let (mut from_client, to_client) = client.into_split();
            let (from_server, mut to_server) = server.into_split();
            tokio::select! {
                _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                () = answers(from_server, to_client, held) => {}
            }
        });
    }
}

/// Passes the server's answers on, unless they are held.
async fn answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    mut held: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 8 << 10];
    while let Ok(count @ 1..) = server.read(&mut bytes).await {
        if held.wait_for(|held| !held).await.is_err()
            || client.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
