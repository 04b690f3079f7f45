//! A wiki at Contoso, whose service provider is pysaml2.

use std::io::Read;

use harness::judges::pysaml2::{ServiceProvider, text as said};
use harness::{Browser, Form, Page};
use serde_json::{Value, json};
use url::Url;

use crate::company::{Contoso, PASSWORD, text};

/// Longer than the 80 bytes of the standard, and made of what breaks carelessly written pages.
pub const RELAY_STATE: &str = "https://wiki.example/a?b=c&d=\"e\"<f>'g' ü+%20 {\"h\":[1]} ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~";

/// A wiki that pysaml2 signs people in to.
pub struct Wiki {
    pub contoso: Contoso,
    pub provider: ServiceProvider,
    pub app: Value,
}

impl Wiki {
    /// Added from its metadata, granted to Contoso's staff.
    pub fn of(contoso: Contoso, provider: ServiceProvider) -> Self {
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
            contoso,
            provider,
            app,
        };
        wiki.contoso
            .server
            .cli(&["app", "grant", wiki.id(), "Staff"])
            .succeeded();
        wiki.told()
    }

    /// The provider knows our metadata.
    pub fn told(mut self) -> Self {
        let metadata = self.metadata();
        self.provider = self.provider.with("idp_metadata", metadata);
        self
    }

    /// Ours, for the wiki.
    pub fn metadata(&self) -> String {
        let printed = self.contoso.server.cli(&["app", "metadata", self.id()]);
        printed.succeeded()
    }

    pub fn id(&self) -> &str {
        text(&self.app, "id")
    }

    pub fn set(&self, settings: &[&str]) -> Value {
        let arguments = [&["app", "set", self.id()], settings].concat();
        self.contoso.server.cli_json(&arguments)
    }

    /// A request for authentication, and the page that it leads to.
    pub async fn ask(&self, browser: &Browser, binding: &str, options: Value) -> (String, Page) {
        let order = json!({"binding": binding, "relay_state": RELAY_STATE, "options": options});
        let request = self.provider.ask("request", order).expect("a request");
        let page = deliver(browser, &request).await;
        (said(&request, "id").to_owned(), page)
    }

    /// What pysaml2 makes of the response that a page posts.
    pub fn judge(&self, id: &str, page: &Page) -> Result<Value, String> {
        let form = response_form(page);
        let order = json!({"id": id, "response": form.value("SAMLResponse")});
        self.provider.ask("response", order)
    }

    /// The XML of a signed request, as a form carries it.
    pub fn posted_request(&self) -> String {
        let order = json!({"binding": "post", "relay_state": "x"});
        let request = self.provider.ask("request", order).expect("a request");
        let xml = said(&request["fields"], "SAMLRequest");
        let xml = openssl::base64::decode_block(xml).expect("base64");
        String::from_utf8(xml).expect("UTF-8")
    }

    /// Alice, signed in to the wiki: her browser, and what the wiki knows of her.
    pub async fn with_alice(&self) -> (Browser, Value) {
        let browser = self.contoso.browser_of("alice@contoso.com").await;
        let (id, page) = self.ask(&browser, "redirect", json!({})).await;
        let alice = self.judge(&id, &page).expect("pysaml2 takes the response");
        (browser, alice)
    }
}

/// Sends a message on its way, by query or by form, and follows where it leads.
pub async fn deliver(browser: &Browser, message: &Value) -> Page {
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
pub async fn follow_here(browser: &Browser, mut answer: Page) -> Page {
    while let Some(next) = answer
        .redirect()
        .filter(|next| next.host_str() == Some("localhost"))
    {
        answer = browser.get(&next).await;
    }
    answer
}

pub async fn sign_in(browser: &Browser, page: &Page, upn: &str) -> Page {
    let form = page
        .form("form")
        .fill("username", upn)
        .fill("password", PASSWORD);
    let answer = browser.submit(&form).await;
    follow_here(browser, answer).await
}

/// The form that posts the response.
pub fn response_form(page: &Page) -> Form {
    assert_eq!(page.status, 200, "{}", page.source());
    let form = page.form("form");
    assert!(form.value("SAMLResponse").is_some(), "{}", page.source());
    form
}

pub fn xml_of(page: &Page) -> String {
    let form = response_form(page);
    let response = form.value("SAMLResponse").expect("a response");
    let bytes = openssl::base64::decode_block(response).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}

/// The message that a query carries.
pub fn inflated(query: &Value, name: &str) -> String {
    let deflated = openssl::base64::decode_block(said(query, name)).expect("base64");
    let mut xml = String::new();
    flate2::read::DeflateDecoder::new(&*deflated)
        .read_to_string(&mut xml)
        .expect("deflated text");
    xml
}

pub fn query_of(url: &Url) -> Value {
    url.query_pairs()
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
