//! The stand-in with a SAML 2.0 domain, spoken to as a browser does.

use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::DeflateDecoder;
use scraper::{Html, Selector};

use super::response::{Scene, body};
use crate::browser::{Browser, Page};
use crate::token::changed;

const ERIN: &str = "user=erin%40saml.example";
const SIGN_ON: &str = "https://idp.example/saml2/saml.example";

/// The form of a page that sends itself: where to, and its fields.
pub fn sent(page: &Page) -> (String, Vec<(String, String)>) {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let html = Html::parse_document(&page.text);
    let form = Selector::parse("form[method=post]").expect("it is a selector");
    let form = html.select(&form).next().expect("there is a form");
    let input = Selector::parse("input[type=hidden]").expect("it is a selector");
    let fields = form.select(&input).map(|input| {
        let attribute = |name| input.value().attr(name).unwrap_or_default().to_owned();
        (attribute("name"), attribute("value"))
    });
    let action = form.value().attr("action").unwrap_or_default();
    (action.to_owned(), fields.collect())
}

pub fn value(fields: &[(String, String)], name: &str) -> Option<String> {
    let found = fields.iter().find(|(found, _)| found == name);
    found.map(|(_, value)| value.clone())
}

/// The XML of a posted message.
pub fn posted(page: &Page, field: &str) -> String {
    let message = value(&sent(page).1, field).expect("there is a message");
    let bytes = BASE64.decode(message).expect("it is base64");
    String::from_utf8(bytes).expect("it is text")
}

/// The XML of a message in an address.
pub fn redirected(page: &Page, field: &str) -> String {
    let message = page.parameter(field).expect("there is a message");
    let bytes = BASE64.decode(message).expect("it is base64");
    std::io::read_to_string(DeflateDecoder::new(bytes.as_slice())).expect("it is text")
}

pub fn id_of(xml: &str) -> &str {
    xml.split(" ID=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("it has an ID")
}

/// What Erin's domain answers to a request of this ID.
pub fn response_to(id: &str) -> Scene {
    let mut scene = Scene::new();
    scene.write("\"_q1\"", &format!("\"{id}\""));
    scene
}

/// Starts with these switches, answers as the domain would, and posts the answer.
pub async fn sign_in(browser: &mut Browser, switches: &str) -> Page {
    let page = browser.post("/start", format!("{ERIN}&{switches}")).await;
    let (_, fields) = sent(&page);
    let response = response_to(id_of(&posted(&page, "SAMLRequest"))).signed();
    let relay_state = value(&fields, "RelayState");
    browser
        .post("/login.srf", body(&response, relay_state.as_deref()))
        .await
}

#[tokio::test]
async fn a_person_is_sent_to_their_domain_and_comes_back_signed_in() {
    let mut browser = Browser::new();
    let page = browser.post("/start", ERIN).await;
    let (address, fields) = sent(&page);
    assert_eq!(address, SIGN_ON);
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["SAMLRequest", "RelayState", "username"]);
    assert_eq!(
        value(&fields, "username").as_deref(),
        Some("erin@saml.example")
    );
    let relay_state = value(&fields, "RelayState").expect("there is one");
    assert!(relay_state.starts_with("LoginOptions=3&estsredirect=2&estsrequest="));
    assert_eq!(page.texts("form button"), ["Continue"]);

    let request = posted(&page, "SAMLRequest");
    let id = id_of(&request);
    assert_eq!(
        request,
        format!(
            r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="{id}" Version="2.0" IssueInstant="2026-11-21T10:00:00.000Z"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer><samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/></samlp:AuthnRequest>"#
        )
    );

    let response = response_to(id).signed();
    let page = browser
        .post("/login.srf", body(&response, Some(&relay_state)))
        .await;
    assert_eq!(page.heading(), "Signed in as erin", "{}", page.text);
    let (all, passed) = (".checks li", ".checks li.passed");
    assert_eq!(page.texts(all).len(), page.texts(passed).len());
    assert!(page.texts(".list").concat().contains("IDPEmail"));
    assert_eq!(browser.get("/").await.heading(), "Signed in as erin");
}

#[tokio::test]
async fn the_page_that_sends_itself_runs_its_own_script_and_limits_no_form() {
    let mut browser = Browser::new();
    let page = browser.post("/start", ERIN).await;
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .expect("it is text");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains("script-src 'self'; frame-ancestors 'none'"));
    assert!(!policy.contains("form-action") && !policy.contains("unsafe"));
    assert_eq!(page.texts("script"), [""], "nothing is inline");
    let script = browser.get("/assets/send.js").await;
    assert_eq!(
        script.headers[header::CONTENT_TYPE],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(script.text, "document.forms[0].submit();\n");
}

#[tokio::test]
async fn every_switch_changes_the_request() {
    let mut browser = Browser::new();
    for (switch, part) in [
        ("index=0", " AssertionConsumerServiceIndex=\"0\""),
        ("index=1", " AssertionConsumerServiceIndex=\"1\""),
        ("is_passive=1", " IsPassive=\"true\""),
        ("ask=fresh", " ForceAuthn=\"true\""),
        ("ask=prompt-login", " ForceAuthn=\"true\""),
        (
            "ask=fresh-password",
            ">urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport<",
        ),
        (
            "ask=multi-factor",
            ">http://schemas.microsoft.com/claims/multipleauthn<",
        ),
        (
            "signed=1",
            " Destination=\"https://idp.example/saml2/saml.example\"",
        ),
        (
            "signed=1",
            "</Issuer><Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo>",
        ),
        ("signed=1", "<X509SKI>"),
    ] {
        let usual = browser.post("/start", format!("{ERIN}&index=")).await;
        assert!(!posted(&usual, "SAMLRequest").contains(part), "{part}");
        let page = browser.post("/start", format!("{ERIN}&{switch}")).await;
        let request = posted(&page, "SAMLRequest");
        assert!(request.contains(part), "{switch}: {request}");
    }
    let page = browser
        .post("/start", format!("{ERIN}&without_username=1"))
        .await;
    assert_eq!(value(&sent(&page).1, "username"), None);
    let page = browser.post("/start", format!("{ERIN}&binding=else")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_request_may_travel_in_an_address() {
    let mut browser = Browser::new();
    let page = browser
        .get(&format!("/start?{ERIN}&binding=redirect"))
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(
        page.location()
            .starts_with(&format!("{SIGN_ON}?SAMLRequest="))
    );
    assert_eq!(
        page.parameter("username").as_deref(),
        Some("erin@saml.example")
    );
    assert_eq!(page.parameter("Signature"), None);
    let response = response_to(id_of(&redirected(&page, "SAMLRequest"))).signed();
    let relay_state = page.parameter("RelayState");
    let page = browser
        .post("/login.srf", body(&response, relay_state.as_deref()))
        .await;
    assert_eq!(page.heading(), "Signed in as erin", "{}", page.text);

    let page = browser
        .get(&format!("/start?{ERIN}&binding=redirect&signed=1"))
        .await;
    assert!(!redirected(&page, "SAMLRequest").contains("<Signature"));
    let query = page.location().split_once('?').expect("it has a query").1;
    let names: Vec<_> = query
        .split('&')
        .filter_map(|part| part.split('=').next())
        .collect();
    assert_eq!(
        names,
        [
            "SAMLRequest",
            "RelayState",
            "SigAlg",
            "Signature",
            "username"
        ]
    );
    assert_eq!(
        page.parameter("SigAlg").as_deref(),
        Some("http://www.w3.org/2000/09/xmldsig#rsa-sha1")
    );
}

#[tokio::test]
async fn a_long_relay_state_comes_back_as_it_went() {
    let mut browser = Browser::new();
    let page = browser
        .post("/start", format!("{ERIN}&long_context=1"))
        .await;
    let relay_state = value(&sent(&page).1, "RelayState").expect("there is one");
    assert!(relay_state.len() > 4096 && relay_state.contains("\"quoted\" 'single' <b>&amp;</b>"));
    let page = sign_in(&mut browser, "long_context=1").await;
    assert_eq!(page.heading(), "Signed in as erin", "{}", page.text);
}

#[tokio::test]
async fn what_the_request_asked_for_is_checked() {
    for (ask, code) in [
        ("multi-factor", "AADSTS50158"),
        ("prompt-login", "AADSTS50173"),
        ("fresh", "AADSTS50173"),
        ("fresh-password", "AADSTS50173"),
    ] {
        let page = sign_in(&mut Browser::new(), &format!("ask={ask}")).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        let notice = page.texts(".notice").concat();
        assert!(notice.starts_with(code), "{ask}: {notice}");
    }
}

#[tokio::test]
async fn an_answer_to_nothing_signs_in_and_a_lost_relay_state_does_not() {
    let mut browser = Browser::new();
    let unsolicited = Scene::unsolicited().signed();
    for relay_state in [None, Some("https://portal.example/")] {
        let mut scene = Scene::unsolicited();
        scene.write(
            "\"_a1\"",
            &format!("\"_a{}\"", relay_state.map_or(0, str::len)),
        );
        let page = browser
            .post("/login.srf", body(&scene.signed(), relay_state))
            .await;
        assert_eq!(page.heading(), "Signed in as erin", "{}", page.text);
    }
    let lost = body(&unsolicited, Some("estsrequest=lost"));
    assert!(
        browser
            .post("/login.srf", lost)
            .await
            .text
            .contains("AADSTS50089")
    );

    // The request is found by its ID, so that nobody takes the answer for one to nothing.
    for relay_state in [None, Some("https://portal.example/")] {
        let page = browser.post("/start", ERIN).await;
        let response = response_to(id_of(&posted(&page, "SAMLRequest"))).signed();
        let page = browser
            .post("/login.srf", body(&response, relay_state))
            .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.texts(".notice").concat().starts_with("AADSTS50089"));
    }
}

#[tokio::test]
async fn an_answer_counts_once() {
    let mut browser = Browser::new();
    let page = browser.post("/start", ERIN).await;
    let relay_state = value(&sent(&page).1, "RelayState");
    let mut scene = response_to(id_of(&posted(&page, "SAMLRequest")));
    for (id, code) in [("_a1", None), ("_a2", Some("AADSTS50013"))] {
        scene.response = scene.response.replace("\"_a1\"", &format!("\"{id}\""));
        let page = browser
            .post("/login.srf", body(&scene.signed(), relay_state.as_deref()))
            .await;
        let notice = page.texts(".notice").concat();
        assert_eq!(
            notice.split(':').next().filter(|code| !code.is_empty()),
            code
        );
    }
}

#[tokio::test]
async fn an_answer_of_the_wrong_protocol_is_told_so() {
    let mut browser = Browser::new();
    let page = browser.post("/start", ERIN).await;
    let relay_state = value(&sent(&page).1, "RelayState").expect("there is one");
    let wsfed = crate::token::Scene::new().wresult();
    let page = browser
        .post("/login.srf", crate::token::body(&wsfed, &relay_state))
        .await;
    assert!(page.texts(".notice").concat().starts_with("AADSTS7500514"));

    let page = browser.get("/start?user=alice%40contoso.example").await;
    let wctx = page.parameter("wctx");
    let page = browser
        .post("/login.srf", body(&Scene::new().signed(), wctx.as_deref()))
        .await;
    assert!(page.texts(".notice").concat().starts_with("AADSTS20012"));
}

#[tokio::test]
async fn a_refused_answer_says_why_and_opens_no_session() {
    let mut browser = Browser::new();
    let response = changed(&Scene::unsolicited().signed(), "erin@", "&lt;b&gt;@");
    let page = browser.post("/login.srf", body(&response, None)).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.texts(".notice").concat().starts_with("AADSTS50006"));
    assert_eq!(page.texts(".checks li.failed").len(), 1);
    assert_eq!(browser.cookie, None);
}

#[tokio::test]
async fn a_smart_link_starts_at_the_domain() {
    let page = Browser::new()
        .get("/login.srf?wa=wsignin1.0&whr=saml.example")
        .await;
    let (address, fields) = sent(&page);
    assert_eq!(address, SIGN_ON);
    assert_eq!(value(&fields, "username"), None);
}

#[tokio::test]
async fn realm_discovery_tells_that_the_domain_speaks_saml() {
    let mut browser = Browser::new();
    let mut realm = async |path: &str| -> serde_json::Value {
        let page = browser.get(path).await;
        serde_json::from_str(&page.text).expect("it is JSON")
    };
    let oldest = realm("/common/userrealm/erin%40saml.example?api-version=1.0").await;
    assert_eq!(oldest["account_type"], "Federated");
    assert_eq!(oldest["federation_protocol"], "SAML20");
    let newer = realm("/common/userrealm?user=erin%40saml.example&api-version=2.1").await;
    assert_eq!(newer["federation_protocol"], "SAML20");
    assert_eq!(newer["AuthURL"], SIGN_ON);
    let legacy = realm("/GetUserRealm.srf?login=erin%40saml.example&json=1").await;
    assert_eq!(legacy["NameSpaceType"], "Federated");
    assert_eq!(legacy["AuthURL"], SIGN_ON);
}
