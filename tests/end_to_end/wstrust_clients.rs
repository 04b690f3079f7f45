//! WS-Trust as other people's clients speak and read it: MSAL for Python itself, and the stand-in, which has the ways
//! and the rules of the other MSALs and of Windows.

use entra::User;
use entra::checks::windows::Client;
use harness::judges::msal::Msal;
use harness::judges::{self, Signed, rewritten};
use harness::{Browser, Database, Page, Setup, databases};
use roxmltree::{Document, Node};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

use crate::company::{Contoso, PASSWORD, REALM, certify, stand_in, text};

const ACTION_2005: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue";
const ACTION_13: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue";
/// The `TokenType` that clients redeem as SAML 1.1; some take every other for SAML 2.0.
const TOKEN_TYPE: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
const WRONG_PASSWORD: &str = "The user name or password is incorrect.";
const MICROSOFT: &str = "login.microsoftonline.com";

/// Contoso, whose people sign in by a password alone, over TLS: clients look for no other addresses.
struct Office {
    contoso: Contoso,
    browser: Browser,
    msal: Msal,
    _certificate: TempDir,
}

/// A name and a password that XML and URLs have to be careful with.
const OBRIEN: &str = "o'brien@contoso.com";
const OBRIENS: &str = "  &<>\"' ]]> &amp; \u{fc}\u{df}\u{1f511} ";

impl Office {
    async fn on(database: Database) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let trusted = certify(&certificate, &key);
        let contoso = Contoso::with(Setup::new(database).with_tls(&certificate, &key)).await;
        let server = &contoso.server;
        let name = "Zo\u{eb} <O'Brien>";
        let add = [
            "user",
            "add",
            OBRIEN,
            "--display-name",
            name,
            "--password-stdin",
            "--json",
        ];
        let added = server
            .cli_with_input(&add, &format!("{OBRIENS}\n"))
            .succeeded();
        let added: Value = serde_json::from_str(&added).expect("--json prints JSON");
        server.cli(&["group", "join", "Staff", OBRIEN]).succeeded();
        let mut tenant = contoso.tenant.clone();
        tenant.users.push(User {
            upn: OBRIEN.to_owned(),
            immutable_id: text(&added, "immutable_id").to_owned(),
            display_name: name.to_owned(),
            enabled: true,
        });

        let socket = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let microsoft = Url::parse(&format!("http://{address}/")).expect("an address makes a URL");
        stand_in(&tenant, &format!("https://{MICROSOFT}"), socket);
        let office = Self {
            contoso,
            browser: Browser::trusting(&trusted),
            msal: Msal::trusting(&trusted).finding(MICROSOFT, &microsoft),
            _certificate: folder,
        };
        office.contoso.set("--active", "on");
        office
    }

    fn url(&self, field: &str) -> &str {
        text(&self.contoso.app, field)
    }

    async fn mex(&self) -> String {
        let url = self.url("mex_url").parse().expect("a URL");
        let page = self.browser.get(&url).await;
        assert_eq!(page.status, 200);
        page.source().to_owned()
    }

    /// Both addresses, with the `SOAPAction` of each.
    fn endpoints(&self) -> [(&str, &'static str); 2] {
        [
            (self.url("trust2005_url"), ACTION_2005),
            (self.url("trust13_url"), ACTION_13),
        ]
    }
}

/// What O'Brien sends to an address.
fn request(address: &str, soap_action: impl Into<Value>, password: &str) -> Value {
    json!({
        "address": address,
        "soap_action": soap_action.into(),
        "audience": REALM,
        "username": OBRIEN,
        "password": password,
    })
}

// Several threads, for MSAL keeps one waiting while Microsoft's stand-in answers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn msal_for_python_gets_tokens_and_is_told_why_not() {
    for database in databases() {
        let office = Office::on(database).await;
        finds_the_addresses(&office).await;
        gets_an_assertion_that_survives_its_hands(&office);
        hears_of_a_wrong_password(&office);
        signs_in_at_microsoft(&office);
    }
}

async fn finds_the_addresses(office: &Office) {
    let [(feb2005, _), (v13, _)] = office.endpoints();
    let found = office
        .msal
        .ask("mex", json!({ "url": office.url("mex_url") }));
    assert_eq!(
        found.verdict,
        Ok(json!({ "address": v13, "action": ACTION_13 }))
    );

    let read = |document: &str| {
        let said = office.msal.ask("read-mex", json!({ "document": document }));
        said.verdict.expect("it is XML")
    };
    let document = office.mex().await;
    let without_13 = without(&document, "IWSTrust13Async");
    assert_eq!(
        read(&without_13),
        json!({ "address": feb2005, "action": ACTION_2005 })
    );
    let without_both = without(&without_13, "IWSTrustFeb2005Async");
    assert_eq!(read(&without_both), Value::Null);
}

/// A description without everything that has this in its name.
fn without(description: &str, name: &str) -> String {
    let document = Document::parse(description).expect("it is XML");
    let named = |node: &Node<'_, '_>| {
        node.attributes()
            .any(|attribute| attribute.value().contains(name))
    };
    let mut left = description.to_owned();
    let elements = document.root_element().descendants();
    let top = |node: &Node<'_, '_>| {
        node.is_element() && named(node) && !node.ancestors().skip(1).any(|above| named(&above))
    };
    let ranges: Vec<_> = elements.filter(top).map(|node| node.range()).collect();
    for range in ranges.into_iter().rev() {
        left.replace_range(range, "");
    }
    left
}

fn gets_an_assertion_that_survives_its_hands(office: &Office) {
    let certificate = office.contoso.certificate();
    for (address, action) in office.endpoints() {
        let said = office.msal.ask("trust", request(address, action, OBRIENS));
        let answer = said.verdict.expect("MSAL reads the answer");
        assert_eq!(
            (said.statuses, &answer["type"]),
            (vec![200], &json!(TOKEN_TYPE))
        );
        let assertion = text(&answer, "token");
        assert!(assertion.contains(OBRIEN), "{assertion}");
        judges::everyone(assertion, Signed::Assertion, certificate)
            .expect("every judge accepts what MSAL cut out");
        let anew = rewritten(assertion);
        assert_ne!(anew, assertion);
        for judge in [judges::xmlsec1::judge, judges::signxml::judge] {
            judge(&anew, Signed::Assertion, certificate).expect("they accept it written anew");
        }
        // Without a description MSAL tells the version by the path.
        let said = office
            .msal
            .ask("trust", request(address, Value::Null, OBRIENS));
        assert_eq!(said.verdict.expect("it is the same")["type"], TOKEN_TYPE);
    }
}

fn hears_of_a_wrong_password(office: &Office) {
    for status in [400, 500] {
        office.contoso.set("--active-status", &status.to_string());
        for (address, action) in office.endpoints() {
            let order = request(address, action, OBRIENS.trim());
            let said = office.msal.ask("trust", order);
            let reason = said.verdict.expect_err("the spaces belong to the password");
            assert!(reason.contains(WRONG_PASSWORD), "{reason}");
            assert!(reason.contains("wsse:FailedAuthentication"), "{reason}");
            assert_eq!(said.statuses, [status]);
        }
    }
}

fn signs_in_at_microsoft(office: &Office) {
    let sign_in = |password: &str| {
        let order = json!({
            "authority": format!("https://{MICROSOFT}/organizations"),
            "client_id": "11111111-1111-1111-1111-111111111111",
            "scopes": ["https://graph.microsoft.com/.default"],
            "username": OBRIEN,
            "password": password,
        });
        office.msal.ask("sign-in", order)
    };
    let said = sign_in(OBRIENS);
    let tokens = said.verdict.expect("MSAL comes to the end");
    assert_eq!(
        tokens["id_token_claims"]["preferred_username"], OBRIEN,
        "{tokens}"
    );
    assert!(tokens["access_token"].is_string(), "{tokens}");
    assert!(said.statuses.iter().all(|status| *status == 200));
    let reason = sign_in("not this")
        .verdict
        .expect_err("the password is wrong");
    assert!(reason.contains(WRONG_PASSWORD), "{reason}");
}

#[tokio::test]
async fn every_client_that_the_stand_in_plays_takes_our_word_for_yes_and_no() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        contoso.set("--active", "on");
        for client in Client::ALL {
            let page = sign_in_as(client, &contoso, "alice", PASSWORD).await;
            assert_eq!(
                page.text("h1"),
                "Signed in as alice",
                "{}",
                page.text(".failed")
            );
            all_passed(&page, client);
            let version = match client {
                Client::DotNet => "of February 2005",
                _ => "1.3",
            };
            let title = format!("Password by WS-Trust {version}");
            assert!(page.text("main").contains(&title), "{}", client.name());
        }
        for client in Client::ALL {
            let page = sign_in_as(client, &contoso, "carol", "not this").await;
            assert!(page.text("[role=alert]").starts_with(WRONG_PASSWORD));
            all_passed(&page, client);
        }
        contoso.set("--active-status", "500");
        let refusals = || {
            let lines = contoso.audit();
            let refused = |line: &&Value| line["event"] == "sign-in.refused";
            lines.iter().filter(refused).count()
        };
        for client in Client::ALL {
            let before = refusals();
            let page = sign_in_as(client, &contoso, "ada", "not this").await;
            assert!(page.text("[role=alert]").starts_with(WRONG_PASSWORD));
            assert_eq!(page.count(".checks li.failed"), 0, "{}", client.name());
            assert_eq!(refusals(), before + 1, "{} sent it again", client.name());
        }
    }
}

async fn sign_in_as(client: Client, contoso: &Contoso, name: &str, password: &str) -> Page {
    let user = format!("{name}@contoso.com");
    let fields = [
        ("user", &*user),
        ("password", password),
        ("client", client.value()),
    ];
    let form = contoso.microsoft.join("/windows").expect("a path");
    Browser::new().post(&form, &fields).await
}

/// Not even a warning that another client would stumble.
fn all_passed(page: &Page, client: Client) {
    let checks = page.count(".checks li");
    let passed = page.count(".checks li.passed");
    assert!(
        checks >= 30 && checks == passed,
        "{}: {}",
        client.name(),
        page.text("main")
    );
}
