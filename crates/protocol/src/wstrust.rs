//! WS-Trust for a user name and a password: the request read, the answer, the faults and the description
//! written. Clients find little of it by namespace and much by prefix and order; docs/windows.md names them.

mod fault;
mod mex;
mod request;
mod response;

pub use crate::soap::{Code, Rejected};
pub use fault::{Fault, Subcode};
pub use mex::{Mex, read_get};
pub use request::{Request, read};
pub use response::{Issued, answer, token_response};

use crate::names::{NO_PROOF_KEY, TRUST, TRUST_13};
use crate::xml::Namespace;

/// Which WS-Trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The draft of February 2005, which everything of Microsoft's speaks.
    Feb2005,
    /// 1.3, and 1.4, whose messages are the same.
    V13,
}

impl Version {
    fn namespace(self) -> Namespace {
        match self {
            Self::Feb2005 => TRUST,
            Self::V13 => TRUST_13,
        }
    }

    /// The `wsa:Action` of a request (WS-Trust 1.3 §4.1).
    pub fn action(self) -> &'static str {
        match self {
            Self::Feb2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue",
        }
    }

    /// The `wsa:Action` of an answer (WS-Trust 1.3 §4.2).
    fn answer_action(self) -> &'static str {
        match self {
            Self::Feb2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/RSTR/Issue",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RSTRC/IssueFinal",
        }
    }

    /// `RequestType`: issue a token.
    fn issue(self) -> &'static str {
        match self {
            Self::Feb2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
        }
    }

    /// `KeyType`: whoever bears the token may use it.
    fn bearer(self) -> &'static str {
        match self {
            Self::Feb2005 => NO_PROOF_KEY,
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
        }
    }
}
