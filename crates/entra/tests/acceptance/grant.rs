//! The token endpoint, asked as clients do.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use entra::checks::{Grant, Outcome, Rule, grant_rules, redeem, rules};
use entra::{Protocol, Verdict};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::changes;
use crate::judged::{refuses, warns};
use crate::saml::changes as saml_changes;
use crate::saml::response::Scene as SamlScene;
use crate::token::{Scene, changed, now};

const SAML11: &str = "urn:ietf:params:oauth:grant-type:saml1_1-bearer";
const SAML20: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

fn redeemed(scene: &mut Scene, assertion: &str) -> Verdict {
    redeem(
        &scene.tenant,
        Grant::Saml11,
        assertion,
        &mut scene.replay,
        scene.now,
    )
}

fn redeemed20(scene: &mut SamlScene) -> Verdict {
    let assertion = BASE64.encode(scene.assertion());
    redeem(
        &scene.tenant,
        Grant::Saml20,
        &assertion,
        &mut scene.replay,
        scene.now,
    )
}

async fn ask(
    browser: &mut Browser,
    path: &str,
    parameters: &[(&str, &str)],
) -> (StatusCode, Value) {
    let form: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let page = browser.post(path, form).await;
    (page.status, page.json())
}

fn parameters<'a>(grant_type: &'a str, assertion: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", grant_type),
        ("client_id", "a-client"),
        ("scope", "openid profile offline_access user.read"),
        ("assertion", assertion),
        ("client_info", "1"),
    ]
}

fn claims(id_token: &Value) -> Value {
    let text = id_token.as_str().expect("it is text");
    let claims = text.split('.').nth(1).expect("it has three parts");
    serde_json::from_slice(&BASE64URL.decode(claims).expect("it is base64url")).expect("it is JSON")
}

#[test]
fn a_good_assertion_passes_every_check_in_any_base64() {
    let assertion = Scene::new().signed();
    let padded = BASE64.encode(format!("{assertion}\n"));
    for encoded in [
        BASE64.encode(&assertion),
        BASE64URL.encode(&assertion),
        padded.trim_end_matches('=').to_owned(),
    ] {
        let verdict = redeemed(&mut Scene::new(), &encoded);
        for check in &verdict.checks {
            assert_eq!(
                check.outcome,
                Outcome::Passed,
                "{} {}",
                check.number,
                check.title
            );
        }
        assert_eq!(
            verdict.signed_in.map(|person| person.upn).as_deref(),
            Some("alice@contoso.example")
        );
    }
}

#[test]
fn a_good_assertion_of_saml_2_passes_every_check() {
    let verdict = redeemed20(&mut SamlScene::new());
    for check in &verdict.checks {
        assert_eq!(
            check.outcome,
            Outcome::Passed,
            "{} {}",
            check.number,
            check.title
        );
    }
    assert_eq!(
        verdict.signed_in.map(|person| person.upn).as_deref(),
        Some("erin@saml.example")
    );
}

#[test]
fn what_is_no_assertion_of_the_grant_fails_its_check() {
    let good = Scene::new().signed();
    let as20 = BASE64.encode(SamlScene::new().assertion());
    let wresult = BASE64.encode(Scene::new().wresult());
    for (number, assertion, what) in [
        (6, format!("{}%", BASE64.encode(&good)), "a foreign letter"),
        (6, format!("{}\n", BASE64.encode(&good)), "a line break"),
        (6, BASE64.encode(b"\xff"), "bytes"),
        (7, BASE64.encode(""), "nothing"),
        (
            7,
            BASE64.encode(format!("{good}{good}")),
            "the assertion twice",
        ),
        (
            7,
            BASE64.encode(format!("<!DOCTYPE a>{good}")),
            "a document type",
        ),
        (45, as20, "SAML 2.0"),
        (45, wresult, "a token response"),
        (
            18,
            BASE64.encode(changed(
                &good,
                "</ds:KeyInfo>",
                "</ds:KeyInfo><ds:Object><saml:Assertion/></ds:Object>",
            )),
            "an assertion in an assertion",
        ),
    ] {
        let verdict = redeemed(&mut Scene::new(), &assertion);
        refuses(number, 50008, what, &verdict);
    }
    let mut scene = SamlScene::new();
    let verdict = redeem(
        &scene.tenant,
        Grant::Saml20,
        &BASE64.encode(good),
        &mut scene.replay,
        scene.now,
    );
    refuses(45, 50008, "SAML 1.1", &verdict);
}

#[test]
fn a_wrong_assertion_fails_the_check_that_it_fails_in_a_browser() {
    for (number, code, from, to) in changes::SIGNATURE {
        let signed = Scene::new().signed();
        if signed.contains(from) {
            let assertion = BASE64.encode(changed(&signed, from, to));
            let verdict = redeemed(&mut Scene::new(), &assertion);
            refuses(*number, *code, to, &verdict);
        }
    }
    for (number, code, from, to) in changes::ASSERTION {
        let mut scene = Scene::new();
        scene.write(from, to);
        let assertion = BASE64.encode(scene.signed());
        let verdict = redeemed(&mut scene, &assertion);
        refuses(*number, *code, to, &verdict);
    }
    for (number, code, from, to) in saml_changes::SIGNED {
        let answers_a_request = from.contains("InResponseTo") && !to.contains("NotBefore");
        if !answers_a_request {
            let mut scene = SamlScene::new();
            scene.write(from, to);
            refuses(*number, *code, to, &redeemed20(&mut scene));
        }
    }
}

#[test]
fn an_assertion_is_exchanged_once_and_not_after_it_signed_somebody_in() {
    let mut scene = Scene::new();
    let assertion = BASE64.encode(scene.signed());
    assert_eq!(redeemed(&mut scene, &assertion).code(), None);
    let verdict = redeemed(&mut scene, &assertion);
    refuses(35, 50013, "the same again", &verdict);

    let mut scene = Scene::new();
    assert_eq!(scene.verdict().code(), None);
    refuses(
        35,
        50013,
        "one from a browser",
        &redeemed(&mut scene, &assertion),
    );
}

#[test]
fn what_entra_lets_pass_is_pointed_out() {
    let mut scene = Scene::new();
    scene.write(">alice@contoso.example<", ">alice<");
    let assertion = BASE64.encode(scene.signed());
    warns(33, &redeemed(&mut scene, &assertion));
}

#[test]
fn a_grant_asks_what_a_browser_is_asked_but_for_the_message_around() {
    for (grant, protocol) in [
        (Grant::Saml11, Protocol::WsFed),
        (Grant::Saml20, Protocol::Saml),
    ] {
        let numbers = |rules: &[Rule]| rules.iter().map(|rule| rule.number).collect::<Vec<_>>();
        let around = [2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 17, 26];
        let mut expected = numbers(rules(protocol));
        expected.retain(|number| !around.contains(number));
        expected.insert(2, 45);
        assert_eq!(numbers(grant_rules(grant)), expected);
    }
}

#[tokio::test]
async fn an_assertion_gets_tokens() {
    let mut browser = Browser::at("https://login.example");
    let assertion = BASE64.encode(Scene::new().signed());
    let configuration = browser
        .get("/organizations/v2.0/.well-known/openid-configuration")
        .await
        .json();
    assert_eq!(
        configuration["token_endpoint"],
        "https://login.example/organizations/oauth2/v2.0/token"
    );
    let (status, tokens) = ask(
        &mut browser,
        "/organizations/oauth2/v2.0/token",
        &parameters(SAML11, &assertion),
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["scope"], "openid profile offline_access user.read");
    for secret in ["access_token", "refresh_token"] {
        assert!(tokens[secret].as_str().is_some_and(|text| text.len() > 20));
    }
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["aud"], "a-client");
    assert_eq!(claims["preferred_username"], "alice@contoso.example");
    assert_eq!(claims["iat"], now().timestamp());
    assert_eq!(claims["exp"], now().timestamp() + 3600);
    assert_eq!(claims["iss"], configuration["issuer"]);
    let info = tokens["client_info"].as_str().expect("it is text");
    let info: Value = serde_json::from_slice(&BASE64URL.decode(info).expect("it is base64url"))
        .expect("it is JSON");
    assert_eq!(
        (&info["uid"], &info["utid"]),
        (&claims["oid"], &claims["tid"])
    );

    let (status, error) = ask(
        &mut browser,
        "/organizations/oauth2/v2.0/token",
        &parameters(SAML11, &assertion),
    )
    .await;
    assert_eq!(
        (status, &error["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_grant"))
    );
    assert_eq!(error["error_codes"], json!([50013]));
}

#[tokio::test]
async fn the_older_endpoint_gives_its_numbers_as_text() {
    let assertion = BASE64.encode(SamlScene::new().assertion());
    let (status, tokens) = ask(
        &mut Browser::new(),
        "/common/oauth2/token",
        &[
            ("grant_type", SAML20),
            ("client_id", "a-client"),
            ("resource", "https://graph.example"),
            ("assertion", &assertion),
        ],
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(tokens["expires_in"], "3600");
    assert_eq!(tokens["resource"], "https://graph.example");
    assert_eq!(tokens.get("client_info"), None);
}

#[tokio::test]
async fn a_token_request_that_is_refused_says_why() {
    let good = BASE64.encode(Scene::new().signed());
    let without = |name: &str| {
        let mut left = parameters(SAML11, &good);
        left.retain(|(found, _)| *found != name);
        left
    };
    let with = |name: &'static str, value: &'static str| {
        let mut changed = without(name);
        changed.push((name, value));
        changed
    };
    let twice = [parameters(SAML11, &good), vec![("scope", "openid")]].concat();
    for (parameters, error, code) in [
        (without("grant_type"), "invalid_request", 900_144),
        (without("client_id"), "invalid_request", 900_144),
        (without("scope"), "invalid_request", 900_144),
        (without("assertion"), "invalid_request", 900_144),
        (with("assertion", ""), "invalid_request", 900_144),
        (twice, "invalid_request", 900_144),
        (with("grant_type", "password"), "invalid_grant", 50126),
        (
            with("grant_type", "authorization_code"),
            "unsupported_grant_type",
            70003,
        ),
        (with("grant_type", SAML20), "invalid_grant", 50008),
        (with("assertion", "PGE+"), "invalid_grant", 50008),
    ] {
        let path = "/contoso.example/oauth2/v2.0/token";
        let (status, json) = ask(&mut Browser::new(), path, &parameters).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{parameters:?}");
        assert_eq!(
            (&json["error"], &json["error_codes"]),
            (&json!(error), &json!([code]))
        );
        let description = json["error_description"].as_str().expect("it is text");
        assert!(
            description.starts_with(&format!("AADSTS{code}: ")),
            "{description}"
        );
        assert!(description.ends_with(json["correlation_id"].as_str().expect("it is text")));
    }
    let path = "/nowhere.example/oauth2/v2.0/token";
    let (_, json) = ask(&mut Browser::new(), path, &parameters(SAML11, &good)).await;
    assert_eq!(json["error_codes"], json!([90002]));
}

#[tokio::test]
async fn an_error_carries_the_clients_name_for_its_request() {
    for (sent, is_kept) in [
        ("8d1bd4c3-7cf4-4d0c-9f8c-6b7e4c5d1d55", true),
        ("<script>", false),
    ] {
        let request = Request::post("/common/oauth2/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("client-request-id", sent);
        let request = request.body(Body::empty()).expect("it is a request");
        let json = Browser::new().send(request).await.json();
        assert_eq!(json["correlation_id"] == sent, is_kept, "{json}");
    }
}

#[tokio::test]
async fn what_clients_read_first_leads_to_the_token_endpoint() {
    let mut browser = Browser::at("https://login.example/");
    let instance = browser
        .get("/common/discovery/instance?api-version=1.1&authorization_endpoint=https%3A%2F%2Flogin.example%2Fcontoso.example%2Foauth2%2Fv2.0%2Fauthorize")
        .await
        .json();
    let endpoint = instance["tenant_discovery_endpoint"]
        .as_str()
        .and_then(|url| url.strip_prefix("https://login.example"))
        .expect("it is on the same host")
        .to_owned();
    assert_eq!(instance["metadata"][0]["aliases"], json!(["login.example"]));
    let configuration = browser.get(&endpoint).await.json();
    assert_eq!(
        configuration["token_endpoint"],
        "https://login.example/contoso.example/oauth2/v2.0/token"
    );
    let keys = configuration["jwks_uri"]
        .as_str()
        .and_then(|url| url.strip_prefix("https://login.example"))
        .expect("it is on the same host");
    assert_eq!(browser.get(keys).await.json(), json!({ "keys": [] }));
    assert_eq!(
        browser
            .get("/contoso.example/.well-known/openid-configuration")
            .await
            .json()["token_endpoint"],
        "https://login.example/contoso.example/oauth2/token"
    );
    let unknown = browser
        .get("/nowhere.example/v2.0/.well-known/openid-configuration")
        .await;
    assert_eq!(
        (unknown.status, &unknown.json()["error_codes"]),
        (StatusCode::BAD_REQUEST, &json!([90002]))
    );
}
