//! Reads the parts of a message: each where the schema has it, once, in its type.

use chrono::{DateTime, NaiveDateTime, Utc};
use roxmltree::Node;

use crate::urlencoded::{BadRequest, Fault};

/// Far longer than any name, id or address that people use.
pub(crate) const LONGEST: usize = 4096;

pub(crate) fn fault(part: &'static str, fault: Fault) -> BadRequest {
    BadRequest::Part { part, fault }
}

/// The one child with this name, if there is one.
pub(crate) fn child<'a, 'i>(
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
pub(crate) fn text(element: Node<'_, '_>, part: &'static str) -> Result<String, BadRequest> {
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
pub(crate) fn filled(element: Node<'_, '_>, part: &'static str) -> Result<String, BadRequest> {
    let text = text(element, part)?;
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Err(fault(part, Fault::Missing));
    }
    Ok(text.to_owned())
}

pub(crate) fn attribute(
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
pub(crate) fn attribute_filled(
    element: Node<'_, '_>,
    part: &'static str,
) -> Result<Option<String>, BadRequest> {
    Ok(attribute(element, part)?.filter(|value| !value.is_empty()))
}

pub(crate) fn required(element: Node<'_, '_>, part: &'static str) -> Result<String, BadRequest> {
    attribute_filled(element, part)?.ok_or_else(|| fault(part, Fault::Missing))
}

/// An xs:boolean (XML Schema part 2 §3.2.2); absent is false.
pub(crate) fn boolean(element: Node<'_, '_>, part: &'static str) -> Result<bool, BadRequest> {
    Ok(optional_boolean(element, part)?.unwrap_or_default())
}

pub(crate) fn optional_boolean(
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
pub(crate) fn index(element: Node<'_, '_>, part: &'static str) -> Result<Option<u16>, BadRequest> {
    let parsed = |value: &str| value.trim().parse().ok();
    match element.attribute(part) {
        None => Ok(None),
        Some(value) => Ok(Some(
            parsed(value).ok_or_else(|| fault(part, Fault::Malformed))?,
        )),
    }
}

/// An xs:dateTime in UTC (SAML core §1.3.3, WS-Security §10); without a zone it is UTC too.
pub(crate) fn instant(text: &str, part: &'static str) -> Result<DateTime<Utc>, BadRequest> {
    let text = text.trim();
    let zoned = || DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    let plain = || text.parse::<NaiveDateTime>().map(|at| at.and_utc());
    // Both parsers know forms that the type does not have.
    let typed = text.as_bytes().get(10) == Some(&b'T') && text.len() <= 40;
    match zoned().or_else(|_| plain()) {
        Ok(at) if typed => Ok(at),
        _ => Err(fault(part, Fault::Malformed)),
    }
}

/// An attribute that is an instant.
pub(crate) fn instant_attribute(
    element: Node<'_, '_>,
    part: &'static str,
) -> Result<Option<DateTime<Utc>>, BadRequest> {
    element
        .attribute(part)
        .map(|text| instant(text, part))
        .transpose()
}

/// The texts of all children with this name.
pub(crate) fn texts(
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
