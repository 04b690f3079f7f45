//! SAML 2.0: any service provider, judged by other people's.

use std::io::Read;

use entra::Protocol;
use harness::judges::pysaml2::{ServiceProvider, text as said};
use harness::judges::{self, Signed};
use harness::{Browser, Form, Page, Setup, databases};
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
    fn of(contoso: Contoso, provider: ServiceProvider) -> Self {
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
    fn told(mut self) -> Self {
        let metadata = self.metadata();
        self.provider = self.provider.with("idp_metadata", metadata);
        self
    }

    /// Ours, for the wiki.
    fn metadata(&self) -> String {
        let printed = self.contoso.server.cli(&["app", "metadata", self.id()]);
        printed.succeeded()
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

    /// The XML of a signed request, as a form carries it.
    fn posted_request(&self) -> String {
        let order = json!({"binding": "post", "relay_state": "x"});
        let request = self.provider.ask("request", order).expect("a request");
        let xml = said(&request["fields"], "SAMLRequest");
        let xml = openssl::base64::decode_block(xml).expect("base64");
        String::from_utf8(xml).expect("UTF-8")
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
        let wiki = Wiki::of(Contoso::on(database).await, provider);
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

#[tokio::test]
async fn what_is_signed_and_encrypted_is_what_the_provider_insists_on() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("encrypted", true);
        let mut wiki = Wiki::of(Contoso::on(database).await, provider);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let certificate = text(&wiki.app, "signing_certificate").to_owned();
        for (sign, encrypt, algorithm) in [
            ("both", "on", "rsa-sha256"),
            ("assertion", "on", "rsa-sha256"),
            ("response", "on", "rsa-sha256"),
            ("both", "off", "rsa-sha512"),
            ("assertion", "off", "rsa-sha384"),
            ("response", "off", "rsa-sha256"),
            ("both", "off", "rsa-sha256"),
        ] {
            let case = format!("{sign} {encrypt} {algorithm}");
            wiki.set(&[
                "--sign",
                sign,
                "--encrypt",
                encrypt,
                "--signature-algorithm",
                algorithm,
            ]);
            wiki.provider = wiki
                .provider
                .with("want_assertions_signed", sign != "response")
                .with("want_response_signed", sign != "assertion");
            let (id, page) = wiki.ask(&browser, "redirect", json!({})).await;
            let alice = wiki.judge(&id, &page);
            let alice = alice.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(alice["attributes"]["mail"], json!(["alice@contoso.com"]));
            let xml = xml_of(&page);
            assert_eq!(
                xml.contains("EncryptedAssertion"),
                encrypt == "on",
                "{case}"
            );
            assert_eq!(
                xml.contains("alice@contoso.com"),
                encrypt == "off",
                "{case}"
            );
            judges::schema::judge(&xml, Signed::Response).expect(&case);
            if encrypt == "off" {
                let samael = judges::samael::ServiceProvider {
                    idp_metadata: wiki.metadata(),
                    entity_id: wiki.provider.entity_id().to_owned(),
                    assertion_consumer_service: "https://wiki.example/acs".to_owned(),
                };
                let name = samael.name_id(&xml, &id).expect(&case);
                assert_eq!(name, said(&alice, "name_id"), "{case}");
                assert!(samael.name_id(&xml, "_another").is_err(), "{case}");
            }
            if sign != "assertion" {
                judges::xmlsec1::judge(&xml, Signed::Response, &certificate).expect(&case);
            }
            if sign != "response" && encrypt == "off" {
                judges::xmlsec1::judge(&xml, Signed::Assertion2, &certificate).expect(&case);
            }
            if algorithm == "rsa-sha256" && sign == "both" && encrypt == "off" {
                judges::everyone(&xml, Signed::Response, &certificate).expect(&case);
                judges::everyone(&xml, Signed::Assertion2, &certificate).expect(&case);
            }
        }
        // Each of them notices a change.
        let (id, page) = wiki.ask(&browser, "redirect", json!({})).await;
        let forged = xml_of(&page).replace("alice@contoso.com", "admin@contoso.com");
        let order = json!({"id": id, "response": openssl::base64::encode_block(forged.as_bytes())});
        wiki.provider
            .ask("response", order)
            .expect_err("pysaml2 notices");
    }
}

#[tokio::test]
async fn the_name_identifier_is_the_one_that_policy_and_settings_agree_on() {
    const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
    const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
    const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/");
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let other = wiki.contoso.server.cli_json(&[
            "app",
            "add",
            "saml",
            "--label",
            "Other",
            "--entity-id",
            "https://other.example/",
            "--acs",
            "https://other.example/acs",
            "--name-id",
            "persistent=pairwise",
        ]);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let named = async |format: &str| {
            let options = json!({"name_id_policy": format});
            let (id, page) = wiki.ask(&browser, "redirect", options).await;
            let alice = wiki.judge(&id, &page).expect("pysaml2 takes the response");
            assert_eq!(alice["format"], format);
            said(&alice, "name_id").to_owned()
        };
        let first = named(PERSISTENT).await;
        assert_eq!(named(PERSISTENT).await, first, "it stays");
        assert!(!first.contains("alice"), "{first}");
        let transient = named(TRANSIENT).await;
        assert_ne!(transient, first);
        let preview = wiki.contoso.server.cli_json(&[
            "app",
            "preview",
            text(&other, "id"),
            "alice@contoso.com",
        ]);
        assert_eq!(preview["name_id"], Value::Null, "each app has its own");

        // Another format than that of the settings is refused to the provider, in words that it reads.
        let (_, page) = wiki
            .ask(&browser, "redirect", json!({"name_id_policy": EMAIL}))
            .await;
        assert!(xml_of(&page).contains("status:InvalidNameIDPolicy"));
        assert_eq!(wiki.contoso.last_reason("token.refused"), "name-id-policy");
        wiki.set(&["--name-id", "emailAddress=upn"]);
        let (id, page) = wiki
            .ask(&browser, "redirect", json!({"name_id_policy": EMAIL}))
            .await;
        let alice = wiki.judge(&id, &page).expect("as the settings have it now");
        assert_eq!(alice["name_id"], "alice@contoso.com");
    }
}

#[tokio::test]
async fn requests_that_cannot_be_honoured_are_answered_to_the_provider_where_that_is_safe() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/");
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let stranger = Browser::new();
        let alice = wiki.contoso.browser_of("alice@contoso.com").await;
        let carol = wiki.contoso.browser_of("carol@contoso.com").await;
        let mfa = json!({"requested_authn_context": {
            "authn_context_class_ref": ["http://schemas.microsoft.com/claims/multipleauthn"],
            "comparison": "exact",
        }});
        let password = json!({"requested_authn_context": {
            "authn_context_class_ref": ["urn:oasis:names:tc:SAML:2.0:ac:classes:Password"],
            "comparison": "exact",
        }});
        let better = json!({"requested_authn_context": {
            "authn_context_class_ref": ["urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"],
            "comparison": "better",
        }});
        for binding in ["redirect", "post"] {
            for (who, browser, options, status) in [
                (
                    "nobody",
                    &stranger,
                    json!({"is_passive": "true"}),
                    "NoPassive",
                ),
                ("alice", &alice, json!({"is_passive": "true"}), "Success"),
                (
                    "carol",
                    &carol,
                    json!({"is_passive": "true"}),
                    "RequestDenied",
                ),
                ("alice", &alice, mfa.clone(), "NoAuthnContext"),
                ("nobody", &stranger, better.clone(), "NoAuthnContext"),
                ("alice", &alice, password.clone(), "Success"),
                (
                    "alice",
                    &alice,
                    json!({"is_passive": "true", "force_authn": "true"}),
                    "NoPassive",
                ),
            ] {
                let (id, page) = wiki.ask(browser, binding, options.clone()).await;
                let case = format!("{who} {options} {binding}");
                let form = response_form(&page);
                assert_eq!(form.action.as_str(), "https://wiki.example/acs", "{case}");
                assert_eq!(form.value("RelayState"), Some(RELAY_STATE), "{case}");
                let xml = xml_of(&page);
                assert!(xml.contains(&format!("status:{status}\"")), "{case}: {xml}");
                assert!(xml.contains(&format!("InResponseTo=\"{id}\"")), "{case}");
                judges::schema::judge(&xml, Signed::Response).expect(&case);
                let certificate = text(&wiki.app, "signing_certificate");
                judges::xmlsec1::judge(&xml, Signed::Response, certificate).expect(&case);
                assert_eq!(
                    xml.contains("<saml:Assertion"),
                    status == "Success",
                    "{case}"
                );
            }
        }
        // Who may not use the wiki is told so, and nothing goes to it.
        let (_, page) = wiki.ask(&carol, "redirect", json!({})).await;
        assert_eq!((page.status, page.count("form")), (403, 0));
        assert!(page.text("main").contains("carol@contoso.com"));
        // ForceAuthn asks again even in a live session, and is then satisfied.
        let (id, page) = wiki
            .ask(&alice, "redirect", json!({"force_authn": "true"}))
            .await;
        let page = sign_in(&alice, &page, "alice@contoso.com").await;
        wiki.judge(&id, &page).expect("she typed it again");
    }
}

#[tokio::test]
async fn a_provider_signs_alice_out_here_and_everywhere() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        for binding in ["redirect", "post"] {
            let (browser, alice) = wiki.with_alice().await;
            let index = said(&alice, "session_index");
            let order = json!({
                "binding": binding,
                "name_id": alice["name_id"],
                "name_id_format": alice["format"],
                "session_indexes": [index],
                "relay_state": "back",
            });
            // Another session of hers is not meant.
            let elsewhere = wiki.contoso.browser_of("alice@contoso.com").await;
            let request = wiki.provider.ask("logout", order).expect("a request");
            let answer = deliver(&browser, &request).await;
            let response = logout_answer(&wiki, &answer);
            assert_eq!(response["in_response_to"], request["id"]);
            let success = json!(["urn:oasis:names:tc:SAML:2.0:status:Success"]);
            assert_eq!(response["status"], success);
            let portal = wiki.contoso.server.url("/");
            assert_eq!(browser.open(&portal).await.url.path(), "/sign-in");
            assert_eq!(elsewhere.open(&portal).await.url.path(), "/");

            // With Microsoft 365 in the same session, that is told before the answer goes back.
            let (browser, alice) = wiki.with_alice().await;
            let token = browser.get(&wiki.contoso.wsfed("+")).await;
            assert_eq!(token.status, 200);
            let order = json!({
                "binding": binding,
                "name_id": alice["name_id"],
                "name_id_format": alice["format"],
            });
            let request = wiki.provider.ask("logout", order).expect("a request");
            let hub = deliver(&browser, &request).await;
            let frames = hub.attributes("iframe", "src");
            assert_eq!(frames.len(), 1, "{}", hub.source());
            let result = hub
                .url
                .join(&hub.attributes("#result", "href")[0])
                .expect("a link");
            let told = browser.get(&hub.url.join(&frames[0]).expect("a URL")).await;
            let told = told.redirect().expect("to Microsoft");
            assert!(told.as_str().ends_with("/login.srf?wa=wsignoutcleanup1.0"));
            let answer = browser.get(&result).await;
            let response = logout_answer(&wiki, &answer);
            assert_eq!(response["status"], success);
        }
    }
}

#[tokio::test]
async fn signing_out_in_the_portal_tells_every_provider_and_shows_how_it_went() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let quiet = wiki.contoso.server.cli_json(&[
            "app",
            "add",
            "saml",
            "--label",
            "Quiet",
            "--entity-id",
            "https://quiet.example/",
            "--acs",
            "https://quiet.example/acs",
        ]);
        let quiet = text(&quiet, "id");
        wiki.contoso
            .server
            .cli(&["app", "grant", quiet, "Staff"])
            .succeeded();
        let (browser, alice) = wiki.with_alice().await;
        let tile = wiki.contoso.server.url(&format!("/saml2/{quiet}"));
        response_form(&browser.get(&tile).await);

        let portal = browser.open(&wiki.contoso.server.url("/")).await;
        let answer = browser.submit(&portal.form(".account form")).await;
        let hub = follow_here(&browser, answer).await;
        assert_eq!(browser.open(&portal.url).await.url.path(), "/sign-in");
        let policy = hub.header("content-security-policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        let frames = hub.attributes("iframe", "src");
        assert_eq!(
            frames.len(),
            1,
            "who cannot be told has no frame: {}",
            hub.source()
        );
        assert!(
            hub.text("main").contains("Quiet cannot be told"),
            "{}",
            hub.text("main")
        );

        let sent = browser.get(&hub.url.join(&frames[0]).expect("a URL")).await;
        assert_eq!(sent.header("x-frame-options"), Some("SAMEORIGIN"));
        let to = sent.redirect().expect("a query");
        assert!(
            to.as_str()
                .starts_with("https://wiki.example/slo?SAMLRequest=")
        );
        // Before it answers, the page says so.
        let result = hub
            .url
            .join(&hub.attributes("#result", "href")[0])
            .expect("a link");
        let page = browser.get(&result).await;
        assert!(
            page.text("main").contains("Wiki has not answered"),
            "{}",
            page.text("main")
        );

        judges::query_signature(&to, text(&wiki.app, "signing_certificate")).expect("it is signed");
        let query = query_of(&to);
        let xml = inflated(&query, "SAMLRequest");
        judges::schema::judge(&xml, Signed::LogoutRequest).expect("valid");
        let order = json!({
            "binding": "redirect",
            "request": query["SAMLRequest"],
            "query": query,
            "relay_state": "",
        });
        let asked = wiki
            .provider
            .ask("logout-asked", order)
            .expect("pysaml2 believes it");
        assert_eq!(asked["name_id"], alice["name_id"]);
        assert_eq!(asked["session_index"], alice["session_index"]);
        let done = deliver(&browser, &asked).await;
        assert_eq!(
            (done.status, done.text("h1").as_str()),
            (200, "Wiki has answered")
        );
        let again = deliver(&browser, &asked).await;
        assert_eq!(again.status, 400, "an answer counts once");
        let page = browser.get(&result).await;
        assert!(page.text("main").contains("Wiki has signed you out"));
        assert!(page.text("main").contains("Close all browser windows"));
    }
}

#[tokio::test]
async fn a_logout_without_a_valid_signature_ends_nothing() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let (browser, alice) = wiki.with_alice().await;
        let order = json!({
            "binding": "redirect",
            "name_id": alice["name_id"],
            "name_id_format": alice["format"],
            "relay_state": "back",
        });
        let request = wiki.provider.ask("logout", order).expect("a request");
        let location = said(&request, "location");
        let (unsigned, _) = location.split_once("&SigAlg=").expect("it is signed");
        let (cut, signature) = location.split_once("&Signature=").expect("it is signed");
        let other = location.replacen("&RelayState=", "&RelayState=x", 1);
        for (case, url, reason) in [
            ("unsigned", unsigned.to_owned(), "not-signed"),
            ("no signature", cut.to_owned(), "bad-request"),
            (
                "broken signature",
                format!("{cut}&Signature=AAAA{}", &signature[4..]),
                "bad-signature",
            ),
            ("another relay state", other, "bad-signature"),
            (
                "SHA-1",
                location.replacen(
                    "2001%2F04%2Fxmldsig-more%23rsa-sha256",
                    "2000%2F09%2Fxmldsig%23rsa-sha1",
                    1,
                ),
                "bad-signature",
            ),
            (
                "doubled",
                format!("{location}&SAMLRequest=AAAA"),
                "bad-request",
            ),
            (
                "an encoded name",
                location.replacen("SAMLRequest=", "SAML%52equest=", 1),
                "bad-request",
            ),
        ] {
            let page = browser.get(&Url::parse(&url).expect("a URL")).await;
            assert!([400, 403].contains(&page.status), "{case}: {}", page.status);
            assert_eq!(wiki.contoso.last_reason("token.refused"), reason, "{case}");
        }
        let portal = browser.open(&wiki.contoso.server.url("/")).await;
        assert_eq!(portal.url.path(), "/", "she is still signed in");
    }
}

/// Our answer to a logout request, as pysaml2 reads it.
fn logout_answer(wiki: &Wiki, answer: &Page) -> Value {
    let to = answer
        .redirect()
        .unwrap_or_else(|| panic!("{}", answer.source()));
    assert!(
        to.as_str()
            .starts_with("https://wiki.example/slo?SAMLResponse=")
    );
    judges::query_signature(&to, text(&wiki.app, "signing_certificate")).expect("it is signed");
    let query = query_of(&to);
    let xml = inflated(&query, "SAMLResponse");
    judges::schema::judge(&xml, Signed::LogoutResponse).expect("valid");
    let order = json!({"binding": "redirect", "response": query["SAMLResponse"], "query": query});
    wiki.provider
        .ask("logout-answered", order)
        .expect("pysaml2 believes it")
}

/// The message that a query carries.
fn inflated(query: &Value, name: &str) -> String {
    let deflated = openssl::base64::decode_block(said(query, name)).expect("base64");
    let mut xml = String::new();
    flate2::read::DeflateDecoder::new(&*deflated)
        .read_to_string(&mut xml)
        .expect("deflated text");
    xml
}

fn query_of(url: &Url) -> Value {
    url.query_pairs()
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn alice_signs_in_at_microsoft_by_saml_in_every_way_that_it_asks() {
    for database in databases() {
        let contoso = Contoso::speaking(Protocol::Saml, Setup::new(database)).await;
        for (ask, outcome) in [
            ("", "Signed in as alice"),
            ("&binding=redirect", "Signed in as alice"),
            ("&index=0", "Signed in as alice"),
            ("&signed=1&long_context=1", "Signed in as alice"),
            ("&without_username=1", "Signed in as alice"),
            ("&ask=prompt-login", "Signed in as alice"),
            ("&ask=fresh-password", "Signed in as alice"),
            ("&index=1", "Reply address not allowed"),
            ("&ask=multi-factor", "A second factor is needed"),
        ] {
            let browser = Browser::new();
            let start = format!("/start?user=alice@contoso.com{ask}");
            let start = contoso.microsoft.join(&start).expect("a path");
            let mut page = browser.open(&start).await;
            // What Microsoft asks in a form, and the answer to it, send themselves in a real browser.
            for _ in 0..4 {
                if page.count("input[name=password]") == 1 {
                    let form = page.form("form");
                    let typed = form.value("username") == Some("alice@contoso.com");
                    assert_eq!(typed, !ask.contains("without_username"), "prefilled");
                    page = sign_in(&browser, &page, "alice@contoso.com").await;
                } else if page.count("input[name^=SAML]") == 1 {
                    let answer = browser.submit(&page.form("form")).await;
                    page = browser.follow(answer).await;
                }
            }
            let failed = page.text(".failed");
            assert_eq!(page.text("h1"), outcome, "{ask}: {failed}");
            if outcome.starts_with("Signed in") {
                let odd = ".checks li.failed, .checks li.not-reached, .checks li.warned";
                assert_eq!(page.count(odd), 0, "{ask}");
                assert!(page.count(".checks li.passed") > 30, "{ask}");
                // Signing out there signs out here.
                let out = contoso.microsoft.join("/sign-out").expect("a path");
                let page = browser.open(&out).await;
                assert_eq!(page.status, 200, "{}", page.source());
                let portal = browser.open(&contoso.server.url("/")).await;
                assert_eq!(portal.url.path(), "/sign-in", "{ask}");
            }
        }
    }
}

#[tokio::test]
async fn our_metadata_is_what_others_read() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let server = &contoso.server;
        let set = |settings: &[&str]| {
            server.cli_json(&[&["app", "set", contoso.id()], settings].concat())
        };
        let browser = Browser::new();
        for issuer in ["https://contoso.com", "urn:uri:contoso.com"] {
            let app = set(&["--issuer", issuer]);
            let url = Url::parse(text(&app, "saml_metadata_url")).expect("a URL");
            let answer = browser.get(&url).await;
            assert_eq!(
                answer.header("content-type"),
                Some("application/samlmetadata+xml")
            );
            let metadata = answer.source();
            judges::schema::judge(metadata, Signed::Metadata).expect("valid");
            let document = roxmltree::Document::parse(metadata).expect("XML");
            let named = |name: &'static str| {
                document
                    .descendants()
                    .filter(move |node| node.tag_name().name() == name)
                    .collect::<Vec<_>>()
            };
            // What the scripts of admins who come from JumpCloud read.
            let root = document.root_element();
            assert_eq!(root.attribute("entityID"), Some(issuer));
            assert!(root.attribute("validUntil").is_some());
            let sso = named("SingleSignOnService");
            assert!(sso.len() >= 2, "{metadata}");
            assert_eq!(sso[0].attribute("Location"), app["saml_sso_url"].as_str());
            assert_eq!(named("KeyDescriptor").len(), 1, "{metadata}");
            let certificate = named("X509Certificate")[0].text().expect("a certificate");
            assert!(
                text(&app, "signing_certificate")
                    .replace('\n', "")
                    .contains(certificate)
            );

            let mut signed = url.clone();
            signed.set_query(Some("signed=1"));
            let signed = browser.get(&signed).await;
            judges::everyone(signed.source(), Signed::Metadata, contoso.certificate())
                .expect("every judge accepts the signed form");
            assert_eq!(
                server
                    .cli(&["app", "metadata", contoso.id()])
                    .succeeded()
                    .len(),
                metadata.len() + 1,
                "as served, but for the random ID"
            );
        }
    }
}

#[tokio::test]
async fn a_slug_leads_to_the_app_until_it_is_changed() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/");
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let at = |slug: &str| wiki.contoso.server.url(&format!("/saml2/{slug}"));
        wiki.set(&["--slug", "our-wiki", "--relay-state", "/start here"]);
        let page = browser.get(&at("our-wiki")).await;
        let form = response_form(&page);
        assert_eq!(form.value("RelayState"), Some("/start here"));
        assert!(!xml_of(&page).contains("InResponseTo"), "nobody asked");
        wiki.set(&["--slug", "the-wiki"]);
        assert_eq!(browser.get(&at("our-wiki")).await.status, 404);
        assert_eq!(browser.get(&at("the-wiki")).await.status, 200);
        wiki.set(&["--slug", "none"]);
        assert_eq!(browser.get(&at("the-wiki")).await.status, 404);
        for slug in ["Wiki", "a", "../x", "663a8fb979aa83c58df6081e", "-wiki"] {
            let argument = format!("--slug={slug}");
            let said = wiki
                .contoso
                .server
                .cli(&["app", "set", wiki.id(), &argument])
                .failed();
            assert!(said.contains("slug"), "{slug}: {said}");
        }
    }
}

#[tokio::test]
async fn bad_messages_are_explained_put_on_record_and_change_nothing() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let here = wiki.contoso.server.url(&format!("/saml2/{}", wiki.id()));
        let good = wiki.posted_request();
        let change = |from: &str, to: &str| {
            assert!(good.contains(from), "{good} has no {from}");
            good.replacen(from, to, 1).into_bytes()
        };
        let bomb = "A".repeat(300 << 10).into_bytes();
        let deep = ["<a>".repeat(5000), "</a>".repeat(5000)]
            .concat()
            .into_bytes();
        let laughs = b"<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>".to_vec();
        for (case, xml, reason) in [
            ("not XML", b"hello".to_vec(), "bad-request"),
            ("a DTD", laughs, "bad-request"),
            ("too large", bomb, "bad-request"),
            ("too deep", deep, "bad-request"),
            (
                "UTF-16",
                good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                "bad-request",
            ),
            (
                "another issuer",
                change("https://wiki.example/metadata<", "https://evil.example/<"),
                "bad-signature",
            ),
            (
                "another ACS",
                change("https://wiki.example/acs", "https://evil.example/acs"),
                "bad-signature",
            ),
            (
                "another version",
                change("Version=\"2.0\"", "Version=\"2.1\""),
                "bad-signature",
            ),
            (
                "a comment in the issuer",
                change("metadata<", "meta<!-- -->data<"),
                "ok",
            ),
        ] {
            let body = openssl::base64::encode_block(&xml);
            let page = browser.post(&here, &[("SAMLRequest", &body)]).await;
            let page = follow_here(&browser, page).await;
            if reason == "ok" {
                // Exclusive canonicalization leaves comments out, and the name is read whole.
                response_form(&page);
                continue;
            }
            assert!([400, 403].contains(&page.status), "{case}: {}", page.status);
            assert!(page.count("#correlation-id") == 1, "{case}");
            assert_eq!(wiki.contoso.last_reason("token.refused"), reason, "{case}");
        }
    }
}

#[tokio::test]
async fn what_a_request_names_is_compared_exactly_with_what_is_stored() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let here = wiki.contoso.server.url(&format!("/saml2/{}", wiki.id()));
        let good = wiki.posted_request();
        let (unsigned, _) = cut(&good);
        let body = openssl::base64::encode_block(unsigned.as_bytes());
        let page = browser.post(&here, &[("SAMLRequest", &body)]).await;
        assert_eq!(page.status, 403, "{}", page.source());
        assert_eq!(wiki.contoso.last_reason("token.refused"), "not-signed");
        // With the demand switched off the rest is read, and compared exactly.
        wiki.set(&["--signed-requests", "off"]);
        for (case, from, to, reason) in [
            (
                "ACS",
                "https://wiki.example/acs",
                "https://wiki.example.evil.example/acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "https://wiki.example/acs/",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "https://wiki.example:443/acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "https://x@wiki.example/acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "HTTPS://wiki.example/acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "https://wiki.example/x/../acs",
                "foreign-acs",
            ),
            (
                "ACS",
                "https://wiki.example/acs",
                "javascript:alert(1)",
                "foreign-acs",
            ),
            (
                "issuer",
                "https://wiki.example/metadata<",
                "https://evil.example/metadata<",
                "foreign-issuer",
            ),
            (
                "destination",
                "Destination=\"http",
                "Destination=\"https://evil.example/?http",
                "foreign-destination",
            ),
            (
                "version",
                "Version=\"2.0\"",
                "Version=\"1.1\"",
                "bad-request",
            ),
            ("id", " ID=\"", " ID=\"1", "bad-request"),
            (
                "instant",
                "IssueInstant=\"2",
                "IssueInstant=\"x2",
                "bad-request",
            ),
        ] {
            assert!(unsigned.contains(from), "{unsigned} has no {from}");
            let body = openssl::base64::encode_block(unsigned.replacen(from, to, 1).as_bytes());
            let page = browser.post(&here, &[("SAMLRequest", &body)]).await;
            let page = follow_here(&browser, page).await;
            assert_eq!(page.status, 400, "{case}: {}", page.source());
            assert_eq!(page.count("form"), 0, "{case}: nothing is posted anywhere");
            assert_eq!(wiki.contoso.last_reason("token.refused"), reason, "{case}");
        }
    }
}

#[tokio::test]
async fn a_message_that_did_not_travel_as_the_bindings_say_is_refused() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let here = wiki.contoso.server.url(&format!("/saml2/{}", wiki.id()));
        let deflated = "eJ";
        for (case, query) in [
            ("not deflated", format!("SAMLRequest={deflated}")),
            ("not base64", "SAMLRequest=%25%25%25".to_owned()),
            ("empty", "SAMLRequest=".to_owned()),
            ("both", "SAMLRequest=AAAA&SAMLResponse=AAAA".to_owned()),
            (
                "another encoding",
                "SAMLRequest=AAAA&SAMLEncoding=urn:x".to_owned(),
            ),
            (
                "a signature for nothing",
                "SigAlg=x&Signature=AAAA".to_owned(),
            ),
        ] {
            let mut url = here.clone();
            url.set_query(Some(&query));
            let page = browser.get(&url).await;
            assert_eq!(page.status, 400, "{case}: {}", page.source());
            assert_eq!(
                wiki.contoso.last_reason("token.refused"),
                "bad-request",
                "{case}"
            );
        }
        // A wrong address, and an app of the other protocol.
        for path in [
            "/saml2/663a8fb979aa83c58df6081e",
            "/saml2/nobody",
            "/saml2/%00",
        ] {
            assert_eq!(
                browser.get(&wiki.contoso.server.url(path)).await.status,
                404,
                "{path}"
            );
        }
        let wsfed = wiki
            .contoso
            .server
            .url(&format!("/wsfed/{}?wa=wsignin1.0&wtrealm=urn:x", wiki.id()));
        assert_eq!(browser.get(&wsfed).await.status, 404);
    }
}

#[tokio::test]
async fn a_second_import_shows_what_changes_and_weakens_nothing() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/")
            .with("sign_requests", true)
            .with("encrypted", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let saml = &wiki.app["saml"];
        assert_eq!(saml["signed_requests"], true, "as the metadata promises");
        assert_eq!(saml["encrypt"], true, "to the key that it publishes");
        assert_eq!(
            saml["signing_certificates"].as_array().map(Vec::len),
            Some(1)
        );
        let metadata = wiki.provider.metadata();
        let server = &wiki.contoso.server;
        let import = |metadata: &str, more: &[&str]| {
            let arguments = [&["--json", "app", "import-metadata", wiki.id(), "-"], more].concat();
            server.cli_with_input(&arguments, metadata)
        };
        // The file forgets to promise signatures, and has lost its keys.
        let from = metadata.find("<ns0:KeyDescriptor").expect("it has keys");
        let to = metadata.rfind("</ns0:KeyDescriptor>").expect("it has keys");
        let weak = [
            &metadata[..from],
            &metadata[to + "</ns0:KeyDescriptor>".len()..],
        ]
        .concat();
        let weak = weak.replacen("AuthnRequestsSigned=\"true\"", "", 1);
        let weak = weak.replace("https://wiki.example/acs", "https://wiki.example/new-acs");
        let planned = import(&weak, &["--dry-run"]).succeeded();
        assert!(
            planned.contains("https://wiki.example/new-acs"),
            "{planned}"
        );
        assert!(planned.contains("stay required"), "{planned}");
        let show = || server.cli_json(&["app", "show", wiki.id()]);
        assert_eq!(
            show()["saml"],
            wiki.app["saml"],
            "a dry run changes nothing"
        );
        import(&weak, &[]).succeeded();
        let after = show();
        assert_eq!(after["acs_urls"], json!(["https://wiki.example/new-acs"]));
        for kept in [
            "signed_requests",
            "encrypt",
            "signing_certificates",
            "encryption_certificate",
        ] {
            assert_eq!(after["saml"][kept], wiki.app["saml"][kept], "{kept}");
        }
        // What is not this provider's valid metadata changes nothing.
        let expired = metadata.replacen(
            "entityID=",
            "validUntil=\"2020-01-01T00:00:00Z\" entityID=",
            1,
        );
        let foreign =
            metadata.replacen("https://wiki.example/metadata", "https://evil.example/", 1);
        let script = metadata.replace("https://wiki.example/acs", "javascript:alert(1)");
        let dtd = ["<!DOCTYPE x>", &metadata].concat();
        for (case, metadata, says) in [
            (
                "HTML",
                "<html><body>Sign in</body></html>",
                "neither EntityDescriptor",
            ),
            ("nothing", "", "no SAML metadata"),
            ("expired", &expired, "expired on 2020-01-01"),
            ("another's", &foreign, "not about the service provider"),
            ("a script", &script, "https://"),
            ("a DTD", &dtd, "document type"),
        ] {
            let said = import(metadata, &[]).failed();
            assert!(said.contains(says), "{case}: {said}");
            assert_eq!(show(), after, "{case}");
        }
    }
}

#[tokio::test]
async fn a_wrapped_signature_is_never_believed() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let (browser, alice) = wiki.with_alice().await;
        let order = json!({
            "binding": "post",
            "relay_state": "x",
            "name_id": alice["name_id"],
            "name_id_format": alice["format"],
        });
        for action in ["request", "logout"] {
            let message = wiki.provider.ask(action, order.clone()).expect("a message");
            let good = message["fields"]["SAMLRequest"]
                .as_str()
                .expect("a request");
            let good = openssl::base64::decode_block(good).expect("base64");
            let good = String::from_utf8(good).expect("UTF-8");
            let url = Url::parse(said(&message, "location")).expect("a URL");
            let wrapped = wrapped(&good);
            assert_eq!(wrapped.len(), 9);
            for (case, xml) in wrapped {
                roxmltree::Document::parse(&xml).expect("the variant is well-formed");
                let body = openssl::base64::encode_block(xml.as_bytes());
                let page = browser.post(&url, &[("SAMLRequest", &body)]).await;
                let page = follow_here(&browser, page).await;
                assert!(
                    [400, 403].contains(&page.status),
                    "{action} {case}: {}",
                    page.source()
                );
            }
            let portal = browser.open(&wiki.contoso.server.url("/")).await;
            assert_eq!(portal.url.path(), "/", "she is still signed in");
            let body = openssl::base64::encode_block(good.as_bytes());
            let page = browser.post(&url, &[("SAMLRequest", &body)]).await;
            assert_ne!(
                page.status / 100,
                4,
                "{action}: what was signed is believed"
            );
        }
    }
}

/// The ways of wrapping a signed message that are known as XSW1 to XSW8, and one more: in each, the root is
/// another message than the one that was signed.
fn wrapped(good: &str) -> Vec<(&'static str, String)> {
    let (bare, signature) = cut(good);
    let signature = signature.as_str();
    let document = roxmltree::Document::parse(good).expect("XML");
    let root = document.root_element();
    let good = &good[root.range()];
    let id = root.attribute("ID").expect("an ID");
    let evil = bare.replacen(id, "_evil", 1);
    let end = evil.rfind("</").expect("an end tag");
    let inside = |parts: &[&str]| [&evil[..end], &parts.concat(), &evil[end..]].concat();
    let after_issuer = |part: &str| {
        [
            &evil[..at_issuer_end(&evil)],
            part,
            &evil[at_issuer_end(&evil)..],
        ]
        .concat()
    };
    let close = signature.rfind("</").expect("an end tag");
    let prefix = &signature[1..signature.find("Signature").expect("its name")];
    let holding = |part: &str| [&signature[..close], part, &signature[close..]].concat();
    let object = |part: &str| holding(&format!("<{prefix}Object>{part}</{prefix}Object>"));
    let extensions = |part: &str| {
        format!(
            "<x:Extensions xmlns:x=\"urn:oasis:names:tc:SAML:2.0:protocol\">{part}</x:Extensions>"
        )
    };
    vec![
        (
            "1: the original in the signature",
            after_issuer(&holding(&bare)),
        ),
        (
            "2: the original beside the signature",
            after_issuer(&[signature, &bare].concat()),
        ),
        ("3: the signed message as a child", inside(&[good])),
        (
            "4: the signed message as the first child",
            after_issuer(good),
        ),
        ("5: the original at the end", {
            let evil = after_issuer(signature);
            let end = evil.rfind("</").expect("an end tag");
            [&evil[..end], &bare, &evil[end..]].concat()
        }),
        (
            "6: the original in the signature's object",
            after_issuer(&object(&bare)),
        ),
        (
            "7: the signed message in the extensions",
            after_issuer(&extensions(good)),
        ),
        (
            "8: the signed message in an object",
            after_issuer(&object(good)),
        ),
        (
            "both with one id",
            after_issuer(&[signature, &extensions(&bare)].concat()).replacen("_evil", id, 1),
        ),
    ]
}

/// A message without its signature, and the signature.
fn cut(message: &str) -> (String, String) {
    const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
    let document = roxmltree::Document::parse(message).expect("XML");
    let root = document.root_element();
    let signature = root
        .children()
        .find(|node| node.has_tag_name((DS, "Signature")))
        .expect("it is signed")
        .range();
    let bare = [
        &message[root.range().start..signature.start],
        &message[signature.end..root.range().end],
    ];
    (bare.concat(), message[signature].to_owned())
}

fn at_issuer_end(message: &str) -> usize {
    let at = message.find("Issuer>").expect("an issuer's end");
    at + "Issuer>".len()
}

#[tokio::test]
async fn what_arrives_decides_and_not_where() {
    for database in databases() {
        let provider = ServiceProvider::at("https://wiki.example/").with("sign_requests", true);
        let wiki = Wiki::of(Contoso::on(database).await, provider);
        let (browser, alice) = wiki.with_alice().await;
        let order = json!({
            "binding": "redirect",
            "name_id": alice["name_id"],
            "name_id_format": alice["format"],
        });
        let request = wiki.provider.ask("logout", order).expect("a request");
        // At the sign-on address; nothing in a query signs the address that it goes to.
        let to = said(&request, "location").replacen("/slo?", "?", 1);
        let answer = browser.get(&Url::parse(&to).expect("a URL")).await;
        let response = logout_answer(&wiki, &answer);
        assert_eq!(response["in_response_to"], request["id"]);
        let portal = wiki.contoso.server.url("/");
        assert_eq!(browser.open(&portal).await.url.path(), "/sign-in");

        // A bare visit to the address of logging out ends the session.
        let browser = wiki.contoso.browser_of("alice@contoso.com").await;
        let slo = wiki
            .contoso
            .server
            .url(&format!("/saml2/{}/slo", wiki.id()));
        let page = browser.open(&slo).await;
        assert_eq!(
            (page.status, page.text("h1").as_str()),
            (200, "You are signed out")
        );
        assert_eq!(browser.open(&portal).await.url.path(), "/sign-in");
        // A request to sign in is taken there too.
        let order = json!({"binding": "redirect", "relay_state": ""});
        let request = wiki.provider.ask("request", order).expect("a request");
        let to = said(&request, "location").replacen('?', "/slo?", 1);
        let page = browser.open(&Url::parse(&to).expect("a URL")).await;
        assert!(page.url.path().starts_with("/sign-in/"), "{}", page.url);
    }
}
