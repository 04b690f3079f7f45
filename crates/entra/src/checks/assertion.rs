//! Checks 18 and 27 to 34, and 43: the assertion itself (SAML 1.1 core §2).

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::outcome::{Checked, OrRaise, ensure, failure};
use super::{Outstanding, SKEW, names, xml};
use crate::tenant::Cloud;

/// How and when the person authenticated (SAML 1.1 core §2.4.3).
pub struct Authentication {
    pub method: String,
    pub instant: DateTime<Utc>,
}

/// Check 18: one assertion in the whole response, where a token belongs, and nothing encrypted.
pub fn only_one<'a, 'i>(response: Node<'a, 'i>) -> Checked<Node<'a, 'i>> {
    let encrypted = response
        .descendants()
        .any(|node| node.tag_name().namespace() == Some(names::ENCRYPTION));
    ensure(!encrypted, 50008, || {
        "something in it is encrypted".to_owned()
    })?;
    let assertions = response.descendants().filter(|node| {
        let name = node.tag_name();
        name.name() == "Assertion"
            && [Some(names::SAML1), Some(names::SAML2)].contains(&name.namespace())
    });
    let count = assertions.count();
    ensure(count == 1, 50008, || format!("it holds {count} assertions"))?;
    let token = xml::only(response, names::TRUST, "RequestedSecurityToken").or_raise(50008)?;
    xml::only(token, names::SAML1, "Assertion").or_raise(50008)
}

/// Check 27 (SAML 1.1 core §2.3.2).
pub fn version(assertion: Node) -> Checked<()> {
    let version = (
        assertion.attribute("MajorVersion"),
        assertion.attribute("MinorVersion"),
    );
    ensure(version == (Some("1"), Some("1")), 50008, || {
        format!("its version is {version:?}")
    })?;
    let id = assertion.attribute("AssertionID").unwrap_or_default();
    ensure(is_nc_name(id), 50008, || {
        format!("its AssertionID {id:?} is not an XML identifier")
    })
}

/// Check 28; gives back until when the assertion counts.
pub fn valid_now(assertion: Node, now: DateTime<Utc>) -> Checked<DateTime<Utc>> {
    let issued = xml::instant_in(assertion, "IssueInstant").or_raise(50013)?;
    let conditions = xml::only(assertion, names::SAML1, "Conditions").or_raise(50013)?;
    let not_before = xml::instant_in(conditions, "NotBefore").or_raise(50013)?;
    let not_on_or_after = xml::instant_in(conditions, "NotOnOrAfter").or_raise(50013)?;
    ensure(issued <= now + SKEW, 500_133, || {
        format!("it was issued in the future, at {issued}")
    })?;
    ensure(not_before <= now + SKEW, 500_133, || {
        format!("it is not valid before {not_before}")
    })?;
    ensure(not_on_or_after > now - SKEW, 500_133, || {
        format!("it was valid until {not_on_or_after}")
    })?;
    Ok(not_on_or_after)
}

/// Check 29 (SAML 1.1 core §2.3.2.1.3): one restriction to one audience, and it is us.
pub fn audience(assertion: Node, cloud: &Cloud) -> Checked<()> {
    let conditions = xml::only(assertion, names::SAML1, "Conditions").or_raise(50008)?;
    let restriction =
        xml::only(conditions, names::SAML1, "AudienceRestrictionCondition").or_raise(50008)?;
    let audience = xml::text(xml::only(restriction, names::SAML1, "Audience").or_raise(50008)?);
    ensure(audience == cloud.audience, 50008, || {
        format!("the audience is {audience:?}")
    })
}

/// Check 30 (SAML 1.1 profiles, bearer).
pub fn bearer(assertion: Node) -> Checked<()> {
    for subject in subjects(assertion)? {
        let confirmation =
            xml::only(subject, names::SAML1, "SubjectConfirmation").or_raise(50008)?;
        let method =
            xml::text(xml::only(confirmation, names::SAML1, "ConfirmationMethod").or_raise(50008)?);
        ensure(method == names::BEARER, 50008, || {
            format!("the subject is confirmed by {method}")
        })?;
    }
    Ok(())
}

/// Check 31: every statement is about the same, named, subject.
pub fn name_identifier(assertion: Node) -> Checked<String> {
    let mut name: Option<String> = None;
    for subject in subjects(assertion)? {
        let identifier = xml::only(subject, names::SAML1, "NameIdentifier").or_raise(50008)?;
        let format = identifier.attribute("Format").unwrap_or(names::UNSPECIFIED);
        ensure(format == names::UNSPECIFIED, 50008, || {
            format!("the NameIdentifier's format is {format}")
        })?;
        let value = xml::text(identifier);
        ensure(!value.is_empty() && value.trim() == value, 50008, || {
            format!("the NameIdentifier is {value:?}, empty or with space around it")
        })?;
        ensure(
            name.as_ref().is_none_or(|first| *first == value),
            50008,
            || "the statements are about different subjects".to_owned(),
        )?;
        name = Some(value);
    }
    name.ok_or_else(|| failure(50008, "nothing is said about anybody"))
}

/// Check 34: nobody authenticates after the assertion about it was issued.
pub fn authentication(assertion: Node, now: DateTime<Utc>) -> Checked<Authentication> {
    let statement =
        xml::only(assertion, names::SAML1, "AuthenticationStatement").or_raise(50008)?;
    let method = statement
        .attribute("AuthenticationMethod")
        .unwrap_or_default()
        .to_owned();
    ensure(!method.is_empty(), 50008, || {
        "AuthenticationStatement has no AuthenticationMethod".to_owned()
    })?;
    let instant = xml::instant_in(statement, "AuthenticationInstant").or_raise(50008)?;
    let issued = xml::instant_in(assertion, "IssueInstant").or_raise(50008)?;
    ensure(instant <= now + SKEW, 50013, || {
        format!("AuthenticationInstant is in the future: {instant}")
    })?;
    ensure(instant <= issued, 50013, || {
        format!("AuthenticationInstant {instant} is after the assertion was issued, at {issued}")
    })?;
    Ok(Authentication { method, instant })
}

/// Check 43: whoever asks for a fresh authentication must not be given an old one.
pub fn fresh_when_asked(instant: DateTime<Utc>, asked: &Outstanding) -> Checked<()> {
    // Instants are often written in whole seconds.
    ensure(
        !asked.fresh || instant.timestamp() >= asked.started_at.timestamp(),
        50173,
        || {
            format!(
                "the person authenticated at {instant}, before it was asked for at {}",
                asked.started_at
            )
        },
    )
}

fn subjects<'a, 'i>(assertion: Node<'a, 'i>) -> Checked<Vec<Node<'a, 'i>>> {
    ["AttributeStatement", "AuthenticationStatement"]
        .into_iter()
        .flat_map(|name| xml::children(assertion, names::SAML1, name))
        .map(|statement| xml::only(statement, names::SAML1, "Subject").or_raise(50008))
        .collect()
}

fn is_nc_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter.is_alphanumeric() || ['_', '-', '.'].contains(&letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_needs_an_identifier_that_xml_allows() {
        let accepts = |id: &str| {
            let text = format!("<Assertion MajorVersion='1' MinorVersion='1' AssertionID='{id}'/>");
            let document = roxmltree::Document::parse(&text).expect("it is XML");
            version(document.root_element()).is_ok()
        };
        assert!(["_1", "a.b-c", "é1"].into_iter().all(accepts));
        assert!(
            !["", "1a", "-a", "a:b", "a b", "a#"]
                .into_iter()
                .any(accepts)
        );
    }
}
