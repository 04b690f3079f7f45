//! The key that Microsoft signs requests with, where a domain asks for signed ones.
//!
//! It signs with SHA-1, which nobody else should do any more, and which nothing here believes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sha::sha1;
use openssl::sign::Signer;

use super::element::Element;

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The signature method, in XML and beside a query.
pub const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";

pub struct OrgIdKey(PKey<Private>);

impl OrgIdKey {
    pub fn generate() -> Result<Self, ErrorStack> {
        Ok(Self(PKey::from_rsa(Rsa::generate(2048)?)?))
    }

    /// A signature over some bytes.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        Signer::new(MessageDigest::sha1(), &self.0)?.sign_oneshot_to_vec(bytes)
    }

    /// The `Signature` (xmldsig-core §4) of an element that is `canonical` and has this ID.
    pub fn enveloped(&self, canonical: &str, id: &str) -> Result<Element, ErrorStack> {
        let transforms = Element::new("Transforms")
            .child(algorithm(
                "Transform",
                "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            ))
            .child(algorithm("Transform", EXCLUSIVE_C14N));
        let reference = Element::new("Reference")
            .attribute("URI", format!("#{id}"))
            .child(transforms)
            .child(algorithm(
                "DigestMethod",
                "http://www.w3.org/2000/09/xmldsig#sha1",
            ))
            .child(Element::new("DigestValue").text(BASE64.encode(sha1(canonical.as_bytes()))));
        let signed_info = Element::new("SignedInfo")
            .child(algorithm("CanonicalizationMethod", EXCLUSIVE_C14N))
            .child(algorithm("SignatureMethod", RSA_SHA1))
            .child(reference);
        // Canonical XML declares the namespace at the top of what is signed.
        let value = self.sign(
            signed_info
                .clone()
                .attribute("xmlns", DS)
                .canonical()
                .as_bytes(),
        )?;
        Ok(Element::new("Signature")
            .attribute("xmlns", DS)
            .child(signed_info)
            .child(Element::new("SignatureValue").text(BASE64.encode(value)))
            .child(self.key_info()?))
    }

    /// Whether a signature is this key's.
    #[cfg(test)]
    pub fn made(&self, signature: &[u8], bytes: &[u8]) -> bool {
        openssl::sign::Verifier::new(MessageDigest::sha1(), &self.0)
            .and_then(|mut verifier| verifier.verify_oneshot(signature, bytes))
            .expect("RSA verifies")
    }

    /// No certificate: the key is found by its identifier (RFC 5280 §4.2.1.2) or its name.
    fn key_info(&self) -> Result<Element, ErrorStack> {
        let identifier = sha1(&self.0.rsa()?.public_key_to_der_pkcs1()?);
        let data =
            Element::new("X509Data").child(Element::new("X509SKI").text(BASE64.encode(identifier)));
        Ok(Element::new("KeyInfo")
            .child(data)
            .child(Element::new("KeyName").text("MicrosoftOnline")))
    }
}

fn algorithm(name: &'static str, algorithm: &'static str) -> Element {
    Element::new(name).attribute("Algorithm", algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_verifies_over_what_a_reader_makes_of_it() {
        let key = OrgIdKey::generate().expect("libcrypto makes keys");
        let signature = key.enveloped("<a ID=\"_1\"></a>", "_1").expect("it signs");
        let text = signature.sent();
        let between = |from: &str, to: &str| {
            let rest = text.split_once(from).expect("it is there").1;
            rest.split_once(to).expect("it ends").0
        };
        let digest = BASE64.encode(sha1(b"<a ID=\"_1\"></a>"));
        assert_eq!(between("<DigestValue>", "</DigestValue>"), digest);
        let signed = [
            r#"<SignedInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></CanonicalizationMethod>"#,
            r##"<SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"></SignatureMethod><Reference URI="#_1"><Transforms>"##,
            r#"<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></Transform>"#,
            r#"<Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></Transform></Transforms>"#,
            r#"<DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"></DigestMethod><DigestValue>"#,
            &digest,
            "</DigestValue></Reference></SignedInfo>",
        ]
        .concat();
        let value = BASE64
            .decode(between("<SignatureValue>", "</SignatureValue>"))
            .expect("it is base64");
        assert!(key.made(&value, signed.as_bytes()), "{signed}");
        assert!(text.ends_with("<KeyName>MicrosoftOnline</KeyName></KeyInfo></Signature>"));
    }
}
