//! Sessions, and what they allow.

use super::Database;
use super::samples::{app, at, group, issuer, line, session, sign_out, signing_key, user};
use crate::{
    App, Error, Protocol, Session, SessionApp, SignOn, SignOutStep, SigningKey, Stage, StepState,
    StoredNameId, User,
};

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
    let told = [Protocol::Saml, Protocol::Wsfed].map(|protocol| SessionApp {
        protocol,
        ..session_app("a", "_index")
    });
    let mut write = database.write().await;
    for told in &told {
        write.note_session_app(&[7; 32], told).await.unwrap();
    }
    let pairwise = write.add_pairwise_id("a", alice.id, "p1", at(0)).await;
    write.commit().await.unwrap();
    let expected = SignOn {
        known: told.into(),
        pairwise_id: pairwise.ok(),
        session: session(&alice, 7),
        user: alice,
        granted: true,
        app: Some(app),
        issuers: issuers.into(),
        signing_key: Some(key),
    };
    let mut found = sign_on(&database, 7, "a").await.unwrap();
    found.known.sort_by_key(|known| known.protocol.to_string());
    assert_eq!(found, expected);
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

pub(super) async fn who_has_a_token_is_durable_with_its_audit_line(database: Database) {
    let alice = added_user(&database, "alice").await;
    added_app(&database, "a").await;
    add(&database, &session(&alice, 7)).await.unwrap();
    let first = session_app("a", "_first");
    let second = session_app("a", "_second");
    for told in [&first, &second] {
        let participant = Some((vec![7; 32], told.clone()));
        let line = line("token.issued", 1);
        database
            .store
            .record_token(line, participant, None)
            .await
            .unwrap();
    }
    let mut read = database.read().await;
    assert_eq!(read.session_apps(&[7; 32]).await.unwrap(), [second]);
    assert_eq!(read.audit(10, None).await.unwrap().len(), 2);
}

pub(super) async fn a_token_of_a_session_that_has_ended_is_still_on_record(database: Database) {
    added_app(&database, "a").await;
    let participant = Some((vec![7; 32], session_app("a", "_index")));
    let line = line("token.issued", 1);
    database
        .store
        .record_token(line, participant, None)
        .await
        .unwrap();
    let mut read = database.read().await;
    assert_eq!(read.session_apps(&[7; 32]).await.unwrap(), []);
    assert_eq!(read.audit(10, None).await.unwrap().len(), 1);
}

pub(super) async fn sessions_are_found_by_what_their_app_was_told(database: Database) {
    let alice = added_user(&database, "alice").await;
    added_app(&database, "a").await;
    added_app(&database, "b").await;
    for (byte, app_id, index) in [(1, "a", "_1"), (2, "a", "_2"), (3, "b", "_3")] {
        add(&database, &session(&alice, byte)).await.unwrap();
        let mut write = database.write().await;
        let told = session_app(app_id, index);
        write.note_session_app(&[byte; 32], &told).await.unwrap();
        write.commit().await.unwrap();
    }
    for (name, indexes, expected) in [
        ("alice", &[][..], &[1, 2][..]),
        ("alice", &["_2"], &[2]),
        // Another application's session, then another name.
        ("alice", &["_3"], &[]),
        ("Alice", &[], &[]),
    ] {
        let indexes: Vec<String> = indexes.iter().map(ToString::to_string).collect();
        let mut read = database.read().await;
        let found = read.sessions_of_subject("a", name, &indexes).await.unwrap();
        let found: Vec<u8> = found.iter().map(|session| session.id_hash[0]).collect();
        assert_eq!(found, expected, "{name} {indexes:?}");
    }
}

pub(super) async fn an_ended_session_leaves_no_trace_of_its_apps(database: Database) {
    let alice = added_user(&database, "alice").await;
    added_app(&database, "a").await;
    add(&database, &session(&alice, 7)).await.unwrap();
    let mut write = database.write().await;
    let told = session_app("a", "_index");
    write.note_session_app(&[7; 32], &told).await.unwrap();
    assert!(write.end_session(&[7; 32]).await.unwrap());
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.session_apps(&[7; 32]).await.unwrap(), []);
}

pub(super) async fn a_pairwise_id_stays_what_it_was_first(database: Database) {
    let alice = added_user(&database, "alice").await;
    let mut write = database.write().await;
    for value in ["first", "second"] {
        let stored = write.add_pairwise_id("a", alice.id, value, at(0)).await;
        assert_eq!(stored.unwrap(), "first");
    }
    let other = write.add_pairwise_id("b", alice.id, "other", at(0)).await;
    assert_eq!(other.unwrap(), "other");
    write.commit().await.unwrap();
    let again = database
        .write()
        .await
        .add_pairwise_id("c", alice.id, "first", at(0))
        .await;
    assert!(matches!(again, Err(Error::Taken { .. })), "{again:?}");
}

pub(super) async fn a_sign_out_and_its_steps_come_back_as_added(database: Database) {
    let steps = [("_r1", 0), ("_r2", 1)].map(|(request_id, position)| SignOutStep {
        request_id: request_id.to_owned(),
        position,
        app_id: "a".to_owned(),
        protocol: Protocol::Saml,
        name_id: session_app("a", "").name_id,
        session_index: (position == 0).then(|| "_index".to_owned()),
        state: StepState::Waiting,
    });
    let mut write = database.write().await;
    write.add_sign_out(&sign_out(7), &steps).await.unwrap();
    write.add_sign_out(&sign_out(8), &[]).await.unwrap();
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.sign_out(&[7; 32]).await.unwrap(), Some(sign_out(7)));
    assert_eq!(read.sign_out_steps(&[7; 32]).await.unwrap(), steps);
    let found = read.sign_out_step("_r2").await.unwrap();
    assert_eq!(found, Some((sign_out(7), steps[1].clone())));
    assert_eq!(read.sign_out_step("_r3").await.unwrap(), None);
}

pub(super) async fn a_step_moves_on_once(database: Database) {
    let step = SignOutStep {
        request_id: "_r1".to_owned(),
        position: 0,
        app_id: "a".to_owned(),
        protocol: Protocol::Wsfed,
        name_id: None,
        session_index: None,
        state: StepState::Sent,
    };
    let mut write = database.write().await;
    write.add_sign_out(&sign_out(7), &[step]).await.unwrap();
    for (from, to, moves) in [
        (StepState::Waiting, StepState::Sent, false),
        (StepState::Sent, StepState::Done, true),
        (StepState::Sent, StepState::Failed, false),
    ] {
        let moved = write.advance_sign_out_step("_r1", from, to).await;
        assert_eq!(moved.unwrap(), moves, "{from:?} to {to:?}");
    }
    write.commit().await.unwrap();
    let steps = database.read().await.sign_out_steps(&[7; 32]).await;
    assert_eq!(steps.unwrap()[0].state, StepState::Done);
}

fn session_app(app_id: &str, index: &str) -> SessionApp {
    SessionApp {
        app_id: app_id.to_owned(),
        protocol: Protocol::Saml,
        name_id: Some(StoredNameId {
            format: "urn:x".to_owned(),
            value: "alice".to_owned(),
        }),
        session_index: Some(index.to_owned()),
        since: at(5),
    }
}
