//! Users and groups.

use uuid::Uuid;

use super::Database;
use super::samples::{app, at, group, issuer, signing_key, user};
use crate::{Error, Group, Stage, Store, User};

pub(super) async fn a_user_comes_back_as_added(database: Database) {
    let alice = user("Alice");
    add(&database, &[&alice]).await;
    let mut read = database.read().await;
    assert_eq!(read.user(alice.id).await.unwrap(), Some(alice.clone()));
    let found = read.user_by_upn("alice@contoso.example").await.unwrap();
    assert_eq!(found, Some(alice));
    assert_eq!(read.user(Uuid::now_v7()).await.unwrap(), None);
    let missed = read.user_by_upn("Alice@contoso.example").await.unwrap();
    assert_eq!(missed, None, "a key is compared as it is");
}

pub(super) async fn users_are_listed_by_upn(database: Database) {
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    add(&database, &[&carol, &alice, &bob]).await;
    let listed = database.read().await.users().await.unwrap();
    assert_eq!(listed, [alice, bob, carol]);
}

pub(super) async fn a_upn_and_an_immutable_id_are_taken_once(database: Database) {
    let alice = user("alice");
    add(&database, &[&alice]).await;
    let same_upn = User {
        upn_key: alice.upn_key.clone(),
        ..user("bob")
    };
    assert_eq!(taken(&database.store, &same_upn).await, "UPN");
    let same_immutable_id = User {
        immutable_id: alice.immutable_id.clone(),
        ..user("bob")
    };
    assert_eq!(
        taken(&database.store, &same_immutable_id).await,
        "ImmutableID"
    );
    let same_id = User {
        id: alice.id,
        ..user("bob")
    };
    assert_eq!(taken(&database.store, &same_id).await, "identifier");
}

pub(super) async fn an_immutable_id_in_other_case_is_another(database: Database) {
    let alice = user("alice");
    let bob = User {
        immutable_id: alice.immutable_id.to_uppercase(),
        ..user("bob")
    };
    add(&database, &[&alice, &bob]).await;
    assert_eq!(database.read().await.users().await.unwrap(), [alice, bob]);
}

pub(super) async fn only_an_enabled_admin_counts(database: Database) {
    let admin = User {
        admin: true,
        enabled: false,
        ..user("admin")
    };
    add(&database, &[&user("alice"), &admin]).await;
    assert!(!database.read().await.admin_exists().await.unwrap());
    let mut write = database.write().await;
    assert!(write.set_user_enabled(admin.id, true).await.unwrap());
    write.commit().await.unwrap();
    assert!(database.read().await.admin_exists().await.unwrap());
}

pub(super) async fn a_user_is_disabled_and_enabled_again(database: Database) {
    let (alice, bob) = (user("alice"), user("bob"));
    add(&database, &[&alice, &bob]).await;
    for enabled in [false, true] {
        let mut write = database.write().await;
        assert!(write.set_user_enabled(alice.id, enabled).await.unwrap());
        assert!(
            !write
                .set_user_enabled(Uuid::now_v7(), enabled)
                .await
                .unwrap()
        );
        write.commit().await.unwrap();
        let mut read = database.read().await;
        assert_eq!(read.user(alice.id).await.unwrap().unwrap().enabled, enabled);
        assert!(read.user(bob.id).await.unwrap().unwrap().enabled);
    }
}

pub(super) async fn a_password_hash_is_replaced(database: Database) {
    let (alice, bob) = (user("alice"), user("bob"));
    add(&database, &[&alice, &bob]).await;
    let mut write = database.write().await;
    assert!(write.set_password_hash(alice.id, "$new").await.unwrap());
    assert!(
        !write
            .set_password_hash(Uuid::now_v7(), "$new")
            .await
            .unwrap()
    );
    write.commit().await.unwrap();
    let mut read = database.read().await;
    let changed = read.user(alice.id).await.unwrap().unwrap();
    assert_eq!(changed.password_hash, "$new");
    assert_eq!(read.user(bob.id).await.unwrap(), Some(bob));
}

pub(super) async fn a_source_is_familiar_since_its_last_success(database: Database) {
    let (alice, bob) = (user("alice"), user("bob"));
    add(&database, &[&alice, &bob]).await;
    let mut write = database.write().await;
    write
        .remember_source(alice.id, "192.0.2.7", at(0))
        .await
        .unwrap();
    write
        .remember_source(alice.id, "192.0.2.7", at(9))
        .await
        .unwrap();
    write.commit().await.unwrap();
    let mut read = database.read().await;
    for (user, source, since, familiar) in [
        (&alice, "192.0.2.7", at(8), true),
        (&alice, "192.0.2.7", at(9), true),
        (&alice, "192.0.2.7", at(10), false),
        (&alice, "192.0.2.8", at(8), false),
        (&bob, "192.0.2.7", at(8), false),
    ] {
        let answer = read.is_familiar(user.id, source, since).await.unwrap();
        assert_eq!(answer, familiar, "{} {source} {since}", user.upn);
    }
    let stranger = Uuid::now_v7();
    let mut write = database.write().await;
    let refused = write.remember_source(stranger, "192.0.2.7", at(0)).await;
    assert!(matches!(refused, Err(Error::Missing)), "{refused:?}");
}

pub(super) async fn a_group_comes_back_as_added(database: Database) {
    let (sales, board) = (group("Sales"), group("board"));
    add_groups(&database, &[&sales, &board]).await;
    let mut read = database.read().await;
    let found = read.group_by_name("sales").await.unwrap();
    assert_eq!(found, Some(sales.clone()));
    assert_eq!(read.group_by_name("nobody").await.unwrap(), None);
    assert_eq!(read.groups().await.unwrap(), [board, sales]);
}

pub(super) async fn a_group_name_is_taken_once(database: Database) {
    add_groups(&database, &[&group("Sales")]).await;
    let refused = database.write().await.add_group(&group("SALES")).await;
    assert!(
        matches!(refused, Err(Error::Taken { what: "group name" })),
        "{refused:?}"
    );
}

pub(super) async fn a_user_joins_and_leaves_a_group(database: Database) {
    let (alice, bob) = (user("alice"), user("bob"));
    let (sales, board) = (group("Sales"), group("Board"));
    add(&database, &[&bob, &alice]).await;
    add_groups(&database, &[&sales, &board]).await;

    let mut write = database.write().await;
    assert!(write.join_group(sales.id, bob.id).await.unwrap());
    assert!(write.join_group(sales.id, alice.id).await.unwrap());
    assert!(write.join_group(board.id, alice.id).await.unwrap());
    assert!(
        !write.join_group(board.id, alice.id).await.unwrap(),
        "already"
    );
    write.commit().await.unwrap();
    let mut read = database.read().await;
    let members = read.members_of(sales.id).await.unwrap();
    assert_eq!(members, [alice.clone(), bob]);
    let groups = read.groups_of(alice.id).await.unwrap();
    assert_eq!(groups, [board.clone(), sales]);

    let mut write = database.write().await;
    assert!(write.leave_group(board.id, alice.id).await.unwrap());
    assert!(
        !write.leave_group(board.id, alice.id).await.unwrap(),
        "already"
    );
    write.commit().await.unwrap();
    let left = database.read().await.members_of(board.id).await.unwrap();
    assert_eq!(left, []);
}

pub(super) async fn nobody_joins_what_does_not_exist(database: Database) {
    let alice = user("alice");
    add(&database, &[&alice]).await;
    let refused = database
        .write()
        .await
        .join_group(Uuid::now_v7(), alice.id)
        .await;
    assert!(matches!(refused, Err(Error::Missing)), "{refused:?}");
}

pub(super) async fn debug_output_holds_no_secret(database: Database) {
    let key = signing_key(&app("a"), Stage::Current);
    let output = format!("{:?} {key:?} {:?}", user("alice"), database.store);
    assert!(output.contains("alice@Contoso.example"), "{output}");
    assert!(!output.contains("hush"), "{output}");
    assert!(!output.contains(&format!("{:?}", b"hush")), "{output}");
}

/// What the database says is taken when this user is added.
async fn taken(store: &Store, user: &User) -> &'static str {
    let mut write = store.write().await.unwrap();
    match write.add_user(user).await {
        Err(Error::Taken { what }) => what,
        other => panic!("nothing is taken: {other:?}"),
    }
}

pub(super) async fn the_people_of_a_domain_are_those_who_may_use_the_app(database: Database) {
    let of = |name: &str, domain: &str| User {
        upn: format!("{name}@{domain}"),
        upn_key: format!("{}@{domain}", name.to_lowercase()),
        ..user(name)
    };
    let (alice, bob) = (of("Alice", "a.example"), of("bob", "sub.a.example"));
    let disabled = User {
        enabled: false,
        ..of("carol", "a.example")
    };
    let stranger = of("dave", "a.example");
    let others = ["nota.example", "a.example.org", "own.a.example"];
    let others = others.map(|domain| of(&format!("of-{domain}"), domain));
    let (a, staff) = (app("a"), group("staff"));
    let own = ["a.example", "own.a.example"].map(|domain| issuer(&a, domain));

    let mut write = database.write().await;
    write.add_app(&a, &own).await.unwrap();
    write.add_group(&staff).await.unwrap();
    write.grant("a", staff.id).await.unwrap();
    for one in [&alice, &bob, &disabled, &stranger]
        .into_iter()
        .chain(&others)
    {
        write.add_user(one).await.unwrap();
        if one.id != stranger.id {
            write.join_group(staff.id, one.id).await.unwrap();
        }
    }
    write.commit().await.unwrap();
    let mut read = database.read().await;
    let people = read.people_of("a", "a.example").await.unwrap();
    assert_eq!(
        people,
        [&alice, &bob].map(|one| (one.upn.clone(), one.immutable_id.clone()))
    );
    assert_eq!(
        read.count_people_of("a", "a.example").await.unwrap(),
        (2, 4)
    );
    assert_eq!(
        read.count_people_of("b", "a.example").await.unwrap(),
        (0, 5)
    );
    assert_eq!(
        read.count_people_of("a", "own.a.example").await.unwrap(),
        (1, 1)
    );
}

async fn add(database: &Database, users: &[&User]) {
    let mut write = database.write().await;
    for user in users {
        write.add_user(user).await.unwrap();
    }
    write.commit().await.unwrap();
}

async fn add_groups(database: &Database, groups: &[&Group]) {
    let mut write = database.write().await;
    for group in groups {
        write.add_group(group).await.unwrap();
    }
    write.commit().await.unwrap();
}
