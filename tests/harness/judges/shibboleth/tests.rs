//! It believes the identity provider that it trusts, and nobody else.

use super::super::samples::saml2::{
    self, Answer, ISSUER, encrypt, id_of, logout_request, logout_response, query, received,
    unsigned,
};
use super::super::samples::{Key, key, other_key, sign};
use super::super::{Signed, query_signature, schema, xmlsec1};
use super::*;

const BASIC: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic";

async fn trusting(settings: Settings) -> ServiceProvider {
    let attributes = vec![("mail".to_owned(), BASIC.to_owned())];
    let mut provider = ServiceProvider::start(Settings {
        attributes,
        ..settings
    })
    .await;
    let metadata = unsigned(&saml2::metadata(key()));
    provider.trust(ISSUER, &metadata).await;
    provider
}

/// What it asks when somebody opens its protected page, and the RelayState that it wants back.
async fn asked(provider: &ServiceProvider, browser: &Browser) -> (String, String) {
    let page = browser.get(&provider.protected()).await;
    if let Some(to) = page.redirect() {
        let state = to.query_pairs().find(|(name, _)| name == "RelayState");
        let state = state.expect("it keeps a state").1.into_owned();
        return (received(&to, "SAMLRequest"), state);
    }
    let form = page.form("form");
    let lines = form.value("SAMLRequest").expect("it asks by a form");
    let base64: String = lines.split_whitespace().collect();
    let request = openssl::base64::decode_block(&base64).expect("it is base64");
    let state = form.value("RelayState").expect("it keeps a state");
    (
        String::from_utf8(request).expect("it is text"),
        state.to_owned(),
    )
}

fn answer(provider: &ServiceProvider, request: &str) -> Answer {
    Answer::to(
        &id_of(request),
        provider.assertion_consumer_service().as_str(),
        &provider.entity_id(),
    )
}

fn signed(answer: &Answer, key: &Key) -> String {
    let assertion = sign(&answer.assertion(), Signed::Assertion2, key);
    sign(&answer.response(&assertion), Signed::Response, key)
}

async fn post(provider: &ServiceProvider, browser: &Browser, response: &str, state: &str) -> Page {
    let response = openssl::base64::encode_block(response.as_bytes());
    let fields = [("SAMLResponse", &*response), ("RelayState", state)];
    let acs = provider.assertion_consumer_service();
    browser.post(&acs, &fields).await
}

/// Alice's browser, signed in, and the index of her session.
async fn alice(provider: &ServiceProvider) -> (Browser, String) {
    let browser = Browser::new();
    let (request, state) = asked(provider, &browser).await;
    let answer = answer(provider, &request);
    post(provider, &browser, &signed(&answer, key()), &state).await;
    assert!(provider.session(&browser).await.is_some());
    (browser, answer.id)
}

#[tokio::test]
async fn it_signs_in_whom_the_provider_that_it_trusts_names() {
    for sign_on in [Binding::Redirect, Binding::Post] {
        let provider = trusting(Settings {
            sign_on,
            ..Settings::default()
        })
        .await;
        let browser = Browser::new();
        assert_eq!(provider.session(&browser).await, None);
        let (request, state) = asked(&provider, &browser).await;
        schema::judge(&request, Signed::AuthnRequest).expect("its request is one");
        let answer = answer(&provider, &request);
        let response = signed(&answer, key());
        let page = post(&provider, &browser, &response, &state).await;
        assert_eq!(page.redirect(), Some(provider.protected()));

        let session = provider.session(&browser).await.expect("she is signed in");
        assert_eq!(session["Shib-Identity-Provider"], ISSUER);
        assert_eq!(session["Shib-Session-Index"], answer.id);
        assert_eq!(session["persistent"], "a1");
        assert_eq!(session["mail"], "alice@contoso.example");
        let context = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
        assert_eq!(session["Shib-AuthnContext-Class"], context);
        let protected = browser.get(&provider.protected()).await;
        assert_eq!(session_on(&protected), session);
        assert_eq!(provider.session(&Browser::new()).await, None);

        // The same once more is a replay.
        let thief = Browser::new();
        let again = post(&provider, &thief, &response, &state).await;
        assert_eq!(again.redirect(), None);
        assert_eq!(provider.session(&thief).await, None);
    }
}

/// Makes of what would be the answer one that is wrong.
type Wrong = fn(Answer) -> String;

#[tokio::test]
async fn it_signs_nobody_in_for_a_response_that_is_wrong_in_anything() {
    let provider = trusting(Settings::default()).await;
    let wrongs: [(&str, Wrong, &str); 10] = [
        (
            "changed",
            |answer| signed(&answer, key()).replace("alice@", "mallory@"),
            "signature could not be verified",
        ),
        (
            "by another key",
            |answer| signed(&answer, other_key()),
            "signature could not be verified",
        ),
        (
            "unsigned",
            |answer| unsigned(&answer.response(&unsigned(&answer.assertion()))),
            "Unable to establish security of incoming assertion",
        ),
        (
            "not successful",
            |answer| {
                let failed = unsigned(&answer.response(""));
                failed.replace("status:Success", "status:Responder")
            },
            "status:Responder",
        ),
        (
            "for somebody else",
            |mut answer| {
                answer.audience.push('x');
                signed(&answer, key())
            },
            "Assertion contains an unacceptable AudienceRestriction",
        ),
        (
            "sent elsewhere",
            |mut answer| {
                answer.recipient.push('x');
                signed(&answer, key())
            },
            "delivered with POST to incorrect server URL",
        ),
        (
            "to another request",
            |mut answer| {
                answer.in_response_to.push('x');
                signed(&answer, key())
            },
            "correlat",
        ),
        (
            "to no request",
            |answer| {
                let unasked = answer.assertion().replace(" InResponseTo=", " Address=");
                let assertion = sign(&unasked, Signed::Assertion2, key());
                let response = unsigned(&answer.response(&assertion));
                let (before, after) = response.split_once(" InResponseTo=\"").expect("it has one");
                let (_, after) = after.split_once('"').expect("it ends");
                format!("{before}{after}")
            },
            "correlat",
        ),
        (
            "too late",
            |mut answer| {
                "-10 minutes".clone_into(&mut answer.until);
                signed(&answer, key())
            },
            "no longer valid",
        ),
        (
            "by a stranger",
            |mut answer| {
                answer.issuer.push('x');
                signed(&answer, key())
            },
            "Unable to",
        ),
    ];
    for (case, wrong, reason) in wrongs {
        let browser = Browser::new();
        let (request, state) = asked(&provider, &browser).await;
        let response = wrong(answer(&provider, &request));
        let page = post(&provider, &browser, &response, &state).await;
        assert_eq!(provider.session(&browser).await, None, "{case}");
        let said = page.text("body");
        assert!(said.contains(reason), "{case}: {said}");
    }
    alice(&provider).await;
}

#[tokio::test]
async fn it_decrypts_with_its_own_key_only_and_verifies_what_comes_out() {
    let provider = trusting(Settings {
        encryption: true,
        sign_on: Binding::Post,
        ..Settings::default()
    })
    .await;
    assert!(
        provider
            .metadata()
            .await
            .contains(&provider.encryption.certificate_base64()[..60])
    );
    for (case, reader, author, expected) in [
        ("good", &provider.encryption, key(), true),
        ("for another reader", other_key(), key(), false),
        (
            "by another author",
            &provider.encryption,
            other_key(),
            false,
        ),
    ] {
        let browser = Browser::new();
        let (request, state) = asked(&provider, &browser).await;
        let answer = answer(&provider, &request);
        let assertion = sign(&answer.assertion(), Signed::Assertion2, author);
        let response = encrypt(&unsigned(&answer.response(&assertion)), reader);
        assert!(!response.contains("alice@"), "{response}");
        post(&provider, &browser, &response, &state).await;
        let session = provider.session(&browser).await;
        assert_eq!(session.is_some(), expected, "{case}");

        let key = provider.encryption_key();
        let decrypted = xmlsec1::decrypted(&response, &key);
        let believed = decrypted.and_then(|response| {
            xmlsec1::judge(
                &response,
                Signed::Assertion2,
                &super::tests::key().certificate,
            )
        });
        assert_eq!(believed.is_ok(), expected, "{case}: {believed:?}");
    }
}

#[tokio::test]
async fn it_signs_its_requests_if_it_is_told_to_and_its_logouts_always() {
    for sign_requests in [true, false] {
        let provider = trusting(Settings {
            sign_requests,
            ..Settings::default()
        })
        .await;
        let metadata = provider.metadata().await;
        assert_eq!(
            metadata.contains("AuthnRequestsSigned=\"1\""),
            sign_requests
        );
        assert!(!metadata.contains("use=\"encryption\""));
        schema::judge(&metadata, Signed::Metadata).expect("its metadata is valid");
        let asked = browser_to(&provider.login(&[("isPassive", "true")])).await;
        let request = received(&asked, "SAMLRequest");
        assert!(request.contains("IsPassive="), "{request}");
        let verdict = query_signature(&asked, &provider.signing.certificate);
        assert_eq!(verdict.is_ok(), sign_requests, "{verdict:?}");

        let (browser, _) = alice(&provider).await;
        let logout = browser.get(&provider.logout()).await;
        let to = logout.redirect().expect("it asks to log out");
        query_signature(&to, &provider.signing.certificate).expect("it is signed");
    }
}

async fn browser_to(url: &Url) -> Url {
    let page = Browser::new().get(url).await;
    page.redirect().expect("it asks by a redirect")
}

#[tokio::test]
async fn it_logs_out_when_its_provider_asks_and_for_nobody_else() {
    let provider = trusting(Settings::default()).await;
    let by_query = provider.single_logout_service(Binding::Redirect);
    let by_form = provider.single_logout_service(Binding::Post);
    for (case, author, change, expected) in [
        ("good", key(), "", true),
        ("by another key", other_key(), "", false),
        ("changed", key(), "x", false),
    ] {
        let (browser, session_index) = alice(&provider).await;
        let request = unsigned(&logout_request(by_query.as_str(), &session_index));
        let mut url = by_query.clone();
        url.set_query(Some(&query("SAMLRequest", &request, "r", author)));
        let mut sent = url.to_string();
        sent = sent.replace("RelayState=r", &format!("RelayState=r{change}"));
        let page = browser
            .get(&Url::parse(&sent).expect("it was one before"))
            .await;
        let session = provider.session(&browser).await;
        assert_eq!(session.is_none(), expected, "{case}");
        if expected {
            let to = page.redirect().expect("it answers");
            let response = received(&to, "SAMLResponse");
            assert!(response.contains(&id_of(&request)), "{response}");
            assert!(response.contains("status:Success"), "{response}");
        }

        let (browser, session_index) = alice(&provider).await;
        let request = logout_request(by_form.as_str(), &session_index);
        let request = sign(&request, Signed::LogoutRequest, author);
        let changed = format!(">{session_index}{change}<");
        let request = request.replace(&format!(">{session_index}<"), &changed);
        let request = openssl::base64::encode_block(request.as_bytes());
        browser.post(&by_form, &[("SAMLRequest", &request)]).await;
        let session = provider.session(&browser).await;
        assert_eq!(session.is_none(), expected, "{case}, by form");
    }
}

#[tokio::test]
async fn it_is_logged_out_everywhere_when_its_provider_says_so() {
    for sign_out in [Binding::Redirect, Binding::Post] {
        let provider = trusting(Settings {
            sign_out,
            ..Settings::default()
        })
        .await;
        for (author, expected) in [(key(), true), (other_key(), false)] {
            let (browser, _) = alice(&provider).await;
            let page = browser.get(&provider.logout()).await;
            let request = match sign_out {
                Binding::Redirect => received(&page.redirect().expect("a redirect"), "SAMLRequest"),
                Binding::Post => {
                    let form = page.form("form");
                    let lines = form.value("SAMLRequest").expect("a request");
                    let base64: String = lines.split_whitespace().collect();
                    let request = openssl::base64::decode_block(&base64).expect("it is base64");
                    let request = String::from_utf8(request).expect("it is text");
                    let own = &provider.signing.certificate;
                    xmlsec1::judge(&request, Signed::LogoutRequest, own).expect("it is signed");
                    request
                }
            };
            schema::judge(&request, Signed::LogoutRequest).expect("its request is one");
            let slo = provider.single_logout_service(Binding::Post);
            let response = logout_response(slo.as_str(), &id_of(&request));
            let response = sign(&response, Signed::LogoutResponse, author);
            let response = openssl::base64::encode_block(response.as_bytes());
            let state = match page.redirect() {
                Some(to) => relay_state(&to),
                None => page.form("form").value("RelayState").map(str::to_owned),
            };
            let state = state.unwrap_or_default();
            let fields = [("SAMLResponse", &*response), ("RelayState", &*state)];
            let page = browser.post(&slo, &fields).await;
            let page = browser.follow(page).await;
            let done = page.text("body").contains("Logout completed successfully");
            assert_eq!(done, expected, "{}", page.text("body"));
        }
    }
}

fn relay_state(url: &Url) -> Option<String> {
    let (_, state) = url.query_pairs().find(|(name, _)| name == "RelayState")?;
    Some(state.into_owned())
}

#[tokio::test]
async fn several_run_side_by_side() {
    let (one, other) = tokio::join!(trusting(Settings::default()), trusting(Settings::default()));
    let (browser, _) = alice(&one).await;
    assert_eq!(other.session(&browser).await, None);
    drop(one);
    alice(&other).await;
}
