//! The strict profile of XML Signature that we believe.
//!
//! One enveloped signature as a direct child of the element it covers, one reference to that element, RSA with SHA-2,
//! keys that the caller trusts already. Whatever else xmldsig-core allows is refused by name, before it costs anything.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use roxmltree::Node;

use super::{Algorithm, DS, ENVELOPED, EXCLUSIVE_C14N};
use crate::{certificate::Certificate, exclusive_c14n::canonicalize, sealed};

/// Verifies the one `ds:Signature` that is a direct child of `element`, and returns only what it covers.
///
/// The document is to come from [`read`](super::read), so that its size is bounded. `keys` are those that the caller
/// trusts; what `ds:KeyInfo` says is never looked at.
pub fn verify<'a, 'i>(
    element: Node<'a, 'i>,
    keys: &[Certificate],
) -> Result<Verified<'a, 'i>, NotVerified> {
    let signature = only_signature(element)?;
    let parts = Parts::of(signature)?;
    covers(parts.reference, element)?;
    let certificate = signer(&parts, keys)?;
    compare_digest(&parts, element)?;
    Ok(Verified {
        element,
        certificate: certificate.clone(),
    })
}

/// An element whose signature was verified; there is no other way to have one.
#[derive(Debug, Clone)]
pub struct Verified<'a, 'i> {
    element: Node<'a, 'i>,
    certificate: Certificate,
}

impl<'a, 'i> Verified<'a, 'i> {
    /// The element that the signature covers; what is outside of it was not signed.
    pub fn element(&self) -> Node<'a, 'i> {
        self.element
    }

    /// The certificate whose key made the signature.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

/// Why an element is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// No `ds:Signature` is a direct child of the element.
    #[error("the element is not signed")]
    NoSignature,
    /// Several are.
    #[error("the element has several signatures")]
    SeveralSignatures,
    /// The signature is not built as the profile asks.
    #[error("the signature is malformed: {0}")]
    Malformed(&'static str),
    /// A part is missing, or not in the place that the schema gives it.
    #[error("the signature has no ds:{0} where it belongs")]
    Missing(&'static str),
    /// An algorithm that is not on the list.
    #[error("the signature uses the algorithm {uri:?}, which is not accepted")]
    Algorithm {
        /// Its identifier.
        uri: String,
    },
    /// Not exactly the enveloped-signature transform followed by exclusive canonicalization.
    #[error(
        "the signature's transforms are not enveloped-signature and exclusive canonicalization"
    )]
    Transforms,
    /// The signature covers something else than the element.
    #[error("the signature refers to {uri:?} instead of its parent")]
    Reference {
        /// What it refers to.
        uri: String,
    },
    /// Two elements of the document claim one id.
    #[error("the document has the id {id:?} twice")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// None of the keys made the signature.
    #[error("the signature is not by a key that is trusted")]
    SignatureValue,
    /// The element is not what was signed.
    #[error("the element was changed after it was signed")]
    Digest,
}

/// The first `ds:Signature` that is a direct child of `element`.
pub fn signature_of<'a, 'i>(element: Node<'a, 'i>) -> Option<Node<'a, 'i>> {
    signatures_of(element).next()
}

fn signatures_of<'a, 'i>(element: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    element
        .children()
        .filter(|child| child.has_tag_name((DS, "Signature")))
}

fn only_signature<'a, 'i>(element: Node<'a, 'i>) -> Result<Node<'a, 'i>, NotVerified> {
    let mut signatures = signatures_of(element);
    let signature = signatures.next().ok_or(NotVerified::NoSignature)?;
    if signatures.next().is_some() {
        Err(NotVerified::SeveralSignatures)
    } else {
        Ok(signature)
    }
}

/// What a signature says, taken apart (xmldsig-core §4).
struct Parts<'a, 'i> {
    signature: Node<'a, 'i>,
    signed_info: Node<'a, 'i>,
    /// The `PrefixList` of the canonicalization of `ds:SignedInfo`.
    info_prefixes: Vec<&'a str>,
    signature_algorithm: Algorithm,
    signature_value: Vec<u8>,
    /// The value of `@URI`.
    reference: &'a str,
    /// The `PrefixList` of the canonicalization of the element.
    element_prefixes: Vec<&'a str>,
    digest_algorithm: Algorithm,
    digest_value: Vec<u8>,
}

impl<'a, 'i> Parts<'a, 'i> {
    fn of(signature: Node<'a, 'i>) -> Result<Self, NotVerified> {
        if signature
            .descendants()
            .any(|node| node.is_comment() || node.is_pi())
        {
            return Err(NotVerified::Malformed(
                "a comment or processing instruction in ds:Signature",
            ));
        }
        let (signed_info, signature_value) = match children(signature)?[..] {
            [info, value] => (info, value),
            [info, value, key] if key.has_tag_name((DS, "KeyInfo")) => (info, value),
            _ => {
                return Err(NotVerified::Malformed(
                    "ds:Signature has other parts than SignedInfo, SignatureValue, KeyInfo",
                ));
            }
        };
        named(signed_info, "SignedInfo")?;
        let [c14n, signature_method, reference] = children(signed_info)?[..] else {
            return Err(NotVerified::Malformed(
                "ds:SignedInfo is not two methods and one reference",
            ));
        };
        named(c14n, "CanonicalizationMethod")?;
        named(reference, "Reference")?;
        let [transforms, digest_method, digest_value] = children(reference)?[..] else {
            return Err(NotVerified::Malformed(
                "ds:Reference is not transforms, digest method and digest value",
            ));
        };
        Ok(Self {
            signature,
            signed_info,
            info_prefixes: exclusive(c14n)?,
            signature_algorithm: method(
                named(signature_method, "SignatureMethod")?,
                Algorithm::from_uri,
            )?,
            signature_value: base64(named(signature_value, "SignatureValue")?)?,
            reference: reference
                .attribute("URI")
                .ok_or(NotVerified::Malformed("ds:Reference has no URI"))?,
            element_prefixes: enveloped_exclusive(named(transforms, "Transforms")?)?,
            digest_algorithm: method(named(digest_method, "DigestMethod")?, Algorithm::of_digest)?,
            digest_value: base64(named(digest_value, "DigestValue")?)?,
        })
    }
}

/// Refuses a reference to anything but `element`, or to an id that something else also has.
fn covers(uri: &str, element: Node<'_, '_>) -> Result<(), NotVerified> {
    let mut seen = HashSet::new();
    for id in element.document().descendants().flat_map(ids) {
        if !seen.insert(id) {
            return Err(NotVerified::DuplicateId { id: id.to_owned() });
        }
    }
    let mut own = ids(element);
    let named = match (own.next(), own.next()) {
        (Some(id), None) => !id.is_empty() && uri.strip_prefix('#') == Some(id),
        _ => false,
    };
    // The empty reference is the whole document (xmldsig-core §4.4.3.2).
    let whole = uri.is_empty() && element == element.document().root_element();
    if named || whole {
        Ok(())
    } else {
        Err(NotVerified::Reference {
            uri: uri.to_owned(),
        })
    }
}

/// Every attribute that some reader takes for an ID: `ID`, `Id`, `wsu:Id`, `xml:id`, and the names of SAML 1.1.
fn ids<'a>(node: Node<'a, '_>) -> impl Iterator<Item = &'a str> {
    let is_id = |name: &str| {
        name.eq_ignore_ascii_case("id")
            || matches!(name, "AssertionID" | "RequestID" | "ResponseID")
    };
    node.attributes()
        .filter(move |attribute| is_id(attribute.name()))
        .map(|attribute| attribute.value())
}

/// The one of `keys` that made the signature over `ds:SignedInfo` (xmldsig-core §3.2.2).
fn signer<'k>(
    parts: &Parts<'_, '_>,
    keys: &'k [Certificate],
) -> Result<&'k Certificate, NotVerified> {
    let canonical = canonicalize(parts.signed_info, None, &parts.info_prefixes);
    let digest = parts.signature_algorithm.digest(canonical.as_bytes());
    let made_it = |key: &&Certificate| {
        key.verifies(
            parts.signature_algorithm.md(),
            &digest,
            &parts.signature_value,
        )
    };
    keys.iter().find(made_it).ok_or(NotVerified::SignatureValue)
}

/// Compares the element, without its signature, with what was signed (xmldsig-core §3.2.1).
fn compare_digest(parts: &Parts<'_, '_>, element: Node<'_, '_>) -> Result<(), NotVerified> {
    let canonical = canonicalize(element, Some(parts.signature), &parts.element_prefixes);
    let digest = parts.digest_algorithm.digest(canonical.as_bytes());
    if sealed::equal(&digest, &parts.digest_value) {
        Ok(())
    } else {
        Err(NotVerified::Digest)
    }
}

/// The algorithm of a method, which must be on the list and have no parameters.
fn method(
    method: Node<'_, '_>,
    known: fn(&str) -> Option<Algorithm>,
) -> Result<Algorithm, NotVerified> {
    let uri = algorithm(method)?;
    let found = known(uri).ok_or_else(|| NotVerified::Algorithm {
        uri: uri.to_owned(),
    })?;
    if children(method)?.is_empty() {
        Ok(found)
    } else {
        Err(NotVerified::Malformed("a method has parameters"))
    }
}

fn enveloped_exclusive<'a>(transforms: Node<'a, '_>) -> Result<Vec<&'a str>, NotVerified> {
    let transforms = children(transforms)?;
    let [enveloped, c14n] = transforms[..] else {
        return Err(NotVerified::Transforms);
    };
    let is_transform = |node: Node<'_, '_>| node.has_tag_name((DS, "Transform"));
    if !(is_transform(enveloped) && is_transform(c14n))
        || algorithm(enveloped)? != ENVELOPED
        || algorithm(c14n)? != EXCLUSIVE_C14N
    {
        return Err(NotVerified::Transforms);
    }
    if !children(enveloped)?.is_empty() {
        return Err(NotVerified::Transforms);
    }
    exclusive(c14n)
}

/// The `PrefixList` of a method that is exclusive canonicalization without comments (xml-exc-c14n §3).
fn exclusive<'a>(method: Node<'a, '_>) -> Result<Vec<&'a str>, NotVerified> {
    let uri = algorithm(method)?;
    if uri != EXCLUSIVE_C14N {
        return Err(NotVerified::Algorithm {
            uri: uri.to_owned(),
        });
    }
    let list = match children(method)?[..] {
        [] => "",
        [namespaces] if namespaces.has_tag_name((EXCLUSIVE_C14N, "InclusiveNamespaces")) => {
            namespaces.attribute("PrefixList").unwrap_or_default()
        }
        _ => {
            return Err(NotVerified::Malformed(
                "a canonicalization has unknown parameters",
            ));
        }
    };
    let prefixes: Vec<_> = list
        .split_ascii_whitespace()
        .take(MOST_PREFIXES + 1)
        .collect();
    if prefixes.len() > MOST_PREFIXES {
        Err(NotVerified::Malformed("a PrefixList is too long"))
    } else {
        Ok(prefixes)
    }
}

/// A list costs something for every element of the document.
const MOST_PREFIXES: usize = 32;

fn algorithm<'a>(method: Node<'a, '_>) -> Result<&'a str, NotVerified> {
    method
        .attribute("Algorithm")
        .ok_or(NotVerified::Malformed("a method has no Algorithm"))
}

fn named<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Result<Node<'a, 'i>, NotVerified> {
    if node.has_tag_name((DS, name)) {
        Ok(node)
    } else {
        Err(NotVerified::Missing(name))
    }
}

/// The child elements, between which nothing but white space may stand.
fn children<'a, 'i>(node: Node<'a, 'i>) -> Result<Vec<Node<'a, 'i>>, NotVerified> {
    let is_blank = |node: &Node<'_, '_>| node.text().is_some_and(|text| text.bytes().all(is_space));
    let (elements, others): (Vec<_>, Vec<_>) = node.children().partition(Node::is_element);
    if others.iter().all(is_blank) {
        Ok(elements)
    } else {
        Err(NotVerified::Malformed(
            "text between the parts of ds:Signature",
        ))
    }
}

fn base64(node: Node<'_, '_>) -> Result<Vec<u8>, NotVerified> {
    let malformed = NotVerified::Malformed("a value is not base64");
    if node.children().any(|child| !child.is_text()) {
        return Err(malformed);
    }
    let text = node.children().filter_map(|child| child.text());
    let digits: Vec<u8> = text
        .flat_map(str::bytes)
        .filter(|&byte| !is_space(byte))
        .collect();
    STANDARD.decode(digits).map_err(|_| malformed)
}

/// XML §2.3, the production S.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
