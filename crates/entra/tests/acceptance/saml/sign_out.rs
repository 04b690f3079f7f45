//! Signing out with a SAML 2.0 domain, whoever begins it.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto::certificate::SigningKey;
use flate2::{Compression, write::DeflateEncoder};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use std::io::Write as _;

use super::response::{Scene, behind_issuer, body};
use super::stand_in::{id_of, posted, redirected, sent, sign_in, value};
use crate::browser::{Browser, Page};
use crate::token::{FOREIGN_KEY, KEY, changed};

const SIGN_OUT: &str = "https://idp.example/saml2/saml.example/slo";

/// The domain wants that Erin's sessions end.
const REQUEST: &str = concat!(
    r#"<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="https://login.example/login.srf" ID="_l1" IssueInstant="2026-11-21T09:59:58.123Z" NotOnOrAfter="2026-11-21T10:04:58.123Z" Version="2.0">"#,
    r#"<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://saml.example</saml:Issuer>"#,
    r#"<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">Id-Erin</saml:NameID>"#,
    r#"<samlp:SessionIndex>_s1</samlp:SessionIndex></samlp:LogoutRequest>"#,
);

/// The domain did what it was asked for.
const RESPONSE: &str = concat!(
    r#"<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="https://login.example/login.srf" ID="_l2" InResponseTo="_q1" IssueInstant="2026-11-21T09:59:58.123Z" Version="2.0">"#,
    r#"<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://saml.example</saml:Issuer>"#,
    r#"<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"#,
);

fn form(field: &str, xml: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair(field, &BASE64.encode(xml))
        .append_pair("RelayState", "r\"&+ä")
        .finish()
}

async fn post_request(browser: &mut Browser, request: &str) -> Page {
    let signed = behind_issuer(request, &KEY);
    browser
        .post("/login.srf", form("SAMLRequest", &signed))
        .await
}

/// The query of the Redirect binding, signed by `key`.
fn query(xml: &str, key: &SigningKey) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(xml.as_bytes()).expect("memory takes it");
    let message = BASE64.encode(encoder.finish().expect("memory takes it"));
    let signed = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLResponse", &message)
        .append_pair("RelayState", "a b")
        .append_pair(
            "SigAlg",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        )
        .finish();
    let key = PKey::private_key_from_pkcs8(&key.private_key_der()).expect("it is PKCS#8");
    let value = Signer::new(MessageDigest::sha256(), &key)
        .and_then(|mut signer| signer.sign_oneshot_to_vec(signed.as_bytes()))
        .expect("it signs");
    let value: String =
        url::form_urlencoded::byte_serialize(BASE64.encode(value).as_bytes()).collect();
    format!("{signed}&Signature={value}")
}

/// Signs in and out; gives back the domain's answer before it is signed.
async fn left(browser: &mut Browser) -> String {
    sign_in(browser, "").await;
    let page = browser.get("/sign-out").await;
    let request = redirected(&page, "SAMLRequest");
    changed(RESPONSE, "_q1", id_of(&request))
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_asks_the_domain_to() {
    let mut browser = Browser::new();
    sign_in(&mut browser, "").await;
    let stolen = browser.cookie.clone();
    let page = browser.get("/sign-out").await;
    assert!(
        page.location()
            .starts_with(&format!("{SIGN_OUT}?SAMLRequest="))
    );
    assert_eq!(page.parameter("Signature"), None);
    assert_eq!(browser.cookie, None);
    let request = redirected(&page, "SAMLRequest");
    let id = id_of(&request);
    assert_eq!(
        request,
        format!(
            r#"<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="{id}" Version="2.0" IssueInstant="2026-11-21T10:00:00.000Z" Destination="{SIGN_OUT}"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer><NameID xmlns="urn:oasis:names:tc:SAML:2.0:assertion" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">Id-Erin</NameID><samlp:SessionIndex>_s1</samlp:SessionIndex></samlp:LogoutRequest>"#
        )
    );
    browser.cookie = stolen;
    assert_eq!(browser.get("/").await.heading(), "Sign in");
}

#[tokio::test]
async fn the_domains_answer_is_shown_whichever_way_it_comes() {
    for (status, told) in [
        ("Success\"></samlp:StatusCode>", "ended its session, too."),
        (
            "Success\"><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"></samlp:StatusCode></samlp:StatusCode>",
            "not every application there did.",
        ),
        (
            "Responder\"></samlp:StatusCode>",
            "did not end its session; it answers with Responder.",
        ),
    ] {
        for posted in [true, false] {
            let mut browser = Browser::new();
            let response = left(&mut browser).await;
            let response = changed(&response, "Success\"></samlp:StatusCode>", status);
            let page = if posted {
                let form = form("SAMLResponse", &behind_issuer(&response, &KEY));
                browser.post("/login.srf", form).await
            } else {
                let query = query(&response, &KEY);
                browser.get(&format!("/login.srf?{query}")).await
            };
            assert_eq!(page.heading(), "Signed out", "{}", page.text);
            assert!(page.text.contains(told), "{}", page.text);
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_the_domains_is_refused() {
    let mut browser = Browser::new();
    let response = left(&mut browser).await;
    let good = behind_issuer(&response, &KEY);
    let redirect = query(&response, &KEY);
    for (code, refused) in [
        ("AADSTS50008", form("SAMLResponse", &response)),
        (
            "AADSTS5000811",
            form("SAMLResponse", &behind_issuer(&response, &FOREIGN_KEY)),
        ),
        (
            "AADSTS50006",
            form("SAMLResponse", &changed(&good, "Success", "Failure")),
        ),
        (
            "AADSTS50107",
            form(
                "SAMLResponse",
                &changed(&good, ">https://saml", ">https://contoso"),
            ),
        ),
        (
            "AADSTS50008",
            form("SAMLResponse", &changed(&good, "/login.srf", "/")),
        ),
        (
            "AADSTS500133",
            form("SAMLResponse", &changed(&good, "T09:59:58", "T08:59:58")),
        ),
    ] {
        let page = browser.post("/login.srf", refused).await;
        assert_eq!(
            (page.status, page.heading().as_str()),
            (StatusCode::BAD_REQUEST, code),
            "{}",
            page.text
        );
    }
    let algorithm = "rsa-sha256";
    for (code, refused) in [
        ("AADSTS50006", query(&response, &FOREIGN_KEY)),
        (
            "AADSTS50006",
            changed(&redirect, "RelayState=a", "RelayState=b"),
        ),
        (
            "AADSTS50006",
            changed(&redirect, "RelayState=a+b", "RelayState=a%20b"),
        ),
        ("AADSTS50008", changed(&redirect, algorithm, "rsa-sha1")),
        (
            "AADSTS75001",
            changed(&redirect, "SAMLResponse=", "SAMLResponse=x&SAMLResponse="),
        ),
        ("AADSTS75001", changed(&redirect, "&Signature=", "&Sign=")),
        (
            "AADSTS75001",
            changed(&redirect, "SAMLResponse=", "SAMLResponse=%25"),
        ),
        (
            "AADSTS50008",
            redirect
                .split("&SigAlg")
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
        (
            "AADSTS75003",
            changed(&redirect, "SAMLResponse=", "SAMLRequest="),
        ),
    ] {
        let page = browser.get(&format!("/login.srf?{refused}")).await;
        assert_eq!(
            (page.status, page.heading().as_str()),
            (StatusCode::BAD_REQUEST, code),
            "{}",
            page.text
        );
    }
    let page = browser.get(&format!("/login.srf?{redirect}")).await;
    assert_eq!(page.heading(), "Signed out", "none of them used it up");
    let page = browser.get(&format!("/login.srf?{redirect}")).await;
    assert_eq!(page.heading(), "AADSTS50068", "an answer counts once");
}

#[tokio::test]
async fn an_inflated_answer_is_bounded() {
    let mut browser = Browser::new();
    let bomb = query(&" ".repeat(16 * 1024 * 1024), &KEY);
    let page = browser.get(&format!("/login.srf?{bomb}")).await;
    assert_eq!(page.heading(), "AADSTS75001");
    assert!(page.text.contains("too large"), "{}", page.text);
}

#[tokio::test]
async fn a_domain_signs_its_people_out() {
    let mut browser = Browser::new();
    sign_in(&mut browser, "").await;
    let page = post_request(&mut browser, REQUEST).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert!(
        page.location()
            .starts_with(&format!("{SIGN_OUT}?SAMLResponse="))
    );
    assert_eq!(page.parameter("RelayState").as_deref(), Some("r\"&+ä"));
    let response = redirected(&page, "SAMLResponse");
    assert!(response.starts_with("<samlp:LogoutResponse "), "{response}");
    for part in [
        " InResponseTo=\"_l1\"",
        &format!(" Destination=\"{SIGN_OUT}\""),
        "status:Success",
    ] {
        assert!(response.contains(part), "{response}");
    }
    assert_eq!(browser.get("/").await.heading(), "Sign in");
}

#[tokio::test]
async fn a_domain_may_be_answered_in_a_form() {
    let mut browser = Browser::new();
    sign_in(&mut browser, "answer_by_post=1").await;
    let page = post_request(&mut browser, REQUEST).await;
    let (address, fields) = sent(&page);
    assert_eq!(address, SIGN_OUT);
    assert_eq!(value(&fields, "RelayState").as_deref(), Some("r\"&+ä"));
    assert!(posted(&page, "SAMLResponse").contains(" InResponseTo=\"_l1\""));
    let policy = page.headers["content-security-policy"].to_str();
    assert!(
        policy.is_ok_and(|policy| !policy.contains("frame-ancestors")),
        "the identity provider may show it in a frame"
    );
}

#[tokio::test]
async fn only_the_sessions_that_are_meant_end() {
    let request = |from: &str, to: &str| changed(REQUEST, from, to);
    for (request, ends) in [
        (request("_s1", "_s2"), false),
        (request("Id-Erin", "Id-Frank"), false),
        (request("Id-Erin", "id-erin"), false),
        (
            request(">https://saml.example", ">https://second.example"),
            false,
        ),
        (
            request("<samlp:SessionIndex>_s1</samlp:SessionIndex>", ""),
            true,
        ),
        (
            request(">_s1<", ">_s0</samlp:SessionIndex><samlp:SessionIndex>_s1<"),
            true,
        ),
        (
            request(" NotOnOrAfter=\"2026-11-21T10:04:58.123Z\"", ""),
            true,
        ),
    ] {
        let mut browser = Browser::new();
        sign_in(&mut browser, "").await;
        let page = post_request(&mut browser, &request).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        let expected = if ends { "Sign in" } else { "Signed in as erin" };
        assert_eq!(browser.get("/").await.heading(), expected, "{request}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_the_domains_ends_nothing() {
    let mut browser = Browser::new();
    sign_in(&mut browser, "").await;
    let good = behind_issuer(REQUEST, &KEY);
    let evil = changed(&changed(REQUEST, "_l1", "_l9"), "Id-Erin", "Id-Alice");
    for (code, request) in [
        ("AADSTS50008", REQUEST.to_owned()),
        ("AADSTS5000811", behind_issuer(REQUEST, &FOREIGN_KEY)),
        ("AADSTS50006", changed(&good, "_s1", "_s3")),
        ("AADSTS50008", changed(&good, "/login.srf", "/login.srf?")),
        (
            "AADSTS50061",
            behind_issuer(&changed(REQUEST, "T10:04:58", "T09:54:58"), &KEY),
        ),
        (
            "AADSTS50061",
            behind_issuer(&changed(REQUEST, "saml:NameID", "saml:Name"), &KEY),
        ),
        ("AADSTS50061", Scene::new().signed()),
        (
            "AADSTS75001",
            changed(
                &good,
                "<samlp:LogoutRequest",
                "<!DOCTYPE x><samlp:LogoutRequest",
            ),
        ),
        (
            "AADSTS50008",
            changed(
                &evil,
                "</samlp:LogoutRequest>",
                &format!("{good}</samlp:LogoutRequest>"),
            ),
        ),
    ] {
        let page = browser
            .post("/login.srf", form("SAMLRequest", &request))
            .await;
        assert_eq!(
            (page.status, page.heading().as_str()),
            (StatusCode::BAD_REQUEST, code),
            "{}",
            page.text
        );
    }
    assert_eq!(browser.get("/").await.heading(), "Signed in as erin");
}

#[tokio::test]
async fn a_sign_out_clean_up_ends_the_session_in_a_frame() {
    let mut browser = Browser::new();
    sign_in(&mut browser, "").await;
    let stolen = browser.cookie.clone();
    let page = browser.get("/login.srf?wa=wsignoutcleanup1.0").await;
    assert_eq!(page.heading(), "Signed out");
    let policy = page.headers["content-security-policy"].to_str();
    assert!(policy.is_ok_and(|policy| !policy.contains("frame-ancestors")));
    browser.cookie = stolen;
    assert_eq!(browser.get("/").await.heading(), "Sign in");
}

#[tokio::test]
async fn a_sign_in_of_another_session_is_left_alone() {
    let mut first = Browser::new();
    sign_in(&mut first, "").await;
    let cookie = first.cookie.take();
    let mut scene = Scene::unsolicited();
    scene.write("_s1", "_s2");
    scene.write("\"_a1\"", "\"_a2\"");
    first.post("/login.srf", body(&scene.signed(), None)).await;
    post_request(&mut first, REQUEST).await;
    assert_eq!(first.get("/").await.heading(), "Signed in as erin");
    first.cookie = cookie;
    assert_eq!(first.get("/").await.heading(), "Sign in");
}
