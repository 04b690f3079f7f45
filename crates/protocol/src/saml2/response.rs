//! Writes the answer to a request for authentication (SAML core §3.3.3).

use chrono::{DateTime, Utc};

use crate::Unsigned;
use crate::names::{ASSERTION, PROTOCOL};
use crate::xml::{NotXml, Writer, instant, local, unsigned};

/// A response with an assertion, or with the reason why there is none.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// An xs:ID, never used twice.
    pub id: &'a str,
    /// `IssueInstant`.
    pub issued_at: DateTime<Utc>,
    /// The assertion consumer service that it is posted to.
    pub destination: &'a str,
    /// The request that it answers, if there was one.
    pub in_response_to: Option<&'a str>,
    /// Our entity id.
    pub issuer: &'a str,
    /// How it went.
    pub status: Status<'a>,
    /// A finished `saml:Assertion` or `saml:EncryptedAssertion`, copied as it is.
    pub assertion: Option<&'a str>,
}

/// How a request went (SAML core §3.2.2.1).
#[derive(Debug, Clone, Copy)]
pub enum Status<'a> {
    /// As asked.
    Success,
    /// Not as asked, or not wholly.
    Error {
        /// The top-level code.
        code: StatusCode,
        /// The second-level one.
        detail: Option<StatusCode>,
        /// A sentence for whoever reads the log of the service provider.
        message: &'a str,
    },
}

/// The codes that we send (SAML core §3.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as in the standard's list")]
pub enum StatusCode {
    Success,
    Requester,
    Responder,
    InvalidNameIdPolicy,
    NoAuthnContext,
    NoPassive,
    PartialLogout,
    RequestDenied,
    UnsupportedBinding,
}

impl StatusCode {
    /// Its URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Success => "urn:oasis:names:tc:SAML:2.0:status:Success",
            Self::Requester => "urn:oasis:names:tc:SAML:2.0:status:Requester",
            Self::Responder => "urn:oasis:names:tc:SAML:2.0:status:Responder",
            Self::InvalidNameIdPolicy => "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy",
            Self::NoAuthnContext => "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext",
            Self::NoPassive => "urn:oasis:names:tc:SAML:2.0:status:NoPassive",
            Self::PartialLogout => "urn:oasis:names:tc:SAML:2.0:status:PartialLogout",
            Self::RequestDenied => "urn:oasis:names:tc:SAML:2.0:status:RequestDenied",
            Self::UnsupportedBinding => "urn:oasis:names:tc:SAML:2.0:status:UnsupportedBinding",
        }
    }
}

impl Response<'_> {
    /// Writes the response; its signature belongs right after the issuer (SAML core §3.2.2).
    pub fn unsigned(&self) -> Result<Unsigned, NotXml> {
        let issued_at = instant(self.issued_at);
        let mut attributes = vec![
            (local("ID"), self.id),
            (local("Version"), "2.0"),
            (local("IssueInstant"), issued_at.as_str()),
            (local("Destination"), self.destination),
        ];
        attributes.extend(self.in_response_to.map(|id| (local("InResponseTo"), id)));
        unsigned(self.id, PROTOCOL.name("Response"), &attributes, |w| {
            w.leaf(ASSERTION.name("Issuer"), &[], self.issuer)?;
            let signature_at = w.position();
            self.status.write(w)?;
            if let Some(assertion) = self.assertion {
                w.finished(assertion);
            }
            Ok(signature_at)
        })
    }
}

impl Status<'_> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), NotXml> {
        let value = |code: StatusCode| [(local("Value"), code.uri())];
        w.element(PROTOCOL.name("Status"), &[], |w| match *self {
            Self::Success => w.leaf(PROTOCOL.name("StatusCode"), &value(StatusCode::Success), ""),
            Self::Error {
                code,
                detail,
                message,
            } => {
                w.element(
                    PROTOCOL.name("StatusCode"),
                    &value(code),
                    |w| match detail {
                        Some(detail) => w.leaf(PROTOCOL.name("StatusCode"), &value(detail), ""),
                        None => Ok(()),
                    },
                )?;
                w.leaf(PROTOCOL.name("StatusMessage"), &[], message)
            }
        })
    }
}
