//! A good token passes every check, and a token spoilt in one way fails the check for just that.

use crate::changes;
use crate::judged::{refuses, warns};
use crate::token::{FOREIGN_KEY, KEY, NEXT_KEY, OLD_KEY, Scene, body, changed, now};
use chrono::TimeDelta;
use entra::Protocol;
use entra::checks::{Outcome, rules};
use proptest::prelude::*;

#[test]
fn a_good_token_passes_every_check() {
    let verdict = Scene::new().verdict();
    for check in &verdict.checks {
        assert_eq!(
            check.outcome,
            Outcome::Passed,
            "{} {}",
            check.number,
            check.title
        );
    }
    let person = verdict.signed_in.expect("somebody is signed in");
    assert_eq!(person.upn, "alice@contoso.example");
    assert_eq!(person.immutable_id, "Id-Alice");
    assert_eq!(person.domain, "contoso.example");
    assert_eq!(person.method, "urn:oasis:names:tc:SAML:1.0:am:password");
    assert_eq!(
        person.authentication_instant,
        now() - TimeDelta::seconds(30)
    );
    assert_eq!(
        person.certificate_thumbprint,
        KEY.certificate().thumbprint()
    );
    assert_eq!(person.claims.len(), 2);
    assert!(!person.mfa);
}

#[test]
fn a_token_signed_with_the_next_certificate_is_as_good() {
    let mut scene = Scene::new();
    scene.key = &NEXT_KEY;
    let person = scene.verdict().signed_in.expect("somebody is signed in");
    assert_eq!(
        person.certificate_thumbprint,
        NEXT_KEY.certificate().thumbprint()
    );
}

#[test]
fn a_form_that_was_changed_fails_its_check() {
    for (number, code, from, to) in changes::FORM {
        let mut scene = Scene::new();
        let body = changed(&scene.body(&scene.wresult()), from, to);
        refuses(*number, *code, to, &scene.accept(&body));
    }
}

#[test]
fn a_response_that_was_changed_fails_its_check() {
    for (number, code, from, to) in changes::MESSAGE.iter().chain(changes::SIGNATURE) {
        let mut scene = Scene::new();
        let body = scene.body(&changed(&scene.wresult(), from, to));
        refuses(*number, *code, to, &scene.accept(&body));
    }
}

#[test]
fn a_wrong_assertion_that_is_well_signed_fails_its_check() {
    for (number, code, from, to) in changes::ASSERTION {
        let mut scene = Scene::new();
        scene.write(from, to);
        refuses(*number, *code, to, &scene.verdict());
    }
}

#[test]
fn an_empty_form_has_no_answer() {
    refuses(2, 90014, "an empty body", &Scene::new().accept(""));
}

#[test]
fn a_wresult_for_a_saml_domain_speaks_the_wrong_protocol() {
    let mut scene = Scene::new();
    scene.outstanding.as_mut().expect("there is one").domain = "saml.example".to_owned();
    refuses(3, 7_500_514, "a SAML domain", &scene.verdict());
}

#[test]
fn an_answer_to_nothing_is_refused() {
    let mut scene = Scene::new();
    let body = scene.body(&scene.wresult());
    scene.outstanding = None;
    refuses(4, 20001, "no request", &scene.accept(&body));
}

#[test]
fn an_answer_that_comes_too_late_finds_its_request_expired() {
    let mut scene = Scene::new();
    scene.outstanding.as_mut().expect("there is one").started_at = now() - TimeDelta::minutes(61);
    refuses(4, 50089, "an old request", &scene.verdict());
}

#[test]
fn an_answer_above_the_size_limit_is_not_parsed() {
    let mut scene = Scene::new();
    scene.write("alice@contoso.example", &"a".repeat(300_000));
    refuses(7, 20012, "300 kB", &scene.verdict());
}

#[test]
fn a_foreign_key_is_told_by_its_certificate() {
    let mut scene = Scene::new();
    scene.key = &FOREIGN_KEY;
    refuses(23, 5_000_811, "a foreign key", &scene.verdict());

    // The certificate of the domain beside a signature by somebody else must not help.
    let (foreign, ours) = (
        FOREIGN_KEY.certificate().base64(),
        KEY.certificate().base64(),
    );
    let body = scene.body(&changed(&scene.wresult(), foreign, ours));
    refuses(23, 50006, "a foreign key in disguise", &scene.accept(&body));
}

#[test]
fn a_certificate_that_cannot_be_read_verifies_nothing() {
    let mut scene = Scene::new();
    let federation = scene.tenant.domains[0]
        .federation
        .as_mut()
        .expect("it is federated");
    federation.signing_certificate = b"-----BEGIN CERTIFICATE-----".to_vec();
    refuses(23, 50017, "PEM", &scene.verdict());
}

#[test]
fn an_assertion_signs_in_once() {
    let mut scene = Scene::new();
    assert_eq!(scene.verdict().code(), None);
    refuses(35, 50013, "the same again", &scene.verdict());
}

#[test]
fn a_refused_assertion_is_not_used_up() {
    let mut scene = Scene::new();
    scene.tenant.users[0].enabled = false;
    refuses(38, 50057, "disabled", &scene.verdict());
    scene.tenant.users[0].enabled = true;
    assert_eq!(scene.verdict().code(), None);
}

#[test]
fn an_old_authentication_does_not_answer_a_fresh_request() {
    let mut scene = Scene::new();
    let outstanding = scene.outstanding.as_mut().expect("there is one");
    outstanding.fresh = true;
    outstanding.started_at = now() - TimeDelta::seconds(29);
    refuses(
        43,
        50173,
        "authenticated before it was asked",
        &scene.verdict(),
    );

    let outstanding = scene.outstanding.as_mut().expect("there is one");
    outstanding.started_at = now() - TimeDelta::milliseconds(29_500);
    assert_eq!(
        scene.verdict().code(),
        None,
        "whole seconds are exact enough"
    );
}

#[test]
fn one_factor_does_not_answer_a_request_for_two() {
    let mut scene = Scene::new();
    scene.outstanding.as_mut().expect("there is one").mfa = true;
    refuses(42, 50158, "no second factor", &scene.verdict());
}

#[test]
fn a_second_factor_shows_in_the_method_or_in_an_attribute() {
    let methods = r#"<saml:Attribute AttributeName="authnmethodsreferences" AttributeNamespace="http://schemas.microsoft.com/claims"><saml:AttributeValue>urn:oasis:names:tc:SAML:1.0:am:password</saml:AttributeValue><saml:AttributeValue>http://schemas.microsoft.com/claims/multipleauthn</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#;
    let changes = [
        (
            "AuthenticationMethod=\"urn:oasis:names:tc:SAML:1.0:am:password\"",
            "AuthenticationMethod=\"http://schemas.microsoft.com/claims/multipleauthn\"",
        ),
        ("</saml:AttributeStatement>", methods),
    ];
    for (from, to) in changes {
        let mut scene = Scene::new();
        scene.outstanding.as_mut().expect("there is one").mfa = true;
        scene.write(from, to);
        assert!(
            scene.verdict().signed_in.is_some_and(|person| person.mfa),
            "{to}"
        );
    }
}

#[test]
fn what_entra_lets_pass_is_pointed_out() {
    let mut scene = Scene::new();
    scene.outstanding.as_mut().expect("there is one").domain = "fabrikam.example".to_owned();
    warns(17, &scene.verdict());

    for element in ["<ds:SignatureValue>", "<ds:X509Certificate>"] {
        let mut scene = Scene::new();
        let wresult = changed(&scene.wresult(), element, &format!("{element}&#13;\n"));
        let body = scene.body(&wresult);
        warns(24, &scene.accept(&body));
    }

    let mut scene = Scene::new();
    scene.key = &OLD_KEY;
    let federation = scene.tenant.domains[0]
        .federation
        .as_mut()
        .expect("it is federated");
    federation.signing_certificate = OLD_KEY.certificate().der().to_vec();
    warns(25, &scene.verdict());

    for (from, to) in [
        ("AttributeName=\"UPN\"", "AttributeName=\"Upn\""),
        (">alice@contoso.example<", ">alice<"),
        (">alice@contoso.example<", ">alice.new@contoso.example<"),
    ] {
        let mut scene = Scene::new();
        scene.write(from, to);
        warns(33, &scene.verdict());
    }
}

#[test]
fn every_check_is_spoilt_by_some_test() {
    let tables = [
        changes::FORM,
        changes::MESSAGE,
        changes::SIGNATURE,
        changes::ASSERTION,
    ];
    let in_tables: Vec<u8> = tables.concat().iter().map(|change| change.0).collect();
    let in_tests_of_their_own = [3, 35, 42, 43];
    for rule in rules(Protocol::WsFed)
        .iter()
        .filter(|rule| !rule.raises.is_empty())
    {
        let number = rule.number;
        assert!(
            in_tables.contains(&number) || in_tests_of_their_own.contains(&number),
            "{number}"
        );
    }
    let warning: Vec<u8> = rules(Protocol::WsFed)
        .iter()
        .filter(|rule| rule.raises.is_empty())
        .map(|rule| rule.number)
        .collect();
    assert_eq!(warning, [17, 24, 25, 33]);
}

#[test]
fn a_comment_in_a_name_does_not_cut_it_short() {
    // Canonical XML drops comments, so one can be added after signing without breaking the signature.
    let mut scene = Scene::new();
    let body = scene.body(&changed(&scene.wresult(), "Id-Alice", "Id-<!-- -->Alice"));
    assert_eq!(
        scene
            .accept(&body)
            .signed_in
            .map(|person| person.immutable_id)
            .as_deref(),
        Some("Id-Alice")
    );
}

#[test]
fn an_assertion_wrapped_around_a_signed_one_is_refused() {
    let mut scene = Scene::new();
    let signed = scene.wresult();
    let (before, rest) = signed.split_once("<saml:Assertion ").expect("it is there");
    let (assertion, after) = rest.split_once("</saml:Assertion>").expect("it is there");
    let assertion = format!("<saml:Assertion {assertion}</saml:Assertion>");
    let evil = changed(&assertion, "Id-Alice", "Id-Carol");
    for wrapped in [
        format!("{before}{evil}{assertion}{after}"),
        format!(
            "{before}{}{after}",
            changed(
                &evil,
                "</saml:Assertion>",
                &format!("{assertion}</saml:Assertion>")
            )
        ),
        format!("{before}{evil}{after}{assertion}"),
        format!("{before}{evil}<x>{assertion}</x>{after}"),
    ] {
        let body = scene.body(&wrapped);
        assert!(scene.accept(&body).signed_in.is_none(), "{wrapped}");
    }
}

proptest! {
    #[test]
    fn no_body_brings_the_checks_down(body in "(wa=|wresult=|wctx=|&|%[0-9a-f]{2}|<|>|[ -~]){0,64}") {
        prop_assert!(Scene::new().accept(&body).signed_in.is_none());
    }

    #[test]
    fn a_changed_byte_never_makes_another_person(at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let mut scene = Scene::new();
        let mut wresult = SIGNED.clone().into_bytes();
        let at = at.index(wresult.len());
        wresult[at] = byte;
        let wresult = String::from_utf8(wresult).expect("it is ASCII");
        let verdict = scene.accept(&body(&wresult, &crate::token::outstanding().context));
        let good = Scene::new().accept(&body(&SIGNED, &crate::token::outstanding().context)).signed_in;
        prop_assert!(verdict.signed_in.is_none() || verdict.signed_in == good);
    }
}

static SIGNED: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| Scene::new().wresult());
