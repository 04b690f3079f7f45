//! The verbs under a clock that the test moves: what ends, what grows, what is forgotten.

use std::sync::Arc;

use countersign_idp as idp;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use crypto::certificate::SigningKey;
use crypto::xml_signature;
use idp::apps::{ActiveChange, AppChange, AppInfo, NewMicrosoft365, NewSaml, NewWsFed, SamlChange};
use idp::attempts::Target;
use idp::clock::ManualClock;
use idp::cloud::Cloud;
use idp::master_key::{self, MasterKey};
use idp::password_pool::PasswordPool;
use idp::people::NewUser;
use idp::saml::{self, Endpoint};
use idp::sessions::SessionToken;
use idp::sign_on::{PostBack, SignOn};
use idp::sign_out::{Done, SignedOut};
use idp::urls::Urls;
use idp::{Error, Idp, Origin, Refusal};
use protocol::saml2::{self, Arrived};
use protocol::wsfed::{Message, SignIn};
use store::{Active, Protocol, Store};
use zeroize::Zeroizing;

#[path = "verbs/anchors.rs"]
mod anchors;
#[path = "verbs/certificates.rs"]
mod certificates;
#[path = "verbs/doctor.rs"]
mod doctor;
#[path = "verbs/domains.rs"]
mod domains;
#[path = "verbs/wstrust.rs"]
mod wstrust;

const PASSWORD: &str = "correct horse battery";

/// A company with Alice, who may use Microsoft 365, and a clock.
struct Contoso {
    idp: Idp,
    clock: ManualClock,
    app_id: String,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Contoso {
    async fn new() -> Self {
        Self::with(PasswordPool::new(2)).await
    }

    async fn with(passwords: PasswordPool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let store = Store::open(&url).await.expect("a database");
        let clock =
            ManualClock::at(DateTime::from_timestamp(1_800_000_000, 0).expect("an instant"));
        let public_url = "https://login.contoso.com".parse().expect("a URL");
        let key = Arc::new(MasterKey::generate());
        assert!(master_key::agree(&store, &key).await.expect("agreement"));
        let idp = Idp::new(
            store.clone(),
            clock.clock(),
            key,
            passwords,
            Urls::new(&public_url),
        );
        let new = NewMicrosoft365 {
            domain: "contoso.com".to_owned(),
            label: None,
            cloud: Cloud::Worldwide,
            entra_url: None,
        };
        let app = idp
            .add_microsoft365(new, &at("command line"))
            .await
            .expect("an app");
        let contoso = Self {
            idp,
            clock,
            app_id: app.id,
            store,
            _folder: folder,
        };
        contoso
            .idp
            .add_group("Staff", &at("command line"))
            .await
            .expect("a group");
        contoso
            .idp
            .grant("contoso.com", "Staff", &at("command line"))
            .await
            .expect("a grant");
        contoso.add("alice@contoso.com").await;
        contoso
    }

    async fn add(&self, upn: &str) {
        let new = NewUser {
            upn: upn.to_owned(),
            display_name: "Somebody".to_owned(),
            email: None,
            given_name: None,
            family_name: None,
            immutable_id: None,
            admin: false,
            password: Zeroizing::new(PASSWORD.to_owned()),
        };
        self.idp
            .add_user(new, &at("command line"))
            .await
            .expect("a user");
        self.idp
            .join_group("Staff", upn, &at("command line"))
            .await
            .expect("a member");
    }

    async fn sign_in(
        &self,
        upn: &str,
        password: &str,
        source: &str,
    ) -> Result<SessionToken, Error> {
        self.idp
            .sign_in(upn, Zeroizing::new(password.to_owned()), None, &at(source))
            .await
    }

    async fn alice(&self) -> SessionToken {
        self.sign_in("alice@contoso.com", PASSWORD, "192.0.2.1")
            .await
            .expect("Alice signs in")
    }

    /// A sign-in request with these parameters besides the necessary ones, made now.
    async fn ask(&self, more: &str, session: &SessionToken) -> Result<SignOn, Error> {
        self.ask_at(more, session, self.idp.now()).await
    }

    async fn ask_at(
        &self,
        more: &str,
        session: &SessionToken,
        asked_at: chrono::DateTime<chrono::Utc>,
    ) -> Result<SignOn, Error> {
        self.idp
            .wsfed_sign_on(
                &self.app_id,
                &request(more),
                Some(session),
                asked_at,
                &at("192.0.2.1"),
            )
            .await
    }
}

fn request(more: &str) -> SignIn {
    let query = format!("wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline{more}");
    match protocol::wsfed::parse(&query, b"").expect("a request") {
        Message::SignIn(request) => request,
        other => panic!("not a sign-in: {other:?}"),
    }
}

fn at(source: &str) -> Origin {
    Origin {
        source: source.to_owned(),
        correlation_id: "test".to_owned(),
        via: None,
    }
}

fn posted(outcome: Result<SignOn, Error>) -> PostBack {
    match outcome {
        Ok(SignOn::Post(post)) => post,
        Ok(SignOn::Authenticate) => panic!("asked to sign in"),
        Err(error) => panic!("refused: {error}"),
    }
}

fn asks_to_sign_in(outcome: &Result<SignOn, Error>) -> bool {
    matches!(outcome, Ok(SignOn::Authenticate))
}

fn refusal<T>(outcome: Result<T, Error>) -> Refusal {
    match outcome {
        Err(Error::Refused(refusal, _)) => refusal,
        Err(other) => panic!("failed otherwise: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn a_token_carries_the_instant_of_the_password_not_of_the_token() {
    let contoso = Contoso::new().await;
    let session = contoso.alice().await;
    let signed_in = contoso.idp.now();
    contoso.clock.advance(TimeDelta::minutes(90));
    let post = posted(contoso.ask("&wctx=abc", &session).await);
    let answer = &post.fields[1].1;
    let instant = signed_in
        .format("AuthenticationInstant=\"%Y-%m-%dT%H:%M:%S%.3fZ\"")
        .to_string();
    assert!(answer.contains(&instant), "{instant} is not in {answer}");
    assert_eq!(post.fields[2], ("wctx", "abc".to_owned()));
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_at_the_latest_after_twelve_hours() {
    let contoso = Contoso::new().await;
    let idle = contoso.alice().await;
    contoso
        .clock
        .advance(TimeDelta::hours(4) - TimeDelta::seconds(1));
    posted(contoso.ask("", &idle).await);
    contoso.clock.advance(TimeDelta::hours(4));
    assert!(asks_to_sign_in(&contoso.ask("", &idle).await));

    let busy = contoso.alice().await;
    for _ in 0..11 {
        contoso.clock.advance(TimeDelta::hours(1));
        posted(contoso.ask("", &busy).await);
    }
    contoso.clock.advance(TimeDelta::hours(1));
    assert!(asks_to_sign_in(&contoso.ask("", &busy).await));
}

#[tokio::test]
async fn a_request_for_a_fresh_sign_in_is_met_only_by_one_made_for_it() {
    let contoso = Contoso::new().await;
    let old = contoso.alice().await;
    contoso.clock.advance(TimeDelta::minutes(10));
    let password = "http%3a%2f%2fschemas.microsoft.com%2fws%2f2008%2f06%2fidentity%2fauthenticationmethod%2fpassword";
    for again in [
        "&wfresh=0".to_owned(),
        "&prompt=login".to_owned(),
        format!("&wauth={password}"),
        "&wfresh=9".to_owned(),
    ] {
        let asked_at = contoso.idp.now();
        assert!(
            asks_to_sign_in(&contoso.ask(&again, &old).await),
            "{again} was answered from an old session"
        );
        contoso.clock.advance(TimeDelta::seconds(5));
        let new = contoso.alice().await;
        posted(contoso.ask_at(&again, &new, asked_at).await);
        contoso.clock.advance(TimeDelta::seconds(5));
        if again != "&wfresh=9" {
            assert!(
                asks_to_sign_in(&contoso.ask(&again, &new).await),
                "{again} was answered twice from one sign-in"
            );
        }
    }
    posted(contoso.ask("&wfresh=11", &old).await);
}

#[tokio::test]
async fn several_factors_are_never_claimed() {
    let contoso = Contoso::new().await;
    let session = contoso.alice().await;
    let wauth = "&wauth=http%3a%2f%2fschemas.microsoft.com%2fclaims%2fmultipleauthn&mfa_max_age=60";
    assert!(matches!(
        refusal(contoso.ask(wauth, &session).await),
        Refusal::MultiFactorRequested { .. }
    ));
    let kerberos = "&wauth=urn%3afederation%3aauthentication%3awindows";
    assert!(matches!(
        refusal(contoso.ask(kerberos, &session).await),
        Refusal::MethodRequested { .. }
    ));
}

#[tokio::test]
async fn guessing_is_slowed_more_and_more_and_ends_by_itself() {
    let contoso = Contoso::new().await;
    for _ in 0..5 {
        assert_eq!(
            refusal(
                contoso
                    .sign_in("alice@contoso.com", "guess", "198.51.100.7")
                    .await
            ),
            Refusal::WrongCredentials
        );
    }
    // Locked, even for the right password; and attempts meanwhile do not make it longer.
    for source in ["198.51.100.7", "198.51.100.7"] {
        let locked = refusal(contoso.sign_in("alice@contoso.com", PASSWORD, source).await);
        assert_eq!(
            locked,
            Refusal::Locked {
                until: contoso.idp.now() + TimeDelta::seconds(10)
            }
        );
    }
    contoso.clock.advance(TimeDelta::seconds(10));
    assert_eq!(
        refusal(
            contoso
                .sign_in("alice@contoso.com", "guess", "198.51.100.7")
                .await
        ),
        Refusal::WrongCredentials
    );
    let locked = refusal(
        contoso
            .sign_in("alice@contoso.com", PASSWORD, "198.51.100.7")
            .await,
    );
    assert_eq!(
        locked,
        Refusal::Locked {
            until: contoso.idp.now() + TimeDelta::seconds(20)
        }
    );
    contoso.clock.advance(TimeDelta::seconds(20));
    contoso
        .sign_in("alice@contoso.com", PASSWORD, "198.51.100.7")
        .await
        .expect("the lock has ended");
}

#[tokio::test]
async fn strangers_cannot_lock_a_person_out() {
    let contoso = Contoso::new().await;
    // One stranger holds up nobody but himself.
    for _ in 0..20 {
        refusal(
            contoso
                .sign_in("alice@contoso.com", "guess", "198.51.100.7")
                .await,
        );
    }
    contoso.alice().await;
    // Many are slowed together; a place that she signed in from is not, and no place for long.
    for stranger in 0..60 {
        let source = format!("198.51.100.{stranger}");
        refusal(contoso.sign_in("alice@contoso.com", "guess", &source).await);
    }
    let elsewhere = || contoso.sign_in("alice@contoso.com", PASSWORD, "203.0.113.9");
    assert!(matches!(refusal(elsewhere().await), Refusal::Locked { .. }));
    contoso.alice().await;
    contoso.clock.advance(TimeDelta::minutes(1));
    elsewhere().await.expect("the longest delay is over");
}

#[tokio::test]
async fn an_unknown_user_is_answered_and_locked_like_a_known_one() {
    let contoso = Contoso::new().await;
    for upn in ["alice@contoso.com", "nobody@contoso.com"] {
        for _ in 0..5 {
            assert_eq!(
                refusal(contoso.sign_in(upn, "guess", "198.51.100.7").await),
                Refusal::WrongCredentials
            );
        }
        assert!(matches!(
            refusal(contoso.sign_in(upn, "guess", "198.51.100.7").await),
            Refusal::Locked { .. }
        ));
    }
}

#[tokio::test]
async fn the_right_password_may_come_many_times_at_once() {
    let contoso = Contoso::new().await;
    let sign_ins = (0..20).map(|_| {
        let idp = contoso.idp.clone();
        let password = Zeroizing::new(PASSWORD.to_owned());
        tokio::spawn(async move {
            idp.sign_in("alice@contoso.com", password, None, &at("192.0.2.1"))
                .await
        })
    });
    for sign_in in sign_ins.collect::<Vec<_>>() {
        sign_in.await.expect("no panic").expect("signed in");
    }
}

#[tokio::test]
async fn trying_at_the_same_moment_is_no_way_around_the_throttle() {
    let contoso = Contoso::new().await;
    let guesses = (0..60).map(|_| {
        let idp = contoso.idp.clone();
        tokio::spawn(async move {
            idp.sign_in(
                "alice@contoso.com",
                Zeroizing::new("guess".to_owned()),
                None,
                &at("198.51.100.7"),
            )
            .await
        })
    });
    let mut compared = 0;
    for guess in guesses.collect::<Vec<_>>() {
        if refusal(guess.await.expect("no panic")) == Refusal::WrongCredentials {
            compared += 1;
        }
    }
    // Five at a time; those that had begun when the fifth failure was counted were let in before.
    assert!((5..10).contains(&compared), "{compared} were compared");
}

#[tokio::test]
async fn one_address_that_tries_many_names_is_slowed_too() {
    let contoso = Contoso::new().await;
    for number in 0..60 {
        let upn = format!("user{number}@contoso.com");
        assert_eq!(
            refusal(contoso.sign_in(&upn, "guess", "198.51.100.7").await),
            Refusal::WrongCredentials
        );
    }
    assert!(matches!(
        refusal(
            contoso
                .sign_in("alice@contoso.com", PASSWORD, "198.51.100.7")
                .await
        ),
        Refusal::Locked { .. }
    ));
    contoso.alice().await;
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_browser_had() {
    let contoso = Contoso::new().await;
    let first = contoso.alice().await;
    let password = Zeroizing::new(PASSWORD.to_owned());
    let second = contoso
        .idp
        .sign_in(
            "alice@contoso.com",
            password,
            Some(&first),
            &at("192.0.2.1"),
        )
        .await
        .expect("signed in");
    assert!(
        contoso
            .idp
            .signed_in(&first)
            .await
            .expect("an answer")
            .is_none()
    );
    assert!(
        contoso
            .idp
            .signed_in(&second)
            .await
            .expect("an answer")
            .is_some()
    );
}

#[tokio::test]
async fn switching_a_user_off_ends_everything_at_once() {
    let contoso = Contoso::new().await;
    let session = contoso.alice().await;
    contoso
        .idp
        .set_user_enabled("alice@contoso.com", false, &at("command line"))
        .await
        .expect("disabled");
    assert!(asks_to_sign_in(&contoso.ask("", &session).await));
    let right = refusal(
        contoso
            .sign_in("alice@contoso.com", PASSWORD, "192.0.2.1")
            .await,
    );
    assert!(matches!(right, Refusal::UserDisabled { .. }));
    assert_eq!(
        refusal(
            contoso
                .sign_in("alice@contoso.com", "guess", "192.0.2.1")
                .await
        ),
        Refusal::WrongCredentials
    );
}

#[tokio::test]
async fn the_domain_guard_counts_sub_domains_and_nothing_else() {
    let contoso = Contoso::new().await;
    for (upn, allowed) in [
        ("erin@eu.contoso.com", true),
        ("mallory@evilcontoso.com", false),
        ("frank@fabrikam.com", false),
    ] {
        contoso.add(upn).await;
        let session = contoso
            .sign_in(upn, PASSWORD, "192.0.2.1")
            .await
            .expect("signed in");
        let outcome = contoso.ask("", &session).await;
        if allowed {
            assert!(
                posted(outcome).fields[1]
                    .1
                    .contains("Issuer=\"https://contoso.com\"")
            );
        } else {
            assert!(matches!(refusal(outcome), Refusal::OutsideDomain { .. }));
        }
    }
}

#[tokio::test]
async fn a_begun_sign_in_is_kept_for_an_hour() {
    let contoso = Contoso::new().await;
    let target = Target::Page {
        path: "/somewhere".to_owned(),
    };
    let token = contoso
        .idp
        .begin(&target, &at("192.0.2.1"))
        .await
        .expect("begun");
    contoso.clock.advance(TimeDelta::minutes(59));
    assert_eq!(
        contoso.idp.begun(&token).await.expect("still there").target,
        target
    );
    contoso.clock.advance(TimeDelta::minutes(1));
    assert_eq!(
        refusal(contoso.idp.begun(&token).await),
        Refusal::AttemptExpired
    );
    contoso.clock.advance(TimeDelta::days(40));
    assert!(contoso.idp.purge().await.expect("purged") > 0);
}

#[tokio::test]
async fn every_outcome_is_on_record() {
    let contoso = Contoso::new().await;
    // Lines of the same microsecond have no order.
    let tick = || contoso.clock.advance(TimeDelta::seconds(1));
    tick();
    refusal(
        contoso
            .sign_in("alice@contoso.com", "guess", "192.0.2.1")
            .await,
    );
    tick();
    refusal(contoso.sign_in("My-Passw0rd!", "alice", "192.0.2.1").await);
    tick();
    let session = contoso.alice().await;
    tick();
    posted(contoso.ask("", &session).await);
    tick();
    contoso
        .idp
        .revoke("contoso.com", "Staff", &at("command line"))
        .await
        .expect("revoked");
    tick();
    refusal(contoso.ask("", &session).await);
    let lines = contoso.idp.audit(6, None).await.expect("the audit");
    let events: Vec<&str> = lines.iter().map(|line| line.event.as_str()).collect();
    assert_eq!(
        events[..6],
        [
            "token.refused",
            "app.revoked",
            "token.issued",
            "sign-in.accepted",
            "sign-in.refused",
            "sign-in.refused"
        ]
    );
    assert_eq!(lines[0].details["reason"], "not-granted");
    for detail in [
        "immutable_id",
        "audience",
        "issuer",
        "assertion_id",
        "certificate_thumbprint",
    ] {
        assert!(lines[2].details[detail].is_string(), "{detail} is missing");
    }
    assert!(lines.iter().all(|line| {
        !serde_json::to_string(line)
            .expect("JSON")
            .contains("My-Passw0rd")
    }));
}

/// Changes whether a password alone opens an app; on, its networks, its status.
async fn open(
    contoso: &Contoso,
    app: &str,
    on: Option<bool>,
    networks: &[&str],
    credential_status: Option<u16>,
) -> Result<AppInfo, Error> {
    let active = ActiveChange {
        on,
        networks: networks.iter().map(|&network| network.into()).collect(),
        credential_status,
    };
    let settings = AppChange {
        active,
        ..AppChange::default()
    };
    change(contoso, app, settings).await
}

async fn speak(contoso: &Contoso, protocol: Protocol, on: Option<bool>) -> Result<AppInfo, Error> {
    let settings = AppChange {
        protocol: Some(protocol),
        active: ActiveChange {
            on,
            ..ActiveChange::default()
        },
        ..AppChange::default()
    };
    change(contoso, "contoso.com", settings).await
}

async fn change(contoso: &Contoso, app: &str, change: AppChange) -> Result<AppInfo, Error> {
    // Lines of the same microsecond have no order.
    contoso.clock.advance(TimeDelta::seconds(1));
    let origin = at("command line");
    contoso.idp.change_app(app, change, &origin).await
}

#[tokio::test]
async fn a_password_alone_opens_an_app_only_once_that_was_turned_on() {
    let contoso = Contoso::new().await;
    let app = contoso.idp.app("contoso.com").await.expect("an app");
    assert_eq!(app.active, Some(Active::default()));
    assert!(!Active::default().on);

    let written = [
        "203.0.113.0/24",
        "192.0.2.7",
        "192.0.2.7/32",
        "2001:DB8::/48",
    ];
    let opened = open(&contoso, "contoso.com", Some(true), &written, Some(500)).await;
    let expected = Active {
        on: true,
        networks: ["203.0.113.0/24", "192.0.2.7/32", "2001:db8::/48"]
            .map(String::from)
            .into(),
        credential_status: 500,
    };
    assert_eq!(opened.expect("changed").active.as_ref(), Some(&expected));
    let line = &contoso.idp.audit(1, None).await.expect("the audit")[0];
    assert_eq!(
        serde_json::Value::Object(line.details.clone()),
        serde_json::json!({
            "ws-trust": "off -> on",
            "ws-trust from": "everywhere -> 203.0.113.0/24 192.0.2.7/32 2001:db8::/48",
            "ws-trust refusal status": "400 -> 500",
        })
    );

    let renamed = AppChange {
        label: Some("Office".to_owned()),
        ..AppChange::default()
    };
    let renamed = change(&contoso, "contoso.com", renamed).await;
    assert_eq!(
        renamed.expect("changed").active,
        Some(expected),
        "what is not named stays"
    );
    let everywhere = open(&contoso, "contoso.com", None, &["none"], None).await;
    let active = everywhere.expect("changed").active.expect("settings");
    assert_eq!((active.on, active.networks.len()), (true, 0));
}

#[tokio::test]
async fn what_cannot_be_meant_about_networks_and_statuses_changes_nothing() {
    let contoso = Contoso::new().await;
    let many: Vec<String> = (0..=100).map(|i| format!("10.0.{i}.0/24")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (networks, status, fix) in [
        (&["203.0.113.7/24"][..], None, "write 203.0.113.0/24"),
        (
            &["192.0.2.0/24", "2001:db8::1/128"],
            None,
            "write 2001:db8::/64",
        ),
        (&["192.0.2.0/24", "none"], None, "a network such as"),
        (&many, None, "name larger ones"),
        (&[], Some(403), "400"),
    ] {
        let outcome = open(&contoso, "contoso.com", Some(true), networks, status).await;
        let Err(Error::Invalid(text)) = outcome else {
            panic!("{networks:?} and {status:?} were taken");
        };
        assert!(text.contains(fix), "{text}");
    }
    let app = contoso.idp.app("contoso.com").await.expect("an app");
    assert_eq!(app.active, Some(Active::default()));
}

#[tokio::test]
async fn a_domain_that_turns_to_saml_is_closed_to_passwords_alone() {
    let contoso = Contoso::new().await;
    let change = open(&contoso, "contoso.com", Some(true), &["192.0.2.0/24"], None).await;
    change.expect("opened");

    let both = speak(&contoso, Protocol::Saml, Some(true)).await;
    assert!(matches!(both, Err(Error::Invalid(_))));
    let closed = speak(&contoso, Protocol::Saml, None)
        .await
        .expect("changed");
    let active = closed.active.expect("settings");
    assert_eq!((active.on, active.networks.len()), (false, 1));
    let line = &contoso.idp.audit(1, None).await.expect("the audit")[0];
    assert_eq!(line.details["ws-trust"], "on -> off");

    let Err(Error::Invalid(text)) = open(&contoso, "contoso.com", Some(true), &[], None).await
    else {
        panic!("a SAML domain was opened");
    };
    assert!(text.contains("--protocol wsfed"), "{text}");
    let back = speak(&contoso, Protocol::Wsfed, Some(true)).await;
    assert!(back.expect("changed").active.expect("settings").on);
}

#[tokio::test]
async fn only_what_speaks_ws_federation_has_addresses_of_ws_trust() {
    let contoso = Contoso::new().await;
    let app = contoso.idp.app("contoso.com").await.expect("an app");
    let base = format!("https://login.contoso.com/wsfed/{}/trust", app.id);
    let (mex, trust_2005) = (format!("{base}/mex"), format!("{base}/2005/usernamemixed"));
    assert_eq!(app.mex_url.as_ref(), Some(&mex));
    assert_eq!(app.trust2005_url.as_ref(), Some(&trust_2005));
    assert_eq!(app.trust13_url, Some(format!("{base}/13/usernamemixed")));
    let federation = contoso.idp.federation_of(app, None).expect("commands");
    assert_eq!(
        (
            federation.metadata_exchange_url,
            federation.active_sign_in_url
        ),
        (Some(mex), Some(trust_2005))
    );

    let by_saml = speak(&contoso, Protocol::Saml, None)
        .await
        .expect("changed");
    assert!(by_saml.mex_url.is_some(), "it can be asked still");
    let federation = contoso.idp.federation_of(by_saml, None).expect("commands");
    assert_eq!(
        (
            federation.metadata_exchange_url,
            federation.active_sign_in_url
        ),
        (None, None)
    );

    let wiki = wiki(&contoso, &key_of(&contoso)).await;
    let app = contoso.idp.app(&wiki).await.expect("an app");
    assert!(app.mex_url.is_none() && app.trust13_url.is_none() && app.active.is_none());
    for on in [true, false] {
        let outcome = open(&contoso, &wiki, Some(on), &[], None).await;
        assert!(matches!(outcome, Err(Error::Invalid(_))));
    }
}

#[tokio::test]
async fn a_wrong_master_key_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!(
        "sqlite://{}",
        folder.path().join("test.db").display()
    ))
    .await
    .expect("a database");
    assert!(!master_key::is_sealed(&store).await.expect("an answer"));
    let right = MasterKey::generate();
    assert!(master_key::agree(&store, &right).await.expect("an answer"));
    assert!(master_key::agree(&store, &right).await.expect("an answer"));
    assert!(
        !master_key::agree(&store, &MasterKey::generate())
            .await
            .expect("an answer")
    );
}

#[tokio::test]
async fn an_app_says_only_what_its_rules_say() {
    let contoso = Contoso::new().await;
    let new = NewWsFed {
        label: "Wiki".to_owned(),
        realm: "urn:wiki".to_owned(),
        replies: vec![
            "https://wiki.example/a".to_owned(),
            "https://wiki.example/b".to_owned(),
        ],
        name_id: Some("emailAddress=email".to_owned()),
        attributes: vec![
            "http://schemas.xmlsoap.org/claims/Group=groups".to_owned(),
            "http://x.example/given=given-name".to_owned(),
            "http://x.example/tier='gold & <silver>'".to_owned(),
        ],
    };
    let wiki = contoso
        .idp
        .add_wsfed(new, &at("command line"))
        .await
        .expect("an app");
    contoso
        .idp
        .grant("Wiki", "Staff", &at("command line"))
        .await
        .expect("a grant");
    let session = contoso.alice().await;
    let Message::SignIn(request) = protocol::wsfed::parse(
        "wa=wsignin1.0&wtrealm=urn:wiki&wreply=https://wiki.example/b",
        b"",
    )
    .expect("a request") else {
        panic!("a sign-in")
    };
    let post = posted(
        contoso
            .idp
            .wsfed_sign_on(
                &wiki.id,
                &request,
                Some(&session),
                contoso.idp.now(),
                &at("192.0.2.1"),
            )
            .await,
    );
    assert_eq!(post.action, "https://wiki.example/b");
    let answer = &post.fields[1].1;
    assert!(
        answer.contains("nameid-format:emailAddress\">alice@contoso.com<"),
        "{answer}"
    );
    assert!(answer.contains("<saml:Attribute AttributeName=\"Group\" AttributeNamespace=\"http://schemas.xmlsoap.org/claims\"><saml:AttributeValue>Staff</saml:AttributeValue></saml:Attribute>"));
    assert!(
        answer.contains("<saml:AttributeValue>gold &amp; &lt;silver&gt;</saml:AttributeValue>")
    );
    assert!(
        !answer.contains("given") && !answer.contains("ImmutableID"),
        "an attribute without a value is left out"
    );
    assert_eq!(post.fields.len(), 2, "no wctx came, none goes back");
}

/// A service provider with a key of its own, granted to the staff.
async fn wiki(contoso: &Contoso, key: &SigningKey) -> String {
    let new = NewSaml {
        label: "Wiki".to_owned(),
        metadata: None,
        entity_id: Some("https://wiki.example/".to_owned()),
        acs: vec!["https://wiki.example/acs".to_owned()],
        name_id: Some("persistent=pairwise".to_owned()),
        attributes: Vec::new(),
        issuer: None,
    };
    let origin = at("command line");
    let (app, _) = contoso.idp.add_saml(new, &origin).await.expect("an app");
    let change = AppChange {
        saml: SamlChange {
            signing_certificates: vec![key.certificate().pem().into_bytes()],
            ..SamlChange::default()
        },
        ..AppChange::default()
    };
    let changed = contoso.idp.change_app(&app.id, change, &origin).await;
    changed.expect("a certificate");
    let granted = contoso.idp.grant(&app.id, "Staff", &origin).await;
    granted.expect("a grant");
    app.id
}

fn key_of(contoso: &Contoso) -> SigningKey {
    SigningKey::generate("wiki", contoso.idp.now(), 30).expect("a key")
}

/// Alice opens the wiki's tile; returns the name that it knows her by.
async fn open_wiki(contoso: &Contoso, app_id: &str, session: &SessionToken) -> String {
    let (origin, nothing) = (at("192.0.2.1"), saml2::arrived("", b"", false));
    let arrival = contoso
        .idp
        .saml_arrives(app_id, Endpoint::SignOn, nothing, Some(session), &origin)
        .await
        .expect("a visit");
    let saml::Message::SignOn(request) = arrival.message.clone() else {
        panic!("not a sign-on")
    };
    let outcome = contoso.idp.saml_sign_on_now(arrival, &request, &origin);
    let post = posted(outcome.await);
    let (_, response) = &post.fields[0];
    let bytes = BASE64_STANDARD.decode(response).expect("base64");
    let xml = String::from_utf8(bytes).expect("UTF-8");
    let (_, rest) = xml
        .split_once("nameid-format:persistent\">")
        .expect("a NameID");
    rest.split('<').next().expect("a value").to_owned()
}

/// A logout request by form, written at `issued_at`, signed or not.
fn logout(
    contoso: &Contoso,
    app_id: &str,
    name: &str,
    issued_at: DateTime<Utc>,
    key: Option<&SigningKey>,
) -> Result<Arrived, protocol::BadRequest> {
    let unsigned = saml2::OutgoingLogoutRequest {
        id: "_r",
        issued_at,
        destination: &contoso.idp.urls().saml_sign_out(app_id),
        issuer: "https://wiki.example/",
        not_on_or_after: issued_at + TimeDelta::minutes(2),
        reason: None,
        name_id: saml2::NameIdentifier {
            format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            value: name,
        },
        session_index: None,
    }
    .unsigned()
    .expect("plain text");
    let xml = match key {
        Some(key) => xml_signature::sign(
            &unsigned.xml,
            &unsigned.id,
            unsigned.signature_at,
            key,
            xml_signature::Algorithm::default(),
        )
        .expect("signed"),
        None => unsigned.xml,
    };
    let message = BASE64_STANDARD.encode(xml).replace('+', "%2B");
    saml2::arrived("", format!("SAMLRequest={message}").as_bytes(), true)
}

#[tokio::test]
async fn a_logout_request_holds_as_long_as_it_says_and_means_whom_it_names() {
    let contoso = Contoso::new().await;
    let key = key_of(&contoso);
    let app_id = wiki(&contoso, &key).await;
    let session = contoso.alice().await;
    let name = open_wiki(&contoso, &app_id, &session).await;
    let origin = at("192.0.2.1");
    let asked_at = contoso.idp.now();
    let arrive = async |message| {
        contoso
            .idp
            .saml_arrives(&app_id, Endpoint::SignOut, message, None, &origin)
            .await
    };
    let late = TimeDelta::minutes(8);
    let old = logout(&contoso, &app_id, &name, asked_at - late, Some(&key));
    let early = logout(&contoso, &app_id, &name, asked_at + late, Some(&key));
    let unsigned = logout(&contoso, &app_id, &name, asked_at, None);
    let stranger = key_of(&contoso);
    let forged = logout(&contoso, &app_id, &name, asked_at, Some(&stranger));
    for (message, reason) in [
        (old, "stale"),
        (early, "stale"),
        (unsigned, "not-signed"),
        (forged, "bad-signature"),
    ] {
        match arrive(message).await {
            Err(Error::Refused(refusal, _)) => assert_eq!(refusal.reason(), reason),
            _ => panic!("{reason}: it was taken"),
        }
    }
    for (whom, ended) in [("somebody else", false), (&*name, true)] {
        let message = logout(&contoso, &app_id, whom, asked_at, Some(&key));
        let arrival = arrive(message).await.expect("it is valid");
        let saml::Message::SignOut(request) = arrival.message.clone() else {
            panic!("not a logout request")
        };
        let outcome = contoso.idp.saml_sign_out(&arrival, request, &origin).await;
        assert!(
            matches!(outcome, Ok(SignedOut::Done(_))),
            "nobody else knew"
        );
        let alive = contoso.idp.signed_in(&session).await.expect("a look");
        assert_eq!(alive.is_none(), ended, "{whom}");
    }
}

#[tokio::test]
async fn a_persistent_identifier_outlives_sessions_and_is_another_at_each_app() {
    let contoso = Contoso::new().await;
    let key = key_of(&contoso);
    let (one, other) = (wiki(&contoso, &key).await, wiki(&contoso, &key).await);
    let first = open_wiki(&contoso, &one, &contoso.alice().await).await;
    contoso.clock.advance(TimeDelta::days(30));
    let session = contoso.alice().await;
    assert_eq!(open_wiki(&contoso, &one, &session).await, first);
    assert_ne!(open_wiki(&contoso, &other, &session).await, first);
}

#[tokio::test]
async fn a_round_of_signing_out_is_kept_for_an_hour() {
    let contoso = Contoso::new().await;
    let key = key_of(&contoso);
    let app_id = wiki(&contoso, &key).await;
    let session = contoso.alice().await;
    open_wiki(&contoso, &app_id, &session).await;
    let signed_out = contoso.idp.sign_out(Some(&session), &at("192.0.2.1")).await;
    let Ok(SignedOut::Round(token)) = signed_out else {
        panic!("the wiki is to be told")
    };
    let (round, done) = contoso.idp.finish_sign_out(&token).await.expect("a round");
    assert!(
        !round.complete && !round.steps[0].reachable,
        "it has no logout service"
    );
    assert!(matches!(done, Done::Page));
    contoso.clock.advance(TimeDelta::hours(1));
    let gone = contoso.idp.finish_sign_out(&token).await;
    assert!(matches!(
        gone,
        Err(Error::Refused(Refusal::SignOutExpired, _))
    ));
    assert!(contoso.idp.purge().await.expect("a purge") > 0);
}
