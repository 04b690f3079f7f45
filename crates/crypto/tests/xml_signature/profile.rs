//! Which signatures we believe, by algorithm, form and key.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_crypto::{
    certificate::Certificate,
    xml_signature::{NotVerified, text_of, verify},
};
use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::X509Builder,
};

use crate::fixture::{
    ALICE, EXCLUSIVE, MALLORY, Recipe, TRANSFORMS, alice, parse, root, signature_in, signed,
    signed_by, trusted, unsigned,
};

#[test]
fn a_foreign_key_is_not_believed_whatever_key_info_says() {
    assert_eq!(
        root(&signed_by(&MALLORY, "_1", "alice")),
        Err(NotVerified::SignatureValue)
    );
    let claims = signed_by(&MALLORY, "_1", "alice")
        .replace(MALLORY.certificate().base64(), ALICE.certificate().base64());
    assert_eq!(root(&claims), Err(NotVerified::SignatureValue));
    let xml = signed("_1", "alice");
    let document = parse(&xml);
    assert_eq!(
        verify(document.root_element(), &[]).unwrap_err(),
        NotVerified::SignatureValue
    );
}

#[test]
fn key_info_is_neither_needed_nor_read() {
    let xml = signed("_1", "alice");
    let (start, end) = (
        xml.find("<ds:KeyInfo>").unwrap(),
        xml.find("</ds:Signature>").unwrap(),
    );
    assert_eq!(root(&[&xml[..start], &xml[end..]].concat()), Ok(()));
    assert_eq!(
        root(&xml.replace(ALICE.certificate().base64(), "nonsense")),
        Ok(())
    );
}

#[test]
fn the_stronger_hashes_are_believed() {
    let strong = [
        (
            "sha384",
            "http://www.w3.org/2001/04/xmldsig-more#sha384",
            MessageDigest::sha384(),
        ),
        (
            "sha512",
            "http://www.w3.org/2001/04/xmlenc#sha512",
            MessageDigest::sha512(),
        ),
    ];
    for (name, digest_uri, hash) in strong {
        let recipe = Recipe {
            method: &method(&format!(
                "http://www.w3.org/2001/04/xmldsig-more#rsa-{name}"
            )),
            digest_method: &format!("<ds:DigestMethod Algorithm=\"{digest_uri}\"/>"),
            signature_hash: hash,
            digest_hash: hash,
            ..Default::default()
        };
        let xml = recipe.sign(&unsigned("_1", "alice"), &alice());
        assert_eq!(root(&xml), Ok(()), "{name}");
        assert_eq!(
            root(&xml.replace(">alice<", ">malice<")),
            Err(NotVerified::Digest),
            "{name}"
        );
    }
}

#[test]
fn a_document_signed_by_xmlsec1_is_believed() {
    // With SHA-512 over SHA-384, line breaks in base64, and `#default` among the inclusive prefixes.
    let xml = include_str!("by_xmlsec1.xml");
    let key = Certificate::from_pem(include_bytes!("by_xmlsec1.pem")).unwrap();
    let document = parse(xml);
    assert!(verify(document.root_element(), &[key]).is_ok());
    assert_eq!(root(xml), Err(NotVerified::SignatureValue));
}

#[test]
fn sha1_is_refused_although_the_signature_is_right() {
    let uri = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
    let recipe = Recipe {
        method: &method(uri),
        signature_hash: MessageDigest::sha1(),
        ..Default::default()
    };
    assert_eq!(
        root(&recipe.sign(&unsigned("_1", "alice"), &alice())),
        Err(NotVerified::Algorithm { uri: uri.into() })
    );

    let uri = "http://www.w3.org/2000/09/xmldsig#sha1";
    let recipe = Recipe {
        digest_method: &format!("<ds:DigestMethod Algorithm=\"{uri}\"/>"),
        digest_hash: MessageDigest::sha1(),
        ..Default::default()
    };
    assert_eq!(
        root(&recipe.sign(&unsigned("_1", "alice"), &alice())),
        Err(NotVerified::Algorithm { uri: uri.into() })
    );
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let public = alice().public_key_to_pem().unwrap();
    let certificate = ALICE.certificate();
    for secret in [
        &public[..],
        certificate.der(),
        certificate.pem().as_bytes(),
        certificate.base64().as_bytes(),
    ] {
        let uri = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
        let recipe = Recipe {
            method: &method(uri),
            ..Default::default()
        };
        let xml = recipe.sign(&unsigned("_1", "alice"), &PKey::hmac(secret).unwrap());
        assert_eq!(root(&xml), Err(NotVerified::Algorithm { uri: uri.into() }));
        let recipe = Recipe::default().sign(&unsigned("_1", "alice"), &PKey::hmac(secret).unwrap());
        assert_eq!(root(&recipe), Err(NotVerified::SignatureValue));
    }
}

#[test]
fn a_short_key_and_a_key_that_is_not_rsa_verify_nothing() {
    let short = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
    let curve = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let elliptic = PKey::from_ec_key(openssl::ec::EcKey::generate(&curve).unwrap()).unwrap();
    for key in [short, elliptic] {
        let xml = Recipe::default().sign(&unsigned("_1", "alice"), &key);
        let document = parse(&xml);
        let result = verify(document.root_element(), &[certificate_of(&key)]);
        assert_eq!(result.unwrap_err(), NotVerified::SignatureValue);
    }
}

#[test]
fn inclusive_prefixes_are_honoured() {
    let list = r#"<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs b"/>"#;
    let xml = r#"<a:r xmlns:a="urn:a" xmlns:b="urn:b" xmlns:xs="urn:xs" ID="_1"><a:v type="xs:string">x</a:v></a:r>"#;
    let recipe = Recipe {
        c14n: &format!("<ds:CanonicalizationMethod {EXCLUSIVE}>{list}</ds:CanonicalizationMethod>"),
        transforms: &TRANSFORMS.replace(
            "xml-exc-c14n#\"/>",
            &format!("xml-exc-c14n#\">{list}</ds:Transform>"),
        ),
        prefixes: &["xs", "b"],
        ..Default::default()
    };
    let signed = recipe.sign(xml, &alice());
    assert_eq!(root(&signed), Ok(()));
    assert_eq!(
        root(&signed.replace("urn:xs", "urn:xy")),
        Err(NotVerified::SignatureValue),
        "the prefix is covered"
    );
    assert_eq!(
        root(&signed.replace("xs b", &"x ".repeat(10_000))),
        Err(NotVerified::Malformed("a PrefixList is too long"))
    );
    assert!(matches!(
        root(&signed.replace("InclusiveNamespaces", "Inclusive")),
        Err(NotVerified::Malformed(_))
    ));
}

#[test]
fn other_canonicalizations_are_refused() {
    let others = [
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "",
    ];
    for uri in others {
        let recipe = Recipe {
            c14n: &format!("<ds:CanonicalizationMethod Algorithm=\"{uri}\"/>"),
            ..Default::default()
        };
        let xml = recipe.sign(&unsigned("_1", "alice"), &alice());
        assert_eq!(root(&xml), Err(NotVerified::Algorithm { uri: uri.into() }));
        let transforms = TRANSFORMS.replace("http://www.w3.org/2001/10/xml-exc-c14n#", uri);
        let recipe = Recipe {
            transforms: &transforms,
            ..Default::default()
        };
        assert_eq!(
            root(&recipe.sign(&unsigned("_1", "alice"), &alice())),
            Err(NotVerified::Transforms),
            "{uri}"
        );
    }
}

#[test]
fn other_transforms_are_refused_before_they_cost_anything() {
    let transform = |uri: &str| format!("<ds:Transform Algorithm=\"{uri}\"/>");
    let (enveloped, c14n) = TRANSFORMS.split_at(TRANSFORMS.find("/>").unwrap() + 2);
    let xslt = transform("http://www.w3.org/TR/1999/REC-xslt-19991116");
    let xpath = transform("http://www.w3.org/TR/1999/REC-xpath-19991116");
    let others = [
        String::new(),
        enveloped.to_owned(),
        c14n.to_owned(),
        format!("{c14n}{enveloped}"),
        format!("{enveloped}{enveloped}"),
        format!("{TRANSFORMS}{c14n}"),
        format!("{enveloped}{xslt}"),
        format!("{xpath}{c14n}"),
        format!("{enveloped}{}", c14n.replace("ds:Transform", "ds:Other")),
        TRANSFORMS.replace(
            "enveloped-signature\"/>",
            "enveloped-signature\"><ds:XPath>//*</ds:XPath></ds:Transform>",
        ),
        enveloped.repeat(2_000),
    ];
    for transforms in &others {
        let recipe = Recipe {
            transforms,
            ..Default::default()
        };
        let xml = recipe.sign(&unsigned("_1", "alice"), &alice());
        assert_eq!(
            root(&xml),
            Err(NotVerified::Transforms),
            "{transforms:.300}"
        );
    }
}

#[test]
fn a_reference_to_anything_else_is_refused() {
    for uri in [
        "http://127.0.0.1/",
        "file:///etc/passwd",
        "_1",
        "#",
        "##_1",
        "#_2",
        "#xpointer(/)",
        "#xpointer(id('_1'))",
        "#_1#_1",
        " #_1",
    ] {
        let xml = Recipe {
            uri,
            ..Default::default()
        }
        .sign(&unsigned("_1", "alice"), &alice());
        assert_eq!(root(&xml), Err(NotVerified::Reference { uri: uri.into() }));
    }
}

#[test]
fn an_element_without_an_id_can_only_be_covered_as_the_root() {
    let recipe = Recipe {
        uri: "#",
        ..Default::default()
    };
    assert_eq!(
        root(&recipe.sign("<r ID=\"\"><a/></r>", &alice())),
        Err(NotVerified::Reference { uri: "#".into() })
    );
    let recipe = Recipe {
        uri: "",
        ..Default::default()
    };
    assert_eq!(root(&recipe.sign("<r><a/></r>", &alice())), Ok(()));
}

#[test]
fn a_signature_of_another_shape_is_malformed() {
    let xml = signed("_1", "alice");
    let info = between(&xml, "<ds:SignedInfo>", "</ds:SignedInfo>");
    let reference = between(&xml, "<ds:Reference", "</ds:Reference>");
    let value = between(&xml, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let shapes = [
        xml.replace(&info, ""),
        xml.replace(&info, "<ds:SignedInfo></ds:SignedInfo>"),
        xml.replace(&info, &format!("{info}{info}")),
        xml.replace(&value, ""),
        xml.replace(&value, &format!("{value}{value}")),
        xml.replace(&format!("{info}{value}"), &format!("{value}{info}")),
        xml.replace(&reference, ""),
        xml.replace(&reference, &format!("{reference}{reference}")),
        xml.replace(" URI=\"#_1\"", ""),
        xml.replace(
            "<ds:SignatureMethod Algorithm=",
            "<ds:SignatureMethod algorithm=",
        ),
        xml.replace(
            "</ds:SignatureMethod>",
            "<ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>",
        ),
        xml.replace("</ds:DigestMethod>", "text</ds:DigestMethod>"),
        xml.replace("</ds:Signature>", "<ds:Object></ds:Object></ds:Signature>"),
        xml.replace(
            "</ds:Signature>",
            "<ds:KeyInfo></ds:KeyInfo></ds:Signature>",
        ),
        xml.replace("<ds:SignedInfo>", "<ds:SignedInfo><!-- comment -->"),
        xml.replace("<ds:DigestValue>", "<ds:DigestValue><?pi?>"),
        xml.replace("<ds:DigestValue>", "<ds:DigestValue><x/>"),
        xml.replace("<ds:DigestValue>", "<ds:DigestValue>*"),
        xml.replace("<ds:SignatureValue>", "<ds:SignatureValue>*"),
        xml.replace("<ds:SignatureValue>", "text<ds:SignatureValue>"),
    ];
    for shape in &shapes {
        assert_ne!(*shape, xml);
        let error = root(shape).unwrap_err();
        assert!(
            matches!(error, NotVerified::Malformed(_) | NotVerified::Missing(_)),
            "{error:?} for {shape}"
        );
    }
}

#[test]
fn an_empty_value_is_not_a_right_value() {
    let xml = signed("_1", "alice");
    let value = between(&xml, "<ds:SignatureValue>", "</ds:SignatureValue>");
    assert_eq!(
        root(&xml.replace(&value, "<ds:SignatureValue></ds:SignatureValue>")),
        Err(NotVerified::SignatureValue)
    );
    let zeros = STANDARD.encode([0; 256]);
    assert_eq!(
        root(&xml.replace(
            &value,
            &format!("<ds:SignatureValue>{zeros}</ds:SignatureValue>")
        )),
        Err(NotVerified::SignatureValue)
    );
}

#[test]
fn a_digest_that_the_signer_did_not_sign_is_refused() {
    let (good, other) = (signed("_1", "alice"), signed("_1", "mallory"));
    let digest = |xml: &str| between(xml, "<ds:DigestValue>", "</ds:DigestValue>");
    let attack = good.replace(">alice<", ">mallory<");
    assert_eq!(root(&attack), Err(NotVerified::Digest));
    assert_eq!(
        root(&attack.replace(&digest(&good), &digest(&other))),
        Err(NotVerified::SignatureValue)
    );
}

#[test]
fn white_space_in_a_signature_is_what_its_signer_made_of_it() {
    let xml = signed("_1", "alice");
    let spaced = xml.replace(
        "</ds:SignedInfo><ds:SignatureValue>",
        "</ds:SignedInfo>\r\n\t <ds:SignatureValue>\r\n",
    );
    assert_eq!(
        root(&spaced),
        Ok(()),
        "outside of SignedInfo it means nothing"
    );
    assert_eq!(
        root(&xml.replace("<ds:SignedInfo>", "<ds:SignedInfo>\n")),
        Err(NotVerified::SignatureValue),
        "inside it was signed"
    );
}

#[test]
fn a_comment_does_not_cut_a_name_short() {
    let xml = signed("_1", "admin@contoso.example.evil.example");
    for cut in ["<!---->", "<!-- - -->", "<![CDATA[]]>"] {
        let xml = xml.replace(".evil", &format!("{cut}.evil"));
        let document = parse(&xml);
        let verified = verify(document.root_element(), &trusted())
            .expect("comments and sections are not part of what is signed");
        let name = verified.element().last_element_child().unwrap();
        assert_eq!(text_of(name), "admin@contoso.example.evil.example");
    }
}

#[test]
fn a_processing_instruction_or_a_reference_to_another_character_is_a_change() {
    let xml = signed("_1", "admin");
    assert_eq!(
        root(&xml.replace(">admin<", "><?pi?>admin<")),
        Err(NotVerified::Digest)
    );
    assert_eq!(
        root(&xml.replace(">admin<", ">adm&#x131;n<")),
        Err(NotVerified::Digest)
    );
    assert_eq!(
        root(&xml.replace(">admin<", ">adm&#x69;n<")),
        Ok(()),
        "another spelling of the same character"
    );
}

#[test]
fn a_signature_of_another_document_is_refused() {
    let (one, other) = (signed("_1", "alice"), signed("_1", "bob"));
    let attack = one.replace(&signature_in(&one), &signature_in(&other));
    assert_eq!(root(&attack), Err(NotVerified::Digest));
}

fn method(uri: &str) -> String {
    format!("<ds:SignatureMethod Algorithm=\"{uri}\"/>")
}

fn between(xml: &str, start: &str, end: &str) -> String {
    let from = xml.find(start).unwrap();
    let to = from + xml[from..].find(end).unwrap() + end.len();
    xml[from..to].to_owned()
}

fn certificate_of(key: &PKey<Private>) -> Certificate {
    let mut x509 = X509Builder::new().unwrap();
    x509.set_pubkey(key).unwrap();
    x509.set_not_before(&Asn1Time::from_unix(0).unwrap())
        .unwrap();
    x509.set_not_after(&Asn1Time::from_unix(1).unwrap())
        .unwrap();
    x509.sign(key, MessageDigest::sha256()).unwrap();
    Certificate::from_der(&x509.build().to_der().unwrap()).unwrap()
}

/// The signer of the fixture must make good signatures, or every refusal above would prove nothing.
#[test]
fn the_tests_own_signer_is_believed() {
    assert_eq!(
        root(&Recipe::default().sign(&unsigned("_1", "alice"), &alice())),
        Ok(())
    );
    let key = PKey::from_rsa(Rsa::generate(3072).unwrap()).unwrap();
    let xml = Recipe::default().sign(&unsigned("_1", "alice"), &key);
    assert!(verify(parse(&xml).root_element(), &[certificate_of(&key)]).is_ok());
}
