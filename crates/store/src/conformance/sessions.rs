//! Sessions, and what they allow.

use super::Database;
use super::samples::{app, at, group, issuer, session, signing_key, user};
use crate::{App, Error, Session, SignOn, SigningKey, Stage, User};

pub(super) async fn a_session_comes_back_as_added(database: Database) {
    let alice = added_user(&database, "alice").await;
    let own = session(&alice, 7);
    add(&database, &own).await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.session(&[7; 32]).await.unwrap(), Some(own.clone()));
    assert_eq!(read.session(&[8; 32]).await.unwrap(), None);
    let again = add(&database, &own).await;
    assert!(
        matches!(again, Err(Error::Taken { what: "identifier" })),
        "{again:?}"
    );
    let nobodys = add(&database, &session(&user("nobody"), 9)).await;
    assert!(matches!(nobodys, Err(Error::Missing)), "{nobodys:?}");
}

pub(super) async fn a_session_is_touched_and_ended(database: Database) {
    let alice = added_user(&database, "alice").await;
    let other = session(&alice, 8);
    add(&database, &session(&alice, 7)).await.unwrap();
    add(&database, &other).await.unwrap();

    let mut write = database.write().await;
    assert!(write.touch_session(&[7; 32], at(99)).await.unwrap());
    assert!(!write.touch_session(&[9; 32], at(99)).await.unwrap());
    write.commit().await.unwrap();
    let touched = database.read().await.session(&[7; 32]).await.unwrap();
    let expected = Session {
        last_seen_at: at(99),
        ..session(&alice, 7)
    };
    assert_eq!(touched, Some(expected));

    let mut write = database.write().await;
    assert!(write.end_session(&[7; 32]).await.unwrap());
    assert!(!write.end_session(&[7; 32]).await.unwrap(), "already");
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.session(&[7; 32]).await.unwrap(), None);
    assert_eq!(read.session(&[8; 32]).await.unwrap(), Some(other));
}

pub(super) async fn all_sessions_of_a_user_end(database: Database) {
    let alice = added_user(&database, "alice").await;
    let bob = added_user(&database, "bob").await;
    for (user, byte) in [(&alice, 1), (&alice, 2), (&bob, 3)] {
        add(&database, &session(user, byte)).await.unwrap();
    }
    let mut write = database.write().await;
    assert_eq!(write.end_sessions_of(alice.id).await.unwrap(), 2);
    assert_eq!(write.end_sessions_of(alice.id).await.unwrap(), 0);
    write.commit().await.unwrap();
    assert!(
        database
            .read()
            .await
            .session(&[3; 32])
            .await
            .unwrap()
            .is_some()
    );
}

pub(super) async fn a_sign_on_holds_everything_a_token_needs(database: Database) {
    let alice = added_user(&database, "alice").await;
    let app = app("a");
    let issuers = ["a.example", "b.example", "c.example"].map(|domain| issuer(&app, domain));
    let mut write = database.write().await;
    write.add_app(&app, &issuers).await.unwrap();
    write.commit().await.unwrap();
    let key = added_key(&database, &app, Stage::Current).await;
    add(&database, &session(&alice, 7)).await.unwrap();
    grant(&database, &app, &alice).await;
    let expected = SignOn {
        session: session(&alice, 7),
        user: alice,
        granted: true,
        app: Some(app),
        issuers: issuers.into(),
        signing_key: Some(key),
    };
    assert_eq!(sign_on(&database, 7, "a").await, Some(expected));
}

pub(super) async fn a_sign_on_says_what_is_missing(database: Database) {
    let alice = added_user(&database, "alice").await;
    let bob = added_user(&database, "bob").await;
    let app = added_app(&database, "a").await;
    let without_key = added_app(&database, "b").await;
    let key = added_key(&database, &app, Stage::Current).await;
    add(&database, &session(&alice, 7)).await.unwrap();
    add(&database, &session(&bob, 8)).await.unwrap();
    grant(&database, &without_key, &alice).await;
    grant(&database, &app, &bob).await;

    assert_eq!(sign_on(&database, 9, "a").await, None, "no session");

    let not_granted = sign_on(&database, 7, "a").await.unwrap();
    assert!(!not_granted.granted, "others' grants are no use");
    assert_eq!(
        (not_granted.app, not_granted.signing_key),
        (Some(app), Some(key))
    );

    let no_key = sign_on(&database, 7, "b").await.unwrap();
    assert!(no_key.granted);
    assert_eq!((no_key.app, no_key.signing_key), (Some(without_key), None));

    let no_app = sign_on(&database, 7, "c").await.unwrap();
    assert_eq!(no_app.user, alice);
    assert!(!no_app.granted);
    assert_eq!((no_app.app, no_app.signing_key), (None, None));
    assert_eq!(no_app.issuers, []);
}

pub(super) async fn a_sign_on_takes_the_current_key_only(database: Database) {
    let alice = added_user(&database, "alice").await;
    let app = added_app(&database, "a").await;
    add(&database, &session(&alice, 7)).await.unwrap();
    added_key(&database, &app, Stage::Retired).await;
    added_key(&database, &app, Stage::Next).await;
    let before = sign_on(&database, 7, "a").await.unwrap();
    assert_eq!(before.signing_key, None);
    let current = added_key(&database, &app, Stage::Current).await;
    let after = sign_on(&database, 7, "a").await.unwrap();
    assert_eq!(after.signing_key, Some(current));
}

async fn sign_on(database: &Database, session: u8, app_id: &str) -> Option<SignOn> {
    let hash = [session; 32];
    let alone = database.store.sign_on(&hash, app_id).await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.sign_on(&hash, app_id).await.unwrap(), alone);
    alone
}

async fn add(database: &Database, session: &Session) -> crate::Result<()> {
    let mut write = database.write().await;
    write.add_session(session).await?;
    write.commit().await
}

async fn added_user(database: &Database, name: &str) -> User {
    let user = user(name);
    let mut write = database.write().await;
    write.add_user(&user).await.unwrap();
    write.commit().await.unwrap();
    user
}

async fn added_app(database: &Database, id: &str) -> App {
    let app = app(id);
    let mut write = database.write().await;
    write.add_app(&app, &[]).await.unwrap();
    write.commit().await.unwrap();
    app
}

async fn added_key(database: &Database, app: &App, stage: Stage) -> SigningKey {
    let key = signing_key(app, stage);
    let mut write = database.write().await;
    write.add_signing_key(&key).await.unwrap();
    write.commit().await.unwrap();
    key
}

async fn grant(database: &Database, app: &App, user: &User) {
    let group = group(&app.id);
    let mut write = database.write().await;
    write.add_group(&group).await.unwrap();
    write.join_group(group.id, user.id).await.unwrap();
    write.grant(&app.id, group.id).await.unwrap();
    write.commit().await.unwrap();
}
