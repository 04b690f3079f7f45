//! Reads a `RequestSecurityToken` (WS-Trust 1.3 §4.1) as the known clients write it.

use chrono::{DateTime, Utc};
use roxmltree::Node;
use zeroize::Zeroizing;

use super::Version;
use crate::names::{
    ADDRESSING, PASSWORD_TEXT, POLICY, SAML11_TOKEN, SAML11_TOKEN_OASIS, SECURITY, UTILITY,
};
use crate::read::{child, fault, filled, instant, text};
use crate::soap::{Envelope, Rejected, message_id, unanswered};
use crate::urlencoded::{BadRequest, Fault};

/// WS-Policy 1.5, where some newer clients look for `AppliesTo`.
const POLICY_15: &str = "http://www.w3.org/ns/ws-policy";
/// Everybody, as an address (WS-Addressing 1.0 core §2.1).
const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";

/// Somebody asks for a token and sends a user name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `wsa:MessageID`, which the answer refers to.
    pub message_id: Option<String>,
    /// `wsa:To`, unchecked.
    pub to: Option<String>,
    /// `wsse:Username`.
    pub username: String,
    /// `wsse:Password`, every character of it.
    pub password: Zeroizing<String>,
    /// `wsu:Created` of the timestamp.
    pub created: DateTime<Utc>,
    /// `wsu:Expires` of the timestamp.
    pub expires: DateTime<Utc>,
    /// The address in `wsp:AppliesTo`: the realm that the token is for.
    pub applies_to: String,
}

/// Reads a request whose parts may come in any order.
pub fn read(root: Node<'_, '_>, version: Version) -> Result<Request, Rejected> {
    let message_id = message_id(root);
    read_parts(root, version, message_id.clone()).map_err(|why| Rejected {
        relates_to: message_id,
        why,
    })
}

fn read_parts(
    root: Node<'_, '_>,
    version: Version,
    message_id: Option<String>,
) -> Result<Request, BadRequest> {
    let envelope = Envelope::read(root, version.action(), &[SECURITY.uri])?;
    let security = required(envelope.header, SECURITY.uri, "Security")?;
    let mut elements = security.children().filter(Node::is_element);
    if elements.any(|node| !is_timestamp(node) && !is_username_token(node)) {
        return Err(fault("Security", Fault::Unsupported));
    }
    let timestamp = required(security, UTILITY.uri, "Timestamp")?;
    let token = required(security, SECURITY.uri, "UsernameToken")?;
    let at = |name| {
        instant(
            &filled(required(timestamp, UTILITY.uri, name)?, name)?,
            name,
        )
    };
    Ok(Request {
        message_id,
        to: envelope.to.filter(|to| to != ANONYMOUS),
        username: filled(required(token, SECURITY.uri, "Username")?, "Username")?,
        password: password(token)?,
        created: at("Created")?,
        expires: at("Expires")?,
        applies_to: applies_to(envelope.content, version)?,
    })
}

fn is_timestamp(node: Node<'_, '_>) -> bool {
    node.has_tag_name((UTILITY.uri, "Timestamp"))
}

fn is_username_token(node: Node<'_, '_>) -> bool {
    node.has_tag_name((SECURITY.uri, "UsernameToken"))
}

/// The password itself: a digest could only be compared with a password that is stored readably.
fn password(token: Node<'_, '_>) -> Result<Zeroizing<String>, BadRequest> {
    let password = required(token, SECURITY.uri, "Password")?;
    // In no namespace by the schema; a digest is one in whatever namespace it says so.
    let mut kinds = password.attributes().filter(|it| it.name() == "Type");
    if kinds.any(|kind| kind.value() != PASSWORD_TEXT) {
        return Err(fault("Password", Fault::Unsupported));
    }
    let password = Zeroizing::new(text(password, "Password")?);
    if password.is_empty() {
        return Err(fault("Password", Fault::Missing));
    }
    Ok(password)
}

/// What the token is for; whatever else the request asks must be what it gets.
fn applies_to(rst: Node<'_, '_>, version: Version) -> Result<String, BadRequest> {
    let trust = version.namespace().uri;
    if !rst.has_tag_name((trust, "RequestSecurityToken")) {
        return Err(unanswered(rst));
    }
    let value = |name| {
        let element = child(rst, trust, name)?;
        element.map(|element| filled(element, name)).transpose()
    };
    let only = |name, accepted: &[&str]| match value(name)? {
        Some(value) if !accepted.contains(&&*value) => Err(fault(name, Fault::Unsupported)),
        value => Ok(value),
    };
    only("RequestType", &[version.issue()])?.ok_or_else(|| fault("RequestType", Fault::Missing))?;
    let bearers = [Version::Feb2005.bearer(), Version::V13.bearer()];
    only("KeyType", &bearers)?;
    only("TokenType", &[SAML11_TOKEN, SAML11_TOKEN_OASIS])?;
    // In the name of somebody else: nobody may here, and silence would look like consent.
    for name in ["OnBehalfOf", "ActAs"] {
        let of_any_version = |node: &Node<'_, '_>| node.tag_name().name() == name;
        if rst.children().any(|node| of_any_version(&node)) {
            return Err(fault(name, Fault::Unsupported));
        }
    }
    let applies_to = match (
        child(rst, POLICY.uri, "AppliesTo")?,
        child(rst, POLICY_15, "AppliesTo")?,
    ) {
        (None, None) => Err(fault("AppliesTo", Fault::Missing)),
        (Some(_), Some(_)) => Err(fault("AppliesTo", Fault::Doubled)),
        (Some(one), None) | (None, Some(one)) => Ok(one),
    }?;
    let reference = required(applies_to, ADDRESSING.uri, "EndpointReference")?;
    filled(required(reference, ADDRESSING.uri, "Address")?, "Address")
}

fn required<'a, 'i>(
    parent: Node<'a, 'i>,
    namespace: &str,
    name: &'static str,
) -> Result<Node<'a, 'i>, BadRequest> {
    child(parent, namespace, name)?.ok_or_else(|| fault(name, Fault::Missing))
}

#[cfg(test)]
mod tests;
