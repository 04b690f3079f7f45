//! SAML 2.0: any service provider, judged by other people's.

use harness::judges::pysaml2::{ServiceProvider, text as said};
use harness::judges::{self, Signed};
use harness::{Browser, Form, Page, databases};
use serde_json::{Value, json};
use url::Url;

use crate::company::{Contoso, PASSWORD, text};

/// Longer than the 80 bytes of the standard, and made of what breaks carelessly written pages.
const RELAY_STATE: &str = "https://wiki.example/a?b=c&d=\"e\"<f>'g' ü+%20 {\"h\":[1]} ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~";

/// A wiki that pysaml2 signs people in to.
struct Wiki {
    contoso: Contoso,
    provider: ServiceProvider,
    app: Value,
}

impl Wiki {
    /// Added from its metadata, granted to Contoso's staff.
    async fn of(contoso: Contoso, provider: ServiceProvider) -> Self {
        let metadata = provider.metadata_file();
        let app = contoso.server.cli_json(&[
            "app",
            "add",
            "saml",
            "--label",
            "Wiki",
            "--metadata",
            &metadata,
            "--attribute",
            "mail=upn",
            "--attribute",
            "urn:oid:2.16.840.1.113730.3.1.241=display-name",
            "--attribute",
            "basic:role=\"reader\"",
        ]);
        let wiki = Self {
            provider,
            app,
            contoso,
        };
        wiki.contoso
            .server
            .cli(&["app", "grant", wiki.id(), "Staff"])
            .succeeded();
        wiki.told()
    }

    /// The provider knows our metadata.
    fn told(mut self) -> Self {
        let metadata = self.contoso.server.cli(&["app", "metadata", self.id()]);
        self.provider = self.provider.with("idp_metadata", metadata.succeeded());
        self
    }

    fn id(&self) -> &str {
        text(&self.app, "id")
    }

    fn set(&self, settings: &[&str]) -> Value {
        let arguments = [&["app", "set", self.id()], settings].concat();
        self.contoso.server.cli_json(&arguments)
    }

    /// A request for authentication, and the page that it leads to.
    async fn ask(&self, browser: &Browser, binding: &str, options: Value) -> (String, Page) {
        let order = json!({"binding": binding, "relay_state": RELAY_STATE, "options": options});
        let request = self.provider.ask("request", order).expect("a request");
        let page = deliver(browser, &request).await;
        (said(&request, "id").to_owned(), page)
    }

    /// What pysaml2 makes of the response that a page posts.
    fn judge(&self, id: &str, page: &Page) -> Result<Value, String> {
        let form = response_form(page);
        let order = json!({"id": id, "response": form.value("SAMLResponse")});
        self.provider.ask("response", order)
    }

    /// Alice, signed in to the wiki: her browser, and what the wiki knows of her.
    async fn with_alice(&self) -> (Browser, Value) {
        let browser = self.contoso.browser_of("alice@contoso.com").await;
        let (id, page) = self.ask(&browser, "redirect", json!({})).await;
        let alice = self.judge(&id, &page).expect("pysaml2 takes the response");
        (browser, alice)
    }
}

/// Sends a message on its way, by query or by form, and follows where it leads.
async fn deliver(browser: &Browser, message: &Value) -> Page {
    let url = Url::parse(said(message, "location")).expect("a URL");
    let fields: Vec<(&str, &str)> = message["fields"]
        .as_object()
        .expect("fields")
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().expect("a text")))
        .collect();
    let answer = if fields.is_empty() {
        browser.get(&url).await
    } else {
        browser.post(&url, &fields).await
    };
    follow_here(browser, answer).await
}

/// Follows redirects as long as they stay at this server.
async fn follow_here(browser: &Browser, mut answer: Page) -> Page {
    while let Some(next) = answer
        .redirect()
        .filter(|next| next.host_str() == Some("localhost"))
    {
        answer = browser.get(&next).await;
    }
    answer
}

async fn sign_in(browser: &Browser, page: &Page, upn: &str) -> Page {
    let form = page
        .form("form")
        .fill("username", upn)
        .fill("password", PASSWORD);
    let answer = browser.submit(&form).await;
    follow_here(browser, answer).await
}

/// The form that posts the response.
fn response_form(page: &Page) -> Form {
    assert_eq!(page.status, 200, "{}", page.source());
    let form = page.form("form");
    assert!(form.value("SAMLResponse").is_some(), "{}", page.source());
    form
}

fn xml_of(page: &Page) -> String {
    let form = response_form(page);
    let response = form.value("SAMLResponse").expect("a response");
    let bytes = openssl::base64::decode_block(response).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}

#[tokio::test]
async fn alice_signs_in_to_a_service_provider_by_either_binding() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider).await;
        for binding in ["redirect", "post"] {
            let browser = Browser::new();
            let (id, page) = wiki.ask(&browser, binding, json!({})).await;
            let page = sign_in(&browser, &page, "alice@contoso.com").await;
            let form = response_form(&page);
            assert_eq!(form.action.as_str(), "https://wiki.example/acs");
            assert_eq!(form.value("RelayState"), Some(RELAY_STATE), "{binding}");
            let alice = wiki.judge(&id, &page).expect("pysaml2 takes the response");
            assert_eq!(alice["in_response_to"], id.as_str());
            assert_eq!(alice["issuer"], wiki.app["issuer"]);
            assert_eq!(alice["attributes"]["mail"], json!(["alice@contoso.com"]));
            assert_eq!(alice["attributes"]["displayName"], json!(["alice"]));
            assert_eq!(alice["attributes"]["role"], json!(["reader"]));
            assert_eq!(
                alice["context"],
                "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
            );
            // The session answers the next request without a page to type into.
            let (id, page) = wiki.ask(&browser, binding, json!({})).await;
            wiki.judge(&id, &page).expect("again, over the session");
        }
    }
}
