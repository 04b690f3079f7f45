//! Single logout messages (SAML core §3.7), read and written.

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::read::{Head, name_id, status};
use super::response::{Status, StatusCode};
use super::{NameId, NameIdentifier};
use crate::Unsigned;
use crate::names::{ASSERTION, ASYNC_LOGOUT, PROTOCOL};
use crate::read::{attribute_filled, child, fault, instant_attribute, texts};
use crate::urlencoded::{BadRequest, Fault};
use crate::xml::{NotXml, instant as written, local, unsigned};

/// Somebody is to be signed out (SAML core §3.7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `ID`, which the response repeats.
    pub id: String,
    /// `IssueInstant`.
    pub issue_instant: DateTime<Utc>,
    /// `Issuer`: the service provider's entity id.
    pub issuer: String,
    /// `Destination`: the address that it was sent to.
    pub destination: Option<String>,
    /// `NotOnOrAfter`: when it is no longer worth anything.
    pub not_on_or_after: Option<DateTime<Utc>>,
    /// Who is meant, by the name that the service provider was given.
    pub name_id: NameId,
    /// Which of their sessions; none means all.
    pub session_indexes: Vec<String>,
    /// Nobody waits for an answer (SAML asynchronous single logout §2.1).
    pub asynchronous: bool,
}

/// The answer to a request of ours (SAML core §3.7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutResponse {
    /// `ID`.
    pub id: String,
    /// `IssueInstant`.
    pub issue_instant: DateTime<Utc>,
    /// `Issuer`: the service provider's entity id.
    pub issuer: String,
    /// `Destination`: the address that it was sent to.
    pub destination: Option<String>,
    /// `InResponseTo`: the request that it answers.
    pub in_response_to: Option<String>,
    /// The status codes, the top level first.
    pub status: Vec<String>,
}

impl LogoutRequest {
    pub(super) fn read(element: Node<'_, '_>) -> Result<Self, BadRequest> {
        let head = Head::read(element)?;
        Ok(Self {
            not_on_or_after: instant_attribute(element, "NotOnOrAfter")?,
            name_id: name_id(element)?.ok_or_else(|| fault("NameID", Fault::Missing))?,
            session_indexes: texts(element, PROTOCOL.uri, "SessionIndex")?,
            asynchronous: child(element, PROTOCOL.uri, "Extensions")?.is_some_and(|extensions| {
                let mut extensions = extensions.children();
                extensions.any(|node| node.has_tag_name((ASYNC_LOGOUT, "Asynchronous")))
            }),
            id: head.id,
            issue_instant: head.issue_instant,
            issuer: head.issuer,
            destination: head.destination,
        })
    }
}

impl LogoutResponse {
    pub(super) fn read(element: Node<'_, '_>) -> Result<Self, BadRequest> {
        let head = Head::read(element)?;
        Ok(Self {
            in_response_to: attribute_filled(element, "InResponseTo")?,
            status: status(element)?,
            id: head.id,
            issue_instant: head.issue_instant,
            issuer: head.issuer,
            destination: head.destination,
        })
    }
}

/// A request of ours to sign somebody out (SAML core §3.7.1).
#[derive(Debug, Clone)]
pub struct OutgoingLogoutRequest<'a> {
    /// An xs:ID, which the answer repeats.
    pub id: &'a str,
    /// `IssueInstant`.
    pub issued_at: DateTime<Utc>,
    /// Where it is sent.
    pub destination: &'a str,
    /// Our entity id.
    pub issuer: &'a str,
    /// When it is no longer worth anything.
    pub not_on_or_after: DateTime<Utc>,
    /// `Reason`, a URI.
    pub reason: Option<&'a str>,
    /// The name that the service provider was given.
    pub name_id: NameIdentifier<'a>,
    /// The index of the session that it was told of.
    pub session_index: Option<&'a str>,
}

impl OutgoingLogoutRequest<'_> {
    /// Writes the message; its signature belongs right after the issuer (SAML core §3.2.1).
    pub fn unsigned(&self) -> Result<Unsigned, NotXml> {
        let (issued_at, until) = (written(self.issued_at), written(self.not_on_or_after));
        let mut attributes = vec![
            (local("ID"), self.id),
            (local("Version"), "2.0"),
            (local("IssueInstant"), issued_at.as_str()),
            (local("Destination"), self.destination),
            (local("NotOnOrAfter"), until.as_str()),
        ];
        attributes.extend(self.reason.map(|reason| (local("Reason"), reason)));
        unsigned(self.id, PROTOCOL.name("LogoutRequest"), &attributes, |w| {
            w.leaf(ASSERTION.name("Issuer"), &[], self.issuer)?;
            let signature_at = w.position();
            self.name_id.write(w)?;
            if let Some(index) = self.session_index {
                w.leaf(PROTOCOL.name("SessionIndex"), &[], index)?;
            }
            Ok(signature_at)
        })
    }
}

/// Our answer to a request (SAML core §3.7.2).
#[derive(Debug, Clone)]
pub struct OutgoingLogoutResponse<'a> {
    /// An xs:ID.
    pub id: &'a str,
    /// `IssueInstant`.
    pub issued_at: DateTime<Utc>,
    /// Where it is sent.
    pub destination: &'a str,
    /// The request that it answers.
    pub in_response_to: &'a str,
    /// Our entity id.
    pub issuer: &'a str,
    /// Whether everybody else who knew the session was told and said so; otherwise the logout is partial
    /// (SAML core §3.7.3.2).
    pub complete: bool,
}

impl OutgoingLogoutResponse<'_> {
    /// Writes the message; its signature belongs right after the issuer (SAML core §3.2.2).
    pub fn unsigned(&self) -> Result<Unsigned, NotXml> {
        let attributes = [
            (local("ID"), self.id),
            (local("Version"), "2.0"),
            (local("IssueInstant"), &*written(self.issued_at)),
            (local("Destination"), self.destination),
            (local("InResponseTo"), self.in_response_to),
        ];
        unsigned(self.id, PROTOCOL.name("LogoutResponse"), &attributes, |w| {
            w.leaf(ASSERTION.name("Issuer"), &[], self.issuer)?;
            let signature_at = w.position();
            if self.complete {
                Status::Success.write(w)?;
            } else {
                Status::Error {
                    code: StatusCode::Success,
                    detail: Some(StatusCode::PartialLogout),
                    message: "Not every application confirmed that it signed the person out.",
                }
                .write(w)?;
            }
            Ok(signature_at)
        })
    }
}
