//! Reads the request to sign somebody in (SAML core §3.4.1).

use chrono::{DateTime, Utc};
use roxmltree::Node;
use serde::{Deserialize, Serialize};

use super::NameId;
use super::read::{Head, name_id};
use crate::names::{ASSERTION, PROTOCOL};
use crate::read::{attribute_filled, boolean, child, fault, index, optional_boolean, texts};
use crate::urlencoded::{BadRequest, Fault};

/// A request for authentication; what it does not influence here (`Scoping`, `Conditions`, `Extensions`) is
/// passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthnRequest {
    /// `ID`, which the response repeats.
    pub id: String,
    /// `IssueInstant`.
    pub issue_instant: DateTime<Utc>,
    /// `Issuer`: the service provider's entity id.
    pub issuer: String,
    /// `Destination`: the address that it was sent to.
    pub destination: Option<String>,
    /// `AssertionConsumerServiceURL`, unchecked.
    pub acs_url: Option<String>,
    /// `AssertionConsumerServiceIndex`.
    pub acs_index: Option<u16>,
    /// `ProtocolBinding`: how the response is to travel.
    pub protocol_binding: Option<String>,
    /// `ForceAuthn`: the person has to prove who they are again.
    pub force_authn: bool,
    /// `IsPassive`: the person must not be asked anything.
    pub is_passive: bool,
    /// `NameIDPolicy` (§3.4.1.1).
    pub name_id_policy: Option<NameIdPolicy>,
    /// `RequestedAuthnContext` (§3.3.2.2.1).
    pub requested_context: Option<RequestedContext>,
    /// `Subject`: about whom the assertion is to be.
    pub subject: Option<NameId>,
}

/// Which name identifier the response is to carry (SAML core §3.4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameIdPolicy {
    /// `Format`.
    pub format: Option<String>,
    /// `SPNameQualifier`.
    pub sp_name_qualifier: Option<String>,
    /// `AllowCreate`.
    pub allow_create: Option<bool>,
}

/// How well the person has to prove who they are (SAML core §3.3.2.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedContext {
    /// `Comparison`.
    pub comparison: Comparison,
    /// Each `AuthnContextClassRef`.
    pub classes: Vec<String>,
    /// Whether there is any `AuthnContextDeclRef`.
    pub declarations: bool,
}

/// How a requested context is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// One of those named.
    Exact,
    /// At least as strong as one of them.
    Minimum,
    /// As strong as possible, but not stronger than one of them.
    Maximum,
    /// Stronger than each of them.
    Better,
}

impl AuthnRequest {
    pub(super) fn read(element: Node<'_, '_>) -> Result<Self, BadRequest> {
        let head = Head::read(element)?;
        let subject = match child(element, ASSERTION.uri, "Subject")? {
            Some(subject) => name_id(subject)?,
            None => None,
        };
        let policy = child(element, PROTOCOL.uri, "NameIDPolicy")?;
        let context = child(element, PROTOCOL.uri, "RequestedAuthnContext")?;
        Ok(Self {
            acs_url: attribute_filled(element, "AssertionConsumerServiceURL")?,
            acs_index: index(element, "AssertionConsumerServiceIndex")?,
            protocol_binding: attribute_filled(element, "ProtocolBinding")?,
            force_authn: boolean(element, "ForceAuthn")?,
            is_passive: boolean(element, "IsPassive")?,
            name_id_policy: policy.map(NameIdPolicy::read).transpose()?,
            requested_context: context.map(RequestedContext::read).transpose()?,
            subject,
            id: head.id,
            issue_instant: head.issue_instant,
            issuer: head.issuer,
            destination: head.destination,
        })
    }
}

impl NameIdPolicy {
    fn read(element: Node<'_, '_>) -> Result<Self, BadRequest> {
        Ok(Self {
            format: attribute_filled(element, "Format")?,
            sp_name_qualifier: attribute_filled(element, "SPNameQualifier")?,
            allow_create: optional_boolean(element, "AllowCreate")?,
        })
    }
}

impl RequestedContext {
    fn read(element: Node<'_, '_>) -> Result<Self, BadRequest> {
        let comparison = match element.attribute("Comparison") {
            None | Some("exact") => Comparison::Exact,
            Some("minimum") => Comparison::Minimum,
            Some("maximum") => Comparison::Maximum,
            Some("better") => Comparison::Better,
            Some(_) => return Err(fault("Comparison", Fault::Malformed)),
        };
        let classes = texts(element, ASSERTION.uri, "AuthnContextClassRef")?;
        let declarations = !texts(element, ASSERTION.uri, "AuthnContextDeclRef")?.is_empty();
        if classes.is_empty() && !declarations {
            return Err(fault("AuthnContextClassRef", Fault::Missing));
        }
        Ok(Self {
            comparison,
            classes,
            declarations,
        })
    }
}
