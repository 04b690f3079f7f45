//! What a transaction promises.

use std::time::Duration;

use tokio::task::JoinSet;

use super::Database;
use super::samples::{at, group, user};
use crate::{Error, User};

pub(super) async fn a_dropped_write_never_happened(database: Database) {
    let mut write = database.write().await;
    write.add_user(&user("alice")).await.unwrap();
    drop(write);
    assert_eq!(database.read().await.users().await.unwrap(), []);
}

pub(super) async fn a_failed_statement_fails_the_commit(database: Database) {
    let alice = user("alice");
    let again = User {
        upn_key: alice.upn_key.clone(),
        ..user("bob")
    };
    let mut write = database.write().await;
    write.add_user(&alice).await.unwrap();
    write.add_user(&again).await.unwrap_err();
    // Whether the next statement runs differs by engine; what becomes of it must not.
    let _ = write.add_group(&group("sales")).await;
    let refused = write.commit().await;
    assert!(
        matches!(refused, Err(Error::Taken { what: "UPN" })),
        "{refused:?}"
    );
    let mut read = database.read().await;
    assert_eq!(read.users().await.unwrap(), []);
    assert_eq!(read.groups().await.unwrap(), []);
}

pub(super) async fn a_failed_look_up_fails_the_commit(database: Database) {
    database.meddle("DROP TABLE one_time_links").await;
    let mut write = database.write().await;
    write.add_user(&user("alice")).await.unwrap();
    let broken = write.one_time_link(&[0; 32]).await;
    assert!(matches!(broken, Err(Error::Broken(_))), "{broken:?}");
    write.commit().await.unwrap_err();
    assert_eq!(database.read().await.users().await.unwrap(), []);
}

pub(super) async fn a_write_sees_its_own_changes(database: Database) {
    let alice = user("alice");
    let mut write = database.write().await;
    write.add_user(&alice).await.unwrap();
    assert_eq!(write.users().await.unwrap(), [alice]);
    assert_eq!(database.read().await.users().await.unwrap(), []);
}

pub(super) async fn a_read_is_one_consistent_view(database: Database) {
    let mut before = database.read().await;
    assert_eq!(before.users().await.unwrap(), []);
    let mut write = database.write().await;
    write.add_user(&user("alice")).await.unwrap();
    write.add_group(&group("sales")).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(before.users().await.unwrap(), []);
    assert_eq!(before.groups().await.unwrap(), []);
    let mut after = database.read().await;
    assert_eq!(after.users().await.unwrap().len(), 1);
    assert_eq!(after.groups().await.unwrap().len(), 1);
}

pub(super) async fn many_read_then_write_writers_all_succeed(database: Database) {
    let mut writers = JoinSet::new();
    for number in 0..32 {
        let database = database.clone();
        writers.spawn(async move {
            let mut write = database.write().await;
            write.users().await.unwrap();
            write
                .add_user(&user(&format!("user{number}")))
                .await
                .unwrap();
            write.commit().await.unwrap();
        });
    }
    writers.join_all().await;
    assert_eq!(database.read().await.users().await.unwrap().len(), 32);
}

pub(super) async fn a_locked_throttle_counts_exactly(database: Database) {
    let mut counters = JoinSet::new();
    for _ in 0..16 {
        let database = database.clone();
        counters.spawn(async move {
            for _ in 0..5 {
                let mut write = database.write().await;
                let mut throttle = write.lock_throttle("alice", at(0)).await.unwrap();
                throttle.failures += 1;
                tokio::task::yield_now().await;
                write.save_throttle(&throttle).await.unwrap();
                write.commit().await.unwrap();
            }
        });
    }
    counters.join_all().await;
    let throttle = database.read().await.throttle("alice").await.unwrap();
    assert_eq!(throttle.unwrap().failures, 80);
}

pub(super) async fn an_abandoned_write_does_not_block_the_next(database: Database) {
    for number in 0..50 {
        // Some are dropped before BEGIN, some within a statement, some between two.
        let store = database.store.clone();
        let abandoned = async move {
            let mut write = store.write().await.unwrap();
            for member in 0..100 {
                write
                    .add_user(&user(&format!("ghost{number}-{member}")))
                    .await
                    .unwrap();
            }
            std::future::pending::<()>().await;
        };
        let patience = Duration::from_micros(number * 100);
        tokio::time::timeout(patience, abandoned).await.unwrap_err();
    }
    let mut write = database.write().await;
    write.add_user(&user("alice")).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(
        database.read().await.users().await.unwrap(),
        [user_named(&database).await]
    );
}

async fn user_named(database: &Database) -> User {
    let found = database
        .read()
        .await
        .user_by_upn("alice@contoso.example")
        .await;
    found.unwrap().expect("committed")
}
