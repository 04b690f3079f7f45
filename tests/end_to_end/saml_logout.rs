//! Signing out by SAML 2.0: here, there, and everywhere.

use harness::judges::pysaml2::{ServiceProvider, text as said};
use harness::judges::{self, Signed};
use harness::{Page, databases};
use serde_json::{Value, json};
use url::Url;

use crate::company::{Contoso, text};
use crate::wiki::{Wiki, deliver, follow_here, inflated, query_of, response_form};

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
        let (cut, _) = location.split_once("&Signature=").expect("it is signed");
        let other = location.replacen("&RelayState=", "&RelayState=x", 1);
        for (case, url, reason) in [
            ("unsigned", unsigned.to_owned(), "not-signed"),
            ("no signature", cut.to_owned(), "bad-request"),
            (
                "broken signature",
                format!("{cut}&Signature=AAAA"),
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
