//! Messages to try the judges on, signed by `xmlsec1 --sign`.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

pub use super::key::Key;
use super::{Signed, succeed, without_declaration};

pub mod saml2;

/// The key that the tests trust.
pub fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::generate("judged"))
}

/// Somebody else's key, under the same name.
pub fn other_key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::generate("judged"))
}

/// Fills in the signature that a message has a place for.
pub fn sign(message: &str, signed: Signed, key: &Key) -> String {
    let file = tempfile::NamedTempFile::new().expect("the system has room for temporary files");
    fs::write(file.path(), message).expect("a new file can be written");
    let element = format!("{}:{}", signed.namespace(), signed.local_name());
    let output = succeed(
        Command::new("xmlsec1")
            .arg("--sign")
            .args([&format!("--id-attr:{}", signed.id_attribute()), &element])
            .args(["--node-xpath", &signed.signature()])
            .arg("--privkey-pem")
            .arg(format!(
                "{},{}",
                key.file().display(),
                key.certificate_file().display()
            ))
            .arg(file.path()),
    );
    let written = String::from_utf8(output.stdout).expect("xmlsec1 writes UTF-8");
    without_declaration(&written)
}

/// A SAML 1.1 assertion, to be signed.
pub fn assertion() -> String {
    const SUBJECT: &str = "<saml:Subject><saml:NameIdentifier>a1</saml:NameIdentifier><saml:SubjectConfirmation>\
        <saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer</saml:ConfirmationMethod>\
        </saml:SubjectConfirmation></saml:Subject>";
    let signature = signature("_assertion", "256");
    format!(
        "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\" AssertionID=\"_assertion\" \
        IssueInstant=\"2026-01-01T00:00:00Z\" Issuer=\"https://idp.example\" MajorVersion=\"1\" MinorVersion=\"1\">\
        <saml:AttributeStatement>{SUBJECT}<saml:Attribute AttributeName=\"UPN\" \
        AttributeNamespace=\"http://schemas.xmlsoap.org/claims\"><saml:AttributeValue>alice@contoso.example\
        </saml:AttributeValue></saml:Attribute></saml:AttributeStatement>{signature}</saml:Assertion>"
    )
}

/// The WS-Trust response around an assertion.
pub fn response(assertion: &str) -> String {
    const WSU: &str =
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    format!(
        "<t:RequestSecurityTokenResponse xmlns:t=\"http://schemas.xmlsoap.org/ws/2005/02/trust\"><t:Lifetime>\
        <wsu:Created xmlns:wsu=\"{WSU}\">2026-01-01T00:00:00Z</wsu:Created>\
        <wsu:Expires xmlns:wsu=\"{WSU}\">2026-01-01T01:00:00Z</wsu:Expires></t:Lifetime>\
        <wsp:AppliesTo xmlns:wsp=\"http://schemas.xmlsoap.org/ws/2004/09/policy\"><wsa:EndpointReference \
        xmlns:wsa=\"http://www.w3.org/2005/08/addressing\"><wsa:Address>urn:example:rp</wsa:Address>\
        </wsa:EndpointReference></wsp:AppliesTo><t:RequestedSecurityToken>{assertion}</t:RequestedSecurityToken>\
        <t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType>\
        <t:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</t:RequestType>\
        <t:KeyType>http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey</t:KeyType>\
        </t:RequestSecurityTokenResponse>"
    )
}

/// Federation metadata of a security token service, to be signed.
pub fn metadata() -> String {
    const ENDPOINT: &str = "<wsa:EndpointReference xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">\
        <wsa:Address>https://idp.example/wsfed</wsa:Address></wsa:EndpointReference>";
    let signature = signature("_metadata", "256");
    format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"_metadata\" \
        entityID=\"https://idp.example\">{signature}<RoleDescriptor \
        xmlns:fed=\"http://docs.oasis-open.org/wsfed/federation/200706\" \
        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"fed:SecurityTokenServiceType\" \
        protocolSupportEnumeration=\"http://docs.oasis-open.org/wsfed/federation/200706\"><KeyDescriptor use=\"signing\">\
        <KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data><X509Certificate>AAAA</X509Certificate>\
        </X509Data></KeyInfo></KeyDescriptor>\
        <fed:SecurityTokenServiceEndpoint>{ENDPOINT}</fed:SecurityTokenServiceEndpoint>\
        <fed:PassiveRequestorEndpoint>{ENDPOINT}</fed:PassiveRequestorEndpoint></RoleDescriptor></EntityDescriptor>"
    )
}

/// A place for a signature by RSA and the hash function of so many bits (RFC 6931 §2.3.2 and following).
fn signature(id: &str, bits: &str) -> String {
    let digest = match bits {
        "384" => "http://www.w3.org/2001/04/xmldsig-more#sha384",
        "512" => "http://www.w3.org/2001/04/xmlenc#sha512",
        _ => "http://www.w3.org/2001/04/xmlenc#sha256",
    };
    format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo><ds:CanonicalizationMethod \
        Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><ds:SignatureMethod \
        Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha{bits}\"/><ds:Reference URI=\"#{id}\"><ds:Transforms>\
        <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/><ds:Transform \
        Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms><ds:DigestMethod \
        Algorithm=\"{digest}\"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>\
        <ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>"
    )
}
