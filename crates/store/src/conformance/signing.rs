//! Signing keys and their stages.

use tokio::task::JoinSet;
use uuid::Uuid;

use super::Database;
use super::samples::{app, at, signing_key};
use crate::{App, Error, SigningKey, Stage};

pub(super) async fn a_signing_key_comes_back_as_added(database: Database) {
    let app = added_app(&database).await;
    let keys = [
        (Stage::Retired, 1),
        (Stage::Retired, 2),
        (Stage::Current, 3),
        (Stage::Next, 4),
    ]
    .map(|(stage, seconds)| SigningKey {
        created_at: at(seconds),
        ..signing_key(&app, stage)
    });
    for key in keys.iter().rev() {
        add(&database, key).await.unwrap();
    }
    let mut read = database.read().await;
    assert_eq!(read.signing_keys(&app.id).await.unwrap(), keys);
    let current = read.current_signing_key(&app.id).await.unwrap();
    assert_eq!(current.as_ref(), Some(&keys[2]));
    assert_eq!(read.current_signing_key("none").await.unwrap(), None);
}

pub(super) async fn an_app_has_one_current_and_one_next_key(database: Database) {
    let app = added_app(&database).await;
    for stage in [Stage::Current, Stage::Next] {
        add(&database, &signing_key(&app, stage)).await.unwrap();
        let refused = add(&database, &signing_key(&app, stage)).await;
        let expected = "stage of the signing keys";
        assert!(
            matches!(refused, Err(Error::Taken { what }) if what == expected),
            "{refused:?}"
        );
    }
    let retired = [(); 2].map(|()| signing_key(&app, Stage::Retired));
    for key in &retired {
        add(&database, key).await.unwrap();
    }
    let mut write = database.write().await;
    let refused = write
        .move_signing_key(retired[0].id, Stage::Retired, Stage::Current)
        .await;
    assert!(matches!(refused, Err(Error::Taken { .. })), "{refused:?}");
}

pub(super) async fn of_many_who_move_a_key_one_succeeds(database: Database) {
    let app = added_app(&database).await;
    let key = signing_key(&app, Stage::Next);
    add(&database, &key).await.unwrap();
    let mut movers = JoinSet::new();
    for _ in 0..16 {
        let database = database.clone();
        movers.spawn(async move {
            let mut write = database.write().await;
            let moved = write
                .move_signing_key(key.id, Stage::Next, Stage::Current)
                .await
                .unwrap();
            write.commit().await.unwrap();
            moved
        });
    }
    let winners = movers.join_all().await.into_iter().filter(|moved| *moved);
    assert_eq!(winners.count(), 1);
    let mut write = database.write().await;
    let nobody = write
        .move_signing_key(Uuid::now_v7(), Stage::Next, Stage::Current)
        .await;
    assert!(!nobody.unwrap());
}

async fn added_app(database: &Database) -> App {
    let app = app("a");
    let mut write = database.write().await;
    write.add_app(&app, &[]).await.unwrap();
    write.commit().await.unwrap();
    app
}

async fn add(database: &Database, key: &SigningKey) -> crate::Result<()> {
    let mut write = database.write().await;
    write.add_signing_key(key).await?;
    write.commit().await
}
