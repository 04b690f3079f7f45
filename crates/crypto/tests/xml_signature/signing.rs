//! What we sign.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_crypto::{
    certificate::SigningKey,
    exclusive_c14n::canonicalize,
    xml_signature::{Algorithm, SignError, sign, signature_of, text_of, verify},
};
use proptest::prelude::*;

use crate::fixture::{ALICE, MALLORY, assertion, believed, escape, parse, root, signed, trusted};

#[test]
fn what_we_sign_is_believed() {
    assert_eq!(root(&signed("_1", "alice")), Ok(()));
    assert_eq!(believed(&signed("_1", "alice")), ["alice"]);
}

#[test]
fn every_algorithm_signs_with_the_digest_of_its_width() {
    let widths = [
        (
            Algorithm::RsaSha256,
            "http://www.w3.org/2001/04/xmlenc#sha256",
            32,
        ),
        (
            Algorithm::RsaSha384,
            "http://www.w3.org/2001/04/xmldsig-more#sha384",
            48,
        ),
        (
            Algorithm::RsaSha512,
            "http://www.w3.org/2001/04/xmlenc#sha512",
            64,
        ),
    ];
    let (canonical, at) = assertion("_1", "alice");
    for (algorithm, digest_uri, width) in widths {
        let xml = sign(&canonical, "_1", at, &ALICE, algorithm).unwrap();
        assert_eq!(root(&xml), Ok(()), "{algorithm}");
        let document = parse(&xml);
        let part = |name| {
            document
                .descendants()
                .find(|node| node.tag_name().name() == name)
                .unwrap()
        };
        let named = |name| part(name).attribute("Algorithm");
        assert_eq!(named("SignatureMethod"), Some(algorithm.uri()));
        assert_eq!(named("DigestMethod"), Some(digest_uri));
        let digest = STANDARD.decode(text_of(part("DigestValue"))).unwrap();
        assert_eq!(digest.len(), width, "{algorithm}");
    }
}

#[test]
fn the_certificate_that_verified_is_named() {
    let xml = signed("_1", "alice");
    let document = parse(&xml);
    let keys = [MALLORY.certificate().clone(), ALICE.certificate().clone()];
    let verified = verify(document.root_element(), &keys).unwrap();
    assert_eq!(verified.certificate(), ALICE.certificate());
    assert_eq!(verified.element(), document.root_element());
}

#[test]
fn the_signature_stands_where_it_was_asked_for() {
    let xml = signed("_1", "alice");
    let document = parse(&xml);
    let names: Vec<_> = document
        .root_element()
        .children()
        .map(|child| child.tag_name().name())
        .collect();
    assert_eq!(names, ["Issuer", "Signature", "Name"]);
}

#[test]
fn nothing_in_a_signature_has_a_line_break() {
    assert!(!signed("_1", "alice").contains(['\n', '\r']));
}

#[test]
fn a_signed_assertion_may_be_part_of_a_signed_response() {
    let assertion = signed("_1", "alice");
    let head = r#"<p:Response xmlns:p="urn:protocol" ID="_2">"#;
    let canonical = format!("{head}{assertion}</p:Response>");
    let response = sign(&canonical, "_2", head.len(), &MALLORY, Algorithm::default()).unwrap();
    let document = parse(&response);
    let keys = [MALLORY.certificate().clone()];
    assert!(verify(document.root_element(), &keys).is_ok());
    assert_eq!(
        believed(&response),
        ["alice"],
        "and the assertion is still by its own signer"
    );
}

#[test]
fn an_id_that_is_not_the_documents_is_refused() {
    let (canonical, at) = assertion("_1", "alice");
    for id in [
        "",
        "_2",
        "_",
        "1",
        "_1\"",
        "_1\" x=\"",
        "<",
        "#_1",
        "é",
        "_1 ",
    ] {
        let result = sign(&canonical, id, at, &ALICE, Algorithm::default());
        assert!(matches!(result, Err(SignError::Id)), "{id:?}");
    }
    // Even when the document has it, an id is a name.
    for id in ["", "1", "a b", "a>b"] {
        let (canonical, at) = assertion(id, "alice");
        assert!(
            matches!(
                sign(&canonical, id, at, &ALICE, Algorithm::default()),
                Err(SignError::Id)
            ),
            "{id:?}"
        );
    }
}

#[test]
fn a_place_that_is_not_between_two_tags_is_refused() {
    let (canonical, at) = assertion("_1", "älice");
    let between_tags = |place: usize| {
        canonical.is_char_boundary(place)
            && canonical[..place].ends_with('>')
            && canonical[place..].starts_with('<')
    };
    for place in
        (0..canonical.len() + 2).filter(|&place| place > canonical.len() || !between_tags(place))
    {
        let result = sign(&canonical, "_1", place, &ALICE, Algorithm::default());
        assert!(matches!(result, Err(SignError::Place)), "{place}");
    }
    assert!(sign(&canonical, "_1", at, &ALICE, Algorithm::default()).is_ok());
}

#[test]
fn many_threads_sign_with_one_key() {
    let sign_and_check = || (0..20).all(|n| root(&signed("_1", &n.to_string())).is_ok());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(sign_and_check)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
}

#[test]
fn a_signing_key_goes_anywhere() {
    fn shared<T: Send + Sync>() {}
    shared::<SigningKey>();
    shared::<countersign_crypto::certificate::Certificate>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_survives_signing_and_reading(name in hostile_text()) {
        let (canonical, at) = assertion("_1", &name);
        let xml = sign(&canonical, "_1", at, &ALICE, Algorithm::default()).unwrap();
        let document = parse(&xml);
        let verified = verify(document.root_element(), &trusted()).unwrap();
        let element = verified.element();
        prop_assert_eq!(text_of(element.last_element_child().unwrap()), name);
        prop_assert_eq!(canonicalize(element, None, &[]), xml.as_str());
        prop_assert_eq!(canonicalize(element, signature_of(element), &[]), canonical);
    }

    #[test]
    fn any_attribute_survives_signing_and_reading(value in hostile_text()) {
        let escaped = escape(&value).replace("&gt;", ">").replace('"', "&quot;").replace('\t', "&#x9;").replace('\n', "&#xA;");
        let canonical = format!(r#"<r ID="_1" value="{escaped}"><a></a></r>"#);
        let xml = sign(&canonical, "_1", canonical.len() - "</r>".len(), &ALICE, Algorithm::default()).unwrap();
        let document = parse(&xml);
        let verified = verify(document.root_element(), &trusted()).unwrap();
        prop_assert_eq!(verified.element().attribute("value"), Some(value.as_str()));
    }

    #[test]
    fn a_changed_byte_is_noticed_or_changes_nothing(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (canonical, place) = assertion("_1", "Tom & Jérry\r\n<x>");
        let mut mutated = sign(&canonical, "_1", place, &ALICE, Algorithm::default()).unwrap().into_bytes();
        let at = at.index(mutated.len());
        mutated[at] = byte;
        let Ok(document) = countersign_crypto::xml_signature::read(&mutated, &countersign_crypto::xml_signature::Limits::default()) else {
            return Ok(());
        };
        if let Ok(verified) = verify(document.root_element(), &trusted()) {
            let element = verified.element();
            prop_assert_eq!(canonicalize(element, signature_of(element), &[]), canonical);
        }
    }
}

/// Text of everything that XML gives a meaning to, and of everything else that XML allows.
fn hostile_text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        '&', '<', '>', '"', '\'', '\t', '\n', '\r', ']', '\u{85}', '\u{2028}', '\u{FEFF}',
        '\u{E000}',
    ]);
    let ordinary = any::<char>().prop_filter("XML §2.2", |c| {
        !matches!(c, '\0'..='\x1F' | '\u{FFFE}' | '\u{FFFF}')
    });
    prop::collection::vec(prop_oneof![special, ordinary], 0..40).prop_map(String::from_iter)
}
