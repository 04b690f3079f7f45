//! The envelope around an answer (SOAP 1.2 part 1 §5, WS-Addressing 1.0).

use roxmltree::Node;

use super::tally::ensure;
use super::{Arrived, Asked};
use crate::checks::{names, xml};

pub const ENVELOPE: &str = "http://www.w3.org/2003/05/soap-envelope";

/// Whether the body of an envelope holds a fault; `None` when nobody can tell.
pub fn says_fault(body: &[u8]) -> Option<bool> {
    let document = xml::document(std::str::from_utf8(body).ok()?).ok()?;
    let body = xml::only(document.root_element(), ENVELOPE, "Body").ok()?;
    let content = body.first_element_child()?;
    Some(content.has_tag_name((ENVELOPE, "Fault")))
}

/// That it is sent as SOAP 1.2 (RFC 3902), in the only encoding that every client reads.
pub fn media_type(arrived: &Arrived) -> Result<(), String> {
    let sent = arrived.content_type.as_deref().unwrap_or_default();
    let mut parts = sent.split(';').map(str::trim);
    let is_soap = parts
        .next()
        .is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/soap+xml"));
    let is_utf8 = parts
        .find_map(|part| part.split_once('='))
        .is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("charset")
                && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        });
    ensure(is_soap && is_utf8, || {
        format!("the content type is {sent:?}")
    })
}

/// The body as text.
pub fn text(arrived: &Arrived) -> Result<&str, String> {
    std::str::from_utf8(&arrived.body).map_err(|error| format!("it is not UTF-8: {error}"))
}

/// The header, and what the body holds.
pub fn parts<'a, 'i>(envelope: Node<'a, 'i>) -> Result<(Node<'a, 'i>, Node<'a, 'i>), String> {
    ensure(envelope.has_tag_name((ENVELOPE, "Envelope")), || {
        let name = envelope.tag_name();
        let namespace = name.namespace().unwrap_or_default();
        format!("the root is {} of {namespace:?}", name.name())
    })?;
    let header = xml::only(envelope, ENVELOPE, "Header")?;
    let body = xml::only(envelope, ENVELOPE, "Body")?;
    let mut contents = body.children().filter(Node::is_element);
    match (contents.next(), contents.next()) {
        (Some(content), None) => Ok((header, content)),
        (None, _) => Err("the body is empty".to_owned()),
        (Some(_), Some(_)) => Err("the body holds more than one thing".to_owned()),
    }
}

pub fn action(header: Node, expected: &str) -> Result<(), String> {
    let action = xml::text(xml::only(header, names::ADDRESSING, "Action")?);
    ensure(action == expected, || format!("the action is {action:?}"))
}

/// That the answer is to this request; whose request had no name that counts may be answered without.
pub fn relates_to(header: Node, asked: &Asked) -> Result<(), String> {
    let mut answered = xml::children(header, names::ADDRESSING, "RelatesTo").map(xml::text);
    match (answered.next(), answered.next()) {
        (None, _) if !asked.client.names_its_message() => Ok(()),
        (Some(id), None) => ensure(id == asked.message_id, || format!("it relates to {id:?}")),
        (None, _) => Err("there is no RelatesTo".to_owned()),
        (Some(_), Some(_)) => Err("there is more than one RelatesTo".to_owned()),
    }
}
