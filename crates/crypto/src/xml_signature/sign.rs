//! Enveloped signatures over text that is canonical already.

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::error::ErrorStack;

use super::{Algorithm, DS, ENVELOPED, EXCLUSIVE_C14N};
use crate::certificate::SigningKey;

/// Signs a document whose text is in exclusive canonical form (W3C xml-exc-c14n).
///
/// The enveloped `ds:Signature` (xmldsig-core §4) is inserted at byte `signature_at`, between two tags of the
/// document; `id` is the value of the root's ID attribute. What comes out is canonical again, so that it can be part
/// of a larger document that is signed in its turn.
pub fn sign(
    canonical: &str,
    id: &str,
    signature_at: usize,
    key: &SigningKey,
    algorithm: Algorithm,
) -> Result<String, SignError> {
    let (before, after) = split(canonical, signature_at)?;
    if !is_id_of(id, before) {
        return Err(SignError::Id);
    }
    let digest = STANDARD.encode(algorithm.digest(canonical.as_bytes()));
    let info = signed_info(id, &digest, algorithm);
    // Standing alone, it declares the prefix that `ds:Signature` declares for it in the document.
    let alone = ["<ds:SignedInfo xmlns:ds=\"", DS, "\">", &info].concat();
    let signature = key.sign_digest(algorithm, &algorithm.digest(alone.as_bytes()))?;
    let signature = STANDARD.encode(signature);
    let certificate = key.certificate().base64();
    Ok([
        before,
        "<ds:Signature xmlns:ds=\"",
        DS,
        "\"><ds:SignedInfo>",
        &info,
        "<ds:SignatureValue>",
        &signature,
        "</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>",
        certificate,
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>",
        after,
    ]
    .concat())
}

/// Why a document was not signed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignError {
    /// The id is empty, not an `xs:ID` in ASCII, or not the value of an attribute ahead of the signature.
    #[error("the id is not that of the document")]
    Id,
    /// The signature would not stand between two tags inside of the document.
    #[error("the signature's place is not between two tags of the document")]
    Place,
    /// libcrypto failed.
    #[error("libcrypto could not sign")]
    Library(#[from] ErrorStack),
}

fn split(canonical: &str, at: usize) -> Result<(&str, &str), SignError> {
    // In canonical text neither `<` nor `>` stands for itself next to the other, except between two tags.
    match canonical.split_at_checked(at) {
        Some((before, after)) if before.ends_with('>') && after.starts_with('<') => {
            Ok((before, after))
        }
        _ => Err(SignError::Place),
    }
}

fn is_id_of(id: &str, before: &str) -> bool {
    let is_name = id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    is_name && before.contains(&format!("=\"{id}\""))
}

/// `ds:SignedInfo` after its start tag (xmldsig-core §4.4).
fn signed_info(id: &str, digest: &str, algorithm: Algorithm) -> String {
    let (signature_method, digest_method) = (algorithm.uri(), algorithm.digest_uri());
    format!(
        "<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE_C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{signature_method}\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
         <ds:Transform Algorithm=\"{EXCLUSIVE_C14N}\"></ds:Transform>\
         </ds:Transforms><ds:DigestMethod Algorithm=\"{digest_method}\"></ds:DigestMethod>\
         <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
}
