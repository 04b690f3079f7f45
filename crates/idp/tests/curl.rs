//! The federation commands for bash, run for real against Microsoft's side of a federation.

#[path = "curl/microsoft.rs"]
mod microsoft;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use countersign_idp::federate::{Action, Anchor, Federation};
use entra::graph::{
    AuthenticationProtocol, AuthenticationType, Configuration, Directory, Domain, Fault, Habits,
    Holder, Moment, Propagation, Role, User,
};
use microsoft::{
    Answer, DOMAIN, Microsoft, certificates, federate_with_somebody_else, federate_with_us,
    federation, promoted, with_next,
};
use store::Protocol;

const CONSENT: (&str, &str) = ("REPLACE_FEDERATION_OF", DOMAIN);
const MANAGED: (&str, &str) = ("MAKE_MANAGED", DOMAIN);

#[test]
fn enable_federates_and_restore_leaves_the_tenant_as_it_was() {
    for (number, habits) in every_habit().into_iter().enumerate() {
        let federation = if number % 2 == 0 {
            federation()
        } else {
            by_saml()
        };
        let microsoft = Microsoft::start();
        microsoft.graph.set_habits(habits);
        let before = microsoft.graph.snapshot();

        let said = microsoft.run(&federation, &[], Action::Enable, &[]).well();
        assert!(said.contains("is federated now"), "{said}");
        assert!(is_ours(&microsoft, &federation), "habits {number}");

        let [saved] = &microsoft.saved()[..] else {
            panic!("one file is saved")
        };
        let mode = fs::metadata(saved)
            .expect("it was listed")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(said.contains(&saved.display().to_string()), "{said}");

        restore(&microsoft, &federation, saved).well();
        assert_eq!(microsoft.graph.snapshot(), before, "habits {number}");
    }
}

#[test]
fn enabling_twice_changes_nothing_the_second_time() {
    let microsoft = Microsoft::start();
    microsoft
        .run(&federation(), &[], Action::Enable, &[])
        .well();
    let before = microsoft.graph.snapshot();
    microsoft.graph.forget();
    let said = microsoft
        .run(&federation(), &[], Action::Enable, &[])
        .well();
    assert!(said.contains("Nothing to do"), "{said}");
    assert_eq!(writes(&microsoft), Vec::<String>::new());
    assert_eq!(microsoft.graph.snapshot(), before);
    assert_eq!(microsoft.saved().len(), 1);
}

#[test]
fn somebody_elses_federation_is_replaced_with_consent_and_comes_back() {
    let microsoft = Microsoft::start();
    microsoft.graph.arrange(federate_with_somebody_else);
    let before = microsoft.graph.snapshot();

    let reason = microsoft
        .run(
            &federation(),
            &[],
            Action::Enable,
            &[("REPLACE_FEDERATION_OF", "fabrikam.com")],
        )
        .stopped();
    assert!(
        reason.contains("http://other.example/trust")
            && reason.contains("REPLACE_FEDERATION_OF=contoso.com"),
        "{reason}"
    );
    assert_eq!(microsoft.graph.snapshot(), before);
    assert_eq!(writes(&microsoft), Vec::<String>::new());

    microsoft
        .run(&federation(), &[], Action::Enable, &[CONSENT])
        .well();
    assert!(is_ours(&microsoft, &federation()));
    let stored = configuration(&microsoft);
    assert_eq!(stored.password_reset_uri, None);
    // Whoever has the key of the next certificate could sign.
    assert_eq!(
        stored.next_signing_certificate,
        Some(certificates()[0].certificate.clone())
    );

    restore(&microsoft, &federation(), &microsoft.saved()[0]).well();
    assert_eq!(microsoft.graph.snapshot(), before);
}

#[test]
fn a_federation_that_leaves_the_second_factor_open_comes_back_with_the_documented_default() {
    let microsoft = Microsoft::start();
    microsoft.graph.arrange(|directory| {
        federate_with_somebody_else(directory);
        let domain = directory.domain_mut(DOMAIN).expect("it is there");
        domain
            .configuration
            .as_mut()
            .expect("it was put there")
            .federated_idp_mfa_behavior = None;
    });
    microsoft
        .run(&federation(), &[], Action::Enable, &[CONSENT])
        .well();
    restore(&microsoft, &federation(), &microsoft.saved()[0]).well();
    let stored = configuration(&microsoft);
    assert_eq!(
        stored.issuer_uri.as_deref(),
        Some("http://other.example/trust")
    );
    assert_eq!(
        stored.federated_idp_mfa_behavior,
        Some(entra::graph::MfaBehavior::AcceptIfMfaDoneByFederatedIdp)
    );
}

#[test]
fn a_certificate_turns_without_a_moment_in_which_neither_counts() {
    let microsoft = Microsoft::start();
    microsoft
        .run(&federation(), &[], Action::Enable, &[])
        .well();
    let [current, next, _] = certificates();

    let reason = microsoft
        .run(&federation(), &[], Action::Rotate, &[])
        .stopped();
    assert!(
        reason.contains("no next certificate") && reason.contains("countersign cert next"),
        "{reason}"
    );
    let reason = microsoft
        .run(&with_next(), &[], Action::Promote, &[])
        .stopped();
    assert!(reason.contains("countersign cert promote"), "{reason}");
    assert_eq!(
        stored_certificates(&microsoft),
        (current.certificate.clone(), None)
    );

    microsoft.run(&with_next(), &[], Action::Rotate, &[]).well();
    assert_eq!(
        stored_certificates(&microsoft),
        (current.certificate.clone(), Some(next.certificate.clone()))
    );
    let said = microsoft.run(&with_next(), &[], Action::Rotate, &[]).well();
    assert!(said.contains("Nothing to do"), "{said}");
    // Enabling again keeps what waits.
    let said = microsoft.run(&with_next(), &[], Action::Enable, &[]).well();
    assert!(said.contains("Nothing to do"), "{said}");

    microsoft.run(&promoted(), &[], Action::Promote, &[]).well();
    assert_eq!(
        stored_certificates(&microsoft),
        (next.certificate.clone(), Some(next.certificate.clone()))
    );
    let said = microsoft.run(&promoted(), &[], Action::Promote, &[]).well();
    assert!(said.contains("Nothing to do"), "{said}");
    let saved = microsoft.saved();
    restore(&microsoft, &promoted(), &saved[2]).well();
    assert_eq!(
        stored_certificates(&microsoft),
        (current.certificate.clone(), Some(next.certificate.clone()))
    );
}

#[test]
fn a_rotation_keeps_the_certificate_that_signs_when_the_last_one_was_not_finished() {
    let microsoft = Microsoft::start();
    microsoft.run(&promoted(), &[], Action::Enable, &[]).well();
    let [former, current, other] = certificates();
    microsoft.graph.arrange(|directory| {
        let domain = directory.domain_mut(DOMAIN).expect("it is there");
        let stored = domain.configuration.as_mut().expect("it is federated");
        stored.signing_certificate = Some(former.certificate.clone());
        stored.next_signing_certificate = Some(current.certificate.clone());
    });
    let federation = Federation {
        next: Some(other.clone()),
        ..promoted()
    };
    microsoft.run(&federation, &[], Action::Rotate, &[]).well();
    assert_eq!(
        stored_certificates(&microsoft),
        (current.certificate.clone(), Some(other.certificate.clone()))
    );

    microsoft.graph.arrange(|directory| {
        let domain = directory.domain_mut(DOMAIN).expect("it is there");
        let stored = domain.configuration.as_mut().expect("it is federated");
        stored.signing_certificate = Some(former.certificate.clone());
        stored.next_signing_certificate = None;
    });
    let reason = microsoft
        .run(&federation, &[], Action::Rotate, &[])
        .stopped();
    assert!(reason.contains("sign-in fails already"), "{reason}");
}

#[test]
fn certificates_of_somebody_elses_federation_are_left_alone() {
    let microsoft = Microsoft::start();
    for (action, federation) in [(Action::Rotate, with_next()), (Action::Promote, promoted())] {
        let reason = microsoft.run(&federation, &[], action, &[]).stopped();
        assert!(reason.contains("is not federated"), "{reason}");
    }
    microsoft.graph.arrange(federate_with_somebody_else);
    let before = microsoft.graph.snapshot();
    for (action, federation) in [(Action::Rotate, with_next()), (Action::Promote, promoted())] {
        let reason = microsoft.run(&federation, &[], action, &[]).stopped();
        assert!(reason.contains("is not this app"), "{reason}");
    }
    assert_eq!(microsoft.graph.snapshot(), before);
}

#[test]
fn disable_asks_for_consent_and_can_be_taken_back() {
    for keeps in [false, true] {
        let microsoft = Microsoft::start();
        microsoft.graph.set_habits(Habits {
            managed_keeps_configuration: keeps,
            ..Habits::default()
        });
        microsoft
            .run(&federation(), &[], Action::Enable, &[])
            .well();
        let before = microsoft.graph.snapshot();

        let reason = microsoft
            .run(
                &federation(),
                &[],
                Action::Disable,
                &[("MAKE_MANAGED", "fabrikam.com")],
            )
            .stopped();
        assert!(
            reason.contains("MAKE_MANAGED=contoso.com") && reason.contains("password"),
            "{reason}"
        );
        assert_eq!(microsoft.graph.snapshot(), before);

        microsoft
            .run(&federation(), &[], Action::Disable, &[MANAGED])
            .well();
        assert_eq!(kind(&microsoft), AuthenticationType::Managed);
        let said = microsoft
            .run(&federation(), &[], Action::Disable, &[MANAGED])
            .well();
        assert!(said.contains("Nothing to do"), "{said}");

        restore(&microsoft, &federation(), &microsoft.saved()[1]).well();
        assert_eq!(microsoft.graph.snapshot(), before);
    }
}

#[test]
fn show_prints_the_configuration_alone() {
    let microsoft = Microsoft::start();
    let reason = microsoft
        .run(&federation(), &[], Action::Show, &[])
        .stopped();
    assert!(
        reason.contains("has no federation configuration"),
        "{reason}"
    );
    microsoft
        .run(&federation(), &[], Action::Enable, &[])
        .well();
    microsoft.graph.forget();
    let shown = microsoft.run(&federation(), &[], Action::Show, &[]).well();
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("nothing but JSON");
    assert_eq!(shown["issuerUri"], federation().issuer);
    assert_eq!(shown["displayName"], federation().label);
    assert_eq!(writes(&microsoft), Vec::<String>::new());
}

#[test]
fn check_finds_what_stands_in_the_way_and_changes_nothing() {
    let microsoft = Microsoft::start();
    let anchors = [
        anchor("alice@contoso.com", "a1"),
        anchor("bob@contoso.com", "b1"),
        anchor("carol@contoso.com", "c1"),
    ];
    microsoft.graph.arrange(|directory| {
        directory
            .users
            .push(User::new("Alice@contoso.com", Some("a1")));
    });
    let said = microsoft
        .run(&federation(), &anchors[..1], Action::Check, &[])
        .well();
    assert!(said.contains("Nothing stands in the way"), "{said}");
    assert!(
        said.contains(
            "You are admin@contoso.onmicrosoft.com, a Global Administrator outside contoso.com"
        ),
        "{said}"
    );
    assert!(said.contains("1 users have the same ImmutableID"), "{said}");

    microsoft.graph.arrange(|directory| {
        federate_with_somebody_else(directory);
        let domain = directory.domain_mut(DOMAIN).expect("it is there");
        (domain.is_verified, domain.is_default, domain.is_root) = (false, true, false);
        directory.users.push(User::new("bob@contoso.com", None));
        directory
            .users
            .push(User::new("carol@contoso.com", Some("other")));
        directory
            .users
            .push(User::new("dave@sub.contoso.com", None));
    });
    let before = microsoft.graph.snapshot();
    microsoft.graph.forget();
    let ran = microsoft.run(&federation(), &anchors, Action::Check, &[]);
    assert!(!ran.success);
    for words in [
        "is not verified",
        "default domain",
        "is a subdomain",
        "http://other.example/trust",
        "passwordResetUri",
        "bob@contoso.com: b1",
        "carol@contoso.com: other there, c1 here",
        "dave@sub.contoso.com",
        "5 in all",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    assert_eq!(microsoft.graph.snapshot(), before);
    assert_eq!(writes(&microsoft), Vec::<String>::new());
    assert_eq!(microsoft.saved().len(), 0);
}

#[test]
fn check_looks_for_an_administrator_who_could_turn_it_back() {
    let mut microsoft = Microsoft::start();
    microsoft.token = microsoft.graph.token(
        Holder::Application,
        &[
            "Domain.Read.All",
            "Domain-InternalFederation.Read.All",
            "User.Read.All",
        ],
    );
    let said = microsoft.run(&federation(), &[], Action::Check, &[]).well();
    assert!(said.contains("cannot be seen with this token"), "{said}");

    let members = "/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members";
    let list = |people: &str| Answer {
        status: 200,
        headers: vec![],
        body: format!(r#"{{"value":[{people}]}}"#),
    };
    let inside = r#"{"userPrincipalName":"Root@CONTOSO.com","accountEnabled":true}"#;
    let disabled = r#"{"userPrincipalName":"old@contoso.onmicrosoft.com","accountEnabled":false}"#;
    let outside = r#"{"userPrincipalName":"root@contoso.onmicrosoft.com","accountEnabled":true}"#;
    microsoft.answer(
        members,
        vec![
            list(&format!("{inside},{disabled}")),
            list(&format!("{inside},{outside}")),
        ],
    );
    let ran = microsoft.run(&federation(), &[], Action::Check, &[]);
    assert!(
        !ran.success
            && ran
                .stdout
                .contains("No enabled Global Administrator is outside"),
        "{}",
        ran.stdout
    );
    let said = microsoft.run(&federation(), &[], Action::Check, &[]).well();
    assert!(
        said.contains("outside contoso.com: root@contoso.onmicrosoft.com."),
        "{said}"
    );
}

#[test]
fn users_get_the_anchors_that_they_lack_and_nobody_loses_one() {
    let microsoft = Microsoft::start();
    microsoft.graph.arrange(|directory| {
        for number in 0..1100 {
            directory.users.push(User::new(
                &format!("u{number}@fabrikam.com"),
                Some(&format!("f{number}")),
            ));
        }
        directory.users.push(User::new("Alice@contoso.com", None));
        directory.users.push(User::new("o'neill@contoso.com", None));
        directory
            .users
            .push(User::new("carol@contoso.com", Some("other")));
        directory.users.push(User {
            on_premises_sync_enabled: true,
            ..User::new("dave@contoso.com", None)
        });
        directory.users.push(User::new("erin@contoso.com", None));
        directory
            .users
            .push(User::new("frank@contoso.com", Some("same")));
    });
    let anchors = [
        anchor("alice@contoso.com", "a=="),
        anchor("o'neill@contoso.com", "o'n"),
        anchor("carol@contoso.com", "c"),
        anchor("dave@contoso.com", "d"),
        anchor("erin@contoso.com", "f7"),
        anchor("frank@contoso.com", "same"),
        anchor("grace@contoso.com", "g"),
    ];
    let busy = Answer {
        status: 429,
        headers: vec![("retry-after", "0".into())],
        body: String::new(),
    };
    microsoft.answer("/users", vec![busy.clone(), busy]);
    let said = microsoft
        .run(&federation(), &anchors, Action::Users, &[])
        .well();
    for words in [
        "carol@contoso.com: other there, c here",
        "dave@contoso.com",
        "erin@contoso.com: f7 is of u7@fabrikam.com",
        "grace@contoso.com",
        "2 users have got their ImmutableID",
        "1 have it already",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let found = |directory: &Directory, name: &str| {
        directory
            .user(name)
            .and_then(|user| user.on_premises_immutable_id.clone())
    };
    let after = microsoft.graph.snapshot();
    for (name, anchor) in [
        ("alice@contoso.com", Some("a==")),
        ("o'neill@contoso.com", Some("o'n")),
        ("carol@contoso.com", Some("other")),
        ("dave@contoso.com", None),
        ("erin@contoso.com", None),
        ("frank@contoso.com", Some("same")),
    ] {
        assert_eq!(found(&after, name).as_deref(), anchor, "{name}");
    }
    microsoft.graph.forget();
    let said = microsoft
        .run(&federation(), &anchors, Action::Users, &[])
        .well();
    assert!(said.contains("Nothing to do"), "{said}");
    assert_eq!(writes(&microsoft), Vec::<String>::new());
}

#[test]
fn users_of_a_federated_domain_are_told_what_microsoft_wants() {
    let microsoft = Microsoft::start();
    microsoft
        .run(&federation(), &[], Action::Enable, &[])
        .well();
    microsoft
        .graph
        .arrange(|directory| directory.users.push(User::new("alice@contoso.com", None)));
    let reason = microsoft
        .run(
            &federation(),
            &[anchor("alice@contoso.com", "a")],
            Action::Users,
            &[],
        )
        .stopped();
    assert!(
        reason.contains("federated domain") && reason.contains("onmicrosoft"),
        "{reason}"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn every_refusal_stops_with_a_reason_and_leaves_the_tenant_as_it_was() {
    type Case = (&'static str, fn(&mut Microsoft), &'static str);
    let cases: [Case; 14] = [
        (
            "unverified",
            |it| domain(it, |one| one.is_verified = false),
            "is not verified",
        ),
        (
            "default",
            |it| domain(it, |one| one.is_default = true),
            "default domain",
        ),
        (
            "sub-domain",
            |it| domain(it, |one| one.is_root = false),
            "is a subdomain",
        ),
        (
            "initial",
            |it| domain(it, |one| one.is_initial = true),
            "given by Microsoft",
        ),
        (
            "another tenant's",
            |it| {
                it.graph
                    .arrange(|all| all.domains.retain(|one| one.id != DOMAIN));
            },
            "Is the token one of the tenant",
        ),
        (
            "issuer taken",
            |it| {
                it.graph
                    .arrange(|all| all.foreign_issuers.push(federation().issuer));
            },
            "Each domain needs its own",
        ),
        ("no token", |it| it.token.clear(), "There is no token"),
        (
            "old token",
            |it| it.token = "e30.e30.x".into(),
            "has expired",
        ),
        (
            "no token at all",
            |it| it.token = "a\"\nurl = \"https://x".into(),
            "characters that no token has",
        ),
        (
            "no permission",
            |it| {
                it.token = it
                    .graph
                    .admin_token(&["Domain.Read.All", "Domain-InternalFederation.Read.All"]);
            },
            "Domain-InternalFederation.ReadWrite.All",
        ),
        (
            "no role",
            |it| {
                it.graph.arrange(|all| {
                    all.users
                        .push(User::new("ops@contoso.onmicrosoft.com", None));
                });
                let holder = Holder::Person {
                    upn: "ops@contoso.onmicrosoft.com".into(),
                    roles: vec![Role::UserAdministrator],
                };
                it.token = it.graph.token(
                    holder,
                    &[
                        "Domain.ReadWrite.All",
                        "Domain-InternalFederation.ReadWrite.All",
                    ],
                );
            },
            "Hybrid Identity Administrator",
        ),
        (
            "one's own domain",
            |it| {
                it.graph
                    .arrange(|all| all.users.push(User::new("Ops@Contoso.com", None)));
                let holder = Holder::Person {
                    upn: "Ops@Contoso.com".into(),
                    roles: vec![Role::GlobalAdministrator],
                };
                it.token = it.graph.token(
                    holder,
                    &[
                        "Domain.ReadWrite.All",
                        "Domain-InternalFederation.ReadWrite.All",
                    ],
                );
            },
            "would lock you out",
        ),
        (
            "a proxy",
            |it| {
                it.answer(
                    "/domains/contoso.com",
                    vec![Answer {
                        status: 200,
                        headers: vec![],
                        body: "<html>Sign in</html>".into(),
                    }],
                );
            },
            "no JSON",
        ),
        (
            "somebody else was faster",
            |it| {
                let body = r#"{"error":{"code":"Request_BadRequest","message":"Domain already has Federation Configuration set."}}"#;
                let read = Answer {
                    status: 404,
                    headers: vec![],
                    body: String::new(),
                };
                let refused = Answer {
                    status: 400,
                    headers: vec![],
                    body: body.into(),
                };
                it.answer(
                    "/domains/contoso.com/federationConfiguration",
                    vec![read, refused],
                );
            },
            "it will update what is there",
        ),
    ];
    for (name, arrange, words) in cases {
        let mut microsoft = Microsoft::start();
        arrange(&mut microsoft);
        let before = microsoft.graph.snapshot();
        let reason = microsoft
            .run(&federation(), &[], Action::Enable, &[])
            .stopped();
        assert!(reason.contains(words), "{name}: {reason}");
        assert!(reason.contains("Nothing was changed."), "{name}: {reason}");
        assert_eq!(microsoft.graph.snapshot(), before, "{name}");
    }
}

#[test]
fn what_cannot_be_reached_is_no_success() {
    let microsoft = Microsoft::start();
    let nobody = ("GRAPH_URL", "http://127.0.0.1:1");
    let reason = microsoft
        .run(&federation(), &[], Action::Enable, &[nobody])
        .stopped();
    assert!(reason.contains("could not be reached"), "{reason}");
    let reason = microsoft
        .run(
            &federation(),
            &[],
            Action::Enable,
            &[("GRAPH_URL", "http://graph.example")],
        )
        .stopped();
    assert!(reason.contains("must not travel in the clear"), "{reason}");
}

#[test]
fn commands_that_were_damaged_on_their_way_do_nothing() {
    let microsoft = Microsoft::start();
    let whole = certificates()[0].certificate.clone();
    let cut = Federation {
        signing_certificate: whole[..whole.len() - 8].to_owned(),
        ..federation()
    };
    let none = Federation {
        signing_certificate: String::new(),
        ..federation()
    };
    for federation in [cut, none] {
        let reason = microsoft
            .run(&federation, &[], Action::Enable, &[])
            .stopped();
        assert!(reason.contains("damaged on their way"), "{reason}");
    }
    assert_eq!(microsoft.calls(), 0);
}

#[test]
fn a_federation_that_microsoft_shows_to_nobody_is_not_built_upon() {
    let microsoft = Microsoft::start();
    domain(&microsoft, |one| {
        one.authentication_type = AuthenticationType::Federated;
    });
    let reason = microsoft
        .run(&federation(), &[], Action::Enable, &[])
        .stopped();
    assert!(reason.contains("shows no configuration"), "{reason}");
    microsoft
        .run(&federation(), &[], Action::Disable, &[MANAGED])
        .well();
    assert_eq!(kind(&microsoft), AuthenticationType::Managed);
    microsoft
        .run(&federation(), &[], Action::Enable, &[])
        .well();
}

#[test]
fn lost_slashes_are_noticed_and_the_tenant_is_as_it_was() {
    for somebody_elses in [false, true] {
        let microsoft = Microsoft::start();
        if somebody_elses {
            microsoft.graph.arrange(|directory| {
                federate_with_somebody_else(directory);
                let domain = directory.domain_mut(DOMAIN).expect("it is there");
                domain
                    .configuration
                    .as_mut()
                    .expect("it was put there")
                    .passive_sign_in_uri = Some("https://other.example/in".into());
            });
        }
        microsoft.graph.set_habits(Habits {
            drops_trailing_slashes: true,
            ..Habits::default()
        });
        let before = microsoft.graph.snapshot();
        let reason = microsoft
            .run(&federation(), &[], Action::Enable, &[CONSENT])
            .stopped();
        assert!(reason.contains("something else than was sent"), "{reason}");
        assert!(
            reason.contains("issuerUri") && reason.contains("is as it was before"),
            "{reason}"
        );
        assert_eq!(microsoft.graph.snapshot(), before);
    }
}

#[test]
fn a_change_that_takes_its_time_is_waited_for() {
    let microsoft = Microsoft::start();
    microsoft.graph.set_habits(Habits {
        propagation: Propagation::AfterReads(3),
        ..Habits::default()
    });
    let patience = ("GRAPH_PATIENCE", "60");
    microsoft
        .run(&federation(), &[], Action::Enable, &[patience])
        .well();
    assert!(is_ours(&microsoft, &federation()));

    let slow = Microsoft::start();
    slow.graph.set_habits(Habits {
        propagation: Propagation::After(chrono::TimeDelta::hours(1)),
        ..Habits::default()
    });
    let reason = slow.run(&federation(), &[], Action::Enable, &[]).stopped();
    assert!(
        reason.contains("can take up to two hours") && reason.contains("The way back"),
        "{reason}"
    );
    assert!(
        is_ours(&slow, &federation()),
        "what may only be late is not torn down"
    );
}

#[test]
fn files_that_are_no_saved_state_of_this_domain_restore_nothing() {
    let microsoft = Microsoft::start();
    let before = microsoft.graph.snapshot();
    let state = r#"{"domainId":"fabrikam.com","authenticationType":"Managed","issuerUri":null}"#;
    let files = [
        (
            "<!doctype html><title>Sign in</title>".to_owned(),
            "holds no saved state",
        ),
        (state.to_owned(), "is of fabrikam.com"),
        (state[..40].to_owned(), "holds no saved state"),
        (String::new(), "holds no saved state"),
        ("[]".to_owned(), "holds no saved state"),
        (format!("{state}{state}"), "holds no saved state"),
        (
            state.replace("null", r#""https://other.example/""#),
            "holds no saved state",
        ),
        (
            state
                .replace("fabrikam", "contoso")
                .replace("Managed", "Federated"),
            "without a configuration",
        ),
        (" ".repeat(1_000_001), "too large"),
    ];
    for (text, words) in files {
        let file = microsoft.home.path().join("saved");
        fs::write(&file, &text).expect("a temporary file can be written");
        let reason = restore(&microsoft, &federation(), &file).stopped();
        assert!(reason.contains(words), "{words}: {reason}");
    }
    let reason = microsoft
        .run(&federation(), &[], Action::Restore, &[])
        .stopped();
    assert!(reason.contains("RESTORE_FROM"), "{reason}");
    assert_eq!(microsoft.graph.snapshot(), before);
    assert_eq!(writes(&microsoft), Vec::<String>::new());
}

#[test]
fn what_powershell_has_saved_is_restored_too() {
    let microsoft = Microsoft::start();
    microsoft.graph.arrange(federate_with_somebody_else);
    let before = microsoft.graph.snapshot();
    microsoft
        .run(&federation(), &[], Action::Enable, &[CONSENT])
        .well();
    // As Windows PowerShell writes it: a mark at the beginning, capitals, and another end of lines.
    let saved = fs::read_to_string(&microsoft.saved()[0]).expect("it was listed");
    let saved: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&saved).expect("it is JSON");
    let saved: serde_json::Map<_, _> = saved
        .into_iter()
        .map(|(name, value)| (name[..1].to_uppercase() + &name[1..], value))
        .collect();
    let text = serde_json::to_string_pretty(&saved)
        .expect("it is JSON")
        .replace('\n', "\r\n");
    let file = microsoft.home.path().join("of powershell");
    fs::write(&file, format!("\u{feff}{text}\r\n")).expect("a temporary file can be written");
    restore(&microsoft, &federation(), &file).well();
    assert_eq!(microsoft.graph.snapshot(), before);
}

#[test]
fn the_token_is_on_no_command_line_and_in_nobodys_environment() {
    let microsoft = Microsoft::start();
    let bin = microsoft.home.path().join("bin");
    fs::create_dir(&bin).expect("a directory can be made");
    let path = path();
    let log = microsoft.home.path().join("log");
    program(
        &bin,
        "curl",
        &format!(
            "printf '%s\\n' \"$@\" >>'{log}'; env >>'{log}'; PATH='{path}' exec curl \"$@\"",
            log = log.display()
        ),
    );
    let with_ours = format!("{}:{path}", bin.display());
    microsoft
        .run(&federation(), &[], Action::Enable, &[("PATH", &with_ours)])
        .well();
    let log = fs::read_to_string(log).expect("curl was run");
    assert!(log.contains("--request") && log.contains("HOME="));
    let secret = microsoft
        .token
        .rsplit('.')
        .next()
        .expect("a token has parts");
    assert!(!log.contains(secret));
    for saved in microsoft.saved() {
        assert!(
            !fs::read_to_string(saved)
                .expect("it was listed")
                .contains(secret)
        );
    }
}

#[test]
fn az_gives_a_token_for_graph_of_the_cloud() {
    let microsoft = Microsoft::start();
    let bin = microsoft.home.path().join("bin");
    fs::create_dir(&bin).expect("a directory can be made");
    let log = microsoft.home.path().join("log");
    program(
        &bin,
        "az",
        &format!(
            "printf '%s ' \"$@\" >>'{}'; printf 'token-of-az\\r\\n'",
            log.display()
        ),
    );
    program(
        &bin,
        "curl",
        &format!(
            "printf '%s ' \"$@\" >>'{log}'; cat >>'{log}'; exit 6",
            log = log.display()
        ),
    );
    let with_ours = format!("{}:{}", bin.display(), path());
    let reason = microsoft
        .run(
            &federation(),
            &[],
            Action::Show,
            &[("PATH", &with_ours), ("GRAPH_URL", ""), ("GRAPH_TOKEN", "")],
        )
        .stopped();
    assert!(reason.contains("could not be reached"), "{reason}");
    let log = fs::read_to_string(log).expect("both were run");
    assert!(
        log.contains("--resource https://graph.microsoft.com "),
        "{log}"
    );
    assert!(
        log.contains("--url https://graph.microsoft.com/v1.0/domains/contoso.com "),
        "{log}"
    );
    assert!(log.contains("Authorization: Bearer token-of-az\""), "{log}");
}

/// Each action that changes something, from where it begins.
struct Change {
    name: &'static str,
    prepare: fn(&Microsoft),
    federation: fn() -> Federation,
    action: Action,
}

const CHANGES: [Change; 6] = [
    Change {
        name: "enable",
        prepare: |_| (),
        federation,
        action: Action::Enable,
    },
    Change {
        name: "replace",
        prepare: |microsoft| microsoft.graph.arrange(federate_with_somebody_else),
        federation,
        action: Action::Enable,
    },
    Change {
        name: "rotate",
        prepare: enabled,
        federation: with_next,
        action: Action::Rotate,
    },
    Change {
        name: "promote",
        prepare: enabled,
        federation: promoted,
        action: Action::Promote,
    },
    Change {
        name: "disable",
        prepare: enabled,
        federation,
        action: Action::Disable,
    },
    Change {
        name: "restore",
        prepare: |microsoft| {
            enabled(microsoft);
            let first = microsoft.home.path().join("first");
            let state = r#"{"domainId":"contoso.com","authenticationType":"Managed"}"#;
            fs::write(first, state).expect("a temporary file can be written");
        },
        federation,
        action: Action::Restore,
    },
];

impl Change {
    fn run(&self, microsoft: &Microsoft) -> microsoft::Ran {
        let first = microsoft.home.path().join("first").display().to_string();
        let more = [CONSENT, MANAGED, ("RESTORE_FROM", first.as_str())];
        microsoft.run(&(self.federation)(), &[], self.action, &more)
    }

    /// A tenant where it can begin.
    fn begin(&self, habits: Habits) -> (Microsoft, Directory) {
        let microsoft = Microsoft::start();
        microsoft.graph.set_habits(habits);
        (self.prepare)(&microsoft);
        microsoft.calls();
        let before = microsoft.graph.snapshot();
        (microsoft, before)
    }
}

#[test]
fn whatever_is_interrupted_can_be_run_again_and_taken_back() {
    for change in &CHANGES {
        interrupt_everywhere(change, Habits::default());
    }
}

#[test]
fn so_it_can_where_microsoft_keeps_to_other_habits() {
    let habits = Habits {
        create_federates: false,
        managed_keeps_configuration: true,
        ..Habits::default()
    };
    for change in CHANGES
        .iter()
        .filter(|change| matches!(change.name, "enable" | "disable" | "restore"))
    {
        interrupt_everywhere(change, habits);
    }
}

fn interrupt_everywhere(change: &Change, habits: Habits) {
    let (microsoft, _) = change.begin(habits);
    change.run(&microsoft).well();
    let calls = microsoft.calls();
    let after = microsoft.graph.snapshot();
    assert!(calls >= 4, "{} makes {calls} calls", change.name);
    for call in 1..=calls {
        for end in [End::Killed, End::CutOff] {
            let (microsoft, before) = change.begin(habits);
            let what = format!("{}, {end:?} at call {call} of {calls}", change.name);
            end.comes(&microsoft, call);
            assert!(!change.run(&microsoft).success, "{what}");
            microsoft.graph.mend();
            let again = change.run(&microsoft);
            assert!(again.success, "{what}: {}{}", again.stdout, again.stderr);
            assert_eq!(microsoft.graph.snapshot().domains, after.domains, "{what}");
            if matches!(end, End::CutOff) {
                continue; // what was saved is the same
            }
            let saved = microsoft.saved();
            let first = saved
                .first()
                .unwrap_or_else(|| panic!("{what}: nothing was saved"));
            restore(&microsoft, &(change.federation)(), first).well();
            assert_eq!(microsoft.graph.snapshot(), before, "{what}");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// The commands end there and then, and Graph has done what the call asked for.
    Killed,
    /// Graph has done it, says that it has not, and cannot be reached any more.
    CutOff,
}

impl End {
    fn comes(self, microsoft: &Microsoft, call: usize) {
        match self {
            Self::Killed => microsoft.kill_after(call),
            Self::CutOff => microsoft.graph.fail(Fault {
                call,
                moment: Moment::After,
                lasting: true,
            }),
        }
    }
}

#[test]
fn one_call_that_fails_leaves_the_tenant_as_it_was() {
    for change in &CHANGES {
        let (microsoft, _) = change.begin(Habits::default());
        change.run(&microsoft).well();
        for call in 1..=microsoft.calls() {
            for moment in [Moment::Before, Moment::After] {
                let (microsoft, before) = change.begin(Habits::default());
                microsoft.graph.fail(Fault {
                    call,
                    moment,
                    lasting: false,
                });
                let what = format!("{}, {moment:?} call {call}", change.name);
                let reason = change.run(&microsoft).stopped();
                assert!(reason.contains("503"), "{what}: {reason}");
                assert_eq!(microsoft.graph.snapshot(), before, "{what}: {reason}");
            }
        }
    }
}

#[test]
fn users_go_on_where_they_were_interrupted() {
    let begin = || {
        let microsoft = Microsoft::start();
        microsoft.graph.arrange(|directory| {
            for name in ["a", "b", "c"] {
                directory
                    .users
                    .push(User::new(&format!("{name}@contoso.com"), None));
            }
        });
        microsoft
    };
    let anchors = ["a", "b", "c"].map(|name| anchor(&format!("{name}@contoso.com"), name));
    let whole = begin();
    whole
        .run(&federation(), &anchors, Action::Users, &[])
        .well();
    let calls = whole.calls();
    for call in 1..=calls {
        for end in [End::Killed, End::CutOff] {
            let microsoft = begin();
            end.comes(&microsoft, call);
            assert!(
                !microsoft
                    .run(&federation(), &anchors, Action::Users, &[])
                    .success
            );
            microsoft.graph.mend();
            microsoft
                .run(&federation(), &anchors, Action::Users, &[])
                .well();
            assert_eq!(
                microsoft.graph.snapshot().users,
                whole.graph.snapshot().users,
                "{end:?} at call {call}"
            );
        }
    }
}

fn enabled(microsoft: &Microsoft) {
    microsoft.graph.arrange(federate_with_us);
}

fn by_saml() -> Federation {
    Federation {
        protocol: Protocol::Saml,
        metadata_exchange_url: None,
        active_sign_in_url: None,
        ..federation()
    }
}

fn anchor(upn: &str, immutable_id: &str) -> Anchor {
    Anchor {
        upn: upn.into(),
        immutable_id: immutable_id.into(),
    }
}

fn every_habit() -> Vec<Habits> {
    let mut habits = Vec::new();
    for create_federates in [false, true] {
        for managed_keeps_configuration in [false, true] {
            for lists_nothing in [false, true] {
                habits.push(Habits {
                    create_federates,
                    managed_keeps_configuration,
                    lists_nothing,
                    ..Habits::default()
                });
            }
        }
    }
    habits
}

fn restore(
    microsoft: &Microsoft,
    federation: &Federation,
    saved: &std::path::Path,
) -> microsoft::Ran {
    let saved = saved.display().to_string();
    microsoft.run(
        federation,
        &[],
        Action::Restore,
        &[("RESTORE_FROM", &saved)],
    )
}

fn domain(microsoft: &Microsoft, change: impl FnOnce(&mut Domain)) {
    microsoft
        .graph
        .arrange(|directory| change(directory.domain_mut(DOMAIN).expect("it is there")));
}

fn kind(microsoft: &Microsoft) -> AuthenticationType {
    microsoft
        .graph
        .snapshot()
        .domain(DOMAIN)
        .expect("it is there")
        .authentication_type
}

fn configuration(microsoft: &Microsoft) -> Configuration {
    let directory = microsoft.graph.snapshot();
    directory
        .domain(DOMAIN)
        .expect("it is there")
        .configuration
        .clone()
        .expect("it is federated")
}

fn stored_certificates(microsoft: &Microsoft) -> (String, Option<String>) {
    let stored = configuration(microsoft);
    (
        stored.signing_certificate.expect("it has one"),
        stored.next_signing_certificate,
    )
}

/// Whether Microsoft has every value as the app has it.
fn is_ours(microsoft: &Microsoft, federation: &Federation) -> bool {
    let stored = configuration(microsoft);
    let protocol = match federation.protocol {
        Protocol::Wsfed => AuthenticationProtocol::WsFed,
        Protocol::Saml => AuthenticationProtocol::Saml,
    };
    kind(microsoft) == AuthenticationType::Federated
        && stored.display_name.as_ref() == Some(&federation.label)
        && stored.issuer_uri.as_ref() == Some(&federation.issuer)
        && stored.passive_sign_in_uri.as_ref() == Some(&federation.passive_sign_in_url)
        && stored.sign_out_uri.as_ref() == Some(&federation.sign_out_url)
        && stored.metadata_exchange_uri == federation.metadata_exchange_url
        && stored.active_sign_in_uri == federation.active_sign_in_url
        && stored.signing_certificate.as_ref() == Some(&federation.signing_certificate)
        && stored.preferred_authentication_protocol == Some(protocol)
        && stored.prompt_login_behavior == Some(entra::graph::PromptLoginBehavior::NativeSupport)
        && stored.federated_idp_mfa_behavior
            == Some(entra::graph::MfaBehavior::AcceptIfMfaDoneByFederatedIdp)
}

/// The calls that asked for a change.
fn writes(microsoft: &Microsoft) -> Vec<String> {
    let calls = microsoft.graph.journal();
    calls
        .iter()
        .filter(|call| call.is_write())
        .map(|call| format!("{} {}", call.method, call.path))
        .collect()
}

/// Where the system has its programs.
fn path() -> String {
    let path = std::env::var_os("PATH").expect("there is a path");
    path.into_string().expect("it is text")
}

/// A program of that name, in place of the system's.
fn program(directory: &std::path::Path, name: &str, text: &str) {
    let file = directory.join(name);
    fs::write(&file, format!("#!/bin/sh\n{text}\n")).expect("a temporary file can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
}
