//! Signature wrapping of what service providers send: SAML 2.0 requests for sign-on and for logout.
//!
//! The variants are made from a good request. Each of them would deceive a verifier that looks for the reference's
//! target anywhere in the document, and a reader that then looks for the request by its name or takes the root.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_crypto::{
    exclusive_c14n::canonicalize,
    xml_signature::{Algorithm, NotVerified, sign, signature_of, verify},
};
use openssl::sha::sha256;
use roxmltree::Node;

use crate::fixture::{ALICE, parse, root, trusted};

const AUTHN_REQUEST: &str = r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" AssertionConsumerServiceURL="https://good.example/acs" Destination="https://idp.example/saml2/wiki" ID="_good" IssueInstant="2026-11-20T12:00:00Z" Version="2.0"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://good.example/sp</saml:Issuer><samlp:NameIDPolicy AllowCreate="true" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"></samlp:NameIDPolicy></samlp:AuthnRequest>"#;

const LOGOUT_REQUEST: &str = r#"<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="https://idp.example/saml2/wiki/slo" ID="_good" IssueInstant="2026-11-20T12:00:00Z" Version="2.0"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://good.example/sp</saml:Issuer><saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">alice@good.example</saml:NameID><samlp:SessionIndex>_session</samlp:SessionIndex></samlp:LogoutRequest>"#;

#[test]
fn a_good_request_is_believed() {
    for request in requests() {
        assert_eq!(root(&request.signed), Ok(()), "{}", request.signed);
    }
}

#[test]
fn a_wrapped_request_is_never_believed() {
    for request in requests() {
        for (variant, attack) in request.wrapped() {
            let document = parse(&attack);
            assert!(attack.contains("evil.example"), "{variant}");
            assert!(deceives(document.root_element()), "{variant}: {attack}");

            let refused = root(&attack).expect_err(variant);
            // Not because the document is damaged: for what is wrong with it.
            assert!(
                matches!(
                    refused,
                    NotVerified::NoSignature
                        | NotVerified::Reference { .. }
                        | NotVerified::DuplicateId { .. }
                        | NotVerified::Malformed(_)
                ),
                "{variant}: {refused:?}"
            );
            // Whichever element a caller picks, only what was signed is believed.
            for element in document.descendants().filter(Node::is_element) {
                if let Ok(verified) = verify(element, &trusted()) {
                    let element = verified.element();
                    let believed = canonicalize(element, signature_of(element), &[]);
                    assert_eq!(believed, request.bare, "{variant}");
                }
            }
        }
    }
}

/// A good request, and its likeness that nobody signed.
struct Request {
    bare: String,
    signature: String,
    signed: String,
    evil: String,
}

fn requests() -> [Request; 2] {
    [AUTHN_REQUEST, LOGOUT_REQUEST].map(|bare| {
        let at = behind_issuer(bare);
        let signed = sign(bare, "_good", at, &ALICE, Algorithm::default()).expect("id and place");
        Request {
            signature: signed[at..][..signed.len() - bare.len()].to_owned(),
            signed,
            evil: bare
                .replace("good.example", "evil.example")
                .replace("_good", "_evil"),
            bare: bare.to_owned(),
        }
    })
}

impl Request {
    /// XSW1 to XSW8 of "On Breaking SAML: Be Whoever You Want to Be" (USENIX Security 2012) and their neighbours.
    fn wrapped(&self) -> Vec<(&'static str, String)> {
        let Self {
            bare,
            signature,
            signed,
            evil,
        } = self;
        let twin = evil.replace("_evil", "_good");
        vec![
            (
                "XSW1: the original in the signature of an evil one",
                inserted(evil, &appended(signature, bare)),
            ),
            (
                "XSW2: the original behind the signature in an evil one",
                inserted(evil, &[signature.as_str(), bare].concat()),
            ),
            (
                "XSW2: the original ahead of the signature in an evil one",
                inserted(evil, &[bare.as_str(), signature].concat()),
            ),
            (
                "XSW3: an evil one ahead of the original",
                around(&[evil, signed]),
            ),
            (
                "XSW3: an evil one behind the original",
                around(&[signed, evil]),
            ),
            (
                "XSW4: the original as the first in an evil one",
                inserted(evil, signed),
            ),
            (
                "XSW4: the original as the last in an evil one",
                appended(evil, signed),
            ),
            (
                "XSW5: the signature in an evil one, the original at its end",
                appended(&inserted(evil, signature), bare),
            ),
            (
                "XSW5: the signature in an evil one, the original beside it",
                around(&[&inserted(evil, signature), bare]),
            ),
            (
                "XSW6: the original in the signature of an evil one, deeper down",
                around(&[&inserted(evil, &appended(signature, bare))]),
            ),
            (
                "XSW7: an evil one with the same ID in the extensions",
                around(&[&extensions(&twin), signed]),
            ),
            (
                "XSW7: the original in the extensions of an evil one",
                inserted(evil, &extensions(signed)),
            ),
            (
                "XSW7: the original in the extensions of an evil one with the same ID",
                inserted(&twin, &extensions(signed)),
            ),
            (
                "XSW8: the original in an object of an evil one's signature",
                inserted(evil, &appended(signature, &object(bare))),
            ),
            (
                "XSW8: an evil one in an object of the original's signature",
                inserted(bare, &appended(signature, &object(evil))),
            ),
        ]
    }
}

/// Whether a verifier falls for it that believes a signature when anything with the right ID has the right digest.
fn deceives(root: Node<'_, '_>) -> bool {
    root.descendants()
        .filter_map(signature_of)
        .any(|signature| {
            let named = |name: &str| {
                signature
                    .descendants()
                    .find(|node| node.tag_name().name() == name)
                    .expect("a part of the signature")
            };
            let uri = named("Reference").attribute("URI").expect("a reference");
            let targets = root.descendants().filter(|node| {
                node.attribute("ID").is_some() && node.attribute("ID") == uri.strip_prefix('#')
            });
            let digest = named("DigestValue").text();
            targets
                .map(|target| canonicalize(target, Some(signature), &[]))
                .any(|canonical| {
                    Some(STANDARD.encode(sha256(canonical.as_bytes())).as_str()) == digest
                })
        })
}

fn behind_issuer(request: &str) -> usize {
    let end = "</saml:Issuer>";
    request.find(end).expect("an issuer") + end.len()
}

/// Where a signature stands (SAML core §3.2.1).
fn inserted(request: &str, part: &str) -> String {
    let (before, after) = request.split_at(behind_issuer(request));
    [before, part, after].concat()
}

fn appended(element: &str, part: &str) -> String {
    let (before, after) = element.split_at(element.rfind("</").expect("an end tag"));
    [before, part, after].concat()
}

fn object(part: &str) -> String {
    format!("<ds:Object>{part}</ds:Object>")
}

fn extensions(part: &str) -> String {
    format!(
        r#"<samlp:Extensions xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">{part}</samlp:Extensions>"#
    )
}

/// A document that carries messages, as a SOAP envelope does.
fn around(messages: &[&str]) -> String {
    format!("<x:Body xmlns:x=\"urn:x\">{}</x:Body>", messages.concat())
}
