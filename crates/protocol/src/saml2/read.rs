//! Reads what SAML messages have in common.

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::NameId;
use crate::names::{ASSERTION, PROTOCOL, name_id};
use crate::read::{attribute_filled, child, fault, filled, instant_attribute, required};
use crate::urlencoded::{BadRequest, Fault};

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
            issue_instant: instant_attribute(element, "IssueInstant")?
                .ok_or_else(missing("IssueInstant"))?,
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
