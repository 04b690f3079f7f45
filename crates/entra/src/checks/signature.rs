//! Checks 19 to 25: the signature, its shape looked at here, its mathematics left to the strict verifier.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use crypto::certificate::Certificate;
use crypto::xml_signature::{NotVerified, Verified, verify};
use roxmltree::Node;

use super::outcome::{Checked, Ledger, OrRaise, ensure, failure};
use super::{names, xml};
use crate::tenant::{Federation, Realm};

/// Checks 20 to 25, noted.
pub fn noted<'a, 'i>(
    assertion: Node<'a, 'i>,
    id: &str,
    signature: Node,
    realm: Realm,
    now: DateTime<Utc>,
    ledger: &mut Ledger,
) -> Option<Verified<'a, 'i>> {
    ledger.note(20, reference(assertion, id, signature))?;
    ledger.note(21, transforms(signature))?;
    ledger.note(22, algorithms(signature))?;
    let verified = ledger.note(23, key(assertion, signature, realm.federation))?;
    ledger.remark(24, line_breaks(signature));
    ledger.remark(25, out_of_date(&verified, now));
    Some(verified)
}

/// The same checks of a signature around the assertion or on another message, as one.
pub fn trusted<'a, 'i>(
    element: Node<'a, 'i>,
    signature: Node,
    federation: &Federation,
) -> Checked<Verified<'a, 'i>> {
    let id = element.attribute("ID").unwrap_or_default();
    reference(element, id, signature)?;
    transforms(signature)?;
    algorithms(signature)?;
    key(element, signature, federation)
}

/// Check 19 (SAML 1.1 core §5.4.1; its schema puts the signature last).
pub fn last_child<'a, 'i>(assertion: Node<'a, 'i>) -> Checked<Node<'a, 'i>> {
    let signature = only_one(assertion)?;
    ensure(
        assertion.last_element_child() == Some(signature),
        50008,
        || "the signature is not the last child of the assertion".to_owned(),
    )?;
    Ok(signature)
}

/// Check 19 (SAML core §5.4.1; the schema puts the signature right after the issuer).
pub fn after_issuer<'a, 'i>(assertion: Node<'a, 'i>) -> Checked<Node<'a, 'i>> {
    let signature = only_one(assertion)?;
    follows_issuer(signature, assertion)?;
    Ok(signature)
}

/// Where a response or a sign-out message may carry a signature of its own, outside of `assertion`.
pub fn of_message<'a, 'i>(
    message: Node<'a, 'i>,
    assertion: Option<Node>,
) -> Checked<Option<Node<'a, 'i>>> {
    let mut outside = signatures(message).filter(|signature| {
        assertion.is_none_or(|assertion| !signature.ancestors().any(|node| node == assertion))
    });
    let Some(signature) = outside.next() else {
        return Ok(None);
    };
    ensure(outside.next().is_none(), 50008, || {
        "there is more than one signature beside the assertion's".to_owned()
    })?;
    follows_issuer(signature, message)?;
    Ok(Some(signature))
}

fn only_one<'a, 'i>(assertion: Node<'a, 'i>) -> Checked<Node<'a, 'i>> {
    let mut signatures = signatures(assertion);
    let signature = signatures
        .next()
        .ok_or_else(|| failure(50008, "the assertion is not signed"))?;
    ensure(signatures.next().is_none(), 50008, || {
        "there is more than one signature".to_owned()
    })?;
    Ok(signature)
}

fn signatures<'a, 'i>(element: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    element
        .descendants()
        .filter(|node| node.has_tag_name((names::SIGNATURE, "Signature")))
}

fn follows_issuer(signature: Node, element: Node) -> Checked<()> {
    let issuer = element
        .first_element_child()
        .filter(|first| first.has_tag_name((names::SAML2, "Issuer")));
    let follows = issuer.is_some() && signature.prev_sibling_element() == issuer;
    ensure(follows, 50008, || {
        let name = element.tag_name().name();
        format!("the signature does not stand right after the issuer of the {name}")
    })
}

/// Check 20: the guard against wrapped signatures.
fn reference(element: Node, id: &str, signature: Node) -> Checked<()> {
    let signed_info = signed_info(signature)?;
    let reference = xml::only(signed_info, names::SIGNATURE, "Reference").or_raise(50008)?;
    let uri = reference.attribute("URI").unwrap_or_default();
    ensure(
        !id.is_empty() && uri.strip_prefix('#') == Some(id),
        50008,
        || format!("it refers to {uri:?}, not to the element it stands in, {id:?}"),
    )?;
    ensure(xml::is_unique(id, element.document()), 50008, || {
        format!("{id} is the identifier of several elements")
    })
}

/// Check 21.
fn transforms(signature: Node) -> Checked<()> {
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
fn algorithms(signature: Node) -> Checked<()> {
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
fn key<'a, 'i>(
    element: Node<'a, 'i>,
    signature: Node,
    federation: &Federation,
) -> Checked<Verified<'a, 'i>> {
    let registered = registered(federation)?;
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
    verify(element, &registered).map_err(|error| match error {
        NotVerified::Digest | NotVerified::SignatureValue => {
            failure(50006, format!("the signature does not verify: {error}"))
        }
        _ => failure(50008, error.to_string()),
    })
}

/// The certificates that may sign for a domain.
pub fn registered(federation: &Federation) -> Checked<Vec<Certificate>> {
    [
        Some(&federation.signing_certificate),
        federation.next_signing_certificate.as_ref(),
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
    })
}

/// Check 24: a carriage return turned `&#13;` has broken many a sign-in.
fn line_breaks(signature: Node) -> Option<String> {
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
fn out_of_date(verified: &Verified, now: DateTime<Utc>) -> Option<String> {
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
