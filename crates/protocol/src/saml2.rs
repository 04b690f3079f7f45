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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use roxmltree::Document;

    use super::*;
    use crate::Fault;
    use crate::names;

    fn read(xml: &str) -> Result<Message, BadRequest> {
        let document = Document::parse(xml).expect("XML");
        message(document.root_element(), xml.contains("LogoutResponse"))
    }

    /// As Entra writes it (the namespace of the issuer is the default one).
    const ENTRA: &str = r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1e08" Version="2.0" IssueInstant="2026-03-12T14:00:18.450Z"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer><samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/></samlp:AuthnRequest>"#;

    fn request(xml: &str) -> AuthnRequest {
        match read(xml) {
            Ok(Message::AuthnRequest(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_request_of_entra_is_read() {
        let request = request(ENTRA);
        assert_eq!(request.id, "_1e08");
        assert_eq!(request.issuer, "urn:federation:MicrosoftOnline");
        assert_eq!(request.issue_instant.timestamp_subsec_millis(), 450);
        let policy = request.name_id_policy.expect("a policy");
        assert_eq!(policy.format.as_deref(), Some(names::name_id::PERSISTENT));
        assert_eq!(policy.allow_create, None);
        assert_eq!(
            (request.acs_url, request.acs_index, request.destination),
            (None, None, None)
        );
        assert!(!request.force_authn && !request.is_passive);
    }

    #[test]
    fn everything_that_a_request_can_ask_for_is_read() {
        let full = ENTRA
            .replacen(
                " ID=",
                r#" ForceAuthn="1" IsPassive="false" AssertionConsumerServiceIndex="7" ProtocolBinding="urn:b" Destination="https://idp/" ID="#,
                1,
            )
            .replacen(
                "<samlp:NameIDPolicy",
                r#"<saml:Subject xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><saml:NameID Format="urn:f">ali<!-- x -->ce<![CDATA[@contoso]]>.com</saml:NameID></saml:Subject><samlp:NameIDPolicy AllowCreate="true" SPNameQualifier="urn:sp""#,
                1,
            )
            .replacen(
                "</samlp:AuthnRequest>",
                r#"<samlp:RequestedAuthnContext Comparison="better"><saml:AuthnContextClassRef xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"> urn:c </saml:AuthnContextClassRef></samlp:RequestedAuthnContext><samlp:Scoping ProxyCount="2"/></samlp:AuthnRequest>"#,
                1,
            );
        let request = request(&full);
        assert!(request.force_authn && !request.is_passive);
        assert_eq!(request.acs_index, Some(7));
        assert_eq!(request.protocol_binding.as_deref(), Some("urn:b"));
        assert_eq!(request.destination.as_deref(), Some("https://idp/"));
        let subject = request.subject.expect("a subject");
        assert_eq!(subject.value, "alice@contoso.com", "read whole");
        let context = request.requested_context.expect("a context");
        assert_eq!(context.comparison, Comparison::Better);
        assert_eq!(context.classes, ["urn:c"]);
        let policy = request.name_id_policy.expect("a policy");
        assert_eq!(policy.allow_create, Some(true));
    }

    #[test]
    fn what_is_missing_doubled_or_of_another_form_is_named() {
        let issuer = r#"<Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer>"#;
        let doubled = format!("{issuer}{issuer}");
        for (from, to, part, fault) in [
            (
                r#"Version="2.0""#,
                r#"Version="1.1""#,
                "Version",
                Fault::Version,
            ),
            (r#"Version="2.0""#, "", "Version", Fault::Missing),
            (r#"ID="_1e08""#, "", "ID", Fault::Missing),
            ("_1e08", "1e08", "ID", Fault::Malformed),
            ("_1e08", "_1 08", "ID", Fault::Malformed),
            (
                "2026-03-12T",
                "2026-03-12 ",
                "IssueInstant",
                Fault::Malformed,
            ),
            (
                "2026-03-12T",
                "2026-13-12T",
                "IssueInstant",
                Fault::Malformed,
            ),
            (issuer, "", "Issuer", Fault::Missing),
            (issuer, &doubled, "Issuer", Fault::Doubled),
            (
                "urn:federation:MicrosoftOnline",
                " ",
                "Issuer",
                Fault::Missing,
            ),
            (
                "urn:federation:MicrosoftOnline",
                "<b/>",
                "Issuer",
                Fault::Malformed,
            ),
            (
                " ID=",
                r#" IsPassive="yes" ID="#,
                "IsPassive",
                Fault::Malformed,
            ),
            (
                " ID=",
                r#" AssertionConsumerServiceIndex="-1" ID="#,
                "AssertionConsumerServiceIndex",
                Fault::Malformed,
            ),
            (
                "<samlp:NameIDPolicy",
                r#"<s:Subject xmlns:s="urn:oasis:names:tc:SAML:2.0:assertion"><s:EncryptedID/></s:Subject><samlp:NameIDPolicy"#,
                "EncryptedID",
                Fault::Encrypted,
            ),
        ] {
            assert!(ENTRA.contains(from), "the sample has no {from}");
            let refused = read(&ENTRA.replacen(from, to, 1));
            assert_eq!(refused, Err(BadRequest::Part { part, fault }), "{to}");
        }
        assert_eq!(
            read("<AuthnRequest/>"),
            Err(BadRequest::Unanswered {
                name: "AuthnRequest".to_owned()
            }),
            "another namespace"
        );
    }

    #[test]
    fn a_message_in_the_wrong_parameter_is_refused() {
        let document = Document::parse(ENTRA).expect("XML");
        let refused = message(document.root_element(), true);
        assert_eq!(refused, Err(BadRequest::Misplaced));
    }

    #[test]
    fn our_logout_messages_are_read_back() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        let request = OutgoingLogoutRequest {
            id: "_r",
            issued_at: at,
            destination: "https://sp/slo",
            issuer: "https://idp/",
            not_on_or_after: at + TimeDelta::minutes(5),
            reason: Some(names::logout::USER),
            name_id: NameIdentifier {
                format: names::name_id::TRANSIENT,
                value: "<&\"'>",
            },
            session_index: Some("_s"),
        };
        let written = request.unsigned().expect("plain text");
        assert!(written.xml[..written.signature_at].ends_with("</saml:Issuer>"));
        let Ok(Message::LogoutRequest(found)) = read(&written.xml) else {
            panic!("{}", written.xml)
        };
        assert_eq!(found.name_id.value, "<&\"'>");
        assert_eq!(found.session_indexes, ["_s"]);
        assert_eq!(found.not_on_or_after, Some(at + TimeDelta::minutes(5)));
        assert!(!found.asynchronous);
        let extensions = r#"<samlp:Extensions><x:Asynchronous xmlns:x="urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo"/></samlp:Extensions><saml:NameID"#;
        let asynchronous = written.xml.replacen("<saml:NameID", extensions, 1);
        let Ok(Message::LogoutRequest(found)) = read(&asynchronous) else {
            panic!("{asynchronous}")
        };
        assert!(found.asynchronous);
        for (complete, codes) in [
            (true, &[names::status::SUCCESS][..]),
            (
                false,
                &[names::status::SUCCESS, names::status::PARTIAL_LOGOUT],
            ),
        ] {
            let response = OutgoingLogoutResponse {
                id: "_a",
                issued_at: at,
                destination: "https://sp/slo",
                in_response_to: "_r",
                issuer: "https://idp/",
                complete,
            };
            let written = response.unsigned().expect("plain text");
            let Ok(Message::LogoutResponse(found)) = read(&written.xml) else {
                panic!("{}", written.xml)
            };
            assert_eq!(found.status, codes);
            assert_eq!(found.in_response_to.as_deref(), Some("_r"));
        }
    }
}
