//! Graph, called as scripts call it.

mod federation;
mod people;
mod refusals;
mod spreading;
mod whatever;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use entra::Graph;
use entra::graph::Domain;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::token::{KEY, NEXT_KEY, tenant};

/// Everything that the run-book asks for.
const PERMISSIONS: &[&str] = &[
    "Domain-InternalFederation.ReadWrite.All",
    "Domain.ReadWrite.All",
    "User.ReadWrite.All",
    "Organization.Read.All",
    "Policy.Read.All",
];

const CONTOSO: &str = "/domains/contoso.example";
const FEDERATION: &str = "/domains/contoso.example/federationConfiguration";

/// An administrator at the console, and a browser beside it.
struct Console {
    browser: Browser,
    token: Option<String>,
}

struct Answer {
    status: StatusCode,
    body: Value,
}

impl Console {
    /// contoso.example is Managed, and has a sub-domain; fabrikam.example is federated.
    fn new() -> Self {
        let mut tenant = tenant();
        tenant.domains[0].federation = None;
        let browser = Browser::of(tenant, "http://localhost:8081");
        browser.graph.arrange(|directory| {
            directory.domains.push(Domain {
                is_root: false,
                ..Domain::managed("mail.contoso.example")
            });
        });
        let token = browser.graph.admin_token(PERMISSIONS);
        Self {
            browser,
            token: Some(token),
        }
    }

    /// contoso.example is federated already.
    async fn federated() -> Self {
        let mut console = Self::new();
        let created = console.post(FEDERATION, &federation()).await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
        console
    }

    fn graph(&self) -> Graph {
        self.browser.graph.clone()
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    async fn patch(&mut self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, Some(body)).await
    }

    async fn delete(&mut self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    async fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path);
        let body = body.map(Value::to_string);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        self.send(
            request
                .body(body.map_or_else(Body::empty, Body::from))
                .expect("it is a request"),
        )
        .await
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let method: Method = method.parse().expect("it is a method");
        let request = Request::builder()
            .method(method)
            .uri(format!("/graph/v1.0{path}"));
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    async fn send(&mut self, request: Request<Body>) -> Answer {
        let page = self.browser.send(request).await;
        Answer {
            status: page.status,
            body: if page.text.is_empty() {
                Value::Null
            } else {
                page.json()
            },
        }
    }

    /// The one federation of contoso.example, as Graph gives it out.
    async fn stored(&mut self) -> Value {
        let mut listed = self.get(FEDERATION).await;
        assert_eq!(listed.status, StatusCode::OK, "{}", listed.body);
        listed.body["value"][0].take()
    }

    /// Where that federation is.
    async fn the_one(&mut self) -> String {
        let id = self.stored().await["id"].take();
        format!("{FEDERATION}/{}", id.as_str().expect("it is text"))
    }

    async fn authentication_type(&mut self, domain: &str) -> String {
        let path = format!("/domains/{domain}?$select=authenticationType");
        let domain = self.get(&path).await.body;
        domain["authenticationType"]
            .as_str()
            .expect("it is text")
            .to_owned()
    }

    /// What a sign-in ends with: the welcome, or the code.
    async fn outcome(&mut self, name: &str) -> String {
        let start = format!("/start?user={name}@contoso.example");
        let page = self.browser.sign_in(&start).await;
        let codes = page.texts(".notice strong");
        codes.into_iter().next().unwrap_or_else(|| page.heading())
    }

    /// How the sign-in page treats people of contoso.example.
    async fn account_type(&mut self) -> Value {
        let page = self
            .browser
            .get("/common/userrealm/alice@contoso.example?api-version=1.0")
            .await;
        page.json()["account_type"].take()
    }
}

impl Answer {
    /// The status and Graph's word.
    fn said(&self) -> (u16, &str) {
        let code = self.body["error"]["code"].as_str().unwrap_or_default();
        (self.status.as_u16(), code)
    }

    fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
}

fn oneline(der: &[u8]) -> String {
    BASE64.encode(der)
}

/// A federation of contoso.example as the run-book would create it.
fn federation() -> Value {
    json!({
        "displayName": "Contoso login",
        "issuerUri": "https://contoso.example",
        "passiveSignInUri": "https://idp.example/wsfed/contoso.example",
        "activeSignInUri": "https://idp.example/trust/2005/usernamemixed",
        "metadataExchangeUri": "https://idp.example/trust/mex",
        "signOutUri": "https://idp.example/wsfed/contoso.example/signout",
        "preferredAuthenticationProtocol": "wsFed",
        "signingCertificate": oneline(KEY.certificate().der()),
        "nextSigningCertificate": oneline(NEXT_KEY.certificate().der()),
        "federatedIdpMfaBehavior": "acceptIfMfaDoneByFederatedIdp",
        "promptLoginBehavior": "nativeSupport",
    })
}

/// The federation with another value; `null` leaves the property out.
fn federation_with(name: &str, value: impl Into<Value>) -> Value {
    let mut federation = federation();
    let value = value.into();
    if value.is_null() {
        federation
            .as_object_mut()
            .expect("it is an object")
            .remove(name);
    } else {
        federation[name] = value;
    }
    federation
}
