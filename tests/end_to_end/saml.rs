//! SAML 2.0: any service provider, judged by other people's.

use entra::Protocol;
use harness::judges::pysaml2::{ServiceProvider, text as said};
use harness::judges::{self, Signed};
use harness::{Browser, Setup, databases};
use serde_json::{Value, json};

use crate::company::{Contoso, text};
use crate::wiki::{RELAY_STATE, Wiki, response_form, sign_in, xml_of};

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
