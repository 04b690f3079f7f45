//! SOAP 1.2 messages with WS-Addressing 1.0: what every one of them has around its body.

use roxmltree::Node;

use crate::names::{ADDRESSING, SOAP};
use crate::read::{child, fault, filled};
use crate::urlencoded::{BadRequest, Fault, shown};
use crate::xml::{Name, NotXml, Writer};

/// SOAP 1.1 §3.
const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The action of a fault (WS-Addressing 1.0 SOAP binding §6): of one that is about WS-Addressing, of any other.
const ADDRESSING_FAULT: &str = "http://www.w3.org/2005/08/addressing/fault";
const FAULT: &str = "http://www.w3.org/2005/08/addressing/soap/fault";
/// The roles of whoever takes the message in the end (SOAP 1.2 part 1 §2.2); empty is the same as none named.
const OUR_ROLES: [&str; 3] = [
    "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
    "http://www.w3.org/2003/05/soap-envelope/role/next",
    "",
];
/// No honest message id is longer.
const LONGEST_MESSAGE_ID: usize = 256;

/// A message that was not read, and the id that a fault about it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The `wsa:MessageID`, if it has one.
    pub relates_to: Option<String>,
    /// Why.
    pub why: BadRequest,
}

/// The headers of WS-Addressing, and the one element in the body.
#[derive(Debug)]
pub(crate) struct Envelope<'a, 'i> {
    pub header: Node<'a, 'i>,
    pub to: Option<String>,
    pub content: Node<'a, 'i>,
}

/// The `wsa:MessageID` of whatever this is, for its answer; one that we would not repeat is none.
pub(crate) fn message_id(root: Node<'_, '_>) -> Option<String> {
    let header = root
        .children()
        .find(|node| node.has_tag_name((SOAP.uri, "Header")))?;
    // MSAL for Go writes its name with a small letter.
    let element = header.children().find(|node| {
        node.has_tag_name((ADDRESSING.uri, "MessageID"))
            || node.has_tag_name((ADDRESSING.uri, "messageID"))
    })?;
    filled(element, "MessageID")
        .ok()
        .filter(|id| id.len() <= LONGEST_MESSAGE_ID && !id.contains(char::is_control))
}

impl<'a, 'i> Envelope<'a, 'i> {
    /// Reads what is around the body of a message with this `wsa:Action`; headers that must be understood
    /// are those of WS-Addressing and of `also_understood`.
    pub fn read(
        root: Node<'a, 'i>,
        action: &str,
        also_understood: &[&str],
    ) -> Result<Self, BadRequest> {
        if root.has_tag_name((SOAP11, "Envelope")) {
            return Err(BadRequest::OldSoap);
        }
        if !root.has_tag_name((SOAP.uri, "Envelope")) {
            return Err(unanswered(root));
        }
        let part = |name| child(root, SOAP.uri, name)?.ok_or_else(|| fault(name, Fault::Missing));
        let (header, body) = (part("Header")?, part("Body")?);
        for block in header.children().filter(Node::is_element) {
            check_understood(block, also_understood)?;
        }
        let addressed = |name| {
            let element = child(header, ADDRESSING.uri, name)?;
            element.map(|element| filled(element, name)).transpose()
        };
        match addressed("Action")? {
            Some(sent) if sent == action => {}
            Some(_) => return Err(fault("Action", Fault::Unsupported)),
            None => return Err(fault("Action", Fault::Missing)),
        }
        let mut contents = body.children().filter(Node::is_element);
        let (content, more) = (contents.next(), contents.next());
        if more.is_some() {
            return Err(fault("Body", Fault::Doubled));
        }
        Ok(Self {
            header,
            to: addressed("To")?,
            // WS-Transfer's Get has none.
            content: content.unwrap_or(body),
        })
    }
}

/// A message that is none of those we answer.
pub(crate) fn unanswered(element: Node<'_, '_>) -> BadRequest {
    BadRequest::Unanswered {
        name: shown(element.tag_name().name()),
    }
}

/// SOAP 1.2 part 1 §2.4: a mandatory header that is not understood ends the matter.
fn check_understood(block: Node<'_, '_>, also_understood: &[&str]) -> Result<(), BadRequest> {
    let mandatory = block
        .attribute((SOAP.uri, "mustUnderstand"))
        .is_some_and(|value| matches!(value.trim(), "1" | "true"));
    let for_us = block
        .attribute((SOAP.uri, "role"))
        .is_none_or(|role| OUR_ROLES.contains(&role.trim()));
    let namespace = block.tag_name().namespace().unwrap_or_default();
    if mandatory && for_us && namespace != ADDRESSING.uri && !also_understood.contains(&namespace) {
        return Err(BadRequest::NotUnderstood {
            name: shown(block.tag_name().name()),
        });
    }
    Ok(())
}

/// Writes a message; `header` adds its own blocks after those of WS-Addressing.
pub(crate) fn envelope(
    action: &str,
    relates_to: Option<&str>,
    header: impl FnOnce(&mut Writer) -> Result<(), NotXml>,
    body: impl FnOnce(&mut Writer) -> Result<(), NotXml>,
) -> Result<String, NotXml> {
    let must_understand = [(SOAP.name("mustUnderstand"), "1")];
    let mut writer = Writer::new();
    writer.element(SOAP.name("Envelope"), &[], |w| {
        w.element(SOAP.name("Header"), &[], |w| {
            w.leaf(ADDRESSING.name("Action"), &must_understand, action)?;
            if let Some(id) = relates_to {
                w.leaf(ADDRESSING.name("RelatesTo"), &[], id)?;
            }
            header(w)
        })?;
        w.element(SOAP.name("Body"), &[], body)
    })?;
    Ok(writer.into_string())
}

/// Whose fault it is (SOAP 1.2 part 1 §5.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The message has to change before it is sent again.
    Sender,
    /// We could not; the same message may succeed later.
    Receiver,
    /// A header that must be understood is not.
    MustUnderstand,
    /// Not SOAP 1.2.
    VersionMismatch,
}

/// Writes a fault (SOAP 1.2 part 1 §5.4). `subcode` is there always and once, with a prefix: MSAL for Java
/// takes it apart at the colon.
pub(crate) fn fault_envelope(
    code: Code,
    subcode: Name,
    reason: &str,
    relates_to: Option<&str>,
) -> Result<String, NotXml> {
    let code = SOAP.name(match code {
        Code::Sender => "Sender",
        Code::Receiver => "Receiver",
        Code::MustUnderstand => "MustUnderstand",
        Code::VersionMismatch => "VersionMismatch",
    });
    let action = if subcode.is_in(ADDRESSING) {
        ADDRESSING_FAULT
    } else {
        FAULT
    };
    envelope(
        action,
        relates_to,
        |_| Ok(()),
        |w| {
            w.element(SOAP.name("Fault"), &[], |w| {
                w.element(SOAP.name("Code"), &[], |w| {
                    w.named(SOAP.name("Value"), code)?;
                    w.element(SOAP.name("Subcode"), &[], |w| {
                        w.named(SOAP.name("Value"), subcode)
                    })
                })?;
                w.element(SOAP.name("Reason"), &[], |w| {
                    w.leaf(SOAP.name("Text"), &[(crate::xml::LANG, "en")], reason)
                })
            })
        },
    )
}
