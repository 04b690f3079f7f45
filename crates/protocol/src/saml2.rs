//! SAML 2.0 (SAML core, bindings, profiles, metadata): messages read, responses and metadata written.

mod assertion;
mod authn_request;
mod binding;
mod logout;
pub mod metadata;
mod read;
mod response;

pub use assertion::{Assertion, Attribute, Authentication, NameIdentifier, encrypted_assertion};
pub use authn_request::{AuthnRequest, Comparison, NameIdPolicy, RequestedContext};
pub use binding::{
    Arrived, Binding, Envelope, QuerySignature, arrived, redirect_query, with_signature,
};
pub use logout::{LogoutRequest, LogoutResponse, OutgoingLogoutRequest, OutgoingLogoutResponse};
pub use response::{Response, Status, StatusCode};

use roxmltree::Node;
use serde::{Deserialize, Serialize};

use crate::names::PROTOCOL;
use crate::urlencoded::{BadRequest, shown};

/// What a service provider sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// SAML core §3.4.1.
    AuthnRequest(AuthnRequest),
    /// SAML core §3.7.1.
    LogoutRequest(LogoutRequest),
    /// SAML core §3.7.2.
    LogoutResponse(LogoutResponse),
}

/// A name as a message gives it (SAML core §2.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    /// How to read the value.
    pub format: Option<String>,
    /// The name.
    pub value: String,
    /// The identity provider in whose realm it is unique.
    pub name_qualifier: Option<String>,
    /// The service provider in whose realm it is.
    pub sp_name_qualifier: Option<String>,
}

/// Reads a message from its element: the one whose signature was verified, or the root of one that has none.
///
/// `answer` says which parameter it came in, `SAMLResponse` or `SAMLRequest`.
pub fn message(element: Node<'_, '_>, answer: bool) -> Result<Message, BadRequest> {
    let is = |name| element.has_tag_name((PROTOCOL.uri, name));
    let message = if is("AuthnRequest") {
        Message::AuthnRequest(AuthnRequest::read(element)?)
    } else if is("LogoutRequest") {
        Message::LogoutRequest(LogoutRequest::read(element)?)
    } else if is("LogoutResponse") {
        Message::LogoutResponse(LogoutResponse::read(element)?)
    } else {
        let name = shown(element.tag_name().name());
        return Err(BadRequest::Unanswered { name });
    };
    if answer != matches!(message, Message::LogoutResponse(_)) {
        return Err(BadRequest::Misplaced);
    }
    Ok(message)
}
