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
    let order = json!({"binding": "redirect", "response": query["SAMLResponse"], "query": query});
    wiki.provider
        .ask("logout-answered", order)
        .expect("pysaml2 believes it")
}

fn query_of(url: &Url) -> Value {
    url.query_pairs()
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
