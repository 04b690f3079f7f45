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

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;
    use crate::names::SOAP;

    const EVERY: [Subcode; 10] = [
        Subcode::FailedAuthentication,
        Subcode::InvalidSecurity,
        Subcode::UnsupportedSecurityToken,
        Subcode::MessageExpired,
        Subcode::InvalidRequest,
        Subcode::InvalidScope,
        Subcode::RequestFailed,
        Subcode::DestinationUnreachable,
        Subcode::ActionNotSupported,
        Subcode::MessageAddressingHeaderRequired,
    ];

    #[test]
    fn a_fault_about_addressing_has_the_action_of_those() {
        for subcode in EVERY {
            let fault = Fault::sender(subcode).envelope(Version::V13, "No.", None);
            let fault = fault.expect("it is plain text");
            let ours = fault.contains("addressing/soap/fault<");
            let addressing = fault.contains("addressing/fault<");
            let about = fault.contains("<s:Value xmlns:wsa=");
            assert_eq!((ours, addressing), (!about, about), "{subcode:?}");
        }
    }

    #[test]
    fn a_fault_is_that_of_soap_12() {
        let fault = Fault::sender(Subcode::FailedAuthentication);
        let expected = [
            r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>"#,
            r#"<wsa:Action xmlns:wsa="http://www.w3.org/2005/08/addressing" s:mustUnderstand="1">http://www.w3.org/2005/08/addressing/soap/fault</wsa:Action>"#,
            r#"<wsa:RelatesTo xmlns:wsa="http://www.w3.org/2005/08/addressing">urn:uuid:1</wsa:RelatesTo></s:Header>"#,
            r"<s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>",
            r#"<s:Value xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">wsse:FailedAuthentication</s:Value>"#,
            r#"</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">Wrong &lt;&amp;&gt;.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"#,
        ]
        .concat();
        for version in [Version::Feb2005, Version::V13] {
            let envelope = fault.envelope(version, "Wrong <&>.", Some("urn:uuid:1"));
            assert_eq!(envelope.as_ref(), Ok(&expected));
        }
        // What the trust has to say, each version says with its own namespace, and about no message without one.
        for (version, value) in [
            (
                Version::Feb2005,
                r#"<s:Value xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust">t:RequestFailed</s:Value>"#,
            ),
            (
                Version::V13,
                r#"<s:Value xmlns:trust="http://docs.oasis-open.org/ws-sx/ws-trust/200512">trust:RequestFailed</s:Value>"#,
            ),
        ] {
            let envelope = Fault::receiver().envelope(version, "Later.", None);
            let expected = [
                r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>"#,
                r#"<wsa:Action xmlns:wsa="http://www.w3.org/2005/08/addressing" s:mustUnderstand="1">http://www.w3.org/2005/08/addressing/soap/fault</wsa:Action></s:Header>"#,
                r"<s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode>",
                value,
                r#"</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">Later.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"#,
            ]
            .concat();
            assert_eq!(envelope, Ok(expected));
        }
    }

    /// MSAL for Java cuts the one subcode at its colon; MSAL for Python wants a reason.
    #[test]
    fn every_fault_has_one_subcode_whose_prefix_is_declared_and_a_reason() {
        let codes = [
            Code::Sender,
            Code::Receiver,
            Code::MustUnderstand,
            Code::VersionMismatch,
        ];
        for version in [Version::Feb2005, Version::V13] {
            for (code, subcode) in codes
                .into_iter()
                .flat_map(|code| EVERY.map(|subcode| (code, subcode)))
            {
                let fault = Fault { code, subcode };
                let text = fault.envelope(version, "Why.", None).expect("it is XML");
                let document = Document::parse(&text).expect("it is well-formed");
                let values: Vec<_> = document
                    .descendants()
                    .filter(|node| node.has_tag_name((SOAP.uri, "Value")))
                    .collect();
                let [code, subcode] = values[..] else {
                    panic!("not a code and a subcode: {text}")
                };
                for value in [code, subcode] {
                    let (prefix, local) = value
                        .text()
                        .and_then(|name| name.split_once(':'))
                        .expect("a prefix");
                    assert!(value.lookup_namespace_uri(Some(prefix)).is_some(), "{text}");
                    assert!(!local.is_empty());
                }
                let reason = document
                    .descendants()
                    .find(|node| node.has_tag_name((SOAP.uri, "Text")))
                    .and_then(|node| node.text());
                assert_eq!(reason, Some("Why."));
            }
        }
    }
}
