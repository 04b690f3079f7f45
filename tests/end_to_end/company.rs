//! Contoso, whose domain is federated: a server, its people, and the stand-in for Microsoft 365.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use entra::{Cloud, Domain, Federation, Protocol, StandIn, Tenant, User};
use harness::{Browser, Database, Form, Page, Server, Setup};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

pub const PASSWORD: &str = "correct horse battery";
pub const REALM: &str = "urn:federation:MicrosoftOnline";
pub const CORRELATION_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// Alice is granted Microsoft 365, Carol is not, Dave is disabled, Frank is of another domain, Ada administers.
pub struct Contoso {
    pub server: Server,
    pub app: Value,
    pub tenant: Tenant,
    pub microsoft: Url,
}

impl Contoso {
    pub async fn on(database: Database) -> Self {
        Self::with(Setup::new(database)).await
    }

    pub async fn with(setup: Setup) -> Self {
        Self::speaking(Protocol::WsFed, setup).await
    }

    /// The domain is federated by the protocol.
    pub async fn speaking(protocol: Protocol, setup: Setup) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let port = socket
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        let microsoft =
            Url::parse(&format!("http://localhost:{port}/")).expect("a port makes a URL");

        let server = setup.start().await;
        let entra_url = microsoft.as_str().trim_end_matches('/');
        let app = server.cli_json(&[
            "app",
            "add",
            "m365",
            "--domain",
            "contoso.com",
            "--label",
            "Contoso 365",
            "--entra-url",
            entra_url,
        ]);
        server.cli(&["group", "add", "Staff"]).succeeded();
        server
            .cli(&["app", "grant", text(&app, "id"), "Staff"])
            .succeeded();
        let mut users = Vec::new();
        for (upn, admin) in [
            ("alice@contoso.com", false),
            ("carol@contoso.com", false),
            ("dave@contoso.com", false),
            ("frank@fabrikam.com", false),
            ("ada@contoso.com", true),
        ] {
            let user = add_user(&server, upn, admin);
            if upn != "carol@contoso.com" {
                server.cli(&["group", "join", "Staff", upn]).succeeded();
            }
            users.push(User {
                upn: upn.to_owned(),
                immutable_id: text(&user, "immutable_id").to_owned(),
                display_name: text(&user, "display_name").to_owned(),
                enabled: true,
            });
        }
        server
            .cli(&["user", "disable", "dave@contoso.com"])
            .succeeded();

        let tenant = tenant(&app, protocol, entra_url, users);
        stand_in(&tenant, entra_url, socket);
        Self {
            server,
            app,
            tenant,
            microsoft,
        }
    }

    pub fn id(&self) -> &str {
        text(&self.app, "id")
    }

    /// Changes a setting of the app.
    pub fn set(&self, setting: &str, value: &str) {
        let change = ["app", "set", self.id(), setting, value];
        self.server.cli(&change).succeeded();
    }

    /// The app's WS-Federation endpoint with a query; `+` stands for the parameters that every request has.
    pub fn wsfed(&self, query: &str) -> Url {
        let usual = "wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline";
        self.server.url(&format!(
            "/wsfed/{}?{}",
            self.id(),
            query.replacen('+', usual, 1)
        ))
    }

    pub fn certificate(&self) -> &str {
        text(&self.app, "signing_certificate")
    }

    /// Goes to `url`, signs in there, and returns what comes then.
    pub async fn sign_in(&self, browser: &Browser, url: &Url, upn: &str, password: &str) -> Page {
        let page = browser.open(url).await;
        let form = page
            .form("form")
            .fill("username", upn)
            .fill("password", password);
        let answer = browser.submit(&form).await;
        browser.follow(answer).await
    }

    /// A browser in which this person is signed in.
    pub async fn browser_of(&self, upn: &str) -> Browser {
        let browser = Browser::new();
        let page = self
            .sign_in(&browser, &self.server.url("/sign-in"), upn, PASSWORD)
            .await;
        assert_eq!(page.url.path(), "/", "{}", page.source());
        browser
    }

    /// The newest audit lines.
    pub fn audit(&self) -> Vec<Value> {
        let lines = self.server.cli_json(&["audit", "list"]);
        lines.as_array().expect("the audit is a list").clone()
    }

    /// The reason in the newest line of an event.
    pub fn last_reason(&self, event: &str) -> String {
        let lines = self.audit();
        let line = lines.iter().find(|line| line["event"] == event);
        let line = line.unwrap_or_else(|| panic!("no {event} in {lines:?}"));
        line["details"]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// Microsoft 365 with this tenant, under the name that the world knows it by.
pub fn stand_in(tenant: &Tenant, name: &str, socket: TcpListener) {
    let stand_in = StandIn::new(tenant.clone(), name, || SystemTime::now().into());
    tokio::spawn(async move { axum::serve(socket, entra::router(stand_in)).await });
}

/// Makes a certificate for a server at localhost, in PEM files, and returns it.
pub fn certify(certificate: &Path, key: &Path) -> String {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .expect("openssl runs");
    assert!(made.status.success());
    fs::read_to_string(certificate).expect("openssl has written it")
}

/// The text of a JSON field that must be there.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is no text in {value}"))
}

pub fn add_user(server: &Server, upn: &str, admin: bool) -> Value {
    let name = upn.split('@').next().unwrap_or(upn);
    let mut arguments = vec![
        "user",
        "add",
        upn,
        "--display-name",
        name,
        "--password-stdin",
        "--json",
    ];
    if admin {
        arguments.push("--admin");
    }
    let printed = server
        .cli_with_input(&arguments, &format!("{PASSWORD}\n"))
        .succeeded();
    serde_json::from_str(&printed).expect("--json prints JSON")
}

/// The form that posts the token.
pub fn posted(page: &Page) -> Form {
    assert_eq!(page.status, 200, "{}", page.source());
    let form = page.form("form");
    assert_eq!(form.value("wa"), Some("wsignin1.0"), "{}", page.source());
    form
}

/// The assertion cut out of an answer, as clients do it.
pub fn assertion(answer: &str) -> &str {
    let from = answer
        .find("<saml:Assertion")
        .expect("the answer holds an assertion");
    let to = answer
        .rfind("</saml:Assertion>")
        .expect("the assertion ends")
        + "</saml:Assertion>".len();
    &answer[from..to]
}

/// The code that people pass on, as the page shows it.
pub fn correlation_id(page: &Page) -> String {
    page.text("#correlation-id")
}

fn tenant(app: &Value, protocol: Protocol, entra_url: &str, users: Vec<User>) -> Tenant {
    let pem = text(app, "signing_certificate");
    let (passive, sign_out) = match protocol {
        Protocol::WsFed => ("wsfed_url", "signout_url"),
        Protocol::Saml => ("saml_sso_url", "saml_slo_url"),
    };
    // As the federation commands have it: SAML has no such addresses.
    let active = |field| (protocol == Protocol::WsFed).then(|| text(app, field).to_owned());
    let certificate =
        openssl::x509::X509::from_pem(pem.as_bytes()).expect("openssl reads the certificate");
    Tenant {
        cloud: Cloud {
            audience: REALM.to_owned(),
            reply: format!("{entra_url}/login.srf"),
        },
        domains: vec![Domain {
            name: "contoso.com".to_owned(),
            federation: Some(Federation {
                issuer_uri: text(app, "issuer").to_owned(),
                passive_sign_in_uri: text(app, passive).to_owned(),
                sign_out_uri: text(app, sign_out).to_owned(),
                protocol,
                signing_certificate: certificate.to_der().expect("a certificate has a DER form"),
                next_signing_certificate: None,
                metadata_exchange_uri: active("mex_url"),
                active_sign_in_uri: active("trust2005_url"),
            }),
        }],
        users,
    }
}
