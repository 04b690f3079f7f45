//! An identity provider of SAML 2.0 in a few texts, for judges that play its service provider.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use openssl::base64::encode_block;
use url::Url;
use url::form_urlencoded::Serializer;

use super::{Key, signature};
use crate::judges::{succeed, temporary, without_declaration};

/// The entity id of the identity provider.
pub const ISSUER: &str = "https://idp.example/saml2";

const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

/// What a response says, to be changed by tests that want to be refused.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Also the SessionIndex.
    pub id: String,
    pub in_response_to: String,
    pub recipient: String,
    pub audience: String,
    pub issuer: String,
    /// When it ends, as `date` understands it.
    pub until: String,
    /// The width of the hash function.
    pub bits: &'static str,
}

impl Answer {
    /// As the service provider wants it.
    pub fn to(request: &str, recipient: &str, audience: &str) -> Self {
        Self {
            id: fresh_id(),
            in_response_to: request.to_owned(),
            recipient: recipient.to_owned(),
            audience: audience.to_owned(),
            issuer: ISSUER.to_owned(),
            until: "+5 minutes".to_owned(),
            bits: "256",
        }
    }

    /// The assertion that Alice has signed in, to be signed.
    pub fn assertion(&self) -> String {
        let Self {
            id,
            in_response_to,
            recipient,
            audience,
            issuer,
            until,
            bits,
        } = self;
        let (now, until) = (time("now"), time(until));
        let signature = signature(&format!("a{id}"), bits);
        format!(
            "<saml:Assertion xmlns:saml=\"{SAML}\" ID=\"a{id}\" Version=\"2.0\" IssueInstant=\"{now}\">\
            <saml:Issuer>{issuer}</saml:Issuer>{signature}<saml:Subject><saml:NameID \
            Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">a1</saml:NameID><saml:SubjectConfirmation \
            Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData \
            InResponseTo=\"{in_response_to}\" NotOnOrAfter=\"{until}\" Recipient=\"{recipient}\"/>\
            </saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore=\"{now}\" NotOnOrAfter=\"{until}\">\
            <saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>\
            </saml:Conditions><saml:AuthnStatement AuthnInstant=\"{now}\" SessionIndex=\"{id}\"><saml:AuthnContext>\
            <saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>\
            </saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name=\"mail\" \
            NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:basic\"><saml:AttributeValue>alice@contoso.example\
            </saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"
        )
    }

    /// The response around an assertion, plain or encrypted, to be signed.
    pub fn response(&self, assertion: &str) -> String {
        let Self {
            id,
            in_response_to,
            recipient,
            issuer,
            bits,
            ..
        } = self;
        let now = time("now");
        let signature = signature(&format!("r{id}"), bits);
        format!(
            "<samlp:Response xmlns:samlp=\"{SAMLP}\" ID=\"r{id}\" Version=\"2.0\" IssueInstant=\"{now}\" \
            Destination=\"{recipient}\" InResponseTo=\"{in_response_to}\"><saml:Issuer xmlns:saml=\"{SAML}\">{issuer}\
            </saml:Issuer>{signature}{SUCCESS}{assertion}</samlp:Response>"
        )
    }
}

const SUCCESS: &str = "<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>\
    </samlp:Status>";

/// The identity provider's metadata, to be signed.
pub fn metadata(key: &Key) -> String {
    let certificate = key.certificate_base64();
    let signature = signature("_metadata", "256");
    let services: String = ["SingleLogoutService", "SingleSignOnService"]
        .iter()
        .flat_map(|service| {
            ["HTTP-Redirect", "HTTP-POST"].map(|binding| {
                format!(
                    "<md:{service} Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:{binding}\" \
                    Location=\"https://idp.example/{service}\"/>"
                )
            })
        })
        .collect();
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"_metadata\" entityID=\"{ISSUER}\">{signature}\
        <md:IDPSSODescriptor protocolSupportEnumeration=\"{SAMLP}\" WantAuthnRequestsSigned=\"false\">\
        <md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>\
        <ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>{services}\
        </md:IDPSSODescriptor></md:EntityDescriptor>"
    )
}

/// A request to log Alice out of a session, to be signed.
pub fn logout_request(destination: &str, session_index: &str) -> String {
    let id = fresh_id();
    let (now, until) = (time("now"), time("+5 minutes"));
    let signature = signature(&id, "256");
    format!(
        "<samlp:LogoutRequest xmlns:samlp=\"{SAMLP}\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{now}\" \
        Destination=\"{destination}\" NotOnOrAfter=\"{until}\"><saml:Issuer xmlns:saml=\"{SAML}\">{ISSUER}</saml:Issuer>\
        {signature}<saml:NameID xmlns:saml=\"{SAML}\" Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">a1\
        </saml:NameID><samlp:SessionIndex>{session_index}</samlp:SessionIndex></samlp:LogoutRequest>"
    )
}

/// The answer to a request for logout, to be signed.
pub fn logout_response(destination: &str, in_response_to: &str) -> String {
    let id = fresh_id();
    let now = time("now");
    let signature = signature(&id, "256");
    format!(
        "<samlp:LogoutResponse xmlns:samlp=\"{SAMLP}\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{now}\" \
        Destination=\"{destination}\" InResponseTo=\"{in_response_to}\"><saml:Issuer xmlns:saml=\"{SAML}\">{ISSUER}\
        </saml:Issuer>{signature}{SUCCESS}</samlp:LogoutResponse>"
    )
}

/// A request for authentication, to be signed.
pub fn authn_request() -> String {
    let now = time("now");
    let signature = signature("_request", "256");
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"{SAMLP}\" ID=\"_request\" Version=\"2.0\" IssueInstant=\"{now}\">\
        <saml:Issuer xmlns:saml=\"{SAML}\">https://sp.example</saml:Issuer>{signature}<samlp:NameIDPolicy \
        AllowCreate=\"true\"/></samlp:AuthnRequest>"
    )
}

/// A message without its place for a signature, for those that are signed from outside or not at all.
pub fn unsigned(message: &str) -> String {
    let start = message.find("<ds:Signature ").expect("it has a signature");
    let end = message.find("</ds:Signature>").expect("it has a signature");
    [&message[..start], &message[end + "</ds:Signature>".len()..]].concat()
}

/// Encrypts the assertion in a response, by `xmlsec1 --encrypt`: AES-256-GCM, its key under RSA-OAEP.
pub fn encrypt(response: &str, reader: &Key) -> String {
    const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
    let template = format!(
        "<xenc:EncryptedData xmlns:xenc=\"{XENC}\" Type=\"{XENC}Element\"><xenc:EncryptionMethod \
        Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/><ds:KeyInfo \
        xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><xenc:EncryptedKey><xenc:EncryptionMethod \
        Algorithm=\"{XENC}rsa-oaep-mgf1p\"/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo>\
        <xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData>\
        <xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>"
    );
    let wrapped = response
        .replacen(
            "<saml:Assertion ",
            &format!("<saml:EncryptedAssertion xmlns:saml=\"{SAML}\"><saml:Assertion "),
            1,
        )
        .replace(
            "</saml:Assertion>",
            "</saml:Assertion></saml:EncryptedAssertion>",
        );
    let (message, template) = (
        temporary(wrapped.as_bytes()),
        temporary(template.as_bytes()),
    );
    let output = succeed(
        Command::new("xmlsec1")
            .args(["--encrypt", "--pubkey-cert-pem"])
            .arg(reader.certificate_file())
            .args(["--session-key", "aes-256", "--xml-data"])
            .arg(message.path())
            .args(["--node-xpath", "//*[local-name()='Assertion']"])
            .arg(template.path()),
    );
    let written = String::from_utf8(output.stdout).expect("xmlsec1 writes UTF-8");
    without_declaration(&written)
}

/// A message as the query of the HTTP-Redirect binding, signed by `openssl dgst` (SAML bindings §3.4.4.1).
pub fn query(name: &str, message: &str, relay_state: &str, key: &Key) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let deflated = encoder.write_all(message.as_bytes());
    let deflated = deflated
        .and_then(|()| encoder.finish())
        .expect("memory can be written");
    let signed = Serializer::new(String::new())
        .append_pair(name, &encode_block(&deflated))
        .append_pair("RelayState", relay_state)
        .append_pair(
            "SigAlg",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        )
        .finish();
    let file = temporary(signed.as_bytes());
    let output = succeed(
        Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(key.file())
            .arg(file.path())
            .stdin(Stdio::null()),
    );
    let signature = Serializer::new(String::new())
        .append_pair("Signature", &encode_block(&output.stdout))
        .finish();
    format!("{signed}&{signature}")
}

/// The message in the query of a URL.
pub fn received(url: &Url, name: &str) -> String {
    let (_, value) = url
        .query_pairs()
        .find(|(key, _)| key == name)
        .unwrap_or_else(|| panic!("{url} has no {name}"));
    let deflated = openssl::base64::decode_block(&value).expect("it is base64");
    let mut message = String::new();
    DeflateDecoder::new(&*deflated)
        .read_to_string(&mut message)
        .expect("it is deflated text");
    message
}

/// The ID of a message.
pub fn id_of(message: &str) -> String {
    let document = roxmltree::Document::parse(message).expect("it is XML");
    let id = document.root_element().attribute("ID");
    id.expect("a message has an ID").to_owned()
}

/// Nobody believes an ID twice.
fn fresh_id() -> String {
    format!("_{}", uuid::Uuid::new_v4().simple())
}

fn time(when: &str) -> String {
    let output = succeed(Command::new("date").args(["--utc", "--date", when, "+%FT%TZ"]));
    let time = String::from_utf8(output.stdout).expect("date writes ASCII");
    time.trim().to_owned()
}
