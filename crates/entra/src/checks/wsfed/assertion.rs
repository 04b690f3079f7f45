//! Checks 18, 27 to 34 and 42: the assertion itself (SAML 1.1 core §2).

use chrono::{DateTime, Utc};
use roxmltree::Node;

use crate::checks::assertion::{self as shared, Authentication};
use crate::checks::claims::{self, Claim};
use crate::checks::outcome::{Checked, OrRaise, ensure, failure};
use crate::checks::{names, xml};
use crate::tenant::{Cloud, User};

/// Check 18: and the assertion is where a token belongs.
pub fn only_one<'a, 'i>(response: Node<'a, 'i>) -> Checked<Node<'a, 'i>> {
    shared::alone(response)?;
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
    ensure(xml::is_nc_name(id), 50008, || {
        format!("its AssertionID {id:?} is not an XML identifier")
    })
}

/// Check 28 (SAML 1.1 core §2.3.2.1).
pub fn valid_now(assertion: Node, now: DateTime<Utc>) -> Checked<DateTime<Utc>> {
    let conditions = xml::only(assertion, names::SAML1, "Conditions").or_raise(50013)?;
    shared::valid_now(assertion, conditions, now)
}

/// Check 29 (SAML 1.1 core §2.3.2.1.3): one restriction to one audience.
pub fn audience(assertion: Node, cloud: &Cloud) -> Checked<()> {
    let conditions = xml::only(assertion, names::SAML1, "Conditions").or_raise(50008)?;
    let restriction =
        xml::only(conditions, names::SAML1, "AudienceRestrictionCondition").or_raise(50008)?;
    shared::audience(restriction, names::SAML1, cloud)
}

/// Check 30 (SAML 1.1 profiles, bearer).
pub fn bearer(assertion: Node) -> Checked<()> {
    for subject in subjects(assertion)? {
        let confirmation =
            xml::only(subject, names::SAML1, "SubjectConfirmation").or_raise(50008)?;
        let method =
            xml::text(xml::only(confirmation, names::SAML1, "ConfirmationMethod").or_raise(50008)?);
        ensure(method == names::BEARER1, 50008, || {
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
        shared::clean_name(&value)?;
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
pub fn authentication(assertion: Node) -> Checked<Authentication> {
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
    shared::authenticated_before(assertion, instant)?;
    Ok(Authentication {
        method,
        instant,
        session_index: None,
    })
}

/// Every attribute in every attribute statement (SAML 1.1 core §2.4.4).
pub fn claims(assertion: Node) -> Vec<Claim> {
    xml::children(assertion, names::SAML1, "AttributeStatement")
        .flat_map(|statement| xml::children(statement, names::SAML1, "Attribute"))
        .map(|attribute| {
            Claim::read(
                attribute,
                names::SAML1,
                "AttributeName",
                "AttributeNamespace",
            )
        })
        .collect()
}

/// Check 32.
pub fn immutable_id<'a>(claims: &'a [Claim], name: &str) -> Checked<&'a str> {
    let found: Vec<_> = values(claims, names::IMMUTABLE_ID).collect();
    let [value] = found[..] else {
        return Err(failure(
            90020,
            format!(
                "the assertion has {} values for ImmutableID, not one",
                found.len()
            ),
        ));
    };
    ensure(value == name, 90020, || {
        format!("ImmutableID is {value:?}, but the NameIdentifier is {name:?}")
    })?;
    Ok(value)
}

/// Check 33.
pub fn odd_upn(claims: &[Claim], user: Option<&User>) -> Option<String> {
    claims::odd_upn("UPN", values(claims, names::UPN), user)
}

/// Check 42: the method or an attribute says so.
pub fn multi_factor(method: &str, claims: &[Claim]) -> bool {
    names::METHODS
        .into_iter()
        .flat_map(|name| values(claims, name))
        .chain([method])
        .any(|method| names::MULTI_FACTOR.contains(&method))
}

fn values<'a>(
    claims: &'a [Claim],
    (namespace, name): (&'a str, &'a str),
) -> impl Iterator<Item = &'a str> {
    claims
        .iter()
        .filter(move |claim| claim.namespace == namespace && claim.name == name)
        .flat_map(|claim| claim.values.iter().map(String::as_str))
}

fn subjects<'a, 'i>(assertion: Node<'a, 'i>) -> Checked<Vec<Node<'a, 'i>>> {
    ["AttributeStatement", "AuthenticationStatement"]
        .into_iter()
        .flat_map(|name| xml::children(assertion, names::SAML1, name))
        .map(|statement| xml::only(statement, names::SAML1, "Subject").or_raise(50008))
        .collect()
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
