//! The eight known ways to wrap a signed response around another one (XSW1 to XSW8), and some more.

use super::response::Scene;
use crate::token::changed;

/// A signed response and an evil twin of its parts.
struct Parts {
    response: String,
    /// The response's own signature, or nothing.
    signature: String,
    /// The signed assertion, its signature, and the assertion without it.
    assertion: String,
    assertion_signature: String,
    bare_assertion: String,
    /// Says that somebody else signed in, and has another ID.
    evil: String,
}

impl Parts {
    fn of(scene: &Scene) -> Self {
        let response = scene.signed();
        let assertion = cut(&response, "<saml:Assertion ", "</saml:Assertion>");
        let assertion_signature = cut(&assertion, "<ds:Signature ", "</ds:Signature>");
        let bare_assertion = assertion.replace(&assertion_signature, "");
        let around = response.replace(&assertion, "");
        let signature = match scene.response_key {
            Some(_) => cut(&around, "<ds:Signature ", "</ds:Signature>"),
            None => String::new(),
        };
        let evil = changed(&bare_assertion, "Id-Erin", "Id-Alice");
        let evil = changed(&evil, "\"_a1\"", "\"_evil\"");
        Self {
            response,
            signature,
            assertion,
            assertion_signature,
            bare_assertion,
            evil,
        }
    }

    /// The response with another assertion in it.
    fn with(&self, assertion: &str) -> String {
        changed(&self.response, &self.assertion, assertion)
    }

    /// The evil response, signed by reference to the original, which hides where `hide` puts it.
    fn evil_response(&self, hide: impl Fn(&str, &str) -> String) -> String {
        let original = self.response.replace(&self.signature, "");
        let evil = changed(&self.with(&self.evil), "\"_r1\"", "\"_evil_r\"");
        // The reference still means the original.
        let evil = evil.replace("#_evil_r", "#_r1");
        let signature = cut(&evil, "<ds:Signature ", "</ds:Signature>");
        changed(&evil, &signature, &hide(&signature, &original))
    }
}

/// From `start` to `end`, both included.
fn cut(text: &str, start: &str, end: &str) -> String {
    let from = text.find(start).expect("it begins");
    let to = text[from..].find(end).expect("it ends") + from + end.len();
    text[from..to].to_owned()
}

fn into_object(signature: &str, hidden: &str) -> String {
    let object = format!("<ds:Object>{hidden}</ds:Object></ds:Signature>");
    signature.replace("</ds:Signature>", &object)
}

fn behind_issuer(assertion: &str, inserted: &str) -> String {
    assertion.replacen("</saml:Issuer>", &format!("</saml:Issuer>{inserted}"), 1)
}

fn into(assertion: &str, inserted: &str) -> String {
    assertion.replace("</saml:Assertion>", &format!("{inserted}</saml:Assertion>"))
}

fn wrapped_responses(parts: &Parts) -> Vec<(&'static str, String)> {
    if parts.signature.is_empty() {
        return Vec::new();
    }
    vec![
        ("XSW1", parts.evil_response(into_object)),
        (
            "XSW2",
            parts.evil_response(|signature, original| format!("{original}{signature}")),
        ),
        (
            "XSW2, behind",
            parts.evil_response(|signature, original| format!("{signature}{original}")),
        ),
    ]
}

fn wrapped_assertions(parts: &Parts) -> Vec<(&'static str, String)> {
    let Parts {
        assertion,
        assertion_signature: signature,
        bare_assertion: bare,
        evil,
        ..
    } = parts;
    let extensions = |inside: &str| format!("<samlp:Extensions>{inside}</samlp:Extensions>");
    let evil_with = |inside: &str| behind_issuer(evil, inside);
    vec![
        ("XSW3", parts.with(&format!("{evil}{assertion}"))),
        ("XSW3, behind", parts.with(&format!("{assertion}{evil}"))),
        ("XSW4", parts.with(&into(evil, assertion))),
        (
            "XSW5",
            parts.with(&format!("{}{bare}", evil_with(signature))),
        ),
        (
            "XSW6",
            parts.with(&evil_with(&into_object(signature, bare))),
        ),
        (
            "XSW7",
            parts.with(&format!("{}{assertion}", extensions(evil))),
        ),
        (
            "XSW7, turned",
            parts.with(&format!("{}{evil}", extensions(assertion))),
        ),
        (
            "XSW8",
            parts.with(&behind_issuer(bare, &into_object(signature, evil))),
        ),
        (
            "the signature alone moves",
            parts.with(&evil_with(signature)),
        ),
        (
            "the same ID twice",
            parts.with(&format!(
                "{}{assertion}",
                evil.replace("\"_evil\"", "\"_a1\"")
            )),
        ),
        (
            "another case of the ID",
            parts.with(&evil_with(signature).replace(" ID=\"_evil\"", " ID=\"_evil\" Id=\"_a1\"")),
        ),
        (
            "a name of another namespace",
            parts.with(&format!(
                "{}<x:Assertion xmlns:x=\"urn:x\">{}</x:Assertion>",
                evil_with(signature),
                bare.replace("saml:Assertion", "saml:Assertion1")
            )),
        ),
    ]
}

#[test]
fn a_response_wrapped_around_a_signed_one_signs_nobody_in() {
    for mut scene in [Scene::new(), Scene::signed_twice()] {
        let parts = Parts::of(&scene);
        assert!(scene.accept_response(&parts.response).signed_in.is_some());
        let mut scene = if parts.signature.is_empty() {
            Scene::new()
        } else {
            Scene::signed_twice()
        };
        for (name, wrapped) in wrapped_assertions(&parts)
            .into_iter()
            .chain(wrapped_responses(&parts))
        {
            assert!(wrapped.contains("Id-Alice"), "{name} is harmless");
            assert!(
                roxmltree::Document::parse(&wrapped).is_ok(),
                "{name} is not XML: {wrapped}"
            );
            let verdict = scene.accept_response(&wrapped);
            assert!(verdict.signed_in.is_none(), "{name}: {wrapped}");
            let (check, _, why) = verdict.failed().expect("something failed");
            assert!(
                (9..=26).contains(&check.number),
                "{name}: {} {why}",
                check.number
            );
        }
    }
}
