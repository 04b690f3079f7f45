//! Certificates under a clock that the test moves: what is refused when, who wins, and that nobody notices.

use crypto::certificate::Certificate;
use idp::certificates::{Evidence, KeyFile, NewKey, Promoting, Retiring, next_steps};
use proptest::prelude::*;
use serde_json::json;
use store::Stage;

use super::*;

const OPERATOR: &str = "command line";

fn word() -> Evidence {
    Evidence::Word("I gave it to them".to_owned())
}

fn answer(issuer: &str, signing: &str, next: Option<&str>) -> Evidence {
    let answer =
        json!({"issuerUri": issuer, "signingCertificate": signing, "nextSigningCertificate": next});
    Evidence::Graph(vec![answer.to_string().into_bytes()])
}

impl Contoso {
    async fn next(&self) -> Result<AppInfo, Error> {
        let new = NewKey::default();
        self.idp
            .add_next_certificate("contoso.com", new, &at(OPERATOR))
            .await
    }

    async fn know(&self, evidence: &Evidence) -> Result<AppInfo, Error> {
        self.idp
            .know_next_certificate(&self.app_id, evidence, &at(OPERATOR))
            .await
    }

    async fn promote(&self, evidence: Option<&Evidence>) -> Result<AppInfo, Error> {
        promote(&self.idp, &self.app_id, Promoting::Next, evidence).await
    }

    async fn back(&self, evidence: Option<&Evidence>) -> Result<AppInfo, Error> {
        promote(&self.idp, &self.app_id, Promoting::Replaced, evidence).await
    }

    async fn retire(&self, which: Retiring, at_once: bool) -> Result<AppInfo, Error> {
        self.idp
            .retire_certificate(&self.app_id, which, at_once, &at(OPERATOR))
            .await
    }

    async fn shown(&self) -> AppInfo {
        self.idp.app(&self.app_id).await.expect("an app")
    }
}

async fn promote(
    idp: &Idp,
    app: &str,
    which: Promoting,
    evidence: Option<&Evidence>,
) -> Result<AppInfo, Error> {
    idp.promote_certificate(app, which, evidence, &at(OPERATOR))
        .await
}

fn said<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::Invalid(text)) => text,
        Err(other) => panic!("failed otherwise: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

/// The thumbprints of those that are published, as they are shown: current, next, replaced.
fn published(app: &AppInfo) -> [Option<String>; 3] {
    [Stage::Current, Stage::Next, Stage::Retired]
        .map(|stage| app.certificate(stage).map(|one| one.thumbprint.clone()))
}

fn one_line(app: &AppInfo, stage: Stage) -> String {
    let pem = &app.certificate(stage).expect("a certificate").certificate;
    idp::certificates::on_one_line(pem)
}

/// The certificates in a metadata document, in their order.
fn announced(metadata: &str) -> Vec<Certificate> {
    let (_, role) = metadata
        .split_once("<KeyDescriptor")
        .expect("metadata has a key");
    role.split("<X509Certificate>")
        .skip(1)
        .map(|rest| {
            let base64 = rest.split('<').next().expect("an end");
            let der = BASE64_STANDARD.decode(base64).expect("base64");
            Certificate::from_der(&der).expect("a certificate")
        })
        .collect()
}

/// Whether the strict verifier takes the token with these keys; with which.
fn verified(token: &str, keys: &[Certificate]) -> Option<Certificate> {
    let document = xml_signature::read(token.as_bytes(), &xml_signature::Limits::default())
        .expect("well-formed");
    let assertion = document
        .descendants()
        .find(|node| node.tag_name().name() == "Assertion")
        .expect("an assertion");
    let verified = xml_signature::verify(assertion, keys).ok()?;
    Some(verified.certificate().clone())
}

async fn token(contoso: &Contoso, session: &SessionToken) -> String {
    posted(contoso.ask("", session).await).fields[1].1.clone()
}

#[tokio::test]
async fn a_certificate_is_replaced_step_by_step_and_each_step_waits_for_the_one_before() {
    let contoso = Contoso::new().await;
    let session = contoso.alice().await;
    let first = published(&contoso.shown().await)[0].clone();
    assert!(said(contoso.promote(Some(&word())).await).contains("cert next"));
    assert!(said(contoso.retire(Retiring::Replaced, false).await).contains("cert next"));
    assert!(said(contoso.back(Some(&word())).await).contains("no way back"));

    let app = contoso.next().await.expect("the next one");
    let [current, next, replaced] = published(&app);
    assert_eq!((&current, &replaced), (&first, &None));
    assert!(next.is_some() && next != first);
    let federation = contoso
        .idp
        .federation_of(app.clone(), None)
        .expect("values");
    let in_script = federation.next.expect("a next certificate");
    assert_eq!(Some(in_script.thumbprint), next);
    assert_eq!(in_script.certificate, one_line(&app, Stage::Next));
    assert!(said(contoso.next().await).contains("already"));
    let said_before = said(contoso.promote(None).await);
    assert!(said_before.contains("--evidence"), "{said_before}");
    assert!(next_steps(&app, contoso.idp.now())[0].contains("--action rotate"));

    let evidence = answer(
        "https://contoso.com",
        &one_line(&app, Stage::Current),
        Some(&one_line(&app, Stage::Next)),
    );
    let app = contoso.promote(Some(&evidence)).await.expect("promoted");
    assert_eq!(published(&app), [next.clone(), None, first.clone()]);
    let current = app.certificate(Stage::Current).expect("a certificate");
    assert_eq!(
        current.known_by.as_deref(),
        Some("Microsoft's answer: NextSigningCertificate of https://contoso.com")
    );
    assert_eq!(current.known_at, Some(contoso.idp.now()));
    let signed = verified(
        &token(&contoso, &session).await,
        &announced_now(&contoso).await,
    );
    assert_eq!(signed.map(|by| by.thumbprint()), next);
    assert!(said(contoso.next().await).contains("cert retire"));

    contoso
        .clock
        .advance(TimeDelta::minutes(60) - TimeDelta::seconds(1));
    let early = said(contoso.retire(Retiring::Replaced, false).await);
    assert!(early.contains("2027-01-15 09:00:00 UTC"), "{early}");
    contoso.clock.advance(TimeDelta::seconds(1));
    let app = contoso
        .retire(Retiring::Replaced, false)
        .await
        .expect("retired");
    assert_eq!(published(&app), [next, None, None]);
    assert_eq!(app.certificates[1].withdrawn_at, Some(contoso.idp.now()));
    assert!(said(contoso.back(Some(&word())).await).contains("no way back"));
    let mut read = contoso.store.read().await.expect("a look");
    let keys = read.signing_keys(&contoso.app_id).await.expect("keys");
    let kept = keys.iter().filter(|key| !key.sealed_private_key.is_empty());
    assert_eq!(kept.count(), 1, "the private key of a retired one is gone");

    let lines = contoso.idp.audit(100, None).await.expect("the audit");
    let mut events: Vec<&str> = lines
        .iter()
        .map(|line| line.event.as_str())
        .filter(|event| event.starts_with("certificate."))
        .collect();
    events.sort_unstable();
    let wanted =
        ["added", "known", "promoted", "retired"].map(|event| format!("certificate.{event}"));
    assert_eq!(events, wanted);
}

async fn announced_now(contoso: &Contoso) -> Vec<Certificate> {
    let metadata = contoso.idp.wsfed_metadata(&contoso.app_id, None).await;
    announced(&metadata.expect("metadata"))
}

#[tokio::test]
async fn evidence_has_to_be_about_this_domain_and_this_certificate() {
    let contoso = Contoso::new().await;
    let app = contoso.next().await.expect("the next one");
    let (old, new) = (one_line(&app, Stage::Current), one_line(&app, Stage::Next));
    let before = published(&app);
    for (evidence, words) in [
        (
            answer("https://fabrikam.com", &new, None),
            "https://fabrikam.com",
        ),
        (
            answer("https://contoso.com/", &new, None),
            "about https://contoso.com/;",
        ),
        (
            answer("https://contoso.com", &old, None),
            "NextSigningCertificate is empty",
        ),
        (
            answer("https://contoso.com", &old, Some("TUlJ")),
            "NextSigningCertificate is unreadable",
        ),
        (
            answer("https://contoso.com", &old, Some(&old)),
            "--action rotate",
        ),
        (Evidence::Graph(vec![b"<html>".to_vec()]), "web page"),
        (Evidence::Word(String::new()), "1 to 200 characters"),
        (
            Evidence::Word("a\u{1b}[31mb".to_owned()),
            "control characters",
        ),
    ] {
        let said = said(contoso.promote(Some(&evidence)).await);
        assert!(said.contains(words), "{words:?} is not in {said:?}");
        assert_eq!(published(&contoso.shown().await), before);
    }
    // Told in advance it counts later, in whatever place Microsoft has it.
    let spaced = format!("{}\r\n{}", &new[..64], &new[64..]);
    let evidence = answer("https://contoso.com", &spaced, None);
    contoso.know(&evidence).await.expect("on record");
    contoso.promote(None).await.expect("promoted");

    let new = NewWsFed {
        label: "Wiki".to_owned(),
        realm: "urn:wiki".to_owned(),
        replies: vec!["https://wiki.example/".to_owned()],
        name_id: None,
        attributes: Vec::new(),
    };
    let wiki = contoso
        .idp
        .add_wsfed(new, &at(OPERATOR))
        .await
        .expect("an app");
    let key = NewKey::default();
    let origin = at(OPERATOR);
    let next = contoso.idp.add_next_certificate(&wiki.id, key, &origin);
    let wiki = next.await.expect("the next one");
    let evidence = answer(&wiki.issuer, &one_line(&wiki, Stage::Next), None);
    let refused = promote(&contoso.idp, &wiki.id, Promoting::Next, Some(&evidence)).await;
    assert!(said(refused).contains("--i-know"));
    let promoted = promote(&contoso.idp, &wiki.id, Promoting::Next, Some(&word())).await;
    promoted.expect("promoted");
}

#[tokio::test]
async fn a_promotion_is_undone_by_one_step_as_long_as_the_key_is_there() {
    let contoso = Contoso::new().await;
    let session = contoso.alice().await;
    let app = contoso.next().await.expect("the next one");
    let [first, second, _] = published(&app);
    contoso.promote(Some(&word())).await.expect("promoted");
    contoso.clock.advance(TimeDelta::minutes(5));
    assert!(said(contoso.back(None).await).contains("forget"));
    let app = contoso.back(Some(&word())).await.expect("undone");
    assert_eq!(published(&app), [first.clone(), second.clone(), None]);
    let signed = verified(
        &token(&contoso, &session).await,
        &announced_now(&contoso).await,
    );
    assert_eq!(signed.map(|by| by.thumbprint()), first);
    // It has signed: it goes no sooner than its last token, and comes back only when it is known again.
    assert!(said(contoso.promote(None).await).contains("--evidence"));
    let early = said(contoso.retire(Retiring::Next, false).await);
    assert!(early.contains("--now"), "{early}");
    let app = contoso.retire(Retiring::Next, true).await.expect("gone");
    assert_eq!(published(&app), [first, None, None]);
    let lines = contoso.idp.audit(9, None).await.expect("the audit");
    let line = lines
        .iter()
        .find(|line| line.event == "certificate.retired");
    assert_eq!(line.expect("a line").details["early"], true);
    assert!(said(contoso.promote(Some(&word())).await).contains("cert next"));
}

#[tokio::test]
async fn a_compromised_key_is_replaced_at_once_and_nothing_of_it_stays() {
    let contoso = Contoso::new().await;
    let session = contoso.alice().await;
    let old = announced_now(&contoso).await;
    contoso.next().await.expect("the next one");
    let all = announced_now(&contoso).await;
    let before = published(&contoso.shown().await);
    let contoso = &contoso;
    let regenerate = |confirmation: &'static str| {
        let new = NewKey::default();
        let origin = at(OPERATOR);
        async move {
            let (idp, app) = (&contoso.idp, &contoso.app_id);
            idp.regenerate_certificate(app, confirmation, new, &origin)
                .await
        }
    };
    for wrong in ["", "contoso", "fabrikam.com", "yes"] {
        assert!(said(regenerate(wrong).await).contains("“contoso.com”"));
        assert_eq!(published(&contoso.shown().await), before);
    }
    let app = regenerate(" Contoso.com\n").await.expect("replaced");
    assert_eq!(published(&app)[1..], [None, None]);
    assert_eq!(app.certificates.len(), 3);
    let issued = token(contoso, &session).await;
    assert_eq!(verified(&issued, &all), None);
    assert_eq!(
        verified(&issued, &announced_now(contoso).await).map(|one| one != old[0]),
        Some(true)
    );
    let line = &contoso.idp.audit(100, None).await.expect("the audit");
    let line = line
        .iter()
        .find(|line| line.event == "certificate.regenerated");
    let withdrawn = line.expect("a line").details["withdrawn"]
        .as_array()
        .map(Vec::len);
    assert_eq!(withdrawn, Some(2));
}

#[tokio::test]
async fn a_key_made_elsewhere_becomes_the_next_one() {
    let contoso = Contoso::new().await;
    let import = |key: &SigningKey| {
        let file = KeyFile::Pair {
            certificate: key.certificate().pem().into_bytes(),
            private_key: key.private_key_der(),
        };
        let (idp, app) = (contoso.idp.clone(), contoso.app_id.clone());
        async move {
            idp.import_next_certificate(&app, file, None, &at(OPERATOR))
                .await
        }
    };
    let old =
        SigningKey::generate("own", contoso.idp.now() - TimeDelta::days(9), 8).expect("a key");
    assert!(said(import(&old).await).contains("expired"));
    let own = key_of(&contoso);
    let (app, notes) = import(&own).await.expect("imported");
    assert_eq!(published(&app)[1], Some(own.certificate().thumbprint()));
    assert!(notes.is_empty(), "{notes:?}");
    assert!(said(import(&own).await).contains("already"));
    contoso.promote(Some(&word())).await.expect("promoted");
    let session = contoso.alice().await;
    let signed = verified(
        &token(&contoso, &session).await,
        &[own.certificate().clone()],
    );
    assert!(signed.is_some());
    contoso.clock.advance(TimeDelta::hours(1));
    contoso
        .retire(Retiring::Replaced, false)
        .await
        .expect("retired");
    assert!(said(import(&own).await).contains("has, or had"));
}

#[tokio::test]
async fn an_expired_certificate_signs_on_and_is_shown_as_what_it_is() {
    let contoso = Contoso::new().await;
    contoso.clock.advance(TimeDelta::days(1095 - 30));
    let app = contoso.shown().await;
    assert_eq!(app.certificates[0].days_left, 29);
    assert!(next_steps(&app, contoso.idp.now())[0].contains("cert next"));
    contoso.clock.advance(TimeDelta::days(31));
    let session = contoso.alice().await;
    let issued = token(&contoso, &session).await;
    assert!(verified(&issued, &announced_now(&contoso).await).is_some());
    let app = contoso.shown().await;
    assert!(app.certificates[0].expired && app.certificates[0].days_left == -2);
    let words = app.certificates[0].until_in_words();
    assert!(words.contains("EXPIRED; it still signs"), "{words}");
    let metadata = contoso
        .idp
        .saml_metadata(&contoso.app_id, None, false)
        .await;
    let tomorrow = (contoso.idp.now() + TimeDelta::days(1)).format("validUntil=\"%Y-%m-%dT");
    assert!(metadata.expect("metadata").contains(&tomorrow.to_string()));
}

#[tokio::test]
async fn keys_that_nobody_takes_are_not_made() {
    let contoso = Contoso::new().await;
    for (bits, days) in [(1024, 30), (2049, 30), (8192, 30), (2048, 0), (2048, 3651)] {
        let new = NewKey { bits, days };
        let refused = contoso
            .idp
            .add_next_certificate("contoso.com", new, &at(OPERATOR))
            .await;
        said(refused);
    }
    let new = NewKey {
        bits: 3072,
        days: 3650,
    };
    let app = contoso
        .idp
        .add_next_certificate("contoso.com", new, &at(OPERATOR))
        .await;
    let app = app.expect("the next one");
    let next = app.certificate(Stage::Next).expect("a certificate");
    assert_eq!((next.key_size, next.days_left), (Some(3072), 3649));
}

/// Every database that there is to test on, with what has to live as long.
fn databases() -> Vec<(String, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = format!("sqlite://{}", folder.path().join("two.db").display());
    let mut databases = vec![(sqlite, Some(folder))];
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
    let postgres = std::env::var("COUNTERSIGN_TEST_POSTGRES_URL");
    match postgres {
        Ok(url) => {
            let name = format!("countersign_test_{}", uuid::Uuid::new_v4().simple());
            let made = std::process::Command::new("psql")
                .args(["--no-psqlrc", "--quiet", "--command"])
                .args([&format!("CREATE DATABASE {name}"), &url])
                .status();
            assert!(made.expect("psql").success());
            let (server, _) = url.rsplit_once('/').expect("a database in the URL");
            databases.push((format!("{server}/{name}"), None));
        }
        Err(_) => eprintln!("Tested on SQLite only: COUNTERSIGN_TEST_POSTGRES_URL is not set."),
    }
    databases
}

/// A server with a store and memory of its own.
async fn server(url: &str, key: &Arc<MasterKey>) -> Idp {
    let store = Store::open(url).await.expect("a database");
    assert!(master_key::agree(&store, key).await.expect("agreement"));
    let public_url = "https://login.contoso.com".parse().expect("a URL");
    let clock = ManualClock::at(DateTime::from_timestamp(1_800_000_000, 0).expect("an instant"));
    let urls = Urls::new(&public_url);
    Idp::new(
        store,
        clock.clock(),
        key.clone(),
        PasswordPool::new(2),
        urls,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_that_promote_at_once_one_does_and_both_follow() {
    for (url, _folder) in databases() {
        let key = Arc::new(MasterKey::generate());
        let servers = [server(&url, &key).await, server(&url, &key).await];
        let origin = at(OPERATOR);
        let new = NewMicrosoft365 {
            domain: "contoso.com".to_owned(),
            label: None,
            cloud: Cloud::Worldwide,
            entra_url: None,
        };
        let app = servers[0]
            .add_microsoft365(new, &origin)
            .await
            .expect("an app");
        let signer = |idp: &Idp| {
            let (idp, app_id) = (idp.clone(), app.id.clone());
            async move {
                let metadata = idp.wsfed_metadata(&app_id, None).await.expect("metadata");
                let document =
                    xml_signature::read(metadata.as_bytes(), &xml_signature::Limits::default())
                        .expect("well-formed");
                let keys = announced(&metadata);
                let signed = xml_signature::verify(document.root_element(), &keys);
                let by = signed
                    .expect("signed by what it announces")
                    .certificate()
                    .clone();
                // First is who signs, whatever happens meanwhile.
                assert_eq!(by, keys[0]);
                by.thumbprint()
            }
        };
        for round in 0..3 {
            let new = NewKey::default();
            // Both servers are asked for a next key at once, and one makes it.
            let [one, other] = [&servers[0], &servers[1]]
                .map(|idp| idp.add_next_certificate(&app.id, new, &origin));
            let (one, other) = tokio::join!(one, other);
            assert!(
                one.is_ok() != other.is_ok(),
                "round {round}: {one:?} {other:?}"
            );
            let made = one.or(other).expect("one of them");
            let next = published(&made)[1].clone().expect("a next one");
            let old = published(&made)[0].clone().expect("a current one");
            assert_eq!(signer(&servers[0]).await, old);
            assert_eq!(signer(&servers[1]).await, old);

            let promoting = servers.clone().map(|idp| {
                let id = app.id.clone();
                tokio::spawn(
                    async move { promote(&idp, &id, Promoting::Next, Some(&word())).await },
                )
            });
            let reading = servers.clone().map(|idp| {
                let signer = signer(&idp);
                tokio::spawn(signer)
            });
            let mut outcomes = Vec::new();
            for task in promoting {
                outcomes.push(task.await.expect("it ends"));
            }
            for task in reading {
                let by = task.await.expect("it ends");
                assert!(by == old || by == next);
            }
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert_eq!((won.len(), lost.len()), (1, 1), "{lost:?}");
            let told = said(lost.into_iter().next().expect("one lost"));
            assert!(told.contains(&next) && told.contains("already"), "{told}");
            for idp in &servers {
                assert_eq!(signer(idp).await, next);
            }
            let gone = servers[round % 2]
                .retire_certificate(&app.id, Retiring::Replaced, true, &origin)
                .await;
            gone.expect("retired");
        }
    }
}

/// Microsoft, or anybody else who keeps what they know of us.
enum Party {
    /// Two places, filled by the scripts of the run-book.
    Microsoft {
        first: Certificate,
        second: Option<Certificate>,
    },
    /// What its last look at our metadata found.
    Reader(Vec<Certificate>),
}

impl Party {
    fn keys(&self) -> Vec<Certificate> {
        match self {
            Self::Microsoft { first, second } => [Some(first.clone()), second.clone()]
                .into_iter()
                .flatten()
                .collect(),
            Self::Reader(keys) => keys.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(i64),
    Next,
    Import,
    /// The scripts of the run-book; or a look at our metadata.
    Rotate,
    MakeFirst,
    Known,
    Promote,
    Back,
    Retire,
    RetireNext,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_i64..90).prop_map(Step::Wait),
        2 => Just(Step::Next),
        1 => Just(Step::Import),
        3 => Just(Step::Rotate),
        2 => Just(Step::MakeFirst),
        1 => Just(Step::Known),
        3 => Just(Step::Promote),
        1 => Just(Step::Back),
        2 => Just(Step::Retire),
        1 => Just(Step::RetireNext),
    ];
    prop::collection::vec(step, 1..32)
}

fn parsed(app: &AppInfo, stage: Stage) -> Option<Certificate> {
    let shown = app.certificate(stage)?;
    Some(Certificate::from_pem(shown.certificate.as_bytes()).expect("a certificate"))
}

/// Somebody signs in after each step, and whoever reads the token knows only what they were told.
struct Simulation {
    contoso: Contoso,
    party: Party,
    session: SessionToken,
    /// What was issued, until it is over.
    tokens: Vec<(DateTime<Utc>, String)>,
}

impl Simulation {
    async fn new(reads_metadata: bool) -> Self {
        let contoso = Contoso::new().await;
        let known = announced_now(&contoso).await;
        let party = if reads_metadata {
            Party::Reader(known)
        } else {
            Party::Microsoft {
                first: known[0].clone(),
                second: None,
            }
        };
        Self {
            session: contoso.alice().await,
            party,
            contoso,
            tokens: Vec::new(),
        }
    }

    /// What the other side says about itself: Microsoft's answer, or the word of who has looked.
    fn evidence(&self, about: Option<&Certificate>) -> Option<Evidence> {
        match &self.party {
            Party::Microsoft { first, second } => Some(answer(
                "https://contoso.com",
                first.base64(),
                second.as_ref().map(Certificate::base64),
            )),
            Party::Reader(known) => about.filter(|one| known.contains(one)).map(|_| word()),
        }
    }

    /// What the product refuses changes nothing, so its outcome does not matter.
    async fn take(&mut self, step: Step) {
        let contoso = &self.contoso;
        let app = contoso.shown().await;
        let (current, next) = (parsed(&app, Stage::Current), parsed(&app, Stage::Next));
        let current = current.expect("a current one");
        match step {
            Step::Wait(minutes) => contoso.clock.advance(TimeDelta::minutes(minutes)),
            Step::Next => drop(contoso.next().await),
            Step::Import => {
                let own = key_of(contoso);
                let file = KeyFile::Pair {
                    certificate: own.certificate().der().to_vec(),
                    private_key: own.private_key_der(),
                };
                let id = contoso.app_id.as_str();
                let origin = at(OPERATOR);
                let import = contoso.idp.import_next_certificate(id, file, None, &origin);
                drop(import.await);
            }
            Step::Rotate => match &mut self.party {
                Party::Reader(known) => *known = announced_now(contoso).await,
                Party::Microsoft { first, second } => {
                    if let Some(next) = next
                        && (*first == current || *second == Some(current.clone()))
                    {
                        (*first, *second) = (current, Some(next));
                    }
                }
            },
            Step::MakeFirst => match &mut self.party {
                Party::Reader(known) => *known = announced_now(contoso).await,
                Party::Microsoft { first, second } => {
                    (*first, *second) = (current.clone(), Some(next.unwrap_or(current)));
                }
            },
            Step::Known => {
                if let Some(evidence) = self.evidence(next.as_ref()) {
                    drop(contoso.know(&evidence).await);
                }
            }
            Step::Promote => {
                let evidence = self.evidence(next.as_ref());
                drop(contoso.promote(evidence.as_ref()).await);
            }
            Step::Back => {
                let replaced = parsed(&app, Stage::Retired);
                let evidence = self.evidence(replaced.as_ref());
                drop(contoso.back(evidence.as_ref()).await);
            }
            Step::Retire => drop(contoso.retire(Retiring::Replaced, false).await),
            Step::RetireNext => drop(contoso.retire(Retiring::Next, false).await),
        }
    }

    async fn expect_no_failure(&mut self, after: Step) {
        let contoso = &self.contoso;
        let now = contoso.idp.now();
        if asks_to_sign_in(&contoso.ask("", &self.session).await) {
            self.session = contoso.alice().await;
        }
        let issued = token(contoso, &self.session).await;
        let keys = self.party.keys();
        let by = verified(&issued, &keys);
        assert!(by.is_some(), "a sign-in fails at {now} after {after:?}");
        let app = contoso.shown().await;
        assert_eq!(
            by,
            parsed(&app, Stage::Current),
            "only the current key signs"
        );

        let by_wsfed = announced_now(contoso).await;
        let metadata = contoso
            .idp
            .saml_metadata(&contoso.app_id, None, false)
            .await;
        assert_eq!(announced(&metadata.expect("metadata")), by_wsfed);
        assert_eq!(by_wsfed.first().cloned(), by, "who signs comes first");
        // Whoever looks at this very moment can read every token that is not over.
        self.tokens.push((now, issued));
        self.tokens
            .retain(|(at, _)| now < *at + TimeDelta::hours(1));
        for (at, token) in &self.tokens {
            assert!(
                verified(token, &by_wsfed).is_some(),
                "{after:?} lost a token of {at}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn in_whatever_order_and_time_the_allowed_steps_are_taken_no_sign_in_fails(
        reads_metadata: bool,
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut simulation = Simulation::new(reads_metadata).await;
            for step in steps {
                simulation.take(step).await;
                simulation.expect_no_failure(step).await;
            }
        });
    }
}

#[tokio::test]
async fn in_a_rotation_by_the_book_it_is_replaced_and_no_minute_fails() {
    for reads_metadata in [false, true] {
        let mut simulation = Simulation::new(reads_metadata).await;
        let first = published(&simulation.contoso.shown().await)[0].clone();
        let book = [
            Step::Next,
            Step::Rotate,
            Step::Wait(120),
            Step::Promote,
            Step::Wait(60),
            Step::MakeFirst,
            Step::Retire,
        ];
        for step in book {
            // Minute by minute, where time goes by.
            let minutes = match step {
                Step::Wait(minutes) => vec![Step::Wait(1); usize::try_from(minutes).expect("few")],
                other => vec![other],
            };
            for step in minutes {
                simulation.take(step).await;
                simulation.expect_no_failure(step).await;
            }
        }
        let [current, next, replaced] = published(&simulation.contoso.shown().await);
        assert!(current != first && next.is_none() && replaced.is_none());
    }
}
