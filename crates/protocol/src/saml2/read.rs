//! Reads the parts of a message: each where the schema has it, once, in its type.

use chrono::{DateTime, NaiveDateTime, Utc};
use roxmltree::Node;

use super::NameId;
use crate::names::{ASSERTION, PROTOCOL, name_id};
use crate::urlencoded::{BadRequest, Fault};

/// Far longer than any name, id or address that people use.
pub(super) const LONGEST: usize = 4096;

pub(super) fn fault(part: &'static str, fault: Fault) -> BadRequest {
    BadRequest::Part { part, fault }
}

/// The one child with this name, if there is one.
pub(super) fn child<'a, 'i>(
    parent: Node<'a, 'i>,
    namespace: &str,
    name: &'static str,
) -> Result<Option<Node<'a, 'i>>, BadRequest> {
    let mut found = parent
        .children()
        .filter(|node| node.has_tag_name((namespace, name)));
    match (found.next(), found.next()) {
        (one, None) => Ok(one),
        _ => Err(fault(name, Fault::Doubled)),
    }
}

/// The whole text of an element: neither a comment nor a CDATA section cuts it short. Elements have no
/// business in it.
pub(super) fn text(element: Node<'_, '_>, part: &'static str) -> Result<String, BadRequest> {
    if element.children().any(|child| child.is_element()) {
        return Err(fault(part, Fault::Malformed));
    }
    let texts = element.children().filter(Node::is_text);
    let text: String = texts.filter_map(|text| text.text()).collect();
    if text.len() > LONGEST {
        return Err(fault(part, Fault::TooLong));
    }
    Ok(text)
}

/// The text of an element that must say something; white space around it is layout.
pub(super) fn filled(element: Node<'_, '_>, part: &'static str) -> Result<String, BadRequest> {
    let text = text(element, part)?;
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Err(fault(part, Fault::Missing));
    }
    Ok(text.to_owned())
}

pub(super) fn attribute(
    element: Node<'_, '_>,
    part: &'static str,
) -> Result<Option<String>, BadRequest> {
    let value = element.attribute(part);
    if value.is_some_and(|value| value.len() > LONGEST) {
        return Err(fault(part, Fault::TooLong));
    }
    Ok(value.map(str::to_owned))
}

/// An optional attribute in which empty means absent.
pub(super) fn attribute_filled(
    element: Node<'_, '_>,
    part: &'static str,
) -> Result<Option<String>, BadRequest> {
    Ok(attribute(element, part)?.filter(|value| !value.is_empty()))
}

fn required(element: Node<'_, '_>, part: &'static str) -> Result<String, BadRequest> {
    attribute_filled(element, part)?.ok_or_else(|| fault(part, Fault::Missing))
}

/// An xs:boolean (XML Schema part 2 §3.2.2); absent is false.
pub(super) fn boolean(element: Node<'_, '_>, part: &'static str) -> Result<bool, BadRequest> {
    Ok(optional_boolean(element, part)?.unwrap_or_default())
}

pub(super) fn optional_boolean(
    element: Node<'_, '_>,
    part: &'static str,
) -> Result<Option<bool>, BadRequest> {
    match element.attribute(part).map(str::trim) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(fault(part, Fault::Malformed)),
    }
}

/// An xs:unsignedShort, as indexes are (SAML metadata §2.2.3).
pub(super) fn index(element: Node<'_, '_>, part: &'static str) -> Result<Option<u16>, BadRequest> {
    let parsed = |value: &str| value.trim().parse().ok();
    match element.attribute(part) {
        None => Ok(None),
        Some(value) => Ok(Some(
            parsed(value).ok_or_else(|| fault(part, Fault::Malformed))?,
        )),
    }
}

/// An xs:dateTime in UTC (SAML core §1.3.3); without a zone it is UTC too.
pub(super) fn instant(
    element: Node<'_, '_>,
    part: &'static str,
) -> Result<Option<DateTime<Utc>>, BadRequest> {
    let Some(text) = element.attribute(part).map(str::trim) else {
        return Ok(None);
    };
    let zoned = || DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    let plain = || text.parse::<NaiveDateTime>().map(|at| at.and_utc());
    // Both parsers know forms that the type does not have.
    let typed = text.as_bytes().get(10) == Some(&b'T') && text.len() <= 40;
    match zoned().or_else(|_| plain()) {
        Ok(at) if typed => Ok(Some(at)),
        _ => Err(fault(part, Fault::Malformed)),
    }
}

/// What every message begins with (SAML core §3.2.1, §3.2.2).
pub(super) struct Head {
    pub id: String,
    pub issue_instant: DateTime<Utc>,
    pub destination: Option<String>,
    pub issuer: String,
}

impl Head {
    pub fn read(element: Node<'_, '_>) -> Result<Self, BadRequest> {
        if required(element, "Version")? != "2.0" {
            return Err(fault("Version", Fault::Version));
        }
        let id = required(element, "ID")?;
        if id.len() > 256 {
            return Err(fault("ID", Fault::TooLong));
        }
        if !is_ncname(&id) {
            return Err(fault("ID", Fault::Malformed));
        }
        let missing = |part| move || fault(part, Fault::Missing);
        let issuer = child(element, ASSERTION.uri, "Issuer")?.ok_or_else(missing("Issuer"))?;
        if attribute_filled(issuer, "Format")?.is_some_and(|format| format != name_id::ENTITY) {
            return Err(fault("Issuer", Fault::Unsupported));
        }
        Ok(Self {
            id,
            issue_instant: instant(element, "IssueInstant")?.ok_or_else(missing("IssueInstant"))?,
            destination: attribute_filled(element, "Destination")?,
            issuer: filled(issuer, "Issuer")?,
        })
    }
}

/// A `saml:NameID`; one that is encrypted cannot be read, since we publish no key for that.
pub(super) fn name_id(parent: Node<'_, '_>) -> Result<Option<NameId>, BadRequest> {
    if child(parent, ASSERTION.uri, "EncryptedID")?.is_some() {
        return Err(fault("EncryptedID", Fault::Encrypted));
    }
    if child(parent, ASSERTION.uri, "BaseID")?.is_some() {
        return Err(fault("BaseID", Fault::Unsupported));
    }
    let Some(element) = child(parent, ASSERTION.uri, "NameID")? else {
        return Ok(None);
    };
    Ok(Some(NameId {
        format: attribute_filled(element, "Format")?,
        value: filled(element, "NameID")?,
        name_qualifier: attribute_filled(element, "NameQualifier")?,
        sp_name_qualifier: attribute_filled(element, "SPNameQualifier")?,
    }))
}

/// The texts of all children with this name.
pub(super) fn texts(
    parent: Node<'_, '_>,
    namespace: &str,
    name: &'static str,
) -> Result<Vec<String>, BadRequest> {
    parent
        .children()
        .filter(|node| node.has_tag_name((namespace, name)))
        .take(MOST_TEXTS)
        .map(|node| filled(node, name))
        .collect()
}

/// More than any request names.
const MOST_TEXTS: usize = 100;

/// The codes of a `samlp:Status`, the top level first (SAML core §3.2.2.2).
pub(super) fn status(response: Node<'_, '_>) -> Result<Vec<String>, BadRequest> {
    let missing = || fault("StatusCode", Fault::Missing);
    let mut parent = child(response, PROTOCOL.uri, "Status")?.ok_or_else(missing)?;
    let mut codes = Vec::new();
    while let Some(code) = child(parent, PROTOCOL.uri, "StatusCode")?
        && codes.len() < 4
    {
        codes.push(required(code, "Value")?);
        parent = code;
    }
    if codes.is_empty() {
        return Err(missing());
    }
    Ok(codes)
}

/// XML Schema part 2 §3.3.7, near enough: what cannot be one is refused, letters of every script pass.
fn is_ncname(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    starts
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '\u{B7}'))
}
