//! Evidence for docs/decisions/0001: why samael judges our messages and does not make them.
//!
//! Each test states what today's samael does. When one fails after an update, the decision may be looked at again.

use std::panic::catch_unwind;

use samael::crypto::{CertificateDer, Crypto, CryptoProvider as _, UrlVerifier};
use samael::idp::response_builder::{ResponseAttribute, build_response_template};
use samael::idp::sp_extractor::RequiredAttribute;
use samael::idp::{CertificateParams, IdentityProvider, KeyType, Rsa};
use samael::traits::ToXml as _;
use url::Url;

#[test]
fn samael_writes_attribute_values_unescaped() {
    let (_, certificate) = provider();
    let response = response(&certificate, "Tom & Jerry");
    assert!(response.contains(">Tom & Jerry<"), "{response}");
    assert!(roxmltree::Document::parse(&response).is_err());
}

#[test]
fn samael_digests_what_it_signs_with_sha_1() {
    let (_, certificate) = provider();
    let response = response(&certificate, "Tom");
    let document = roxmltree::Document::parse(&response).expect("nothing in it needs escaping");
    let method = document
        .descendants()
        .find(|node| node.has_tag_name(("http://www.w3.org/2000/09/xmldsig#", "DigestMethod")))
        .expect("it has a place for a signature");
    assert_eq!(
        method.attribute("Algorithm"),
        Some("http://www.w3.org/2000/09/xmldsig#sha1")
    );
}

#[test]
fn samael_signs_saml_2_0_but_no_saml_1_1() {
    let (provider, _) = provider();
    let key = provider
        .export_private_key_der()
        .expect("it has a private key");
    let sign = |id_attribute: &str| Crypto::sign_xml(assertion(id_attribute), &key);
    assert!(sign("ID").is_ok());
    assert!(sign("AssertionID").is_err());
}

#[test]
fn samael_panics_over_a_redirect_without_a_signature() {
    let (_, certificate) = provider();
    let unsigned = Url::parse("https://idp.example/sso?SAMLRequest=fVLLTsMwELz3K6")
        .expect("this is a URL that we test");
    let outcome = catch_unwind(|| {
        let verifier = UrlVerifier::from_x509(&certificate).expect("it has just been made");
        verifier
            .verify_signed_request_url(&unsigned)
            .is_ok_and(|verified| verified)
    });
    assert!(outcome.is_err());
}

fn provider() -> (IdentityProvider, CertificateDer) {
    let provider = IdentityProvider::generate_new(KeyType::Rsa(Rsa::Rsa2048))
        .expect("OpenSSL makes an RSA key");
    let certificate = provider
        .create_certificate(&CertificateParams {
            common_name: "evidence",
            issuer_name: "evidence",
            days_until_expiration: 2,
        })
        .expect("OpenSSL makes a certificate");
    (provider, certificate)
}

fn response(certificate: &CertificateDer, display_name: &str) -> String {
    let attribute = ResponseAttribute {
        required_attribute: RequiredAttribute {
            name: "displayName".to_owned(),
            format: None,
        },
        value: display_name,
    };
    build_response_template(
        certificate,
        "name-id",
        "https://sp.example",
        "https://idp.example",
        "https://sp.example/acs",
        "_request",
        &[attribute],
    )
    .to_string()
    .expect("it writes what it is given")
}

fn assertion(id_attribute: &str) -> String {
    format!(
        r##"<Assertion {id_attribute}="_a"><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>
        <CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
        <SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><Reference URI="#_a">
        <Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></Transforms>
        <DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/></Reference></SignedInfo>
        <SignatureValue/></Signature></Assertion>"##
    )
}
