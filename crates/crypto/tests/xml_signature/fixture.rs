//! Keys, a small signed document, and a signer that also makes what ours never would.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::DateTime;
use countersign_crypto::{
    certificate::{Certificate, SigningKey},
    exclusive_c14n::canonicalize,
    xml_signature::{Algorithm, Limits, NotVerified, read, sign, signature_of, text_of, verify},
};
use openssl::{
    hash::{MessageDigest, hash},
    pkey::{PKey, Private},
    sign::Signer,
};
use roxmltree::{Document, Node};

pub static ALICE: LazyLock<SigningKey> = LazyLock::new(|| new_key("the key that we trust"));
pub static MALLORY: LazyLock<SigningKey> = LazyLock::new(|| new_key("another key"));

fn new_key(name: &str) -> SigningKey {
    let begin = DateTime::from_timestamp(1_795_000_000, 0).expect("a time in 2026");
    SigningKey::generate(name, begin, 365).expect("libcrypto makes keys")
}

pub fn trusted() -> [Certificate; 1] {
    [ALICE.certificate().clone()]
}

pub fn parse(xml: &str) -> Document<'_> {
    read(xml.as_bytes(), &Limits::default()).expect("the test's own document can be read")
}

/// An assertion about `name` in canonical form, with the place for its signature: behind the issuer.
pub fn assertion(id: &str, name: &str) -> (String, usize) {
    let head =
        format!(r#"<a:Assertion xmlns:a="urn:assertion" ID="{id}"><a:Issuer>idp</a:Issuer>"#);
    (
        format!("{head}<a:Name>{}</a:Name></a:Assertion>", escape(name)),
        head.len(),
    )
}

pub fn unsigned(id: &str, name: &str) -> String {
    assertion(id, name).0
}

pub fn signed_by(key: &SigningKey, id: &str, name: &str) -> String {
    let (canonical, at) = assertion(id, name);
    sign(&canonical, id, at, key, Algorithm::default()).expect("the assertion has its id and place")
}

pub fn signed(id: &str, name: &str) -> String {
    signed_by(&ALICE, id, name)
}

/// The text of the first signature in `xml`.
pub fn signature_in(xml: &str) -> String {
    let document = parse(xml);
    let signature = document
        .descendants()
        .find_map(signature_of)
        .expect("it is signed");
    xml[signature.range()].to_owned()
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\r', "&#xD;")
}

/// Whether the document's root is believed.
pub fn root(xml: &str) -> Result<(), NotVerified> {
    verify(parse(xml).root_element(), &trusted()).map(|_| ())
}

/// The names in all elements of `xml` that are believed, whichever of them a caller might pick.
pub fn believed(xml: &str) -> Vec<String> {
    let document = parse(xml);
    let elements = document.descendants().filter(Node::is_element);
    let verified = elements.filter_map(|element| verify(element, &trusted()).ok());
    let names = verified.flat_map(|verified| {
        verified
            .element()
            .descendants()
            .filter(|node| node.has_tag_name(("urn:assertion", "Name")))
    });
    names.map(text_of).collect()
}

/// Why the assertion about `name` is not believed.
pub fn refusal(xml: &str, name: &str) -> NotVerified {
    let document = parse(xml);
    let about = |node: &Node<'_, '_>| {
        node.children()
            .any(|child| child.has_tag_name(("urn:assertion", "Name")) && text_of(child) == name)
    };
    let assertion = document
        .descendants()
        .find(about)
        .expect("the name is there");
    verify(assertion, &trusted()).expect_err("the assertion must not be believed")
}

/// How to make a signature that is correct by xmldsig-core, within our profile or not.
pub struct Recipe<'a> {
    pub c14n: &'a str,
    pub method: &'a str,
    pub uri: &'a str,
    pub transforms: &'a str,
    pub digest_method: &'a str,
    /// The `PrefixList` that is really applied to both.
    pub prefixes: &'a [&'a str],
    pub signature_hash: MessageDigest,
    pub digest_hash: MessageDigest,
}

pub const EXCLUSIVE: &str = r#"Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#""#;
pub const TRANSFORMS: &str = r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>"#;

impl Default for Recipe<'_> {
    fn default() -> Self {
        Self {
            c14n: r#"<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>"#,
            method: r#"<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>"#,
            uri: "#_1",
            transforms: TRANSFORMS,
            digest_method: r#"<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>"#,
            prefixes: &[],
            signature_hash: MessageDigest::sha256(),
            digest_hash: MessageDigest::sha256(),
        }
    }
}

impl Recipe<'_> {
    /// Appends a signature to the root of `xml`.
    pub fn sign(&self, xml: &str, key: &PKey<Private>) -> String {
        let canonical = canonicalize(parse(xml).root_element(), None, self.prefixes);
        let digest = STANDARD
            .encode(hash(self.digest_hash, canonical.as_bytes()).expect("libcrypto hashes"));
        let info = format!(
            r#"<ds:SignedInfo>{}{}<ds:Reference URI="{}"><ds:Transforms>{}</ds:Transforms>{}<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"#,
            self.c14n, self.method, self.uri, self.transforms, self.digest_method
        );
        let end = xml.rfind("</").expect("the root has an end tag");
        let place = |value: &str| {
            let signature = format!(
                r#"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"#
            );
            [&xml[..end], &signature, &xml[end..]].concat()
        };
        let draft = place("");
        let document = parse(&draft);
        let signature = signature_of(document.root_element()).expect("we have just put it there");
        let signed_info = signature.first_child().expect("SignedInfo comes first");
        let mut signer = Signer::new(self.signature_hash, key).expect("a key to sign with");
        signer
            .update(canonicalize(signed_info, None, self.prefixes).as_bytes())
            .expect("libcrypto hashes");
        place(&STANDARD.encode(signer.sign_to_vec().expect("libcrypto signs")))
    }
}

/// The private key of [`ALICE`] as libcrypto has it.
pub fn alice() -> PKey<Private> {
    PKey::private_key_from_der(&ALICE.private_key_der()).expect("we wrote it")
}
