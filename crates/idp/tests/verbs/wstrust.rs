//! A token for a user name and a password: whose, when, counted how, and what is written down.

use idp::wstrust::{Arrived, Declined};
use protocol::wstrust::Version;
use store::AuditLine;

use super::*;

const REALM: &str = "urn:federation:MicrosoftOnline";
const PC: &str = "192.0.2.1";

/// A request as a Windows PC sends it; each test changes what it is about.
#[derive(Clone)]
pub struct Rst {
    version: Version,
    app_id: String,
    upn: String,
    password: String,
    created: String,
    expires: String,
    to: String,
    applies_to: String,
    message_id: String,
}

impl Contoso {
    /// Contoso, where a password alone opens Microsoft 365.
    pub async fn open() -> Self {
        Self::open_with(PasswordPool::new(2)).await
    }

    async fn open_with(passwords: PasswordPool) -> Self {
        let contoso = Self::with(passwords).await;
        let opened = super::open(&contoso, "contoso.com", Some(true), &[], None).await;
        opened.expect("turned on");
        contoso
    }

    pub fn rst(&self, upn: &str, password: &str) -> Rst {
        let now = self.idp.now();
        Rst {
            version: Version::Feb2005,
            app_id: self.app_id.clone(),
            upn: upn.to_owned(),
            password: password.to_owned(),
            created: written(now),
            expires: written(now + TimeDelta::minutes(10)),
            to: self.idp.urls().trust_2005(&self.app_id),
            applies_to: REALM.to_owned(),
            message_id: "urn:uuid:1".to_owned(),
        }
    }

    pub async fn send(&self, rst: &Rst, source: &str) -> Result<String, Declined> {
        let envelope = rst.text();
        let message = Arrived {
            app_id: &rst.app_id,
            envelope: envelope.as_bytes(),
            host: "",
        };
        let via = match rst.version {
            Version::Feb2005 => "ws-trust-2005",
            Version::V13 => "ws-trust-13",
        };
        let origin = Origin {
            via: Some(via),
            ..at(source)
        };
        self.idp.trust_sign_on(message, rst.version, &origin).await
    }

    /// Why a request is refused, and the fault that says so.
    async fn declined(&self, rst: &Rst) -> (Refusal, String) {
        self.declined_at(rst, PC).await
    }

    async fn declined_at(&self, rst: &Rst, source: &str) -> (Refusal, String) {
        let declined = self.send(rst, source).await.expect_err("it is refused");
        let fault = declined.envelope("why").expect("a fault");
        (refusal::<()>(Err(declined.error)), fault)
    }

    async fn lines(&self, many: u32) -> Vec<AuditLine> {
        self.idp.audit(many, None).await.expect("the audit")
    }

    async fn disable(&self, upn: &str) -> AuditLine {
        self.clock.advance(TimeDelta::seconds(1));
        let origin = at("command line");
        let off = self.idp.set_user_enabled(upn, false, &origin);
        off.await.expect("switched off");
        self.lines(1).await.remove(0)
    }
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

impl Rst {
    fn text(&self) -> String {
        let (trust, key_type) = match self.version {
            Version::Feb2005 => (
                protocol::names::TRUST.uri,
                protocol::names::NO_PROOF_KEY.to_owned(),
            ),
            Version::V13 => (
                protocol::names::TRUST_13.uri,
                format!("{}/Bearer", protocol::names::TRUST_13.uri),
            ),
        };
        format!(
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://www.w3.org/2005/08/addressing' xmlns:u='{}' xmlns:o='{}' xmlns:p='{}' xmlns:t='{trust}'>\
             <s:Header><a:Action s:mustUnderstand='1'>{}</a:Action><a:MessageID>{}</a:MessageID><a:To s:mustUnderstand='1'>{}</a:To>\
             <o:Security s:mustUnderstand='1'><u:Timestamp><u:Created>{}</u:Created><u:Expires>{}</u:Expires></u:Timestamp>\
             <o:UsernameToken><o:Username>{}</o:Username><o:Password>{}</o:Password></o:UsernameToken></o:Security></s:Header>\
             <s:Body><t:RequestSecurityToken><t:RequestType>{trust}/Issue</t:RequestType><t:KeyType>{key_type}</t:KeyType>\
             <p:AppliesTo><a:EndpointReference><a:Address>{}</a:Address></a:EndpointReference></p:AppliesTo></t:RequestSecurityToken></s:Body></s:Envelope>",
            protocol::names::UTILITY.uri,
            protocol::names::SECURITY.uri,
            protocol::names::POLICY.uri,
            self.version.action(),
            self.message_id,
            self.to,
            self.created,
            self.expires,
            self.upn,
            self.password,
            self.applies_to,
        )
    }

    /// The same request for the other version's address.
    fn speaking_13(self, contoso: &Contoso) -> Self {
        Self {
            version: Version::V13,
            to: contoso.idp.urls().trust_13(&self.app_id),
            ..self
        }
    }
}

fn fault_of(fault: &str) -> &str {
    let (_, rest) = fault.split_once("<s:Subcode>").expect("a subcode");
    let (_, rest) = rest.split_once('>').expect("a value");
    rest.split('<').next().expect("a name")
}

#[tokio::test]
async fn a_password_gets_a_token_of_this_moment_and_leaves_no_session() {
    let contoso = Contoso::open().await;
    let rst = contoso.rst("alice@contoso.com", PASSWORD);
    let first = contoso.idp.now();
    for (rst, via) in [
        (rst.clone(), "ws-trust-2005"),
        (rst.speaking_13(&contoso), "ws-trust-13"),
    ] {
        let answer = contoso.send(&rst, PC).await.expect("a token");
        for part in [
            "RelatesTo xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">urn:uuid:1<".to_owned(),
            format!("AuthenticationInstant=\"{}\"", written(contoso.idp.now())),
            "am:password".to_owned(),
            format!(">{REALM}</saml:Audience>"),
            "AttributeName=\"ImmutableID\"".to_owned(),
        ] {
            assert!(answer.contains(&part), "{part} is not in {answer}");
        }
        assert!(!answer.contains(PASSWORD));
        let lines = contoso.lines(20).await;
        let line = |event| {
            let mut found = lines
                .iter()
                .filter(|line| line.event == event && line.details["via"] == via);
            let one = found.next().unwrap_or_else(|| panic!("no {event}"));
            assert!(found.next().is_none(), "{event} is there twice");
            one
        };
        for line in [line("token.issued"), line("sign-in.accepted")] {
            assert_eq!(line.user_upn.as_deref(), Some("alice@contoso.com"));
            assert_eq!(line.app_id.as_ref(), Some(&contoso.app_id));
            assert_eq!(line.source.as_deref(), Some(PC));
        }
        assert_eq!(line("sign-in.accepted").details["method"], "password");
        for detail in ["immutable_id", "audience", "issuer", "assertion_id"] {
            assert!(line("token.issued").details[detail].is_string());
        }
        contoso.clock.advance(TimeDelta::seconds(1));
    }
    let anchors = contoso.idp.anchors(None).await.expect("anchors");
    assert_eq!(anchors[0].used_at, Some(first));
    let line = contoso.disable("alice@contoso.com").await;
    assert_eq!(line.details["sessions_ended"], 0);
}

#[tokio::test]
async fn a_session_elsewhere_hears_nothing_of_it() {
    let contoso = Contoso::open().await;
    let session = contoso.alice().await;
    let rst = contoso.rst("alice@contoso.com", PASSWORD);
    contoso.send(&rst, PC).await.expect("a token");
    // Nothing is told to an app of which this browser has no token.
    let ended = contoso.idp.sign_out(Some(&session), &at(PC)).await;
    let ended = ended.expect("signed out");
    assert!(
        matches!(ended, SignedOut::Done(Done::Page)),
        "somebody else is told"
    );
}

#[tokio::test]
async fn times_are_taken_within_five_minutes_and_not_a_moment_more() {
    let contoso = Contoso::open().await;
    let now = contoso.idp.now();
    let skew = TimeDelta::minutes(5);
    let moment = TimeDelta::milliseconds(1);
    let day = TimeDelta::days(1);
    for (created, expires, fresh) in [
        (now, now + day, true),
        (now, now + moment, true),
        (now - skew, now + skew, true),
        (now - skew - moment, now + skew, false),
        (now + skew, now + skew + moment, true),
        (now + skew + moment, now + day, false),
        // Both clocks are off: what has run out five minutes ago has perhaps not run out.
        (now - skew, now - skew + moment, true),
        (now - skew - moment, now - skew, false),
        (now - skew, now - skew, false),
        (now, now, false),
        (now, now - moment, false),
        (now, now - day, false),
        (now - day, now + day, false),
        (now + day, now - day, false),
    ] {
        let rst = Rst {
            created: written(created),
            expires: written(expires),
            ..contoso.rst("alice@contoso.com", PASSWORD)
        };
        if fresh {
            contoso.send(&rst, PC).await.unwrap_or_else(|declined| {
                panic!("{created} to {expires} at {now}: {}", declined.error)
            });
            continue;
        }
        let (why, fault) = contoso.declined(&rst).await;
        assert!(matches!(why, Refusal::Stale { .. }), "{created}, {expires}");
        assert_eq!(fault_of(&fault), "wsu:MessageExpired");
    }
    // Years that no clock shows are a matter of arithmetic only.
    for year in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        let rst = Rst {
            created: year.to_owned(),
            ..contoso.rst("alice@contoso.com", PASSWORD)
        };
        let (why, _) = contoso.declined(&rst).await;
        assert!(matches!(why, Refusal::Stale { .. }), "{year}: {why}");
    }
    // A password is not looked at before its time is.
    for _ in 0..10 {
        let mut rst = contoso.rst("alice@contoso.com", "guess");
        rst.created = written(now - day);
        contoso.declined(&rst).await;
    }
    contoso.alice().await;
}

#[tokio::test]
async fn a_request_that_a_client_sends_again_is_one_attempt() {
    let contoso = Contoso::open().await;
    for attempt in 1..=5 {
        let rst = Rst {
            message_id: format!("urn:uuid:{attempt}"),
            ..contoso.rst("alice@contoso.com", "guess")
        };
        let (why, fault) = contoso.declined(&rst).await;
        assert_eq!(why, Refusal::WrongCredentials, "attempt {attempt}");
        assert_eq!(fault_of(&fault), "wsse:FailedAuthentication");
        let (again, fault) = contoso.declined(&rst).await;
        assert_eq!(fault_of(&fault), "wsse:FailedAuthentication");
        let locked = Refusal::Locked {
            until: contoso.idp.now() + TimeDelta::seconds(10),
        };
        let expected = if attempt < 5 {
            Refusal::WrongCredentials
        } else {
            locked
        };
        assert_eq!(again, expected, "attempt {attempt}");
    }
}

#[tokio::test]
async fn two_of_one_request_at_the_same_moment_are_one_attempt() {
    let contoso = Contoso::open().await;
    for attempt in 1..=4 {
        let rst = Rst {
            message_id: format!("urn:uuid:{attempt}"),
            ..contoso.rst("alice@contoso.com", "guess")
        };
        let both = tokio::join!(contoso.declined(&rst), contoso.declined(&rst));
        let wrong = Refusal::WrongCredentials;
        assert_eq!((both.0.0, both.1.0), (wrong.clone(), wrong));
    }
    contoso.alice().await;
}

/// Each time costs a hash, so whoever sends one request for ever is slowed like whoever guesses.
#[tokio::test]
async fn a_request_that_is_sent_again_and_again_is_slowed_at_last() {
    let contoso = Contoso::open().await;
    let rst = contoso.rst("alice@contoso.com", "guess");
    let mut refusals = Vec::new();
    for _ in 0..12 {
        refusals.push(contoso.declined(&rst).await.0);
    }
    assert!(
        matches!(refusals.last(), Some(Refusal::Locked { .. })),
        "{refusals:?}"
    );
}

#[tokio::test]
async fn browsers_and_programs_share_one_count() {
    let contoso = Contoso::open().await;
    let source = "198.51.100.7";
    let guess = |upn: &'static str, number: u8| {
        let contoso = &contoso;
        async move {
            let mut rst = contoso.rst(upn, "guess");
            rst.message_id = format!("urn:uuid:{number}");
            if number == 2 {
                rst = rst.speaking_13(contoso);
            }
            contoso.declined_at(&rst, source).await.0
        }
    };
    let locked = Refusal::Locked {
        until: contoso.idp.now() + TimeDelta::seconds(10),
    };
    for upn in ["alice@contoso.com", "nobody@contoso.com"] {
        // Three here and two there …
        for number in 1..=3 {
            assert_eq!(guess(upn, number).await, Refusal::WrongCredentials);
        }
        for _ in 0..2 {
            let there = refusal(contoso.sign_in(upn, "guess", source).await);
            assert_eq!(there, Refusal::WrongCredentials);
        }
        // … lock both, the right password too.
        let here = contoso
            .declined_at(&contoso.rst(upn, PASSWORD), source)
            .await;
        assert_eq!(here.0, locked);
        assert_eq!(fault_of(&here.1), "wsse:FailedAuthentication");
        let there = refusal(contoso.sign_in(upn, PASSWORD, source).await);
        assert_eq!(there, locked);
    }
    contoso.clock.advance(TimeDelta::seconds(10));
    // A token forgives what was guessed, as a sign-in does.
    let right = contoso.rst("alice@contoso.com", PASSWORD);
    contoso.send(&right, source).await.expect("a token");
    for number in 4..=7 {
        let why = guess("alice@contoso.com", number).await;
        assert_eq!(why, Refusal::WrongCredentials);
    }
    contoso
        .sign_in("alice@contoso.com", PASSWORD, source)
        .await
        .expect("four are free");
}

/// The same words, the same codes, the same lines for whoever does not know a password.
#[tokio::test]
async fn nobody_learns_who_exists_or_is_disabled_without_the_password() {
    let contoso = Contoso::open().await;
    contoso.add("dave@contoso.com").await;
    contoso.disable("dave@contoso.com").await;
    let mut seen = Vec::new();
    for upn in [
        "alice@contoso.com",
        "nobody@contoso.com",
        "dave@contoso.com",
    ] {
        contoso.clock.advance(TimeDelta::seconds(1));
        let (why, fault) = contoso.declined(&contoso.rst(upn, "guess")).await;
        let line = contoso.lines(1).await.remove(0);
        assert_eq!(line.user_upn.as_deref(), Some(upn));
        seen.push((why, fault, line.event, line.app_id, line.details));
    }
    seen.dedup();
    let [(why, _, event, app_id, details)] = &seen[..] else {
        panic!("they differ: {seen:?}")
    };
    assert_eq!(*why, Refusal::WrongCredentials);
    assert_eq!(
        (event.as_str(), app_id),
        ("sign-in.refused", &Some(contoso.app_id.clone()))
    );
    assert_eq!(
        serde_json::Value::Object(details.clone()),
        serde_json::json!({"reason": "wrong-credentials", "via": "ws-trust-2005"})
    );
}

#[tokio::test]
async fn what_stands_against_a_person_stands_against_their_password() {
    let contoso = Contoso::open().await;
    for upn in [
        "carol@contoso.com",
        "dave@contoso.com",
        "frank@fabrikam.com",
    ] {
        contoso.add(upn).await;
    }
    let origin = at("command line");
    let left = contoso
        .idp
        .leave_group("Staff", "carol@contoso.com", &origin);
    left.await.expect("left");
    contoso.disable("dave@contoso.com").await;
    for (upn, event, reason, fault) in [
        (
            "carol@contoso.com",
            "token.refused",
            "not-granted",
            "t:RequestFailed",
        ),
        (
            "dave@contoso.com",
            "sign-in.refused",
            "user-disabled",
            "wsse:FailedAuthentication",
        ),
        (
            "frank@fabrikam.com",
            "token.refused",
            "outside-domain",
            "t:RequestFailed",
        ),
    ] {
        contoso.clock.advance(TimeDelta::seconds(1));
        let (why, said) = contoso.declined(&contoso.rst(upn, PASSWORD)).await;
        assert_eq!((why.reason(), fault_of(&said)), (reason, fault), "{upn}");
        let lines = contoso.lines(2).await;
        let line = lines.iter().find(|line| line.event == event);
        let line = line.unwrap_or_else(|| panic!("no {event} in {lines:?}"));
        assert_eq!(line.user_upn.as_deref(), Some(upn));
        assert_eq!(line.app_id.as_ref(), Some(&contoso.app_id));
        assert_eq!(
            (&line.details["reason"], &line.details["via"]),
            (&reason.into(), &"ws-trust-2005".into())
        );
    }
}

#[tokio::test]
async fn what_stands_against_the_app_or_the_message_comes_before_the_password() {
    let contoso = Contoso::open().await;
    let good = contoso.rst("alice@contoso.com", "guess");
    let here = |path: &str| {
        format!(
            "https://login.contoso.com/wsfed/{}/trust/{path}",
            contoso.app_id
        )
    };
    let foreign_to = |to: String| Rst { to, ..good.clone() };
    for (rst, reason, fault) in [
        (
            foreign_to(here("13/usernamemixed")),
            "foreign-destination",
            "wsa:DestinationUnreachable",
        ),
        (
            foreign_to(here("2005/usernamemixed/")),
            "foreign-destination",
            "wsa:DestinationUnreachable",
        ),
        (
            foreign_to(here("2005/usernamemixed").replace("login.", "evil.")),
            "foreign-destination",
            "wsa:DestinationUnreachable",
        ),
        (
            Rst {
                applies_to: "https://login.microsoftonline.com".to_owned(),
                ..good.clone()
            },
            "foreign-realm",
            "t:InvalidScope",
        ),
        (
            Rst {
                applies_to: REALM.to_lowercase(),
                ..good.clone()
            },
            "foreign-realm",
            "t:InvalidScope",
        ),
        (
            Rst {
                app_id: "0123456789abcdef01234567".to_owned(),
                ..good.clone()
            },
            "unknown-app",
            "t:RequestFailed",
        ),
        (
            Rst {
                app_id: "../../etc".to_owned(),
                ..good.clone()
            },
            "unknown-app",
            "t:RequestFailed",
        ),
    ] {
        contoso.clock.advance(TimeDelta::seconds(1));
        let (why, said) = contoso.declined(&rst).await;
        assert_eq!((why.reason(), fault_of(&said)), (reason, fault));
        let line = contoso.lines(1).await.remove(0);
        assert_eq!(line.event, "token.refused");
        assert_eq!(
            (&line.details["reason"], &line.details["via"]),
            (&reason.into(), &"ws-trust-2005".into())
        );
    }
    let switch = |on| AppChange {
        enabled: Some(on),
        ..AppChange::default()
    };
    change(&contoso, "contoso.com", switch(false))
        .await
        .expect("off");
    assert_eq!(contoso.declined(&good).await.0.reason(), "app-disabled");
    assert!(contoso.idp.mex(&contoso.app_id).await.is_err());
    change(&contoso, "contoso.com", switch(true))
        .await
        .expect("on");

    speak(&contoso, Protocol::Saml, None).await.expect("SAML");
    assert_eq!(contoso.declined(&good).await.0.reason(), "other-protocol");
    assert!(contoso.idp.mex(&contoso.app_id).await.is_err());
    speak(&contoso, Protocol::Wsfed, None).await.expect("back");
    let (why, fault) = contoso.declined(&good).await;
    assert_eq!(
        why.reason(),
        "active-off",
        "turning back does not turn it on"
    );
    assert_eq!(fault_of(&fault), "t:RequestFailed");
    contoso
        .idp
        .mex(&contoso.app_id)
        .await
        .expect("it describes all the same");

    // Nothing of this was an attempt on the account.
    for _ in 0..6 {
        contoso.declined(&good).await;
    }
    contoso.alice().await;
}

#[tokio::test]
async fn networks_hold_for_addresses_as_they_are_counted() {
    let contoso = Contoso::open().await;
    let networks = [
        "203.0.113.0/24",
        "192.0.2.7",
        "2001:db8:1::/48",
        "::ffff:198.51.100.0/120",
    ];
    let opened = open(&contoso, "contoso.com", None, &networks, None).await;
    opened.expect("changed");
    for (source, inside) in [
        ("203.0.113.0", true),
        ("203.0.113.255", true),
        ("203.0.112.255", false),
        ("192.0.2.7", true),
        ("192.0.2.6", false),
        // As a source is counted: the /64 that it is in.
        ("2001:db8:1:2::", true),
        ("2001:db8:2::", false),
        ("198.51.100.9", true),
        ("198.51.101.9", false),
        ("::", false),
        ("command line", false),
        ("", false),
    ] {
        let rst = contoso.rst("alice@contoso.com", PASSWORD);
        if inside {
            let answer = contoso.send(&rst, source).await;
            assert!(answer.is_ok(), "{source}");
            continue;
        }
        let (why, fault) = contoso.declined_at(&rst, source).await;
        assert!(
            matches!(why, Refusal::ForeignNetwork { .. }),
            "{source}: {why}"
        );
        assert_eq!(fault_of(&fault), "t:RequestFailed");
    }
}

#[tokio::test]
async fn the_status_of_a_wrong_password_is_the_apps_and_no_other() {
    let contoso = Contoso::open().await;
    for status in [400, 500] {
        let set = open(&contoso, "contoso.com", None, &[], Some(status)).await;
        set.expect("changed");
        for (rst, about_credentials) in [
            (contoso.rst("alice@contoso.com", "guess"), true),
            (contoso.rst("nobody@contoso.com", "guess"), true),
            (
                Rst {
                    applies_to: "urn:x".to_owned(),
                    ..contoso.rst("alice@contoso.com", PASSWORD)
                },
                false,
            ),
        ] {
            let declined = contoso.send(&rst, PC).await.expect_err("refused");
            assert_eq!(declined.is_about_credentials(), about_credentials);
            assert_eq!(declined.credential_status, status);
        }
    }
}

/// The password waits behind many others, so that an administrator comes in between.
#[tokio::test]
async fn what_is_switched_off_while_a_password_is_checked_is_off() {
    let pool = PasswordPool::new(1);
    let contoso = Arc::new(Contoso::open_with(pool.clone()).await);
    let origin = at("command line");
    for reason in [
        "user-disabled",
        "wrong-credentials",
        "not-granted",
        "active-off",
        "app-disabled",
    ] {
        let upn = format!("{reason}@contoso.com");
        contoso.add(&upn).await;
        let others: Vec<_> = (0..20)
            .map(|_| {
                let place = pool.place().expect("a place");
                tokio::spawn(place.hash(Zeroizing::new("something".to_owned())))
            })
            .collect();
        let (asking, rst) = (contoso.clone(), contoso.rst(&upn, PASSWORD));
        let answer = tokio::spawn(async move { asking.send(&rst, PC).await });
        // By then the request has been read and waits for its turn.
        for _ in 0..20 {
            contoso.idp.user(&upn).await.expect("a user");
        }
        match reason {
            "user-disabled" => drop(contoso.disable(&upn).await),
            "wrong-credentials" => {
                let mut write = contoso.store.write().await.expect("a write");
                let user = write
                    .user_by_upn(&upn)
                    .await
                    .expect("read")
                    .expect("a user");
                let other = write
                    .set_password_hash(user.id, "of another password")
                    .await;
                other.expect("changed");
                write.commit().await.expect("committed");
            }
            "not-granted" => {
                let left = contoso.idp.leave_group("Staff", &upn, &origin).await;
                left.expect("left");
            }
            "active-off" => {
                let off = open(&contoso, "contoso.com", Some(false), &[], None).await;
                off.expect("turned off");
            }
            _ => {
                let off = AppChange {
                    enabled: Some(false),
                    ..AppChange::default()
                };
                change(&contoso, "contoso.com", off).await.expect("off");
            }
        }
        let outcome = answer.await.expect("it ends");
        let declined = outcome.expect_err("it was taken back in time");
        assert_eq!(refusal::<()>(Err(declined.error)).reason(), reason);
        let lines = contoso.lines(20).await;
        let of_user = |event, user: Option<&str>| {
            let mut lines = lines.iter();
            lines.any(|line| line.event == event && line.user_upn.as_deref() == user)
        };
        assert!(of_user("sign-in.accepted", Some(&upn)), "it was right");
        let user = ["user-disabled", "not-granted"].contains(&reason);
        assert!(of_user("token.refused", user.then_some(&upn)), "{lines:?}");
        for other in others {
            other.await.expect("it ends").expect("hashed");
        }
        open(&contoso, "contoso.com", Some(true), &[], None)
            .await
            .expect("on again");
    }
}

#[tokio::test]
async fn every_kind_of_identifier_works_without_a_session() {
    let contoso = Contoso::open().await;
    let mut names = Vec::new();
    for (label, name_id) in [
        (
            "Pairwise",
            "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent=pairwise",
        ),
        (
            "Transient",
            "urn:oasis:names:tc:SAML:2.0:nameid-format:transient=transient",
        ),
    ] {
        let realm = format!("urn:{label}");
        let new = NewWsFed {
            label: label.to_owned(),
            realm: realm.clone(),
            replies: vec!["https://wiki.example/a".to_owned()],
            name_id: Some(name_id.to_owned()),
            attributes: Vec::new(),
        };
        let origin = at("command line");
        let app = contoso.idp.add_wsfed(new, &origin).await.expect("an app");
        contoso
            .idp
            .grant(&app.id, "Staff", &origin)
            .await
            .expect("a grant");
        let opened = open(&contoso, &app.id, Some(true), &[], None).await;
        opened.expect("turned on");
        let rst = Rst {
            to: contoso.idp.urls().trust_2005(&app.id),
            app_id: app.id,
            applies_to: realm,
            ..contoso.rst("alice@contoso.com", PASSWORD)
        };
        for _ in 0..2 {
            let answer = contoso.send(&rst, PC).await.expect("a token");
            let (_, after) = answer.split_once("<saml:NameIdentifier").expect("a name");
            let name = after.split(['>', '<']).nth(1).expect("its text").to_owned();
            assert!(name.len() > 30 && !name.contains("alice"), "{name}");
            names.push(name);
        }
    }
    assert_eq!(names[0], names[1], "one person is one pairwise name");
    assert_ne!(names[2], names[3], "a transient name is for one token");
}
