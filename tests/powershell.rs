//! The run-book's PowerShell, run against Microsoft Graph as the stand-in plays it.
//!
//! No PowerShell runs here: `interpreter` walks the syntax tree of what an administrator would paste.

#[path = "powershell/interpreter.rs"]
mod interpreter;

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use entra::graph::{
    AuthenticationProtocol, AuthenticationType, Configuration, Directory, Domain, Fault, Graph,
    Habits, Moment, Propagation, User,
};
use entra::{Cloud as MicrosoftCloud, StandIn, Tenant};
use idp::cloud::Cloud;
use idp::federate::{
    self, Action, Anchor, Federation, Flavor, MfaBehavior, NextCertificate, PromptLogin,
};
use interpreter::{Machine, Microsoft, Run};
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};
use serde_json::Value;
use store::Protocol;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

const FLAVORS: [Flavor; 2] = [Flavor::Graph, Flavor::Rest];

#[test]
fn a_managed_domain_is_federated_and_restored() {
    for flavor in FLAVORS {
        for habits in every_habit() {
            let mut world = World::new(flavor);
            world.behave(habits);
            let before = world.graph.snapshot();

            world.runs(Action::Enable);
            let stored = world.configuration().expect("it is federated");
            let ours = federation();
            assert_eq!(stored.issuer_uri, Some(ours.issuer.clone()));
            assert_eq!(stored.display_name, Some(ours.label));
            assert_eq!(stored.active_sign_in_uri, ours.active_sign_in_url);
            assert_eq!(stored.signing_certificate, Some(ours.signing_certificate));
            assert!(world.is_federated());
            let enabled = world.graph.snapshot();

            world.graph.forget();
            let again = world.runs(Action::Enable);
            assert!(again.said.join("\n").contains("Nothing to do"), "{again:?}");
            assert_eq!(world.writes(), [""; 0], "nothing is written twice");

            world.runs(Action::Restore);
            assert_eq!(world.graph.snapshot(), before, "{flavor} {habits:?}");
            let again = world.runs(Action::Restore);
            assert!(again.said.join("\n").contains("Nothing to do"), "{again:?}");

            // And forward again, by the file that the restoring itself has saved.
            let (path, _) = world.file_named("-before-restore.json");
            world.set("RestoreFrom", &path);
            world.runs(Action::Restore);
            assert_eq!(world.graph.snapshot(), enabled, "{flavor} {habits:?}");
        }
    }
}

#[test]
fn somebody_elses_federation_is_replaced_with_consent_and_restored() {
    for flavor in FLAVORS {
        for app in [federation(), by_saml()] {
            let mut world = World::new(flavor);
            world.app = app;
            world.federated_elsewhere();
            let before = world.graph.snapshot();

            world.graph.forget();
            let refused = world.stops(Action::Enable);
            assert!(
                refused.contains("$ReplaceFederationOf = 'contoso.com'"),
                "{refused}"
            );
            world.set("ReplaceFederationOf", "fabrikam.com");
            world.stops(Action::Enable);
            assert_eq!(world.writes(), [""; 0]);

            world.set("ReplaceFederationOf", "contoso.com");
            world.runs(Action::Enable);
            let stored = world.configuration().expect("it is federated");
            assert_eq!(stored.issuer_uri.as_ref(), Some(&world.app.issuer));
            assert_eq!(
                stored.password_reset_uri, None,
                "it would receive passwords"
            );
            assert_eq!(
                stored.metadata_exchange_uri,
                world.app.metadata_exchange_url
            );
            assert_eq!(
                stored.next_signing_certificate.as_ref(),
                Some(&world.app.signing_certificate),
                "the other's next key would open everything"
            );

            world.runs(Action::Restore);
            assert_eq!(world.graph.snapshot(), before, "{flavor}");
        }
    }
}

#[test]
fn a_certificate_is_rotated_and_promoted() {
    for flavor in FLAVORS {
        for habits in every_habit() {
            let mut world = World::new(flavor);
            world.behave(habits);
            world.runs(Action::Enable);
            let refused = world.stops(Action::Rotate);
            assert!(refused.contains("no next certificate"), "{refused}");

            let (old, new) = (CERTIFICATES[0].clone(), CERTIFICATES[1].clone());
            world.app.next = Some(new.clone());
            let shown = world.runs(Action::Rotate);
            assert_eq!(world.certificates(), (Some(&old), Some(&new)));
            let evidence: Value = serde_json::from_str(&shown.output.join("\n")).expect("JSON");
            assert_eq!(evidence["NextSigningCertificate"], new.certificate.as_str());
            assert_eq!(evidence["DomainId"], "contoso.com");
            world.runs(Action::Rotate);

            // What enables must leave a rotation alone.
            world.graph.forget();
            world.runs(Action::Enable);
            assert_eq!(world.writes(), [""; 0]);

            world.app.signing_certificate = new.certificate.clone();
            world.app.thumbprint = new.thumbprint.clone();
            world.app.next = None;
            world.runs(Action::Promote);
            assert_eq!(world.certificates(), (Some(&new), Some(&new)));
            // Microsoft forgets the former one at the write after.
            world.graph.forget();
            world.runs(Action::Promote);
            assert_eq!(world.writes().len(), 1);

            world.app.next = Some(CERTIFICATES[2].clone());
            world.runs(Action::Promote);
            assert_eq!(world.certificates(), (Some(&new), Some(&CERTIFICATES[2])));
        }
    }
}

#[test]
fn rotation_is_refused_for_another_ones_federation() {
    for action in [Action::Rotate, Action::Promote] {
        let mut world = World::new(Flavor::Rest);
        world.app.next = Some(CERTIFICATES[1].clone());
        let refused = world.stops(action);
        assert!(refused.contains("no federation configuration"), "{refused}");
        world.federated_elsewhere();
        let refused = world.stops(action);
        assert!(refused.contains("https://elsewhere.example"), "{refused}");
    }
}

#[test]
fn a_domain_is_made_managed_with_consent_and_restored() {
    for flavor in FLAVORS {
        for habits in every_habit() {
            let mut world = World::new(flavor);
            world.behave(habits);
            world.runs(Action::Enable);
            let before = world.graph.snapshot();
            let refused = world.stops(Action::Disable);
            assert!(
                refused.contains("$MakeManaged = 'contoso.com'"),
                "{refused}"
            );
            assert_eq!(world.graph.snapshot(), before);

            world.set("MakeManaged", "contoso.com");
            world.runs(Action::Disable);
            assert!(!world.is_federated());
            world.runs(Action::Disable);

            world.runs(Action::Restore);
            assert_eq!(world.graph.snapshot(), before, "{flavor} {habits:?}");
        }
    }
}

#[test]
fn whatever_interrupts_a_script_running_it_again_succeeds() {
    let mut interrupted = 0;
    for (flavor, habits) in telling_habits() {
        for story in STORIES {
            let (begin, expected) = story.outcome(flavor, habits);
            for call in 1.. {
                let mut done = false;
                for moment in [Moment::Before, Moment::After] {
                    let mut world = begin.twin();
                    world.graph.fail(Fault {
                        call,
                        moment,
                        lasting: true,
                    });
                    let run = world.run(story.action);
                    world.time_passes();
                    done = run.stopped.is_none();
                    interrupted += usize::from(!done);
                    if world.graph.snapshot() != begin.graph.snapshot() {
                        let saved = world.machine.files.len() > begin.machine.files.len();
                        assert!(saved, "{} saves before it changes: {run:#?}", story.action);
                    }
                    let again = world.run(story.action);
                    assert!(
                        again.stopped.is_none(),
                        "{flavor} {habits:?} {} {call} {moment:?}: {run:#?} {again:#?}",
                        story.action
                    );
                    assert_eq!(
                        world.graph.snapshot(),
                        expected,
                        "{flavor} {}",
                        story.action
                    );
                    if story.action == Action::Enable {
                        world.runs(Action::Restore);
                        assert_eq!(
                            world.graph.snapshot(),
                            begin.graph.snapshot(),
                            "{flavor} {habits:?} {call} {moment:?}"
                        );
                    }
                }
                if done {
                    break;
                }
            }
        }
    }
    assert!(interrupted > 300, "{interrupted}");
}

#[test]
fn a_script_that_one_call_stops_leaves_the_tenant_as_it_was() {
    let mut stopped = 0;
    for (flavor, habits) in telling_habits() {
        for story in STORIES {
            // Who wants a domain to be Managed wants it even if that cannot be seen at once, and going back
            // is not undone by going forward.
            if matches!(story.action, Action::Disable | Action::Restore) {
                continue;
            }
            let (begin, expected) = story.outcome(flavor, habits);
            for call in 1.. {
                let mut done = false;
                for moment in [Moment::Before, Moment::After] {
                    let mut world = begin.twin();
                    world.graph.fail(Fault {
                        call,
                        moment,
                        lasting: false,
                    });
                    let run = world.run(story.action);
                    done = run.stopped.is_none();
                    stopped += usize::from(!done);
                    let should_be = if done {
                        &expected
                    } else {
                        &begin.graph.snapshot()
                    };
                    assert_eq!(
                        &world.graph.snapshot(),
                        should_be,
                        "{flavor} {habits:?} {} {call} {moment:?}: {run:#?}",
                        story.action
                    );
                }
                if done {
                    break;
                }
            }
        }
    }
    assert!(stopped > 150, "{stopped}");
}

#[test]
fn what_is_stored_otherwise_than_sent_stops_the_script_and_is_put_back() {
    for flavor in FLAVORS {
        for elsewhere in [false, true] {
            let mut world = World::new(flavor);
            world.app.issuer += "/";
            world.behave(Habits {
                drops_trailing_slashes: true,
                ..Habits::default()
            });
            if elsewhere {
                world.federated_elsewhere();
                world.set("ReplaceFederationOf", "contoso.com");
            }
            let before = world.graph.snapshot();
            let refused = world.stops(Action::Enable);
            assert!(refused.contains("stored something else"), "{refused}");
            assert_eq!(world.graph.snapshot(), before, "{flavor}");
        }
    }
}

#[test]
fn what_cannot_be_federated_is_refused_with_its_reason() {
    type Arrange = fn(&mut World);
    let cases: [(&str, Arrange); 8] = [
        ("is not verified", |world| {
            world.domain(|it| it.is_verified = false);
        }),
        ("default domain", |world| {
            world.domain(|it| it.is_default = true);
        }),
        ("a subdomain", |world| world.domain(|it| it.is_root = false)),
        ("given by Microsoft", |world| {
            world.app.domain = "contoso.onmicrosoft.com".into();
            world.account = "admin@other.example".into();
        }),
        ("signed in as admin@sub.contoso.com", |world| {
            world.account = "admin@sub.contoso.com".into();
        }),
        ("damaged", |world| {
            world.app.signing_certificate.replace_range(0..4, "AAAA");
        }),
        ("damaged", |world| world.app.thumbprint = "0".repeat(40)),
        ("Another domain", |world| {
            let issuer = world.app.issuer.clone();
            world
                .graph
                .arrange(|directory| directory.foreign_issuers.push(issuer));
        }),
    ];
    for flavor in FLAVORS {
        for (reason, arrange) in cases {
            let mut world = World::new(flavor);
            arrange(&mut world);
            let before = world.graph.snapshot();
            let run = world.run(Action::Enable);
            assert!(run.stopped.is_some(), "{reason}: {run:#?}");
            assert!(run.said.join("\n").contains(reason), "{reason}: {run:#?}");
            assert_eq!(world.graph.snapshot(), before, "{reason}");
        }
    }
}

#[test]
fn names_full_of_meaning_arrive_as_they_are() {
    for flavor in FLAVORS {
        let mut world = World::new(flavor);
        world.app.label =
            "O'Brien \u{2019}; $(x) `n \"Caf\u{e9}\" \\u0027 & S\u{f6}hne \u{1f511}".into();
        world.runs(Action::Enable);
        let stored = world.configuration().expect("it is federated");
        assert_eq!(stored.display_name, Some(world.app.label.clone()));
        world.runs(Action::Restore);
        assert!(world.configuration().is_none());
    }
}

#[test]
fn a_restore_refuses_what_is_no_saved_state_of_the_domain() {
    for (text, reason) in [
        ("<html>", "cannot be read"),
        ("{}", "says neither"),
        (
            r#"{"DomainId":"fabrikam.com","AuthenticationType":"Managed"}"#,
            "saved for fabrikam.com",
        ),
        (
            r#"{"DomainId":"contoso.com","AuthenticationType":"Federated"}"#,
            "says neither",
        ),
        (
            r#"{"IssuerUri":"https://elsewhere.example"}"#,
            "no signing certificate",
        ),
    ] {
        let mut world = World::new(Flavor::Rest);
        let refused = world.stops(Action::Restore);
        assert!(refused.contains("No saved state"), "{refused}");
        let path = format!("{}/given.json", interpreter::HOME);
        world.machine.files.insert(path.clone(), text.into());
        world.set("RestoreFrom", &path);
        let refused = world.stops(Action::Restore);
        assert!(refused.contains(reason), "{refused}");
        assert_eq!(world.writes(), [""; 0]);
    }
}

#[test]
fn only_users_without_an_immutable_id_get_theirs() {
    for flavor in FLAVORS {
        let mut world = World::new(flavor);
        world.behave(Habits {
            propagation: Propagation::AfterReads(2),
            ..Habits::default()
        });
        let many: Vec<_> = (0..1100)
            .map(|number| format!("person{number}@contoso.com"))
            .collect();
        world.graph.arrange(|directory| {
            for upn in &many {
                directory.users.push(User::new(upn, None));
            }
            directory
                .users
                .push(User::new("other@contoso.com", Some("kept")));
            directory.users.push(User::new("synced@contoso.com", None));
            directory
                .user_mut("synced@contoso.com")
                .expect("there")
                .on_premises_sync_enabled = true;
            directory.users.push(User::new("late@contoso.com", None));
            directory
                .users
                .push(User::new("holder@contoso.com", Some("held-by-another")));
        });
        world.anchors = many
            .iter()
            .map(|upn| anchor(&upn.to_uppercase(), &format!("id-of-{upn}")))
            .collect();
        world.anchors.push(anchor("other@contoso.com", "ours"));
        world.anchors.push(anchor("synced@contoso.com", "ours-too"));
        world
            .anchors
            .push(anchor("late@contoso.com", "held-by-another"));
        world
            .anchors
            .push(anchor("nobody@contoso.com", "somebodys"));
        // Every hundredth request is asked for patience first.
        world.throttled = (0..30).map(|number| number * 100 + 5).collect();

        let run = world.runs(Action::Users);
        let id_of = |world: &World, upn: &str| {
            let directory = world.graph.snapshot();
            directory
                .user(upn)
                .expect("there")
                .on_premises_immutable_id
                .clone()
        };
        for upn in &many {
            assert_eq!(id_of(&world, upn), Some(format!("id-of-{upn}")));
        }
        assert_eq!(id_of(&world, "other@contoso.com").as_deref(), Some("kept"));
        assert_eq!(id_of(&world, "synced@contoso.com"), None);
        assert_eq!(id_of(&world, "late@contoso.com"), None);
        let said = run.said.join("\n");
        for told in [
            "1100 have it now",
            "nobody@contoso.com",
            "Microsoft's: kept",
            "held-by-another",
            "synced@contoso.com",
        ] {
            assert!(said.contains(told), "{told}: {said}");
        }
        assert!(run.waited > 90, "{}", run.waited);
        assert!(
            world
                .file_named("users-contoso.com-")
                .1
                .contains("person1099")
        );

        world.graph.forget();
        world.runs(Action::Users);
        assert_eq!(world.writes(), [""; 0]);
    }
}

#[test]
fn users_whom_microsoft_refuses_keep_nobody_from_theirs() {
    for flavor in FLAVORS {
        let mut world = World::new(flavor);
        world.runs(Action::Enable);
        world.graph.arrange(|directory| {
            directory.users.push(User::new("alice@contoso.com", None));
            directory.users.push(User::new("bob@other.example", None));
        });
        world.anchors = vec![
            anchor("alice@contoso.com", "a"),
            anchor("bob@other.example", "b"),
        ];
        let run = world.runs(Action::Users);
        let directory = world.graph.snapshot();
        let id = |upn| {
            directory
                .user(upn)
                .expect("there")
                .on_premises_immutable_id
                .as_deref()
        };
        assert_eq!(
            (id("alice@contoso.com"), id("bob@other.example")),
            (None, Some("b"))
        );
        let said = run.said.join("\n");
        assert!(
            said.contains("1 were refused") && said.contains("detour"),
            "{said}"
        );
    }
}

#[test]
fn setting_immutable_ids_is_taken_up_again_after_any_interruption() {
    for flavor in FLAVORS {
        for call in 1..12 {
            for moment in [Moment::Before, Moment::After] {
                let mut world = World::new(flavor);
                for number in 0..4 {
                    let upn = format!("person{number}@contoso.com");
                    world
                        .graph
                        .arrange(|directory| directory.users.push(User::new(&upn, None)));
                    world.anchors.push(anchor(&upn, &format!("id{number}")));
                }
                world.graph.fail(Fault {
                    call,
                    moment,
                    lasting: true,
                });
                world.run(Action::Users);
                world.time_passes();
                world.runs(Action::Users);
                let directory = world.graph.snapshot();
                for one in &world.anchors {
                    let user = directory.user(&one.upn).expect("there");
                    assert_eq!(
                        user.on_premises_immutable_id.as_ref(),
                        Some(&one.immutable_id)
                    );
                }
            }
        }
    }
}

#[test]
fn looking_changes_nothing_and_tells_what_is_wrong() {
    for flavor in FLAVORS {
        let mut world = World::new(flavor);
        world.graph.arrange(|directory| {
            directory
                .users
                .push(User::new("alice@contoso.com", Some("a")));
            directory.users.push(User::new("bob@contoso.com", None));
            directory
                .users
                .push(User::new("carol@contoso.com", Some("another")));
            directory
                .users
                .push(User::new("stranger@contoso.com", None));
        });
        world.anchors = vec![
            anchor("alice@contoso.com", "a"),
            anchor("bob@contoso.com", "b"),
            anchor("carol@contoso.com", "c"),
            anchor("dave@fabrikam.com", "d"),
        ];
        let managed = world.runs(Action::Check).said.join("\n");
        for told in [
            "[ok] contoso.com is verified",
            "contoso.com is Managed.",
            "no federation configuration yet",
            "3 of the 4 users",
            "bob@contoso.com",
            "Microsoft's: another",
            "dave@fabrikam.com",
            "stranger@contoso.com",
            "AADSTS5000820",
        ] {
            assert!(managed.contains(told), "{told}: {managed}");
        }
        world.federated_elsewhere();
        let elsewhere = world.runs(Action::Check).said.join("\n");
        assert!(
            elsewhere.contains("with https://elsewhere.example"),
            "{elsewhere}"
        );
        world.domain(|it| it.is_verified = false);
        let unverified = world.runs(Action::Check).said.join("\n");
        assert!(
            unverified.contains("[!!] contoso.com is not verified"),
            "{unverified}"
        );

        let shown = world.runs(Action::Show);
        let json: Value = serde_json::from_str(&shown.output.join("\n")).expect("JSON");
        assert_eq!(json["IssuerUri"], "https://elsewhere.example");
        assert_eq!(json["AuthenticationType"], "Federated");
        assert_eq!(
            json["NextSigningCertificate"],
            CERTIFICATES[2].certificate.as_str()
        );
        assert_eq!(world.writes(), [""; 0]);
        assert!(world.machine.files.is_empty());
    }
}

#[test]
fn an_app_that_differs_from_what_is_stored_is_told_how() {
    let mut world = World::new(Flavor::Rest);
    world.runs(Action::Enable);
    world.app.mfa_behavior = MfaBehavior::Enforce;
    let said = world.runs(Action::Check).said.join("\n");
    assert!(
        said.contains("differs in 1 setting") && said.contains("enforceMfaByFederatedIdp"),
        "{said}"
    );
    world.runs(Action::Enable);
    let said = world.runs(Action::Check).said.join("\n");
    assert!(said.contains("as this app wants it"), "{said}");
}

/// One action, and what stands before it.
struct Story {
    action: Action,
    begin: fn(&mut World),
}

const STORIES: [Story; 7] = [
    Story {
        action: Action::Enable,
        begin: |_| {},
    },
    Story {
        action: Action::Enable,
        begin: |world| {
            world.federated_elsewhere();
            world.set("ReplaceFederationOf", "contoso.com");
        },
    },
    Story {
        action: Action::Rotate,
        begin: |world| {
            world.runs(Action::Enable);
            world.app.next = Some(CERTIFICATES[1].clone());
        },
    },
    Story {
        action: Action::Promote,
        begin: |world| {
            world.runs(Action::Enable);
            world.app.next = Some(CERTIFICATES[1].clone());
            world.runs(Action::Rotate);
            world
                .app
                .signing_certificate
                .clone_from(&CERTIFICATES[1].certificate);
            world.app.thumbprint.clone_from(&CERTIFICATES[1].thumbprint);
            world.app.next = None;
        },
    },
    Story {
        action: Action::Disable,
        begin: |world| {
            world.runs(Action::Enable);
            world.set("MakeManaged", "contoso.com");
        },
    },
    Story {
        action: Action::Restore,
        begin: |world| drop(world.runs(Action::Enable)),
    },
    Story {
        action: Action::Restore,
        begin: |world| {
            world.federated_elsewhere();
            world.set("ReplaceFederationOf", "contoso.com");
            world.runs(Action::Enable);
        },
    },
];

impl Story {
    /// The world before, and the directory after a run that nothing stops.
    fn outcome(&self, flavor: Flavor, habits: Habits) -> (World, Directory) {
        let mut world = World::new(flavor);
        world.behave(habits);
        (self.begin)(&mut world);
        let mut after = world.twin();
        after.runs(self.action);
        let expected = after.graph.snapshot();
        (world, expected)
    }
}

/// What Microsoft leaves open, one by one.
fn every_habit() -> [Habits; 5] {
    let usual = Habits::default();
    [
        usual,
        Habits {
            create_federates: false,
            ..usual
        },
        Habits {
            lists_nothing: true,
            ..usual
        },
        Habits {
            managed_keeps_configuration: true,
            create_federates: false,
            ..usual
        },
        Habits {
            propagation: Propagation::AfterReads(3),
            ..usual
        },
    ]
}

/// Those that change the order of calls, where each is stopped.
fn telling_habits() -> [(Flavor, Habits); 4] {
    let usual = Habits::default();
    let otherwise = Habits {
        create_federates: false,
        lists_nothing: true,
        ..usual
    };
    let late = Habits {
        propagation: Propagation::AfterReads(2),
        ..usual
    };
    [
        (Flavor::Rest, usual),
        (Flavor::Rest, otherwise),
        (Flavor::Rest, late),
        (Flavor::Graph, usual),
    ]
}

/// An administrator's machine, and the tenant at Microsoft.
struct World {
    flavor: Flavor,
    app: Federation,
    anchors: Vec<Anchor>,
    machine: Machine,
    graph: Graph,
    router: Router,
    habits: Habits,
    token: String,
    answered: usize,
    account: String,
    /// Which of the requests from the beginning are answered 429 first.
    throttled: HashSet<usize>,
}

impl World {
    fn new(flavor: Flavor) -> Self {
        let tenant = Tenant {
            cloud: MicrosoftCloud {
                audience: "urn:federation:MicrosoftOnline".into(),
                reply: "https://login.example/login.srf".into(),
            },
            domains: ["contoso.com", "other.example"]
                .map(|name| entra::Domain {
                    name: name.into(),
                    federation: None,
                })
                .into(),
            users: Vec::new(),
        };
        let stand_in = StandIn::new(tenant, "https://login.example", || SystemTime::now().into());
        let graph = stand_in.graph().clone();
        // The administrator is there from the beginning.
        graph.admin_token(&[]);
        Self {
            flavor,
            app: federation(),
            anchors: Vec::new(),
            machine: Machine::default(),
            graph,
            router: entra::router(stand_in),
            habits: Habits::default(),
            token: String::new(),
            answered: 0,
            account: "admin@contoso.onmicrosoft.com".into(),
            throttled: HashSet::new(),
        }
    }

    /// The same again, at a Microsoft of its own.
    fn twin(&self) -> Self {
        let mut twin = Self::new(self.flavor);
        twin.app = self.app.clone();
        twin.anchors.clone_from(&self.anchors);
        twin.machine = self.machine.clone();
        twin.behave(self.habits);
        let mut directory = self.graph.snapshot();
        for domain in &mut directory.domains {
            if let Some(configuration) = &mut domain.configuration {
                configuration.id = "6601d14b-d113-8f64-fda2-9b5ddda18ecc".into();
            }
        }
        twin.graph.arrange(|new| *new = directory);
        twin
    }

    fn behave(&mut self, habits: Habits) {
        self.habits = habits;
        self.graph.set_habits(habits);
    }

    /// Whatever was wrong is mended, and every change can be read.
    fn time_passes(&self) {
        self.graph.mend();
        self.graph.arrange(|_| {});
    }

    fn set(&mut self, variable: &str, value: &str) {
        let variables = &mut self.machine.variables;
        variables.insert(variable.to_lowercase(), value.into());
    }

    fn run(&mut self, action: Action) -> Run {
        let script = federate::script(&self.app, &self.anchors, action, self.flavor);
        let mut machine = std::mem::take(&mut self.machine);
        let run = interpreter::run(&script, &mut machine, self);
        self.machine = machine;
        run
    }

    /// It comes to its end.
    #[track_caller]
    fn runs(&mut self, action: Action) -> Run {
        let run = self.run(action);
        assert!(run.stopped.is_none(), "{} {action}: {run:#?}", self.flavor);
        run
    }

    /// It does not; the reason.
    #[track_caller]
    fn stops(&mut self, action: Action) -> String {
        let run = self.run(action);
        run.stopped
            .unwrap_or_else(|| panic!("{action}: {:#?}", run.said))
    }

    fn writes(&self) -> Vec<String> {
        let calls = self.graph.journal().into_iter();
        calls
            .filter(entra::graph::Call::is_write)
            .map(|call| format!("{} {}", call.method, call.path))
            .collect()
    }

    fn file_named(&self, part: &str) -> (String, String) {
        let mut files = self.machine.files.iter();
        let (path, text) = files.find(|(path, _)| path.contains(part)).expect(part);
        (path.clone(), text.clone())
    }

    fn domain(&mut self, change: impl FnOnce(&mut Domain)) {
        self.graph
            .arrange(|directory| change(directory.domain_mut("contoso.com").expect("it is there")));
    }

    fn configuration(&self) -> Option<Configuration> {
        let directory = self.graph.snapshot();
        directory.domain("contoso.com")?.configuration.clone()
    }

    fn is_federated(&self) -> bool {
        let directory = self.graph.snapshot();
        let domain = directory.domain("contoso.com").expect("it is there");
        domain.authentication_type == AuthenticationType::Federated
    }

    /// The certificates that Microsoft has, as ours.
    fn certificates(
        &self,
    ) -> (
        Option<&'static NextCertificate>,
        Option<&'static NextCertificate>,
    ) {
        let stored = self.configuration().expect("it is federated");
        let ours = |stored: Option<String>| {
            CERTIFICATES
                .iter()
                .find(|one| Some(&one.certificate) == stored.as_ref())
        };
        (
            ours(stored.signing_certificate),
            ours(stored.next_signing_certificate),
        )
    }

    fn federated_elsewhere(&mut self) {
        let text = |text: &str| Some(text.to_owned());
        self.domain(|domain| {
            domain.authentication_type = AuthenticationType::Federated;
            domain.configuration = Some(Configuration {
                id: "6601d14b-d113-8f64-fda2-9b5ddda18ecc".into(),
                display_name: text("Elsewhere"),
                issuer_uri: text("https://elsewhere.example"),
                metadata_exchange_uri: text("https://elsewhere.example/mex"),
                passive_sign_in_uri: text("https://elsewhere.example/in"),
                preferred_authentication_protocol: Some(AuthenticationProtocol::WsFed),
                signing_certificate: Some(CERTIFICATES[1].certificate.clone()),
                active_sign_in_uri: text("https://elsewhere.example/trust"),
                federated_idp_mfa_behavior: Some(
                    entra::graph::MfaBehavior::RejectMfaByFederatedIdp,
                ),
                is_signed_authentication_request_required: Some(true),
                next_signing_certificate: Some(CERTIFICATES[2].certificate.clone()),
                password_reset_uri: text("https://elsewhere.example/reset"),
                prompt_login_behavior: None,
                signing_certificate_update_status: None,
                sign_out_uri: text("https://elsewhere.example/out"),
            });
        });
    }
}

impl Microsoft for World {
    fn connect(&mut self, environment: &str, scopes: &[String]) -> String {
        assert_eq!(environment, "Global");
        let scopes: Vec<_> = scopes.iter().map(String::as_str).collect();
        self.token = self.graph.admin_token(&scopes);
        self.account.clone()
    }

    fn request(
        &mut self,
        method: &str,
        uri: &str,
        content_type: Option<&str>,
        body: Option<String>,
    ) -> (u16, Option<u64>, String) {
        self.answered += 1;
        if self.throttled.remove(&self.answered) {
            let error = r#"{"error":{"code":"TooManyRequests","message":"Slow down."}}"#;
            return (429, Some(9), error.into());
        }
        let path = uri
            .strip_prefix(self.graph.base_url())
            .or_else(|| uri.strip_prefix("/v1.0"))
            .expect("it is Graph's");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/graph/v1.0{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request
            .body(Body::from(body.unwrap_or_default()))
            .expect("it is a request");
        RUNTIME.block_on(async {
            let answer = self.router.clone().oneshot(request).await;
            let answer = answer.expect("the router always answers");
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), usize::MAX)
                .await
                .expect("it ends");
            (
                status,
                None,
                String::from_utf8(body.into()).expect("it is UTF-8"),
            )
        })
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts")
});

static CERTIFICATES: LazyLock<[NextCertificate; 3]> = LazyLock::new(|| [1, 2, 3].map(certificate));

fn certificate(serial: u32) -> NextCertificate {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "contoso").expect("a name");
    let name = name.build();
    let build = || {
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        let number = BigNum::from_u32(serial)?;
        builder.set_serial_number(Asn1Integer::from_bn(&number)?.as_ref())?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(&key)?;
        builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
        builder.set_not_after(Asn1Time::days_from_now(3650)?.as_ref())?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok::<_, openssl::error::ErrorStack>(builder.build())
    };
    let certificate = build().expect("a certificate");
    let digest = certificate.digest(MessageDigest::sha1()).expect("SHA-1");
    NextCertificate {
        certificate: openssl::base64::encode_block(&certificate.to_der().expect("DER")),
        thumbprint: interpreter::hex(&digest),
    }
}

fn federation() -> Federation {
    let base = "https://id.contoso.com/wsfed/663a8fb979aa83c58df6081e";
    Federation {
        app_id: "663a8fb979aa83c58df6081e".into(),
        label: "Contoso".into(),
        domain: "contoso.com".into(),
        issuer: base.into(),
        protocol: Protocol::Wsfed,
        passive_sign_in_url: base.into(),
        sign_out_url: format!("{base}/signout"),
        metadata_exchange_url: Some(format!("{base}/trust/mex")),
        active_sign_in_url: Some(format!("{base}/trust/2005/usernamemixed")),
        signing_certificate: CERTIFICATES[0].certificate.clone(),
        thumbprint: CERTIFICATES[0].thumbprint.clone(),
        next: None,
        mfa_behavior: MfaBehavior::default(),
        prompt_login: PromptLogin::default(),
        cloud: Cloud::Worldwide,
        commands_url: format!("{base}/commands"),
    }
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
