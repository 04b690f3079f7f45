//! Checks 19 to 25: the signature, its shape looked at here, its mathematics left to the strict verifier.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use crypto::certificate::Certificate;
use crypto::xml_signature::{NotVerified, Verified, verify};
use roxmltree::Node;

use super::outcome::{Checked, OrRaise, ensure, failure};
use super::{names, xml};
use crate::tenant::Realm;

/// Attributes that make an identifier somewhere in the documents that are posted here.
const ID_ATTRIBUTES: [&str; 4] = ["id", "assertionid", "responseid", "requestid"];

/// Check 19 (SAML 1.1 core §5.4.1; its schema puts the signature last).
pub fn place<'a, 'i>(assertion: Node<'a, 'i>) -> Checked<Node<'a, 'i>> {
    let mut signatures = assertion
        .descendants()
        .filter(|node| node.has_tag_name((names::SIGNATURE, "Signature")));
    let signature = signatures
        .next()
        .ok_or_else(|| failure(50008, "the assertion is not signed"))?;
    ensure(signatures.next().is_none(), 50008, || {
        "there is more than one signature".to_owned()
    })?;
    ensure(
        assertion.last_element_child() == Some(signature),
        50008,
        || "the signature is not the last child of the assertion".to_owned(),
    )?;
    Ok(signature)
}

/// Check 20: the guard against wrapped signatures.
pub fn reference(assertion: Node, signature: Node) -> Checked<()> {
    let id = assertion.attribute("AssertionID").unwrap_or_default();
    let signed_info = signed_info(signature)?;
    let reference = xml::only(signed_info, names::SIGNATURE, "Reference").or_raise(50008)?;
    let uri = reference.attribute("URI").unwrap_or_default();
    ensure(
        !id.is_empty() && uri.strip_prefix('#') == Some(id),
        50008,
        || format!("it refers to {uri:?}, not to this assertion, {id:?}"),
    )?;
    let named_so = assertion
        .document()
        .descendants()
        .flat_map(|node| node.attributes())
        .filter(|attribute| {
            attribute.value() == id
                && ID_ATTRIBUTES.contains(&attribute.name().to_ascii_lowercase().as_str())
        });
    ensure(named_so.count() == 1, 50008, || {
        format!("{id} is the identifier of several elements")
    })
}

/// Check 21.
pub fn transforms(signature: Node) -> Checked<()> {
    let signed_info = signed_info(signature)?;
    let reference = xml::only(signed_info, names::SIGNATURE, "Reference").or_raise(50008)?;
    let list = xml::only(reference, names::SIGNATURE, "Transforms").or_raise(50008)?;
    let found: Vec<_> = list
        .children()
        .filter(Node::is_element)
        .map(|transform| transform.attribute("Algorithm"))
        .collect();
    ensure(
        found == [Some(names::ENVELOPED), Some(names::EXCLUSIVE)],
        50008,
        || format!("the transforms are {found:?}"),
    )?;
    let canonicalization = algorithm(signed_info, "CanonicalizationMethod")?;
    ensure(canonicalization == names::EXCLUSIVE, 50008, || {
        format!("the canonicalization is {canonicalization}")
    })
}

/// Check 22.
pub fn algorithms(signature: Node) -> Checked<()> {
    let signed_info = signed_info(signature)?;
    let method = algorithm(signed_info, "SignatureMethod")?;
    ensure(method == names::RSA_SHA256, 50008, || {
        format!("the signature method is {method}")
    })?;
    let reference = xml::only(signed_info, names::SIGNATURE, "Reference").or_raise(50008)?;
    let digest = algorithm(reference, "DigestMethod")?;
    ensure(digest == names::SHA256, 50008, || {
        format!("the digest method is {digest}")
    })
}

/// Check 23: the certificate in `KeyInfo` is a hint and never a key.
pub fn key<'a, 'i>(
    assertion: Node<'a, 'i>,
    signature: Node,
    realm: Realm,
) -> Checked<Verified<'a, 'i>> {
    let registered = [
        Some(&realm.federation.signing_certificate),
        realm.federation.next_signing_certificate.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(|der| Certificate::from_der(der))
    .collect::<Result<Vec<_>, _>>()
    .map_err(|error| {
        failure(
            50017,
            format!("the domain's certificate cannot be read: {error}"),
        )
    })?;
    let hints: Vec<_> = certificates(signature).collect();
    let is_known = |hint: &String| {
        BASE64
            .decode(without_space(hint))
            .is_ok_and(|der| registered.iter().any(|known| known.der() == der))
    };
    ensure(
        hints.is_empty() || hints.iter().any(is_known),
        5_000_811,
        || "the certificate in the signature is none of those registered for the domain".to_owned(),
    )?;
    verify(assertion, &registered).map_err(|error| match error {
        NotVerified::Digest | NotVerified::SignatureValue => {
            failure(50006, format!("the signature does not verify: {error}"))
        }
        _ => failure(50008, error.to_string()),
    })
}

/// Check 24: a carriage return turned `&#13;` has broken many a sign-in.
pub fn line_breaks(signature: Node) -> Option<String> {
    let base64 = ["SignatureValue", "DigestValue", "X509Certificate"];
    signature
        .descendants()
        .find(|node| {
            let name = node.tag_name();
            name.namespace() == Some(names::SIGNATURE)
                && base64.contains(&name.name())
                && xml::text(*node).contains(char::is_whitespace)
        })
        .map(|node| format!("{} contains white space", node.tag_name().name()))
}

/// Check 25: Entra ID does not ask for a certificate in date.
pub fn out_of_date(verified: &Verified, now: DateTime<Utc>) -> Option<String> {
    let certificate = verified.certificate();
    let (from, to) = (certificate.not_before(), certificate.not_after());
    (now < from || now > to).then(|| format!("it is valid from {from} to {to}"))
}

fn signed_info<'a, 'i>(signature: Node<'a, 'i>) -> Checked<Node<'a, 'i>> {
    xml::only(signature, names::SIGNATURE, "SignedInfo").or_raise(50008)
}

fn algorithm<'a>(parent: Node<'a, '_>, name: &'static str) -> Checked<&'a str> {
    let method = xml::only(parent, names::SIGNATURE, name).or_raise(50008)?;
    method
        .attribute("Algorithm")
        .ok_or_else(|| failure(50008, format!("{name} names no algorithm")))
}

fn certificates(signature: Node) -> impl Iterator<Item = String> {
    xml::children(signature, names::SIGNATURE, "KeyInfo")
        .flat_map(|info| xml::children(info, names::SIGNATURE, "X509Data"))
        .flat_map(|data| xml::children(data, names::SIGNATURE, "X509Certificate"))
        .map(xml::text)
}

fn without_space(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}
