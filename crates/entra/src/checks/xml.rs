//! Reading XML strictly: elements by namespace, one where one is due, text whole.

use chrono::{DateTime, Utc};
use crypto::xml_signature::{Limits, read};
use roxmltree::{Document, Node};

/// Attributes that make an identifier somewhere in the documents that are posted here.
const ID_ATTRIBUTES: [&str; 4] = ["id", "assertionid", "responseid", "requestid"];

/// A document without a document type and of bounded size.
pub fn document(text: &str) -> Result<Document<'_>, String> {
    read(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
}

/// Whether exactly one element of the document is named so.
pub fn is_unique(id: &str, document: &Document) -> bool {
    let named_so = document
        .descendants()
        .flat_map(|node| node.attributes())
        .filter(|attribute| {
            attribute.value() == id
                && ID_ATTRIBUTES.contains(&attribute.name().to_ascii_lowercase().as_str())
        });
    named_so.count() == 1
}

/// The child elements of this name.
pub fn children<'a, 'i>(
    parent: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    parent
        .children()
        .filter(move |child| child.has_tag_name((namespace, name)))
}

/// The one child element of this name; `Err` says in words what is wrong.
pub fn only<'a, 'i>(
    parent: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Node<'a, 'i>, String> {
    let mut found = children(parent, namespace, name);
    match (found.next(), found.next()) {
        (Some(child), None) => Ok(child),
        (None, _) => Err(format!("{} has no {name}", parent.tag_name().name())),
        (Some(_), Some(_)) => Err(format!(
            "{} has more than one {name}",
            parent.tag_name().name()
        )),
    }
}

/// All text directly inside an element: a comment in the middle must not cut a name short.
pub fn text(element: Node) -> String {
    element
        .children()
        .filter(Node::is_text)
        .filter_map(|child| child.text())
        .collect()
}

/// An `xs:dateTime` in UTC, as SAML core §1.2.2 asks for.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let in_utc = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    DateTime::parse_from_rfc3339(text)
        .ok()
        .filter(|_| in_utc)
        .map(|instant| instant.to_utc())
}

/// The instant in an attribute; `Err` says in words what is wrong.
pub fn instant_in(element: Node, attribute: &str) -> Result<DateTime<Utc>, String> {
    let name = element.tag_name().name();
    let value = element
        .attribute(attribute)
        .ok_or_else(|| format!("{name} has no {attribute}"))?;
    instant(value).ok_or_else(|| format!("{attribute} of {name} is not a UTC time: {value}"))
}

/// An `xs:NCName`, as far as identifiers use one.
pub fn is_nc_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter.is_alphanumeric() || ['_', '-', '.'].contains(&letter))
}
