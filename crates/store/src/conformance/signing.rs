//! Signing keys and their stages.

use tokio::task::JoinSet;

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
        known_at: Some(at(seconds + 1)),
        known_by: Some("somebody's word".to_owned()),
        replaced_at: (stage == Stage::Retired).then(|| at(seconds + 2)),
        withdrawn_at: (stage == Stage::Retired).then(|| at(seconds + 3)),
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
        .promote_signing_key(retired[0].id, Stage::Retired)
        .await;
    assert!(matches!(refused, Err(Error::Taken { .. })), "{refused:?}");
}

pub(super) async fn of_many_who_promote_a_key_one_succeeds(database: Database) {
    let app = added_app(&database).await;
    let [current, next] = [Stage::Current, Stage::Next].map(|stage| signing_key(&app, stage));
    for key in [&current, &next] {
        add(&database, key).await.unwrap();
    }
    let mut movers = JoinSet::new();
    for _ in 0..16 {
        let database = database.clone();
        movers.spawn(async move {
            let mut write = database.write().await;
            let replaced = write
                .replace_signing_key(current.id, Stage::Retired, at(7))
                .await
                .unwrap();
            let promoted = write
                .promote_signing_key(next.id, Stage::Next)
                .await
                .unwrap();
            assert_eq!(replaced, promoted);
            write.commit().await.unwrap();
            promoted
        });
    }
    let winners = movers.join_all().await.into_iter().filter(|moved| *moved);
    assert_eq!(winners.count(), 1);
    let keys = database.read().await.signing_keys(&app.id).await.unwrap();
    let stage = |id| keys.iter().find(|key| key.id == id).map(|key| key.stage);
    assert_eq!(stage(current.id), Some(Stage::Retired));
    assert_eq!(stage(next.id), Some(Stage::Current));
    assert!(keys.iter().any(|key| key.replaced_at == Some(at(7))));
}

pub(super) async fn a_key_signs_and_stops_and_signs_again(database: Database) {
    let app = added_app(&database).await;
    let [current, next] = [Stage::Current, Stage::Next].map(|stage| signing_key(&app, stage));
    for key in [&current, &next] {
        add(&database, key).await.unwrap();
    }
    let retired = Stage::Retired;
    let mut write = database.write().await;
    write.lock_signing_keys(&app.id).await.unwrap();
    assert!(
        !write
            .know_signing_key(current.id, at(1), "x")
            .await
            .unwrap()
    );
    assert!(write.know_signing_key(next.id, at(1), "me").await.unwrap());
    assert!(
        write
            .replace_signing_key(current.id, retired, at(2))
            .await
            .unwrap()
    );
    assert!(
        write
            .promote_signing_key(next.id, Stage::Next)
            .await
            .unwrap()
    );
    let keys = write.signing_keys(&app.id).await.unwrap();
    let signing = SigningKey {
        stage: Stage::Current,
        known_at: Some(at(1)),
        known_by: Some("me".to_owned()),
        ..next.clone()
    };
    assert!(keys.contains(&signing), "{keys:?}");
    assert!(
        write
            .replace_signing_key(next.id, Stage::Next, at(3))
            .await
            .unwrap()
    );
    assert!(
        write
            .promote_signing_key(current.id, retired)
            .await
            .unwrap()
    );
    write.commit().await.unwrap();
    let keys = database.read().await.signing_keys(&app.id).await.unwrap();
    let stopped = SigningKey {
        replaced_at: Some(at(3)),
        ..next
    };
    assert!(
        keys.contains(&current) && keys.contains(&stopped),
        "{keys:?}"
    );
}

pub(super) async fn a_withdrawn_key_is_gone_for_good_and_the_current_one_stays(database: Database) {
    let app = added_app(&database).await;
    let [current, next] = [Stage::Current, Stage::Next].map(|stage| signing_key(&app, stage));
    for key in [&current, &next] {
        add(&database, key).await.unwrap();
    }
    let mut write = database.write().await;
    assert!(!write.withdraw_signing_key(current.id, at(1)).await.unwrap());
    assert!(write.withdraw_signing_key(next.id, at(1)).await.unwrap());
    assert!(!write.withdraw_signing_key(next.id, at(2)).await.unwrap());
    assert!(
        !write
            .promote_signing_key(next.id, Stage::Retired)
            .await
            .unwrap()
    );
    write.commit().await.unwrap();
    let keys = database.read().await.signing_keys(&app.id).await.unwrap();
    let withdrawn = SigningKey {
        stage: Stage::Retired,
        sealed_private_key: Vec::new(),
        withdrawn_at: Some(at(1)),
        ..next
    };
    assert!(
        keys.contains(&current) && keys.contains(&withdrawn),
        "{keys:?}"
    );
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
