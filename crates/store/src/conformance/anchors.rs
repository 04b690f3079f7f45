//! ImmutableIDs.

use super::Database;
use super::samples::line;
use super::samples::{at, user};
use crate::{Anchor, AnchorChange, AnchorIssued, AnchorSource, AnchorUse, User};

pub(super) async fn an_anchor_comes_back_with_its_story(database: Database) {
    let (alice, bob) = (user("Alice"), user("bob"));
    add(&database, &[&bob, &alice]).await;
    assert_eq!(
        anchors(&database).await,
        [fresh(&alice, "Alice=="), fresh(&bob, "bob==")]
    );
    let mut read = database.read().await;
    let holder = read.upn_of_anchor("bob==").await.unwrap();
    assert_eq!(holder, Some(bob.upn));
    assert_eq!(read.upn_of_anchor("BOB==").await.unwrap(), None);
}

pub(super) async fn anchors_change_together_and_may_be_exchanged(database: Database) {
    let people = ["alice", "bob", "carol", "dave"].map(user);
    let [alice, bob, carol, dave] = &people;
    add(&database, &people.each_ref()).await;
    let changes = [
        change(alice, "bob=="),
        change(bob, "carol=="),
        change(carol, "alice=="),
        change(dave, "quote\"back\\slash"),
    ];
    assert_eq!(moved(&database, &changes, false).await, 4);
    let imported = |user: &User, anchor: &str| Anchor {
        anchor_source: AnchorSource::Imported,
        ..fresh(user, anchor)
    };
    assert_eq!(
        anchors(&database).await,
        [
            imported(alice, "bob=="),
            imported(bob, "carol=="),
            imported(carol, "alice=="),
            imported(dave, "quote\"back\\slash"),
        ]
    );
}

pub(super) async fn an_anchor_changes_only_from_what_it_was(database: Database) {
    let (alice, bob) = (user("alice"), user("bob"));
    add(&database, &[&alice, &bob]).await;
    let stale = AnchorChange {
        from: "ALICE==".to_owned(),
        ..change(&alice, "new")
    };
    let changes = [stale, change(&bob, "newer")];
    assert_eq!(moved(&database, &changes, true).await, 1);
    let mut read = database.read().await;
    assert_eq!(read.upn_of_anchor("new").await.unwrap(), None);
    assert_eq!(read.upn_of_anchor("newer").await.unwrap(), Some(bob.upn));
}

pub(super) async fn a_used_anchor_changes_only_when_that_is_meant(database: Database) {
    let alice = user("alice");
    add(&database, &[&alice]).await;
    issue(&database, &alice, "alice==", 1).await;
    let changes = [change(&alice, "new")];
    assert_eq!(moved(&database, &changes, false).await, 0);
    assert_eq!(anchors(&database).await[0].immutable_id, "alice==");
    assert_eq!(moved(&database, &changes, true).await, 1);
    let after = &anchors(&database).await[0];
    assert_eq!(after.immutable_id, "new");
    assert_eq!(after.anchor_used_at, None, "nobody has seen the new one");
    assert_eq!(after.anchor_used_by, None);
}

pub(super) async fn the_first_token_with_an_anchor_is_remembered(database: Database) {
    let (alice, bob) = (user("alice"), user("bob"));
    add(&database, &[&alice, &bob]).await;
    issue(&database, &alice, "alice==", 1).await;
    issue(&database, &alice, "alice==", 2).await;
    issue(&database, &bob, "what bob had before", 3).await;
    let used = Anchor {
        anchor_used_at: Some(at(1)),
        anchor_used_by: Some(AnchorUse::Token),
        ..fresh(&alice, "alice==")
    };
    assert_eq!(anchors(&database).await, [used, fresh(&bob, "bob==")]);
    let mut read = database.read().await;
    let found = read.user(alice.id).await.unwrap().unwrap();
    assert_eq!(found.anchor_used_at, Some(at(1)));
    assert_eq!(read.audit(10, None).await.unwrap().len(), 3);
}

pub(super) async fn what_entra_has_is_noted(database: Database) {
    let people = ["alice", "bob", "carol", "dave"].map(user);
    let [alice, bob, carol, dave] = &people;
    add(&database, &people.each_ref()).await;
    issue(&database, alice, "alice==", 1).await;
    let seen = [
        (alice.upn_key.as_str(), Some("alice==")),
        (&bob.upn_key, Some("bob==")),
        (&carol.upn_key, Some("CAROL==")),
        (&dave.upn_key, None),
        ("nobody@contoso.example", Some("nobody==")),
    ];
    let mut write = database.write().await;
    write.note_entra_anchors(seen, at(9)).await.unwrap();
    write.commit().await.unwrap();
    let noted = |user: &User, used: Option<(i64, AnchorUse)>, entra: Option<&str>| Anchor {
        anchor_used_at: used.map(|(seconds, _)| at(seconds)),
        anchor_used_by: used.map(|(_, how)| how),
        entra_anchor: entra.map(str::to_owned),
        entra_seen_at: Some(at(9)),
        ..fresh(user, &user.immutable_id)
    };
    assert_eq!(
        anchors(&database).await,
        [
            noted(alice, Some((1, AnchorUse::Token)), Some("alice==")),
            noted(bob, Some((9, AnchorUse::Entra)), Some("bob==")),
            noted(carol, None, Some("CAROL==")),
            noted(dave, None, None),
        ]
    );
}

fn fresh(user: &User, immutable_id: &str) -> Anchor {
    Anchor {
        upn: user.upn.clone(),
        upn_key: user.upn_key.clone(),
        immutable_id: immutable_id.to_owned(),
        anchor_source: AnchorSource::Given,
        anchor_used_at: None,
        anchor_used_by: None,
        entra_anchor: None,
        entra_seen_at: None,
    }
}

fn change(user: &User, to: &str) -> AnchorChange {
    AnchorChange {
        upn_key: user.upn_key.clone(),
        from: user.immutable_id.clone(),
        to: to.to_owned(),
    }
}

async fn add(database: &Database, users: &[&User]) {
    let mut write = database.write().await;
    for user in users {
        write.add_user(user).await.unwrap();
    }
    write.commit().await.unwrap();
}

async fn anchors(database: &Database) -> Vec<Anchor> {
    database.read().await.anchors().await.unwrap()
}

async fn moved(database: &Database, changes: &[AnchorChange], even_used: bool) -> u64 {
    let mut write = database.write().await;
    let number = write
        .change_anchors(changes, AnchorSource::Imported, even_used)
        .await
        .unwrap();
    write.commit().await.unwrap();
    number
}

async fn issue(database: &Database, user: &User, immutable_id: &str, seconds: i64) {
    let issued = AnchorIssued {
        user_id: user.id,
        immutable_id: immutable_id.to_owned(),
        at: at(seconds),
    };
    let line = line("token.issued", seconds);
    let recorded = database.store.record_token(line, None, Some(issued)).await;
    recorded.unwrap();
}
