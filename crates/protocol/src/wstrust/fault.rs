//! Writes faults (SOAP 1.2 part 1 §5.4) with the codes of WS-Trust 1.3 §11, WS-Security 1.1 §12 and
//! WS-Addressing 1.0 SOAP binding §6.4.

use super::Version;
use crate::names::{ADDRESSING, SECURITY, UTILITY};
use crate::soap::{Code, fault_envelope};
use crate::urlencoded::{self, BadRequest};
use crate::xml::{Name, NotXml};

/// What is wrong, for a client; people read the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subcode {
    /// The user name and the password do not belong together, or may not be tried now.
    FailedAuthentication,
    /// The security header is not as it should be.
    InvalidSecurity,
    /// A token or a form of password that is not taken.
    UnsupportedSecurityToken,
    /// The timestamp is of another time.
    MessageExpired,
    /// The message is not a request that can be read.
    InvalidRequest,
    /// The token would be for somebody else.
    InvalidScope,
    /// It was not done.
    RequestFailed,
    /// `wsa:To` is not this address.
    DestinationUnreachable,
    /// `wsa:Action` is not that of this address.
    ActionNotSupported,
    /// A header of WS-Addressing is missing.
    MessageAddressingHeaderRequired,
}

/// Everything about a fault but its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Whose it is.
    pub code: Code,
    /// What it is.
    pub subcode: Subcode,
}

impl Fault {
    /// A fault of whoever sent the message.
    pub fn sender(subcode: Subcode) -> Self {
        Self {
            code: Code::Sender,
            subcode,
        }
    }

    /// A fault of ours.
    pub fn receiver() -> Self {
        Self {
            code: Code::Receiver,
            subcode: Subcode::RequestFailed,
        }
    }

    /// The fault as a message.
    pub fn envelope(
        self,
        version: Version,
        reason: &str,
        relates_to: Option<&str>,
    ) -> Result<String, NotXml> {
        fault_envelope(self.code, self.subcode.name(version), reason, relates_to)
    }
}

impl From<&BadRequest> for Fault {
    fn from(error: &BadRequest) -> Self {
        use urlencoded::Fault::{Missing, Unsupported};
        let code = match error {
            BadRequest::NotUnderstood { .. } => Code::MustUnderstand,
            BadRequest::OldSoap => Code::VersionMismatch,
            _ => Code::Sender,
        };
        let subcode = match error {
            BadRequest::Part { part, fault } => match (*part, *fault) {
                ("Action", Missing) => Subcode::MessageAddressingHeaderRequired,
                ("Action", _) => Subcode::ActionNotSupported,
                ("Security" | "Password", Unsupported) => Subcode::UnsupportedSecurityToken,
                (
                    "Security" | "Timestamp" | "Created" | "Expires" | "UsernameToken" | "Username"
                    | "Password",
                    _,
                ) => Subcode::InvalidSecurity,
                _ => Subcode::InvalidRequest,
            },
            _ => Subcode::InvalidRequest,
        };
        Self { code, subcode }
    }
}

impl Subcode {
    fn name(self, version: Version) -> Name {
        let trust = version.namespace();
        match self {
            Self::FailedAuthentication => SECURITY.name("FailedAuthentication"),
            Self::InvalidSecurity => SECURITY.name("InvalidSecurity"),
            Self::UnsupportedSecurityToken => SECURITY.name("UnsupportedSecurityToken"),
            Self::MessageExpired => UTILITY.name("MessageExpired"),
            Self::InvalidRequest => trust.name("InvalidRequest"),
            Self::InvalidScope => trust.name("InvalidScope"),
            Self::RequestFailed => trust.name("RequestFailed"),
            Self::DestinationUnreachable => ADDRESSING.name("DestinationUnreachable"),
            Self::ActionNotSupported => ADDRESSING.name("ActionNotSupported"),
            Self::MessageAddressingHeaderRequired => {
                ADDRESSING.name("MessageAddressingHeaderRequired")
            }
        }
    }
}
