//! A good response passes every check, and a response spoilt in one way fails the check for just that.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::TimeDelta;
use entra::Protocol;
use entra::checks::{Lead, Outcome, lead, rules};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use proptest::prelude::*;

use super::changes;
use super::response::{Scene, body};
use crate::judged::{refuses, warns};
use crate::token::{FOREIGN_KEY, KEY, NEXT_KEY, OLD_KEY, changed, now};

#[track_caller]
fn passes_all(verdict: &entra::Verdict) {
    for check in &verdict.checks {
        let (number, title) = (check.number, check.title);
        assert_eq!(check.outcome, Outcome::Passed, "{number} {title}");
    }
    assert!(verdict.signed_in.is_some());
}

#[test]
fn a_good_response_passes_every_check() {
    let verdict = Scene::new().verdict();
    passes_all(&verdict);
    let person = verdict.signed_in.expect("somebody is signed in");
    assert_eq!(person.upn, "erin@saml.example");
    assert_eq!(person.immutable_id, "Id-Erin");
    assert_eq!(person.domain, "saml.example");
    assert_eq!(person.session_index.as_deref(), Some("_s1"));
    assert_eq!(
        person.method,
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    );
    assert_eq!(
        person.authentication_instant,
        now() - TimeDelta::seconds(30)
    );
    let thumbprint = KEY.certificate().thumbprint();
    assert_eq!(person.certificate_thumbprint, thumbprint);
    assert_eq!(person.claims.len(), 1);
    assert!(!person.mfa);
}

#[test]
fn a_response_may_be_signed_like_its_assertion_and_with_either_certificate() {
    let (first, next): (_, &'static crypto::certificate::SigningKey) = (&*KEY, &NEXT_KEY);
    for (key, response_key) in [
        (first, Some(first)),
        (next, None),
        (next, Some(first)),
        (first, Some(next)),
    ] {
        let mut scene = Scene::new();
        (scene.key, scene.response_key) = (key, response_key);
        passes_all(&scene.verdict());
    }
}

#[test]
fn a_response_need_not_name_its_issuer() {
    let mut scene = Scene::new();
    scene.write(
        "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://saml.example</saml:Issuer>",
        "",
    );
    passes_all(&scene.verdict());
}

#[test]
fn a_form_that_was_changed_fails_its_check() {
    for (number, code, from, to) in changes::FORM {
        let mut scene = Scene::new();
        let body = changed(&scene.body(&scene.signed()), from, to);
        refuses(*number, *code, to, &scene.accept(&body));
    }
}

#[test]
fn a_response_that_was_changed_fails_its_check() {
    for (number, code, from, to) in changes::MESSAGE.iter().chain(changes::SIGNATURE) {
        let mut scene = Scene::new();
        let response = changed(&scene.signed(), from, to);
        refuses(*number, *code, to, &scene.accept_response(&response));
    }
}

#[test]
fn a_signed_response_that_was_changed_fails_the_check_of_its_signature() {
    for (number, code, from, to) in changes::RESPONSE_SIGNATURE {
        let mut scene = Scene::signed_twice();
        let response = changed(&scene.signed(), from, to);
        refuses(*number, *code, to, &scene.accept_response(&response));
    }
    let mut scene = Scene::signed_twice();
    scene.response_key = Some(&FOREIGN_KEY);
    refuses(26, 5_000_811, "a foreign key", &scene.verdict());
}

#[test]
fn a_wrong_response_that_is_well_signed_fails_its_check() {
    for (number, code, from, to) in changes::SIGNED {
        for mut scene in [Scene::new(), Scene::signed_twice()] {
            scene.write(from, to);
            refuses(*number, *code, to, &scene.verdict());
        }
    }
}

#[test]
fn every_check_is_spoilt_by_some_test() {
    let tables = [
        changes::FORM,
        changes::MESSAGE,
        changes::SIGNATURE,
        changes::RESPONSE_SIGNATURE,
        changes::SIGNED,
    ];
    let in_tables: Vec<u8> = tables.concat().iter().map(|change| change.0).collect();
    let in_tests_of_their_own = [3, 35, 42, 43];
    let (warning, failing): (Vec<_>, Vec<_>) = rules(Protocol::Saml)
        .iter()
        .partition(|rule| rule.raises.is_empty());
    for number in failing.iter().map(|rule| rule.number) {
        assert!(
            in_tables.contains(&number) || in_tests_of_their_own.contains(&number),
            "{number}"
        );
    }
    let warning: Vec<u8> = warning.iter().map(|rule| rule.number).collect();
    assert_eq!(warning, [17, 24, 25, 33, 41]);
}

#[test]
fn a_saml_response_for_a_ws_federation_domain_speaks_the_wrong_protocol() {
    let mut scene = Scene::new();
    scene.asked().domain = "contoso.example".to_owned();
    refuses(3, 20012, "a WS-Federation domain", &scene.verdict());
}

#[test]
fn an_answer_that_comes_too_late_finds_its_request_expired() {
    let mut scene = Scene::new();
    scene.asked().started_at = now() - TimeDelta::minutes(61);
    refuses(4, 50089, "an old request", &scene.verdict());
}

#[test]
fn an_assertion_that_the_response_does_not_make_is_none_of_its() {
    let mut scene = Scene::new();
    let signed = changed(&scene.signed(), "<saml:Assertion ", "<x><saml:Assertion ");
    let hidden = changed(&signed, "</saml:Assertion>", "</saml:Assertion></x>");
    refuses(18, 50008, "hidden", &scene.accept_response(&hidden));
}

#[test]
fn a_compressed_message_is_told_where_it_belongs() {
    let mut scene = Scene::new();
    let mut deflated = Vec::new();
    let mut encoder =
        flate2::write::DeflateEncoder::new(&mut deflated, flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, scene.signed().as_bytes()).expect("memory takes it");
    drop(encoder);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("SAMLResponse", &BASE64.encode(deflated));
    form.append_pair("RelayState", &scene.asked().context);
    let verdict = scene.accept(&form.finish());
    refuses(6, 75001, "deflated", &verdict);
    let (_, _, why) = verdict.failed().expect("it failed");
    assert!(why.contains("compressed"), "{why}");
}

#[test]
fn a_refusal_says_what_the_identity_provider_answered() {
    let mut scene = Scene::new();
    scene.write("</samlp:StatusCode></samlp:Status>", "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:NoPassive\"></samlp:StatusCode></samlp:StatusCode><samlp:StatusMessage>Sign in first</samlp:StatusMessage></samlp:Status>");
    scene.write("status:Success", "status:Responder");
    let verdict = scene.verdict();
    let (_, _, why) = verdict.failed().expect("it failed");
    assert!(why.contains("Responder, NoPassive: Sign in first"), "{why}");
}

#[test]
fn an_answer_above_the_size_limit_is_not_parsed() {
    let mut scene = Scene::new();
    scene.write("erin@saml.example", &"a".repeat(300_000));
    refuses(7, 75001, "300 kB", &scene.verdict());
}

#[test]
fn a_foreign_key_is_told_by_its_certificate() {
    let mut scene = Scene::new();
    scene.key = &FOREIGN_KEY;
    refuses(23, 5_000_811, "a foreign key", &scene.verdict());

    let [foreign, ours] = [&FOREIGN_KEY, &KEY].map(|key| key.certificate().base64());
    let disguised = changed(&scene.signed(), foreign, ours);
    let verdict = scene.accept_response(&disguised);
    refuses(23, 50006, "a foreign key in disguise", &verdict);
}

#[test]
fn an_answer_to_nothing_is_taken_from_the_identity_provider() {
    let mut scene = Scene::unsolicited();
    passes_all(&scene.verdict());

    // A portal's tile may lead somewhere.
    let mut scene = Scene::unsolicited();
    let body = body(&scene.signed(), Some("https://portal.example/?a=1"));
    passes_all(&scene.accept(&body));

    // Nor does it matter that it claims a request, as some tools do.
    let mut scene = Scene::new();
    scene.outstanding = None;
    warns(11, &scene.verdict());
}

#[test]
fn an_answer_to_nothing_must_not_carry_what_belonged_to_a_request() {
    let mut scene = Scene::unsolicited();
    let body = body(&scene.signed(), Some("LoginOptions=3&estsrequest=lost"));
    refuses(4, 50089, "a lost RelayState", &scene.accept(&body));
}

#[test]
fn an_answer_to_nothing_that_is_confirmed_for_a_request_is_refused() {
    let mut scene = Scene::unsolicited();
    scene.write(
        "<saml:SubjectConfirmationData",
        "<saml:SubjectConfirmationData InResponseTo=\"_q1\"",
    );
    refuses(30, 50008, "a stolen answer", &scene.verdict());
}

#[test]
fn a_request_is_answered_once() {
    let mut scene = Scene::new();
    passes_all(&scene.verdict());
    scene.write("ID=\"_a1\"", "ID=\"_a2\"");
    refuses(11, 50013, "a second answer", &scene.verdict());
}

#[test]
fn an_assertion_signs_in_once() {
    let mut scene = Scene::unsolicited();
    passes_all(&scene.verdict());
    refuses(35, 50013, "the same again", &scene.verdict());
}

#[test]
fn a_refused_answer_uses_nothing_up() {
    let mut scene = Scene::new();
    let erin = |user: &&mut entra::User| user.immutable_id == "Id-Erin";
    for enabled in [false, true] {
        let user = scene.tenant.users.iter_mut().find(erin);
        user.expect("she is there").enabled = enabled;
        let verdict = scene.verdict();
        assert_eq!(verdict.signed_in.is_some(), enabled);
    }
}

#[test]
fn an_old_authentication_does_not_answer_a_fresh_request() {
    let mut scene = Scene::new();
    scene.asked().fresh = true;
    scene.asked().started_at = now() - TimeDelta::seconds(29);
    refuses(43, 50173, "authenticated before", &scene.verdict());
    scene.asked().started_at = now() - TimeDelta::milliseconds(29_500);
    passes_all(&scene.verdict());
}

const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
const MULTI_FACTOR: &str = "http://schemas.microsoft.com/claims/multipleauthn";

#[test]
fn a_second_factor_shows_in_the_class_alone() {
    let mut scene = Scene::new();
    scene.asked().mfa = true;
    scene.write(PASSWORD, MULTI_FACTOR);
    let verdict = scene.verdict();
    passes_all(&verdict);
    assert!(verdict.signed_in.is_some_and(|person| person.mfa));

    let mut scene = Scene::new();
    scene.asked().mfa = true;
    refuses(42, 50158, "one factor", &scene.verdict());

    for (name, value) in [
        (
            "http://schemas.microsoft.com/claims/authnmethodsreferences",
            MULTI_FACTOR,
        ),
        (MULTI_FACTOR, "true"),
    ] {
        let attribute = format!(
            "<saml:Attribute Name=\"{name}\"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"
        );
        let mut scene = Scene::new();
        scene.write("</saml:AttributeStatement>", &attribute);
        let verdict = scene.verdict();
        warns(41, &verdict);
        assert!(verdict.signed_in.is_some_and(|person| !person.mfa));
        let mut scene = Scene::new();
        scene.asked().mfa = true;
        scene.write("</saml:AttributeStatement>", &attribute);
        assert_eq!(scene.verdict().code(), Some(50158), "{name}");
    }

    // What WS-Federation takes for a second factor is none here.
    let mut scene = Scene::new();
    scene.write(
        PASSWORD,
        "http://schemas.microsoft.com/claims/wiaormultiauthn",
    );
    assert!(scene.verdict().signed_in.is_some_and(|person| !person.mfa));
}

#[test]
fn what_entra_lets_pass_is_pointed_out() {
    let mut scene = Scene::new();
    scene.asked().domain = "second.example".to_owned();
    warns(17, &scene.verdict());

    let mut scene = Scene::new();
    let broken = changed(
        &scene.signed(),
        "<ds:SignatureValue>",
        "<ds:SignatureValue>&#13;\n",
    );
    warns(24, &scene.accept_response(&broken));

    let mut scene = Scene::new();
    scene.key = &OLD_KEY;
    let domains = &mut scene.tenant.domains;
    let domain = domains
        .iter_mut()
        .find(|domain| domain.name == "saml.example");
    let federation = domain.and_then(|domain| domain.federation.as_mut());
    federation.expect("it is federated").signing_certificate = OLD_KEY.certificate().der().to_vec();
    warns(25, &scene.verdict());

    for (from, to) in [
        ("Name=\"IDPEmail\"", "Name=\"idpemail\""),
        (">erin@saml.example<", ">erin<"),
        (">erin@saml.example<", ">erin.new@saml.example<"),
        (
            "</saml:AttributeValue>",
            "</saml:AttributeValue><saml:AttributeValue>x@saml.example</saml:AttributeValue>",
        ),
    ] {
        let mut scene = Scene::new();
        scene.write(from, to);
        warns(33, &scene.verdict());
    }
}

#[test]
fn a_name_is_read_whole_whatever_stands_in_it() {
    // Canonical XML drops comments, so one can be added after signing without breaking the signature.
    let mut scene = Scene::new();
    let response = changed(&scene.signed(), "Id-Erin", "Id-<!-- -->Erin");
    let person = scene.accept_response(&response).signed_in;
    assert_eq!(person.expect("she is signed in").immutable_id, "Id-Erin");

    // CDATA is written out as text, so the signature cannot tell it from text either.
    let mut scene = Scene::new();
    let response = changed(&scene.signed(), "Id-Erin", "<![CDATA[Id-]]>Erin");
    let person = scene.accept_response(&response).signed_in;
    assert_eq!(person.expect("she is signed in").immutable_id, "Id-Erin");

    let mut scene = Scene::new();
    let response = changed(&scene.signed(), "Id-Erin", "Id-<?x?>Erin");
    refuses(
        23,
        50006,
        "an instruction",
        &scene.accept_response(&response),
    );
}

/// Our own signer lists no prefixes, others do (xml-exc-c14n §3).
#[test]
fn a_signature_may_list_inclusive_namespaces() {
    let mut scene = Scene::new();
    let signed = scene.signed();
    let method = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">";
    let list = "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"saml\"></ec:InclusiveNamespaces>";
    let signed = changed(&signed, method, &format!("{method}{list}"));
    let (before, rest) = signed.split_once("<ds:SignedInfo>").expect("it is signed");
    let (info, rest) = rest.split_once("</ds:SignedInfo>").expect("it ends");
    let (_, after) = rest.split_once("</ds:SignatureValue>").expect("it ends");
    let canonical = format!(
        "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{info}</ds:SignedInfo>"
    );
    let key = PKey::private_key_from_pkcs8(&KEY.private_key_der()).expect("it is PKCS#8");
    let value = Signer::new(MessageDigest::sha256(), &key)
        .and_then(|mut signer| signer.sign_oneshot_to_vec(canonical.as_bytes()))
        .map(|value| BASE64.encode(value))
        .expect("it signs");
    let response = format!(
        "{before}<ds:SignedInfo>{info}</ds:SignedInfo><ds:SignatureValue>{value}</ds:SignatureValue>{after}"
    );
    passes_all(&scene.accept_response(&response));
}

#[test]
fn an_answer_says_by_two_ways_which_request_it_belongs_to() {
    let scene = Scene::new();
    let whole = lead(body(&scene.signed(), Some("context")).as_bytes());
    let expected = Lead {
        context: Some("context".to_owned()),
        request_id: Some("_q1".to_owned()),
    };
    assert_eq!(whole, expected);
    assert_eq!(lead(b"SAMLResponse=x&RelayState=%ff"), Lead::default());
    assert_eq!(
        lead(b"wresult=x&wctx=c").context.as_deref(),
        Some("c"),
        "WS-Federation has one way"
    );
}

proptest! {
    #[test]
    fn no_body_brings_the_checks_down(body in "(SAMLResponse=|RelayState=|&|PHNhbWxw|%[0-9a-f]{2}|<|>|[ -~]){0,64}") {
        prop_assert!(Scene::new().accept(&body).signed_in.is_none());
    }

    #[test]
    fn a_changed_byte_never_makes_another_person(at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let mut response = SIGNED.clone().into_bytes();
        let at = at.index(response.len());
        response[at] = byte;
        let response = String::from_utf8(response).expect("it is ASCII");
        let verdict = Scene::new().accept_response(&response);
        let good = Scene::new().verdict().signed_in;
        prop_assert!(verdict.signed_in.is_none() || verdict.signed_in == good);
    }
}

static SIGNED: LazyLock<String> = LazyLock::new(|| Scene::new().signed());
