//! Check 58: an answer that refuses (SOAP 1.2 part 1 §5.4), and its status.

use roxmltree::{Document, Node};

use super::tally::ensure;
use super::{Arrived, Asked, Client, Tally, soap};
use crate::checks::{names, xml};

/// WS-Addressing 1.0 SOAP binding §6; the second is for faults about WS-Addressing.
const ACTION: &str = "http://www.w3.org/2005/08/addressing/soap/fault";
const ADDRESSING_ACTION: &str = "http://www.w3.org/2005/08/addressing/fault";

/// The local names that clients have a message for.
const KNOWN: [&str; 16] = [
    "AuthenticationBadElements",
    "BadRequest",
    "DestinationUnreachable",
    "ExpiredData",
    "FailedAuthentication",
    "InvalidRequest",
    "InvalidScope",
    "InvalidSecurity",
    "InvalidSecurityToken",
    "InvalidTimeRange",
    "MessageExpired",
    "RenewNeeded",
    "RequestFailed",
    "UnableToRenew",
    "UnsupportedSecurityToken",
    "UnsupportedAlgorithm",
];

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The local name of the subcode.
    pub subcode: Option<String>,
    pub reason: String,
    /// What Windows makes of it.
    pub windows: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Blame {
    Sender,
    Receiver,
}

pub fn read(asked: &Asked, arrived: &Arrived, tally: &mut Tally) -> Option<Fault> {
    tally.note("58.1", soap::media_type(arrived))?;
    let text = soap::text(arrived);
    let document: Document = tally.note("58.2", text.and_then(xml::document))?;
    let (header, fault) = tally.note("58.3", envelope(&document))?;
    let to_us = soap::action(header, action(fault)).and_then(|()| soap::relates_to(header, asked));
    tally.note("58.4", to_us)?;
    let blame = tally.note("58.5", blame(fault))?;
    let subcode = subcode(fault, blame);
    tally.mind("58.6", subcode.as_ref().map(drop).map_err(String::clone))?;
    let subcode = subcode.ok().flatten();
    tally.mind("58.7", known(subcode.as_deref()))?;
    let reason = tally.note("58.8", reason(fault))?;
    tally.mind("56.2", asked_once(arrived, blame, asked.client))?;
    let is_credentials = subcode.as_deref() == Some("FailedAuthentication");
    let status = status(arrived, blame, is_credentials);
    if is_credentials && arrived.status >= 500 && arrived.retry_after {
        // How AD FS does it, and with this header nobody's lock-out is counted twice.
        let warned = status.map_err(|why| format!("{why}, and Windows takes it for no network"));
        tally.mind("56.3", warned)?;
    } else {
        tally.note("56.3", status)?;
    }
    let windows = match arrived.status {
        400 if is_credentials => "0xc000006d",
        400 => "0xc00000d0",
        _ => "0xc000023c",
    };
    Some(Fault {
        subcode,
        reason,
        windows,
    })
}

fn envelope<'a, 'i>(document: &'a Document<'i>) -> Result<(Node<'a, 'i>, Node<'a, 'i>), String> {
    let (header, content) = soap::parts(document.root_element())?;
    ensure(content.has_tag_name((soap::ENVELOPE, "Fault")), || {
        format!("the body holds {}", content.tag_name().name())
    })?;
    Ok((header, content))
}

fn blame(fault: Node) -> Result<Blame, String> {
    let code = xml::only(fault, soap::ENVELOPE, "Code")?;
    let value = xml::only(code, soap::ENVELOPE, "Value")?;
    match qualified(value)? {
        (soap::ENVELOPE, "Sender") => Ok(Blame::Sender),
        (soap::ENVELOPE, "Receiver") => Ok(Blame::Receiver),
        (_, other) => Err(format!("the code is {other:?}")),
    }
}

/// The one subcode; whose own failure it is may give none.
/// What the action has to be, as far as the subcode tells what the fault is about.
fn action(fault: Node) -> &'static str {
    let subcode = fault
        .descendants()
        .find(|node| node.has_tag_name((soap::ENVELOPE, "Subcode")));
    let value = subcode.and_then(|node| xml::only(node, soap::ENVELOPE, "Value").ok());
    let name = value.and_then(|value| qualified(value).ok());
    if name.is_some_and(|(namespace, _)| namespace == names::ADDRESSING) {
        ADDRESSING_ACTION
    } else {
        ACTION
    }
}

fn subcode(fault: Node, blame: Blame) -> Result<Option<String>, String> {
    let code = xml::only(fault, soap::ENVELOPE, "Code")?;
    let found = code
        .descendants()
        .filter(|node| node.has_tag_name((soap::ENVELOPE, "Subcode")))
        .count();
    if found == 0 && blame == Blame::Receiver {
        return Ok(None);
    }
    ensure(found == 1, || format!("there are {found} subcodes"))?;
    let subcode = xml::only(code, soap::ENVELOPE, "Subcode")?;
    let value = xml::only(subcode, soap::ENVELOPE, "Value")?;
    let (_, name) = qualified(value)?;
    Ok(Some(name.to_owned()))
}

/// The namespace and local name that an element's text means (SOAP 1.2 part 1 §5.4.1.1).
fn qualified<'a>(value: Node<'a, '_>) -> Result<(&'a str, &'a str), String> {
    let text = value.text().unwrap_or_default();
    let (prefix, name) = text
        .split_once(':')
        .filter(|(prefix, name)| !prefix.is_empty() && !name.is_empty() && !name.contains(':'))
        .ok_or_else(|| format!("{text:?} is not a name with a prefix"))?;
    let namespace = value
        .lookup_namespace_uri(Some(prefix))
        .ok_or_else(|| format!("the prefix of {text:?} is not declared"))?;
    Ok((namespace, name))
}

fn known(subcode: Option<&str>) -> Result<(), String> {
    let Some(subcode) = subcode else {
        return Ok(());
    };
    ensure(KNOWN.contains(&subcode), || {
        format!("no client has a message for {subcode:?}")
    })
}

fn reason(fault: Node) -> Result<String, String> {
    let reason = xml::only(fault, soap::ENVELOPE, "Reason")?;
    let text = xml::children(reason, soap::ENVELOPE, "Text")
        .next()
        .ok_or("Reason has no Text")?;
    let language = text.attribute((names::XML, "lang")).unwrap_or_default();
    ensure(!language.is_empty(), || {
        "the text does not say its language".to_owned()
    })?;
    let words = xml::text(text);
    ensure(!words.trim().is_empty(), || "the text is empty".to_owned())?;
    Ok(words)
}

/// Check 56: Windows tells a wrong password from a broken network by the status alone.
fn status(arrived: &Arrived, blame: Blame, is_credentials: bool) -> Result<(), String> {
    let status = arrived.status;
    let fits = match blame {
        Blame::Sender if is_credentials => status == 400,
        Blame::Sender => (400..500).contains(&status),
        Blame::Receiver => (500..600).contains(&status),
    };
    ensure(fits, || format!("the status is {status}"))
}

/// Check 56: each time a wrong password is sent is counted.
fn asked_once(arrived: &Arrived, blame: Blame, client: Client) -> Result<(), String> {
    let invites = blame == Blame::Sender && arrived.status >= 500 && !arrived.retry_after;
    ensure(!invites, || match client {
        Client::DotNet => format!(
            "a status of {} without Retry-After is asked for again: the password was sent {} times",
            arrived.status, arrived.asked
        ),
        _ => format!(
            "a status of {} without Retry-After is asked for again",
            arrived.status
        ),
    })
}
