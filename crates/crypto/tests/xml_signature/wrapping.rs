//! Signature wrapping: a good signature, and something else for the reader to find.
//!
//! Whichever element a caller picks from these documents, only the one that was signed may be believed. The numbers
//! are those of "On Breaking SAML: Be Whoever You Want to Be" (USENIX Security 2012).

use countersign_crypto::xml_signature::NotVerified;

use crate::fixture::{believed, parse, refusal, root, signature_in, signed, unsigned};

const EVIL: &str = "mallory";

#[test]
fn xsw1_the_original_inside_the_signature_of_an_evil_one() {
    let object = format!(
        "<ds:Object>{}</ds:Object></ds:Signature>",
        unsigned("_1", "alice")
    );
    let signature = signature_in(&signed("_1", "alice")).replace("</ds:Signature>", &object);
    let attack = with_child(&unsigned("_2", EVIL), &signature);
    assert!(matches!(refusal(&attack, EVIL), NotVerified::Malformed(_)));
    assert!(believed(&attack).is_empty());
}

#[test]
fn xsw2_the_original_beside_the_signature_in_an_evil_one() {
    let signature = signature_in(&signed("_1", "alice"));
    let attack = with_child(
        &unsigned("_2", EVIL),
        &(signature + &unsigned("_1", "alice")),
    );
    assert_eq!(
        refusal(&attack, EVIL),
        NotVerified::Reference { uri: "#_1".into() }
    );
    assert!(believed(&attack).is_empty());
}

#[test]
fn xsw3_an_evil_one_ahead_of_the_original() {
    let attack = response(&[&unsigned("_2", EVIL), &signed("_1", "alice")]);
    assert_eq!(refusal(&attack, EVIL), NotVerified::NoSignature);
    assert_eq!(believed(&attack), ["alice"]);
}

#[test]
fn xsw4_the_original_inside_an_evil_one() {
    let attack = with_child(&unsigned("_2", EVIL), &signed("_1", "alice"));
    assert_eq!(refusal(&attack, EVIL), NotVerified::NoSignature);
    assert_eq!(believed(&attack), ["alice"]);
}

#[test]
fn xsw5_the_signature_moved_to_an_evil_one_and_the_original_appended() {
    let evil = with_child(&unsigned("_2", EVIL), &signature_in(&signed("_1", "alice")));
    let attack = response(&[&evil, &unsigned("_1", "alice")]);
    assert_eq!(
        refusal(&attack, EVIL),
        NotVerified::Reference { uri: "#_1".into() }
    );
    assert!(believed(&attack).is_empty());
}

#[test]
fn xsw6_the_original_inside_the_signature_that_an_evil_one_carries() {
    let closing = format!("{}</ds:Signature>", unsigned("_1", "alice"));
    let signature = signature_in(&signed("_1", "alice")).replace("</ds:Signature>", &closing);
    let attack = response(&[&with_child(&unsigned("_2", EVIL), &signature)]);
    assert!(matches!(refusal(&attack, EVIL), NotVerified::Malformed(_)));
    assert!(believed(&attack).is_empty());
}

#[test]
fn xsw7_an_evil_one_with_the_same_id_in_an_extension() {
    let extension = format!(
        "<x:Extensions xmlns:x=\"urn:x\">{}</x:Extensions>",
        unsigned("_1", EVIL)
    );
    let attack = response(&[&extension, &signed("_1", "alice")]);
    assert_eq!(refusal(&attack, EVIL), NotVerified::NoSignature);
    assert_eq!(
        refusal(&attack, "alice"),
        NotVerified::DuplicateId { id: "_1".into() }
    );
}

#[test]
fn xsw8_an_evil_one_inside_the_signature_of_the_original() {
    let object = format!(
        "<ds:Object>{}</ds:Object></ds:Signature>",
        unsigned("_2", EVIL)
    );
    let attack = signed("_1", "alice").replace("</ds:Signature>", &object);
    assert!(matches!(
        refusal(&attack, "alice"),
        NotVerified::Malformed(_)
    ));
    assert_eq!(refusal(&attack, EVIL), NotVerified::NoSignature);
}

#[test]
fn a_signature_on_an_evil_one_with_the_id_of_the_original() {
    let signature = signature_in(&signed("_1", "alice"));
    let evil = with_child(&unsigned("_1", EVIL), &signature);
    assert_eq!(refusal(&evil, EVIL), NotVerified::Digest);
    let attack = response(&[&evil, &unsigned("_1", "alice")]);
    assert_eq!(
        refusal(&attack, EVIL),
        NotVerified::DuplicateId { id: "_1".into() }
    );
}

#[test]
fn the_same_id_under_every_name_that_somebody_takes_for_an_id() {
    let twins = [
        r#"<x ID="_1"/>"#,
        r#"<x Id="_1"/>"#,
        r#"<x id="_1"/>"#,
        r#"<x iD="_1"/>"#,
        r#"<x AssertionID="_1"/>"#,
        r#"<x ResponseID="_1"/>"#,
        r#"<x RequestID="_1"/>"#,
        r#"<x xml:id="_1"/>"#,
        r#"<x xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" u:Id="_1"/>"#,
    ];
    for twin in twins {
        let attack = response(&[twin, &signed("_1", "alice")]);
        assert_eq!(
            refusal(&attack, "alice"),
            NotVerified::DuplicateId { id: "_1".into() },
            "{twin}"
        );
    }
}

#[test]
fn an_element_with_two_ids_is_nobodys() {
    let attack = signed("_1", "alice").replacen(" ID=\"_1\"", " ID=\"_2\" Id=\"_1\"", 1);
    assert_eq!(
        root(&attack),
        Err(NotVerified::Reference { uri: "#_1".into() })
    );
}

#[test]
fn two_signatures_on_one_element() {
    let xml = signed("_1", "alice");
    let attack = with_child(&xml, &signature_in(&xml));
    assert_eq!(root(&attack), Err(NotVerified::SeveralSignatures));
}

#[test]
fn a_signature_deeper_than_a_child_signs_nothing() {
    let xml = signed("_1", "alice");
    let signature = signature_in(&xml);
    let attack = xml.replace(&signature, &format!("<x>{signature}</x>"));
    assert_eq!(root(&attack), Err(NotVerified::NoSignature));
    assert!(believed(&attack).is_empty());
}

#[test]
fn only_the_enveloped_signature_is_left_out_of_the_digest() {
    let xml = signed("_1", "alice");
    let hidden =
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">hidden</ds:Signature>";
    let attack = xml.replace("<a:Name>", &format!("<a:Name>{hidden}"));
    assert_eq!(root(&attack), Err(NotVerified::Digest));
}

#[test]
fn an_element_of_another_namespace_is_no_signature() {
    let attack =
        signed("_1", "alice").replace("http://www.w3.org/2000/09/xmldsig#\">", "urn:xmldsig\">");
    assert_eq!(root(&attack), Err(NotVerified::NoSignature));
}

#[test]
fn a_signature_over_the_whole_document_covers_its_root_only() {
    let whole = crate::fixture::Recipe {
        uri: "",
        ..Default::default()
    };
    let signed = whole.sign(&unsigned("_1", "alice"), &crate::fixture::alice());
    assert_eq!(root(&signed), Ok(()));
    let attack = response(&[&signed]);
    assert_eq!(
        refusal(&attack, "alice"),
        NotVerified::Reference { uri: String::new() }
    );
}

#[test]
fn what_was_verified_does_not_reach_outside_of_its_element() {
    let attack = response(&[&signed("_1", "alice"), &unsigned("_2", EVIL)]);
    let document = parse(&attack);
    let element = document.root_element().first_element_child().unwrap();
    let verified =
        countersign_crypto::xml_signature::verify(element, &crate::fixture::trusted()).unwrap();
    assert_eq!(verified.element(), element);
    assert!(!attack[verified.element().range()].contains(EVIL));
}

fn response(children: &[&str]) -> String {
    format!(
        "<p:Response xmlns:p=\"urn:protocol\" ID=\"_r\">{}</p:Response>",
        children.concat()
    )
}

fn with_child(assertion: &str, child: &str) -> String {
    assertion.replace("</a:Assertion>", &format!("{child}</a:Assertion>"))
}
