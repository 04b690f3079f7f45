//! Checks 55 to 59: would a Windows PC, and whoever signs in with a password as it does, understand this domain?
//!
//! The clients read the same documents with habits of their own. A habit that trips one of them is a failure for
//! that one and a warning for the others.

mod fault;
mod mex;
mod realm;
mod reserialized;
mod response;
mod rules;
mod soap;
mod tally;

use chrono::{DateTime, Utc};

use crate::tenant::{Cloud, Federation};

pub use fault::Fault;
pub use mex::mex;
pub use realm::realm;
pub use rules::{FAULT, MEX, REALM, RESPONSE, Rule};
pub use tally::{Check, Outcome, Step};

pub(super) use tally::Tally;

/// Who signs in with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    DotNet,
    Go,
    Java,
    Python,
    /// The sign-in screen of a joined PC.
    Windows,
}

impl Client {
    pub const ALL: [Self; 5] = [
        Self::Windows,
        Self::DotNet,
        Self::Go,
        Self::Java,
        Self::Python,
    ];

    /// Its name among people.
    pub fn name(self) -> &'static str {
        match self {
            Self::DotNet => "MSAL.NET",
            Self::Go => "MSAL Go",
            Self::Java => "MSAL Java",
            Self::Python => "MSAL Python",
            Self::Windows => "Windows",
        }
    }

    /// Its name in a form.
    pub fn value(self) -> &'static str {
        match self {
            Self::DotNet => "dotnet",
            Self::Go => "go",
            Self::Java => "java",
            Self::Python => "python",
            Self::Windows => "windows",
        }
    }

    /// Whether its requests carry a `wsa:MessageID`, and not something that only looks like one.
    pub fn names_its_message(self) -> bool {
        !matches!(self, Self::Go | Self::Java)
    }
}

/// A version of WS-Trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Feb2005,
    Trust13,
}

impl Version {
    pub const BOTH: [Self; 2] = [Self::Feb2005, Self::Trust13];

    /// The namespace of its elements.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Feb2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
            Self::Trust13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
        }
    }

    pub fn key_type(self) -> &'static str {
        match self {
            Self::Feb2005 => "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
            Self::Trust13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
        }
    }

    pub fn request_type(self) -> String {
        format!("{}/Issue", self.namespace())
    }

    /// The action of a request for a token.
    pub fn request_action(self) -> String {
        format!("{}/RST/Issue", self.namespace())
    }

    /// The action of its answer.
    pub fn response_action(self) -> String {
        match self {
            Self::Feb2005 => format!("{}/RSTR/Issue", self.namespace()),
            Self::Trust13 => format!("{}/RSTRC/IssueFinal", self.namespace()),
        }
    }

    /// What its addresses contain: some clients tell the version by it.
    fn path(self) -> &'static str {
        match self {
            Self::Feb2005 => "/trust/2005/usernamemixed",
            Self::Trust13 => "/trust/13/usernamemixed",
        }
    }

    /// The namespace of WS-SecurityPolicy that goes with it.
    fn security_policy(self) -> &'static str {
        match self {
            Self::Feb2005 => "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy",
            Self::Trust13 => "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702",
        }
    }

    /// The element around the user name in a policy.
    fn supporting_tokens(self) -> &'static str {
        match self {
            Self::Feb2005 => "SignedSupportingTokens",
            Self::Trust13 => "SignedEncryptedSupportingTokens",
        }
    }
}

/// Where a password goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub address: String,
    pub version: Version,
}

/// What came over HTTP.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub status: u16,
    pub content_type: Option<String>,
    /// Says when to ask again.
    pub retry_after: bool,
    pub body: Vec<u8>,
    /// How often it was asked for.
    pub asked: u8,
}

/// What came, or why nothing did.
pub type Fetched = Result<Arrived, String>;

/// That an answer of this status came.
fn with_status(fetched: &Fetched, expected: u16) -> Result<&Arrived, String> {
    let arrived = fetched.as_ref().map_err(String::clone)?;
    tally::ensure(arrived.status == expected, || {
        format!("the status is {}", arrived.status)
    })?;
    Ok(arrived)
}

/// A password that was sent, and from whom what is wanted.
pub struct Asked<'a> {
    pub client: Client,
    pub version: Version,
    pub message_id: &'a str,
    pub cloud: &'a Cloud,
    pub federation: &'a Federation,
}

/// What a domain answers to a password.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The assertion as the client passes it on.
    Token {
        assertion: String,
    },
    Fault(Fault),
}

/// Checks 56 to 59: reads the answer to a password.
pub fn answer(asked: &Asked, fetched: &Fetched, now: DateTime<Utc>) -> Step<Answer> {
    // What cannot be read but calls itself SOAP is judged as what its status claims.
    let says_no = |arrived: &&Arrived| {
        let claims = || arrived.status != 200 && soap::media_type(arrived).is_ok();
        soap::says_fault(&arrived.body).unwrap_or_else(claims)
    };
    if let Some(refusal) = fetched.as_ref().ok().filter(says_no) {
        let mut tally = Tally::new(FAULT, asked.client);
        let fault = fault::read(asked, refusal, &mut tally);
        return tally.step(fault.map(Answer::Fault));
    }
    let mut tally = Tally::new(RESPONSE, asked.client);
    let token = response::read(asked, fetched, now, &mut tally);
    tally.step(token)
}
