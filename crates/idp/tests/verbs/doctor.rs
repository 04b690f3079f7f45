//! Whether an installation is in order, and what it says about Microsoft's codes, as time goes on.

use countersign_idp::doctor::{Finding, State};
use countersign_idp::expiry::{Due, Reminders};
use countersign_idp::troubleshooting::Topic;

use super::*;

impl Contoso {
    /// The findings of a check, about anything.
    async fn found(&self, check: &str) -> Vec<Finding> {
        let findings = self.idp.examine().await.expect("a look");
        let found = findings.into_iter().filter(|one| one.check == check);
        found.collect()
    }

    async fn state(&self, check: &str) -> State {
        let found = self.found(check).await;
        assert!(!found.is_empty(), "nothing looked at {check}");
        found.iter().map(|one| one.state).max().expect("one")
    }

    async fn audit_length(&self) -> usize {
        let lines = self.idp.audit(1000, None).await;
        lines.expect("the audit").len()
    }

    async fn administrator(&self) {
        let new = NewUser {
            upn: "ada@contoso.onmicrosoft.com".to_owned(),
            display_name: "Ada".to_owned(),
            email: None,
            given_name: None,
            family_name: None,
            immutable_id: None,
            admin: true,
            password: Zeroizing::new(PASSWORD.to_owned()),
        };
        let added = self.idp.add_user(new, &at("command line")).await;
        added.expect("a user");
    }
}

#[tokio::test]
async fn an_installation_in_order_has_nothing_to_mend() {
    let contoso = Contoso::new().await;
    contoso.administrator().await;
    let audited = contoso.audit_length().await;
    for finding in contoso.idp.examine().await.expect("a look") {
        assert_eq!(
            (finding.state, &finding.fix),
            (State::Ok, &None),
            "{finding:?}"
        );
    }
    assert_eq!(
        contoso.audit_length().await,
        audited,
        "looking changes nothing"
    );
}

#[tokio::test]
async fn a_certificate_is_a_warning_from_90_days_and_a_problem_from_7() {
    let contoso = Contoso::new().await;
    let shown = contoso.idp.app("contoso.com").await.expect("the app");
    let mut reminders = Reminders::default();
    for (days, state, due) in [
        (91, State::Ok, None),
        (90, State::Warning, Some(Due::In90Days)),
        (60, State::Warning, Some(Due::In60Days)),
        (30, State::Warning, Some(Due::In30Days)),
        (7, State::Problem, Some(Due::In7Days)),
        (1, State::Problem, Some(Due::Tomorrow)),
        (0, State::Problem, Some(Due::Expired)),
        (-9, State::Problem, Some(Due::Expired)),
    ] {
        let then = shown.certificate_expires_at - TimeDelta::days(days);
        contoso.clock.advance(then - contoso.idp.now());
        assert_eq!(contoso.state("certificate").await, state, "{days}");
        let in_use = contoso.idp.certificates_in_use().await.expect("a look");
        assert_eq!(in_use.len(), 1);
        assert_eq!(in_use[0].thumbprint, shown.certificate_thumbprint);
        assert_eq!(in_use[0].due(then), due, "{days}");
        let told = reminders.now_due(&in_use, then).len();
        assert_eq!(told == 1, due.is_some(), "{days}");
        assert!(reminders.now_due(&in_use, then).is_empty());
    }
}

#[tokio::test]
async fn what_nobody_can_use_is_a_warning() {
    let contoso = Contoso::new().await;
    assert_eq!(contoso.state("administrators").await, State::Problem);
    contoso.administrator().await;
    assert_eq!(contoso.state("administrators").await, State::Ok);

    let people = "command line";
    contoso
        .idp
        .leave_group("Staff", "alice@contoso.com", &at(people))
        .await
        .expect("left");
    assert!(
        contoso.found("grants").await[0]
            .seen
            .contains("no enabled member")
    );
    contoso
        .idp
        .revoke("contoso.com", "Staff", &at(people))
        .await
        .expect("revoked");
    let grants = &contoso.found("grants").await[0];
    assert!(grants.seen.contains("No group"), "{grants:?}");
    let fix = grants.fix.as_deref().expect("a fix");
    assert!(fix.contains(&contoso.app_id), "{fix}");

    let off = AppChange {
        enabled: Some(false),
        ..AppChange::default()
    };
    contoso
        .idp
        .change_app("contoso.com", off, &at(people))
        .await
        .expect("disabled");
    assert_eq!(contoso.state("enabled").await, State::Warning);
    assert!(
        contoso.found("grants").await.is_empty(),
        "one thing at a time"
    );
}

#[tokio::test]
async fn people_who_would_be_refused_are_named() {
    let contoso = Contoso::new().await;
    for number in 0..7 {
        contoso.add(&format!("user{number}@fabrikam.com")).await;
    }
    for check in ["users", "domains"] {
        let found = &contoso.found(check).await[0];
        assert_eq!(found.state, State::Warning);
        assert!(
            found.seen.contains("user0@fabrikam.com") && found.seen.contains("and 2 more"),
            "{found:?}"
        );
    }

    let wiki = NewWsFed {
        label: "Wiki".to_owned(),
        realm: "urn:wiki".to_owned(),
        replies: vec!["https://wiki.contoso.com/".to_owned()],
        name_id: Some("unspecified=given-name".to_owned()),
        attributes: Vec::new(),
    };
    contoso
        .idp
        .add_wsfed(wiki, &at("command line"))
        .await
        .expect("an app");
    contoso
        .idp
        .grant("Wiki", "Staff", &at("command line"))
        .await
        .expect("a grant");
    assert_eq!(
        contoso.state("domains").await,
        State::Ok,
        "the wiki serves everybody"
    );
    let lacking = contoso.found("users").await;
    let lacking = lacking
        .iter()
        .find(|one| one.about.as_deref() == Some("Wiki"));
    assert!(
        lacking
            .expect("the wiki's")
            .seen
            .contains("have no value for the identifier")
    );
}

#[tokio::test]
async fn a_password_alone_from_everywhere_is_a_warning_that_names_the_way_out() {
    let contoso = Contoso::new().await;
    let turn = async |networks: &[&str]| {
        let active = AppChange {
            active: ActiveChange {
                on: Some(true),
                networks: networks.iter().map(|&network| network.to_owned()).collect(),
                credential_status: None,
            },
            ..AppChange::default()
        };
        let changed = contoso
            .idp
            .change_app("contoso.com", active, &at("command line"))
            .await;
        changed.expect("a change");
    };
    assert_eq!(contoso.state("ws-trust").await, State::Ok);
    turn(&[]).await;
    let open = &contoso.found("ws-trust").await[0];
    assert_eq!(open.state, State::Warning);
    assert!(
        open.fix
            .as_deref()
            .is_some_and(|fix| fix.contains("--active-from"))
    );
    turn(&["203.0.113.0/24"]).await;
    assert_eq!(contoso.state("ws-trust").await, State::Ok);
    turn(&["0.0.0.0/0"]).await;
    assert_eq!(contoso.state("ws-trust").await, State::Warning);
}

#[tokio::test]
async fn a_key_that_does_not_open_and_metadata_of_somebody_else_are_problems() {
    let contoso = Contoso::new().await;
    let other = Contoso::new().await;
    let ours = contoso
        .idp
        .wsfed_metadata(&contoso.app_id, None)
        .await
        .expect("metadata");
    let theirs = other
        .idp
        .wsfed_metadata(&other.app_id, None)
        .await
        .expect("metadata");
    let judge = async |metadata: &str| {
        let judged = contoso
            .idp
            .examine_metadata(&contoso.app_id, metadata.as_bytes())
            .await;
        judged.expect("a look")
    };
    assert_eq!(judge(&ours).await, Ok(()));
    let changed = ours.replacen("https://login.contoso.com", "https://login.c0ntoso.com", 1);
    assert_ne!(changed, ours);
    for foreign in [theirs.as_str(), &changed, "<html></html>", ""] {
        assert!(judge(foreign).await.is_err(), "{foreign}");
    }

    // The other installation's provider, on our database: same tables, another master key.
    let elsewhere = Idp::new(
        contoso.store.clone(),
        contoso.clock.clock(),
        Arc::new(MasterKey::generate()),
        PasswordPool::new(1),
        Urls::new(&"https://elsewhere.contoso.com".parse().expect("a URL")),
    );
    let findings = elsewhere.examine().await.expect("a look");
    for check in ["signing keys", "metadata"] {
        let found = findings.iter().find(|one| one.check == check).expect(check);
        assert_eq!(found.state, State::Problem, "{found:?}");
    }
    let moved = elsewhere
        .examine_metadata(&contoso.app_id, ours.as_bytes())
        .await;
    let moved = moved.expect("a look").expect_err("other addresses");
    assert!(moved.contains("https://elsewhere.contoso.com/"), "{moved}");
}

#[tokio::test]
async fn every_topic_has_something_to_say_about_an_application_and_none_about_a_stranger() {
    let contoso = Contoso::new().await;
    let shown = contoso.idp.app("contoso.com").await.expect("the app");
    let alice = contoso.idp.user("alice@contoso.com").await.expect("Alice");
    for (topic, value) in [
        (Topic::Issuer, shown.issuer.as_str()),
        (Topic::Certificate, shown.certificate_thumbprint.as_str()),
        (Topic::Anchor, "contoso.com"),
        (Topic::Clock, "2027-01-15 08:00:00 UTC"),
        (Topic::Protocol, "wsFed"),
        (Topic::SecondFactor, "passwords only"),
        (Topic::Password, "contoso.com"),
        (Topic::Windows, "off"),
    ] {
        let advice = contoso
            .idp
            .advice(topic, None)
            .await
            .expect("a look")
            .expect("advice");
        let facts = &advice.apps[0].facts;
        assert!(
            facts.iter().any(|(_, said)| said.contains(value)),
            "{topic:?}: {facts:?}"
        );
        assert_eq!(advice.person, None);
    }
    assert_eq!(
        contoso.idp.advice(Topic::None, None).await.expect("a look"),
        None
    );

    let ask = async |user: &str| {
        let advice = contoso.idp.advice(Topic::Anchor, Some(user)).await;
        advice.expect("a look").expect("advice").person
    };
    let facts = ask("ALICE@contoso.com").await.expect("Alice").facts;
    assert_eq!(facts[0].1, alice.immutable_id);
    assert!(
        facts.iter().any(|(_, said)| said.contains(&shown.issuer)),
        "{facts:?}"
    );
    assert_eq!(ask("bob@contoso.com").await, None);
    assert_eq!(ask("<not a name>").await, None);
}
