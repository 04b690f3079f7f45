//! What Graph refuses, and in which words.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{StatusCode, header};
use entra::Graph;
use entra::graph::{Domain, Habits, Holder, Role, User};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::X509;
use serde_json::{Value, json};

use super::{CONTOSO, Console, FEDERATION, federation, federation_with, oneline};
use crate::token::KEY;

const BAD: (u16, &str) = (400, "Request_BadRequest");
const DENIED: (u16, &str) = (403, "Authorization_RequestDenied");

/// The call is refused with these words, and changes nothing.
async fn refuses(console: &mut Console, call: (&str, &str, &Value), said: (u16, &str), word: &str) {
    let (method, path, body) = call;
    let before = console.graph().snapshot();
    let body = (method != "GET" && method != "DELETE").then_some(body);
    let answer = console.call(method, path, body).await;
    assert_eq!(
        answer.said(),
        said,
        "{method} {path} {body:?}: {}",
        answer.body
    );
    assert!(
        answer.message().contains(word),
        "{word:?} is not in {:?}",
        answer.message()
    );
    assert!(answer.body["error"]["innerError"]["request-id"].is_string());
    assert_eq!(
        console.graph().snapshot(),
        before,
        "{method} {path} {body:?} changed the tenant"
    );
}

#[tokio::test]
async fn some_domains_cannot_be_federated() {
    let mut console = Console::new();
    console.graph().arrange(|directory| {
        directory.domains.push(Domain {
            is_verified: false,
            ..Domain::managed("unverified.example")
        });
        let initial = directory.domain_mut("contoso.onmicrosoft.com");
        initial.expect("every tenant has one").is_default = false;
        let managed = directory.domain_mut("managed.example");
        managed.expect("it is there").is_default = true;
        directory
            .domains
            .push(Domain::managed("second.onmicrosoft.com"));
    });
    for (domain, word) in [
        ("unverified.example", "not verified"),
        ("managed.example", "default domain"),
        ("contoso.onmicrosoft.com", "onmicrosoft.com"),
        ("second.onmicrosoft.com", "onmicrosoft.com"),
        ("mail.contoso.example", "not a root domain"),
    ] {
        let path = format!("/domains/{domain}/federationConfiguration");
        let body = federation_with("issuerUri", "https://new.example");
        refuses(&mut console, ("POST", &path, &body), BAD, word).await;
        let path = format!("/domains/{domain}");
        let body = json!({ "authenticationType": "Federated" });
        refuses(&mut console, ("PATCH", &path, &body), BAD, word).await;
    }
    let missing = (404, "Request_ResourceNotFound");
    let path = "/domains/nowhere.example/federationConfiguration";
    refuses(
        &mut console,
        ("POST", path, &federation()),
        missing,
        "nowhere.example",
    )
    .await;
}

#[tokio::test]
async fn a_federation_is_looked_at_closely() {
    let pem = String::from_utf8(
        X509::from_der(KEY.certificate().der())
            .expect("it is a certificate")
            .to_pem()
            .expect("it can be written"),
    )
    .expect("it is text");
    let good = oneline(KEY.certificate().der());
    let mut trailing = KEY.certificate().der().to_vec();
    trailing.push(0);
    let lines = good
        .as_bytes()
        .chunks(64)
        .fold(String::new(), |mut lines, line| {
            writeln!(lines, "{}", String::from_utf8_lossy(line)).expect("memory takes it");
            lines
        });
    let certificates = [
        (pem.as_str(), "begin or end"),
        (&lines, "white space"),
        (&format!(" {good}"), "white space"),
        (&oneline(&trailing), "follows the certificate"),
        (&oneline(&elliptic()), "RSA"),
        (&oneline(b"not a certificate"), "X.509"),
        ("%%%", "base64"),
        ("", "X.509"),
    ];
    let addresses = [
        ("http://idp.example/x", "https://"),
        ("ftp://idp.example/x", "https://"),
        ("http://localhost:8080/x", "https://"),
        ("/wsfed/x", "absolute"),
        ("https://idp.example/ x", "absolute"),
        ("https:", "absolute"),
        ("", "absolute"),
    ];
    #[rustfmt::skip]
    let mut bad: Vec<(&str, Value, &str)> = vec![
        ("issuerUri", json!("contoso.example"), "absolute"),
        ("issuerUri", json!(" https://contoso.example"), "absolute"),
        ("issuerUri", json!(""), "absolute"),
        ("issuerUri", Value::Null, "issuerUri"),
        ("issuerUri", json!(7), "string"),
        ("passiveSignInUri", Value::Null, "passiveSignInUri"),
        ("signingCertificate", Value::Null, "signingCertificate"),
        ("federatedIdpMfaBehavior", Value::Null, "FederatedIdpMfaBehavior cannot be empty"),
        ("federatedIdpMfaBehavior", json!("acceptIfMfaDone"), "unknown variant"),
        ("preferredAuthenticationProtocol", json!("samlp"), "unknown variant"),
        ("promptLoginBehavior", json!("NativeSupport"), "unknown variant"),
        ("isSignedAuthenticationRequestRequired", json!("true"), "boolean"),
        ("supportsMfa", json!(true), "supportsMfa"),
    ];
    for name in ["signingCertificate", "nextSigningCertificate"] {
        bad.extend(
            certificates
                .iter()
                .map(|(text, word)| (name, json!(text), *word)),
        );
    }
    for name in [
        "passiveSignInUri",
        "activeSignInUri",
        "metadataExchangeUri",
        "signOutUri",
        "passwordResetUri",
    ] {
        bad.extend(
            addresses
                .iter()
                .map(|(text, word)| (name, json!(text), *word)),
        );
    }

    let mut new = Console::new();
    let mut federated = Console::federated().await;
    let one = federated.the_one().await;
    for (name, value, word) in bad {
        let body = federation_with(name, value.clone());
        refuses(&mut new, ("POST", FEDERATION, &body), BAD, word).await;
        refuses(
            &mut federated,
            ("PATCH", &one, &json!({ name: value })),
            BAD,
            word,
        )
        .await;
    }
}

#[tokio::test]
async fn good_federations_are_taken() {
    for (name, value) in [
        ("issuerUri", json!("urn:uri:contoso.example")),
        (
            "issuerUri",
            json!("http://contoso.example/adfs/services/trust/"),
        ),
        ("preferredAuthenticationProtocol", json!("saml")),
        ("activeSignInUri", Value::Null),
        ("nextSigningCertificate", Value::Null),
        (
            "@odata.type",
            json!("#microsoft.graph.internalDomainFederation"),
        ),
        ("id", json!("6ccb1f5a-0000-0000-0000-000000000000")),
        (
            "signingCertificateUpdateStatus",
            json!({ "certificateUpdateResult": "Success", "lastRunDateTime": null }),
        ),
    ] {
        let mut console = Console::new();
        let body = federation_with(name, value);
        let created = console.post(FEDERATION, &body).await;
        assert_eq!(
            created.status,
            StatusCode::CREATED,
            "{name}: {}",
            created.body
        );
    }
    let mut console = Console::new();
    console.graph().set_habits(Habits {
        http_on_loopback: true,
        ..Habits::default()
    });
    for (address, status) in [
        ("http://localhost.example/", 400),
        ("http://127.0.0.1:8080/", 201),
    ] {
        let body = federation_with("passiveSignInUri", address);
        assert_eq!(
            console.post(FEDERATION, &body).await.status.as_u16(),
            status,
            "{address}"
        );
    }
}

#[tokio::test]
async fn an_issuer_belongs_to_one_domain_of_the_world() {
    let mut console = Console::new();
    console.graph().arrange(|directory| {
        directory.foreign_issuers = vec!["https://taken.example".to_owned()];
    });
    let taken = (409, "Request_MultipleObjectsWithSameKeyValue");
    for issuer in [
        "https://fabrikam.example",
        "https://FABRIKAM.example",
        "https://taken.example",
    ] {
        let body = federation_with("issuerUri", issuer);
        refuses(
            &mut console,
            ("POST", FEDERATION, &body),
            taken,
            "issuerUri",
        )
        .await;
    }
    console.post(FEDERATION, &federation()).await;
    refuses(
        &mut console,
        ("POST", FEDERATION, &federation()),
        BAD,
        "Domain already has Federation Configuration set.",
    )
    .await;
    let one = console.the_one().await;
    let body = json!({ "issuerUri": "https://fabrikam.example" });
    refuses(&mut console, ("PATCH", &one, &body), taken, "issuerUri").await;
    let missing = (404, "Request_ResourceNotFound");
    for method in ["GET", "PATCH", "DELETE"] {
        refuses(
            &mut console,
            (method, &format!("{FEDERATION}/other"), &json!({})),
            missing,
            "other",
        )
        .await;
    }
    let own = json!({ "issuerUri": "https://contoso.example", "id": one.rsplit('/').next() });
    assert_eq!(console.patch(&one, &own).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_domain_takes_few_changes() {
    let mut console = Console::federated().await;
    console.graph().arrange(|directory| {
        directory.domains.push(Domain {
            is_verified: false,
            is_root: false,
            ..Domain::managed("new.contoso.example")
        });
        directory.domains.push(Domain {
            is_root: false,
            ..Domain::managed("corp.contoso.example")
        });
        directory
            .users
            .push(User::new("c@corp.contoso.example", Some("Id-C")));
    });
    for (path, body, word) in [
        (CONTOSO, json!({ "isDefault": true }), "must be Managed"),
        (CONTOSO, json!({ "isVerified": true }), "isVerified"),
        (CONTOSO, json!({ "id": "other.example" }), "id"),
        (
            CONTOSO,
            json!({ "authenticationType": "federated" }),
            "unknown variant",
        ),
        (CONTOSO, json!({ "supportedServices": "Email" }), "sequence"),
        (
            "/domains/managed.example",
            json!({ "authenticationType": "Federated" }),
            "not supported",
        ),
        (
            "/domains/contoso.onmicrosoft.com",
            json!({ "isDefault": false }),
            "one default domain",
        ),
        (
            "/domains/new.contoso.example",
            json!({ "isDefault": true }),
            "not verified",
        ),
        (
            "/domains/mail.contoso.example",
            json!({ "authenticationType": "Managed" }),
            "not a root domain",
        ),
    ] {
        refuses(&mut console, ("PATCH", path, &body), BAD, word).await;
    }
    for (domain, word) in [
        ("new.contoso.example", "Unverified domains"),
        ("corp.contoso.example", "user references"),
        ("contoso.example", "root domain already"),
    ] {
        let path = format!("/domains/{domain}/promote");
        refuses(&mut console, ("POST", &path, &Value::Null), BAD, word).await;
    }
}

#[tokio::test]
async fn an_anchor_follows_rules() {
    let mut console = Console::new();
    console.graph().arrange(|directory| {
        directory.users.push(User {
            on_premises_sync_enabled: true,
            ..User::new("synced@contoso.example", Some("AAECAwQFBgcICQoLDA0ODw=="))
        });
    });
    let alice = "/users/alice@contoso.example";
    let long = "x".repeat(65);
    for (anchor, word) in [
        ("a_b", "_"),
        ("a$b", "$"),
        ("a b", "white space"),
        ("a\n", "white space"),
        ("", "1 to 64"),
        (&long, "1 to 64"),
    ] {
        let body = json!({ "onPremisesImmutableId": anchor });
        refuses(&mut console, ("PATCH", alice, &body), BAD, word).await;
    }
    let body = json!({ "onPremisesImmutableId": "Id-Bob" });
    refuses(
        &mut console,
        ("PATCH", alice, &body),
        BAD,
        "onPremisesImmutableId already exists",
    )
    .await;
    let answer = console.patch(alice, &body).await;
    assert_eq!(
        answer.body["error"]["details"],
        json!([{ "target": "onPremisesImmutableId", "code": "ObjectConflict" }])
    );
    for (body, word) in [
        (
            json!({ "userPrincipalName": "Bob@contoso.example" }),
            "userPrincipalName already exists",
        ),
        (
            json!({ "userPrincipalName": "alice@nowhere.example" }),
            "not a verified domain",
        ),
        (json!({ "userPrincipalName": "alice" }), "name and a domain"),
        (
            json!({ "onPremisesSyncEnabled": true }),
            "onPremisesSyncEnabled",
        ),
        (json!({ "onPremisesImmutableId": 7 }), "wrong type"),
    ] {
        refuses(&mut console, ("PATCH", alice, &body), BAD, word).await;
    }
    let synced = "/users/synced@contoso.example";
    let body = json!({ "onPremisesImmutableId": "other" });
    refuses(
        &mut console,
        ("PATCH", synced, &body),
        BAD,
        "on-premises mastered",
    )
    .await;
    // Whose domain is federated has an anchor.
    let carol = "/users/carol@fabrikam.example";
    refuses(
        &mut console,
        ("PATCH", carol, &json!({ "onPremisesImmutableId": null })),
        BAD,
        "federated domain",
    )
    .await;
    let admin = "/users/admin@contoso.onmicrosoft.com";
    let body = json!({ "userPrincipalName": "admin@fabrikam.example" });
    refuses(&mut console, ("PATCH", admin, &body), BAD, "SourceAnchor").await;
    // As long as allowed, and the same in another case, are good.
    for anchor in ["id-bob", &long[1..]] {
        let body = json!({ "onPremisesImmutableId": anchor });
        assert_eq!(
            console.patch(alice, &body).await.status,
            StatusCode::NO_CONTENT,
            "{anchor}"
        );
    }
}

#[tokio::test]
async fn a_token_opens_what_it_names() {
    let mut console = Console::federated().await;
    let graph = console.graph();
    let admin = |permissions: &[&str]| graph.admin_token(permissions);
    let person = |role, permissions: &[&str]| {
        let holder = Holder::Person {
            upn: "alice@contoso.example".to_owned(),
            roles: Vec::from_iter(role),
        };
        graph.token(holder, permissions)
    };
    let one = console.the_one().await;
    let federated = json!({ "authenticationType": "Federated" });
    let label = json!({ "displayName": "Contoso login" });
    let domain = "Domain.ReadWrite.All";
    let internal = "Domain-InternalFederation.ReadWrite.All";
    let name = json!({ "displayName": "alice" });
    let services = json!({ "supportedServices": ["Email"] });
    #[rustfmt::skip]
    let cases = [
        (admin(&[]), "GET", "/domains", &Value::Null, 403),
        (admin(&["User.Read.All"]), "GET", "/domains", &Value::Null, 403),
        (admin(&["Domain.Read.All"]), "GET", "/domains", &Value::Null, 200),
        (admin(&["Domain.Read.All"]), "PATCH", CONTOSO, &services, 403),
        (admin(&[domain]), "PATCH", CONTOSO, &federated, 403),
        (admin(&[internal]), "PATCH", CONTOSO, &federated, 204),
        (admin(&[internal]), "PATCH", CONTOSO, &services, 403),
        (admin(&[domain]), "PATCH", CONTOSO, &services, 204),
        (admin(&[internal]), "PATCH", &one, &label, 200),
        (admin(&[domain]), "PATCH", &one, &label, 200),
        (admin(&["Domain-InternalFederation.Read.All"]), "GET", FEDERATION, &Value::Null, 200),
        (admin(&["Domain-InternalFederation.Read.All"]), "PATCH", &one, &label, 403),
        (admin(&["Domain.Read.All"]), "POST", FEDERATION, &label, 403),
        (admin(&[internal]), "POST", "/domains/mail.contoso.example/promote", &Value::Null, 403),
        (person(None, &[internal]), "PATCH", &one, &label, 403),
        (person(Some(Role::UserAdministrator), &[internal]), "PATCH", &one, &label, 403),
        (person(Some(Role::HybridIdentityAdministrator), &[internal]), "PATCH", &one, &label, 200),
        (person(Some(Role::HybridIdentityAdministrator), &[internal]), "DELETE", &one, &Value::Null, 403),
        (person(None, &["User.Read"]), "GET", "/me", &Value::Null, 200),
        (person(None, &["User.Read"]), "GET", "/users", &Value::Null, 403),
        (person(None, &["User.ReadWrite.All"]), "PATCH", "/users/alice@contoso.example", &name, 403),
        (admin(&["User.Read.All"]), "PATCH", "/users/alice@contoso.example", &name, 403),
        (admin(&["User.ReadWrite.All"]), "PATCH", "/users/alice@contoso.example", &name, 204),
        (graph.token(Holder::Application, &[internal]), "PATCH", &one, &label, 200),
        (graph.token(Holder::Application, &["User.Read"]), "GET", "/me", &Value::Null, 400),
        (admin(&["User.Read"]), "GET", "/organization", &Value::Null, 200),
        (admin(&["User.Read"]), "GET", "/policies/federatedTokenValidationPolicy", &Value::Null, 403),
        (person(Some(Role::SecurityAdministrator), &[internal]), "DELETE", &one, &Value::Null, 204),
    ];
    for (number, (token, method, path, body, status)) in cases.into_iter().enumerate() {
        console.token = Some(token);
        let answer = console
            .call(method, path, (!body.is_null()).then_some(body))
            .await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "case {number}, {method} {path}: {}",
            answer.body
        );
        if status == 403 {
            assert_eq!(answer.said(), DENIED);
        }
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let mut console = Console::new();
    let good = console.token.take();
    let unauthenticated = (401, "InvalidAuthenticationToken");
    refuses(
        &mut console,
        ("GET", "/domains", &Value::Null),
        unauthenticated,
        "empty",
    )
    .await;
    refuses(
        &mut console,
        ("POST", FEDERATION, &federation()),
        unauthenticated,
        "empty",
    )
    .await;
    let forged = good
        .as_deref()
        .and_then(|token| token.rsplit_once('.'))
        .map(|(claims, _)| format!("{claims}."));
    console.token = forged;
    refuses(
        &mut console,
        ("GET", "/domains", &Value::Null),
        unauthenticated,
        "unknown",
    )
    .await;
    console.token = good;
    assert_eq!(console.get("/domains").await.status, StatusCode::OK);
    console.browser.minutes.store(60, Ordering::Relaxed);
    refuses(
        &mut console,
        ("GET", "/domains", &Value::Null),
        unauthenticated,
        "lifetime",
    )
    .await;
    let journal = console.graph().journal();
    assert!(
        journal
            .iter()
            .filter(|call| call.status == 401)
            .all(|call| call.body.is_none())
    );
}

#[tokio::test]
async fn odd_calls_are_refused() {
    let mut console = Console::new();
    let bad = (400, "BadRequest");
    let query = (400, "Request_UnsupportedQuery");
    let no = (405, "Request_BadRequest");
    for (method, path, said, word) in [
        ("GET", "/domains?$select=id,shoeSize", bad, "'shoeSize'"),
        (
            "GET",
            "/domains?$filter=isVerified eq true",
            query,
            "$select",
        ),
        ("GET", "/domains?$expand=x", query, "$expand"),
        (
            "GET",
            "/domains?$select=id&$select=id",
            bad,
            "more than once",
        ),
        ("GET", "/users?$top=1000", query, "1000"),
        ("GET", "/users?$top=0", query, "between 1 and 999"),
        ("GET", "/users?$filter=shoeSize eq 44", bad, "filter"),
        ("GET", "/users?$skiptoken=x", bad, "$skiptoken"),
        ("GET", "/users?$select=password", bad, "'password'"),
        ("GET", "/groups", bad, "'groups'"),
        ("DELETE", CONTOSO, no, "method"),
        ("PUT", CONTOSO, no, "method"),
        ("DELETE", "/users/alice@contoso.example", no, "method"),
        ("GET", "/domains/contoso.example/promote", no, "method"),
        ("POST", "/me", no, "method"),
    ] {
        let path = path.replace(' ', "%20");
        refuses(&mut console, (method, &path, &json!({})), said, word).await;
    }
    for (content_type, body) in [
        (
            Some("application/x-www-form-urlencoded"),
            federation().to_string(),
        ),
        (None, federation().to_string()),
        (Some("application/json"), "{".to_owned()),
        (Some("application/json"), "[]".to_owned()),
        (Some("application/json"), String::new()),
        (Some("application/json"), "<html>".to_owned()),
    ] {
        let mut request = console.request("POST", FEDERATION);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let answer = console
            .send(request.body(Body::from(body)).expect("it is a request"))
            .await;
        assert_eq!(answer.said(), bad, "{}", answer.body);
    }
    let page = console.browser.get("/graph/beta/domains").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
}

#[test]
fn the_address_of_graph_is_below_the_stand_in() {
    let graph: Graph = Console::new().graph();
    assert_eq!(graph.base_url(), "http://localhost:8081/graph/v1.0");
}

/// A certificate whose key Entra does not take.
fn elliptic() -> Vec<u8> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("the curve is known");
    let key = EcKey::generate(&group)
        .and_then(PKey::from_ec_key)
        .expect("a key can be made");
    let mut certificate = X509::builder().expect("there is memory");
    certificate.set_pubkey(&key).expect("it is a key");
    for (set, days) in [true, false].into_iter().zip([0, 365]) {
        let time = Asn1Time::days_from_now(days).expect("it is a time");
        if set {
            certificate.set_not_before(&time).expect("it is a time");
        } else {
            certificate.set_not_after(&time).expect("it is a time");
        }
    }
    certificate
        .sign(&key, MessageDigest::sha256())
        .expect("it can be signed");
    certificate.build().to_der().expect("it can be written")
}
