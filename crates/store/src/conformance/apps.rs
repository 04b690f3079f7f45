//! Applications, issuers and grants.

use std::slice;

use serde_json::json;

use super::Database;
use super::samples::{app, at, group, issuer, user};
use crate::{App, AppKind, AttributeRule, Error, Issuer, Protocol, Source};

const ALL_SOURCES: [Source; 7] = [
    Source::Upn,
    Source::Email,
    Source::DisplayName,
    Source::GivenName,
    Source::FamilyName,
    Source::ImmutableId,
    Source::Groups,
];

pub(super) async fn an_app_comes_back_as_added(database: Database) {
    let microsoft = app("663a8fb979aa83c58df6081e");
    let mut other = App {
        kind: AppKind::Wsfed,
        saml: None,
        cloud: None,
        entra_url: Some("http://localhost:8081".to_owned()),
        ..app("663a8fb979aa83c58df6081f")
    };
    let constant = Source::Constant("123".to_owned());
    let sources = ALL_SOURCES.into_iter().chain([constant]);
    other.wsfed.as_mut().unwrap().attributes = sources
        .map(|source| AttributeRule {
            name: "urn:x".to_owned(),
            source,
        })
        .collect();
    let saml = App {
        kind: AppKind::Saml,
        protocol: Protocol::Saml,
        slug: Some("wiki".to_owned()),
        wsfed: None,
        ..app("663a8fb979aa83c58df60820")
    };
    add(&database, &[(&microsoft, &[]), (&other, &[]), (&saml, &[])]).await;
    let mut read = database.read().await;
    assert_eq!(read.app_by_slug("wiki").await.unwrap(), Some(saml));
    assert_eq!(read.app_by_slug("Wiki").await.unwrap(), None);
    assert_eq!(read.app(&microsoft.id).await.unwrap(), Some(microsoft));
    let found = read.app(&other.id).await.unwrap().unwrap();
    assert_eq!(found, other);
    let rules = found.wsfed.unwrap().attributes;
    let stored = serde_json::to_value(&rules[2..]).unwrap();
    assert_eq!(stored[0]["source"], json!("display-name"));
    assert_eq!(stored[5]["source"], json!({"constant": "123"}));
    assert_eq!(read.app("663A8FB979AA83C58DF6081E").await.unwrap(), None);
}

pub(super) async fn apps_are_listed_oldest_first(database: Database) {
    let [older, newer] = [("b", 1), ("a", 2)].map(|(id, seconds)| App {
        created_at: at(seconds),
        ..app(id)
    });
    add(&database, &[(&newer, &[]), (&older, &[])]).await;
    assert_eq!(database.read().await.apps().await.unwrap(), [older, newer]);
}

pub(super) async fn a_domain_an_issuer_and_an_app_id_are_taken_once(database: Database) {
    let first = app("a");
    let issuer_of_first = issuer(&first, "contoso.example");
    add(
        &database,
        &[(&first, std::slice::from_ref(&issuer_of_first))],
    )
    .await;

    let second = app("b");
    let same_domain = Issuer {
        issuer: "urn:other".to_owned(),
        ..issuer(&second, "contoso.example")
    };
    let same_issuer = Issuer {
        domain: None,
        ..issuer(&second, "contoso.example")
    };
    for (app, issuers, expected) in [
        (&second, vec![same_domain], "domain"),
        (&second, vec![same_issuer], "issuer"),
        (&first, vec![], "identifier"),
    ] {
        let mut write = database.write().await;
        match write.add_app(app, &issuers).await {
            Err(Error::Taken { what }) => assert_eq!(what, expected),
            other => panic!("the {expected} is not taken: {other:?}"),
        }
    }
}

pub(super) async fn apps_without_a_domain_do_not_exclude_each_other(database: Database) {
    let apps = [app("a"), app("b")];
    for app in &apps {
        let own = Issuer {
            issuer: format!("urn:{}", app.id),
            app_id: app.id.clone(),
            domain: None,
        };
        add(&database, &[(app, slice::from_ref(&own))]).await;
        let stored = database.read().await.issuers_of(&app.id).await.unwrap();
        assert_eq!(stored, [own]);
    }
}

pub(super) async fn an_issuer_is_found_by_its_domain(database: Database) {
    let app = app("a");
    let issuers = ["b.example", "a.example"].map(|domain| issuer(&app, domain));
    add(&database, &[(&app, &issuers)]).await;
    let mut read = database.read().await;
    let [b, a] = issuers;
    let found = read.issuer_of_domain("b.example").await.unwrap();
    assert_eq!(found, Some(b.clone()));
    assert_eq!(read.issuer_of_domain("c.example").await.unwrap(), None);
    assert_eq!(read.issuers_of(&app.id).await.unwrap(), [a, b]);
    assert_eq!(read.issuers_of("none").await.unwrap(), []);
}

pub(super) async fn an_issuer_needs_its_app(database: Database) {
    let elsewhere = issuer(&app("elsewhere"), "contoso.example");
    let refused = database
        .write()
        .await
        .add_app(&app("a"), &[elsewhere])
        .await;
    assert!(matches!(refused, Err(Error::Missing)), "{refused:?}");
}

pub(super) async fn an_app_changes_alone_and_keeps_what_it_is(database: Database) {
    let (first, second) = (app("a"), app("b"));
    add(&database, &[(&first, &[]), (&second, &[])]).await;
    let changed = App {
        label: "Office".to_owned(),
        enabled: false,
        protocol: Protocol::Saml,
        slug: Some("office".to_owned()),
        wsfed: None,
        saml: None,
        cloud: Some("china".to_owned()),
        entra_url: Some("https://login.partner.microsoftonline.cn".to_owned()),
        ..first
    };
    let mut write = database.write().await;
    assert!(write.update_app(&changed).await.unwrap());
    assert!(!write.update_app(&app("c")).await.unwrap());
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.app("a").await.unwrap(), Some(changed));
    assert_eq!(read.app("b").await.unwrap(), Some(second));
}

pub(super) async fn a_slug_is_taken_once(database: Database) {
    let slug = Some("office".to_owned());
    let first = App { slug, ..app("a") };
    let second = App {
        slug: first.slug.clone(),
        ..app("b")
    };
    add(&database, &[(&first, &[])]).await;
    let taken = database.write().await.add_app(&second, &[]).await;
    assert!(
        matches!(taken, Err(Error::Taken { what: "slug" })),
        "{taken:?}"
    );
}

pub(super) async fn an_issuer_is_replaced_by_one_that_is_free(database: Database) {
    let (first, second) = (app("a"), app("b"));
    let [one, other] = [issuer(&first, "a.example"), issuer(&second, "b.example")];
    add(
        &database,
        &[
            (&first, std::slice::from_ref(&one)),
            (&second, std::slice::from_ref(&other)),
        ],
    )
    .await;
    let taken = database
        .write()
        .await
        .set_issuer("a", &one.issuer, &other.issuer)
        .await;
    assert!(
        matches!(taken, Err(Error::Taken { what: "issuer" })),
        "{taken:?}"
    );
    let mut write = database.write().await;
    let new = "urn:uri:a.example";
    assert!(write.set_issuer("a", &one.issuer, new).await.unwrap());
    assert!(!write.set_issuer("a", &other.issuer, new).await.unwrap());
    write.commit().await.unwrap();
    let found = database.read().await.issuers_of("a").await.unwrap();
    assert_eq!((found.len(), found[0].issuer.as_str()), (1, new));
}

pub(super) async fn a_domain_joins_its_app_and_leaves_it(database: Database) {
    let (first, second) = (app("a"), app("b"));
    let [one, foreign] = [issuer(&first, "a.example"), issuer(&second, "b.example")];
    add(
        &database,
        &[
            (&first, slice::from_ref(&one)),
            (&second, slice::from_ref(&foreign)),
        ],
    )
    .await;
    let other = issuer(&first, "c.example");
    let mut write = database.write().await;
    write.add_issuer(&other).await.unwrap();
    write.commit().await.unwrap();
    let taken = database
        .write()
        .await
        .add_issuer(&issuer(&first, "b.example"))
        .await;
    assert!(matches!(taken, Err(Error::Taken { .. })), "{taken:?}");

    let mut read = database.read().await;
    assert_eq!(
        read.issuer(&other.issuer).await.unwrap().as_ref(),
        Some(&other)
    );
    assert_eq!(read.issuer("urn:none").await.unwrap(), None);
    assert_eq!(
        read.issuers_of("a").await.unwrap(),
        [one.clone(), other.clone()]
    );
    drop(read);

    let mut write = database.write().await;
    assert!(
        !write.remove_issuer("a", "b.example").await.unwrap(),
        "foreign"
    );
    assert!(write.remove_issuer("a", "a.example").await.unwrap());
    assert!(
        !write.remove_issuer("a", "a.example").await.unwrap(),
        "gone"
    );
    assert!(
        !write.remove_issuer("a", "c.example").await.unwrap(),
        "last"
    );
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert_eq!(read.issuers_of("a").await.unwrap(), [other]);
    assert_eq!(read.issuers_of("b").await.unwrap(), [foreign]);
}

pub(super) async fn of_two_who_remove_the_last_two_domains_one_succeeds(database: Database) {
    let app = app("a");
    let issuers = ["a.example", "b.example"].map(|domain| issuer(&app, domain));
    add(&database, &[(&app, &issuers)]).await;
    let remove = |domain: &'static str| {
        let database = &database;
        async move {
            let mut write = database.write().await;
            let removed = write.remove_issuer("a", domain).await.unwrap();
            write.commit().await.unwrap();
            removed
        }
    };
    let (one, other) = tokio::join!(remove("a.example"), remove("b.example"));
    assert!(one != other, "{one} {other}");
    let left = database.read().await.issuers_of("a").await.unwrap();
    assert_eq!(left.len(), 1);
}

pub(super) async fn a_grant_reaches_the_members_of_its_group(database: Database) {
    let (alice, bob) = (user("alice"), user("bob"));
    let (sales, board) = (group("sales"), group("board"));
    let (first, second) = (app("a"), app("b"));
    add(&database, &[(&first, &[]), (&second, &[])]).await;
    let mut write = database.write().await;
    write.add_user(&alice).await.unwrap();
    write.add_user(&bob).await.unwrap();
    write.add_group(&sales).await.unwrap();
    write.add_group(&board).await.unwrap();
    for (group, user) in [(&sales, &alice), (&board, &alice), (&board, &bob)] {
        write.join_group(group.id, user.id).await.unwrap();
    }
    for (app, group) in [(&first, &sales), (&second, &sales), (&second, &board)] {
        assert!(write.grant(&app.id, group.id).await.unwrap());
    }
    assert!(!write.grant(&first.id, sales.id).await.unwrap(), "already");
    write.commit().await.unwrap();

    let mut read = database.read().await;
    let apps = read.apps_granted_to(alice.id).await.unwrap();
    assert_eq!(apps, [first.clone(), second.clone()], "each app once");
    assert_eq!(
        read.apps_granted_to(bob.id).await.unwrap(),
        slice::from_ref(&second)
    );
    let groups = read.granted_groups(&second.id).await.unwrap();
    assert_eq!(groups, [board.clone(), sales.clone()]);
    let users = read.users_granted(&second.id).await.unwrap();
    assert_eq!(users, [alice.clone(), bob.clone()], "each user once");
    assert_eq!(
        read.users_granted(&first.id).await.unwrap(),
        slice::from_ref(&alice)
    );
    assert!(read.is_granted(&first.id, alice.id).await.unwrap());
    assert!(!read.is_granted(&first.id, bob.id).await.unwrap());

    let mut write = database.write().await;
    assert!(write.revoke(&second.id, board.id).await.unwrap());
    assert!(
        !write.revoke(&second.id, board.id).await.unwrap(),
        "already"
    );
    write.commit().await.unwrap();
    let mut read = database.read().await;
    assert!(!read.is_granted(&second.id, bob.id).await.unwrap());
    assert!(read.is_granted(&second.id, alice.id).await.unwrap());
}

async fn add(database: &Database, apps: &[(&App, &[Issuer])]) {
    let mut write = database.write().await;
    for (app, issuers) in apps {
        write.add_app(app, issuers).await.unwrap();
    }
    write.commit().await.unwrap();
}
