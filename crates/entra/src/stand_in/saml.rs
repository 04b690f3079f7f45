//! The SAML 2.0 messages as Entra ID words them (SAML core §3.4 and §3.7).

use chrono::{DateTime, SecondsFormat, Utc};
use openssl::error::ErrorStack;

use super::element::Element;
use super::org_id::OrgIdKey;
use super::request::{Ask, MULTI_FACTOR, Variant};

const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// What every message begins with.
pub struct Head<'a> {
    pub id: &'a str,
    pub at: DateTime<Utc>,
    /// The cloud's name for itself.
    pub issuer: &'a str,
    /// The address at the domain that takes the message.
    pub destination: &'a str,
}

/// A sign-in request. Only a signed one says where it goes.
pub fn authn_request(head: &Head, ask: Ask, variant: Variant) -> Element {
    let mut request = root("samlp:AuthnRequest", head);
    if variant.signed {
        request = request.attribute("Destination", head.destination);
    }
    if let Some(index) = variant.index {
        request = request.attribute("AssertionConsumerServiceIndex", index.to_string());
    }
    if ask.fresh() {
        request = request.attribute("ForceAuthn", "true");
    }
    if variant.is_passive {
        request = request.attribute("IsPassive", "true");
    }
    let policy = Element::new("samlp:NameIDPolicy").attribute("Format", PERSISTENT);
    let request = request.child(issuer(head)).child(policy);
    let class = match ask {
        Ask::MultiFactor => MULTI_FACTOR,
        Ask::FreshPassword => PASSWORD,
        Ask::SignIn | Ask::PromptLogin | Ask::Fresh => return request,
    };
    let context = Element::new("samlp:RequestedAuthnContext")
        .attribute("Comparison", "exact")
        .child(of_assertions("AuthnContextClassRef").text(class));
    request.child(context)
}

/// The wish that the domain ends the session of a person, too.
pub fn logout_request(head: &Head, name_id: &str, session_index: Option<&str>) -> Element {
    let name_id = of_assertions("NameID")
        .attribute("Format", PERSISTENT)
        .text(name_id);
    let request = root("samlp:LogoutRequest", head)
        .attribute("Destination", head.destination)
        .child(issuer(head))
        .child(name_id);
    match session_index {
        Some(index) => request.child(Element::new("samlp:SessionIndex").text(index)),
        None => request,
    }
}

/// Says to a domain that its wish was done.
pub fn logout_response(head: &Head, in_response_to: &str) -> Element {
    let code = Element::new("samlp:StatusCode").attribute("Value", SUCCESS);
    root("samlp:LogoutResponse", head)
        .attribute("Destination", head.destination)
        .attribute("InResponseTo", in_response_to)
        .child(issuer(head))
        .child(Element::new("samlp:Status").child(code))
}

/// Puts Microsoft's kind of signature behind the issuer (SAML core §5.4.1).
pub fn signed(request: Element, id: &str, key: &OrgIdKey) -> Result<Element, ErrorStack> {
    let signature = key.enveloped(&request.canonical(), id)?;
    Ok(request.second(signature))
}

fn root(name: &'static str, head: &Head) -> Element {
    Element::new(name)
        .attribute("xmlns:samlp", PROTOCOL)
        .attribute("ID", head.id)
        .attribute("Version", "2.0")
        .attribute(
            "IssueInstant",
            head.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        )
}

fn issuer(head: &Head) -> Element {
    of_assertions("Issuer").text(head.issuer)
}

fn of_assertions(name: &'static str) -> Element {
    Element::new(name).attribute("xmlns", ASSERTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        id: "_1e08",
        at: DateTime::UNIX_EPOCH,
        issuer: "urn:federation:MicrosoftOnline",
        destination: "https://idp.example/saml2?a=1&b=2",
    };
    const BEGINNING: &str = r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1e08" Version="2.0" IssueInstant="1970-01-01T00:00:00.000Z""#;
    const MIDDLE: &str = r#"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer><samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/>"#;
    const END: &str = "</samlp:AuthnRequest>";

    #[track_caller]
    fn check(ask: Ask, variant: Variant, attributes: &str, context: &str) {
        assert_eq!(
            authn_request(&HEAD, ask, variant).sent(),
            format!("{BEGINNING}{attributes}{MIDDLE}{context}{END}")
        );
    }

    #[test]
    fn the_request_looks_as_it_is_documented() {
        check(Ask::SignIn, Variant::default(), "", "");
        let variant = Variant {
            signed: true,
            index: Some(0),
            ..Variant::default()
        };
        check(
            Ask::SignIn,
            variant,
            r#" Destination="https://idp.example/saml2?a=1&amp;b=2" AssertionConsumerServiceIndex="0""#,
            "",
        );
    }

    #[test]
    fn what_is_asked_for_is_said_in_the_standards_words() {
        let fresh = r#" ForceAuthn="true""#;
        let class = |class: &str| {
            format!(
                r#"<samlp:RequestedAuthnContext Comparison="exact"><AuthnContextClassRef xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{class}</AuthnContextClassRef></samlp:RequestedAuthnContext>"#
            )
        };
        let check = |ask, attributes: &str, context: &str| {
            check(ask, Variant::default(), attributes, context);
        };
        check(Ask::PromptLogin, fresh, "");
        check(Ask::Fresh, fresh, "");
        check(Ask::FreshPassword, fresh, &class(PASSWORD));
        check(
            Ask::MultiFactor,
            "",
            &class("http://schemas.microsoft.com/claims/multipleauthn"),
        );
    }

    #[test]
    fn a_passive_request_says_so() {
        let variant = Variant {
            is_passive: true,
            ..Variant::default()
        };
        check(Ask::SignIn, variant, r#" IsPassive="true""#, "");
    }
}
