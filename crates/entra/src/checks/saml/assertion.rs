//! Checks 15, 18, 27 to 34 and 41: the assertion itself (SAML core §2).

use chrono::{DateTime, Utc};
use roxmltree::Node;

use crate::checks::assertion::{self as shared, Authentication};
use crate::checks::claims::{self, Claim};
use crate::checks::outcome::{Checked, OrRaise, ensure};
use crate::checks::{SKEW, names, xml};
use crate::tenant::{Cloud, User};

/// Check 18: and the assertion is a child of the response.
pub fn only_one<'a, 'i>(response: Node<'a, 'i>) -> Checked<Node<'a, 'i>> {
    shared::alone(response)?;
    xml::only(response, names::SAML2, "Assertion").or_raise(50008)
}

/// Check 15: whoever answers also made the assertion.
pub fn issuer(response: Option<Node>, assertion: Node) -> Checked<String> {
    let issuer = xml::text(xml::only(assertion, names::SAML2, "Issuer").or_raise(50008)?);
    let answering = response
        .into_iter()
        .flat_map(|response| xml::children(response, names::SAML2, "Issuer"));
    for answering in answering.map(xml::text) {
        ensure(answering == issuer, 50008, || {
            format!("the response is by {answering:?}, its assertion by {issuer:?}")
        })?;
    }
    Ok(issuer)
}

/// Check 27 (SAML core §2.3.3).
pub fn version(assertion: Node) -> Checked<()> {
    let version = assertion.attribute("Version");
    ensure(version == Some("2.0"), 50008, || {
        format!("its version is {version:?}")
    })?;
    let id = assertion.attribute("ID").unwrap_or_default();
    ensure(xml::is_nc_name(id), 50008, || {
        format!("its ID {id:?} is not an XML identifier")
    })
}

/// Check 28 (SAML core §2.5.1.2).
pub fn valid_now(assertion: Node, now: DateTime<Utc>) -> Checked<DateTime<Utc>> {
    let conditions = xml::only(assertion, names::SAML2, "Conditions").or_raise(50013)?;
    shared::valid_now(assertion, conditions, now)
}

/// Check 29 (SAML core §2.5.1.4): one restriction to one audience.
pub fn audience(assertion: Node, cloud: &Cloud) -> Checked<()> {
    let conditions = xml::only(assertion, names::SAML2, "Conditions").or_raise(50008)?;
    let restriction = xml::only(conditions, names::SAML2, "AudienceRestriction").or_raise(50008)?;
    shared::audience(restriction, names::SAML2, cloud)
}

/// Check 30 (SAML profiles §4.1.4.2).
pub fn bearer(
    assertion: Node,
    response: Option<Node>,
    cloud: &Cloud,
    now: DateTime<Utc>,
) -> Checked<()> {
    let subject = xml::only(assertion, names::SAML2, "Subject").or_raise(50008)?;
    let confirmation = xml::only(subject, names::SAML2, "SubjectConfirmation").or_raise(50008)?;
    let method = confirmation.attribute("Method").unwrap_or_default();
    ensure(method == names::BEARER, 50008, || {
        format!("the subject is confirmed by {method:?}")
    })?;
    let data = xml::only(confirmation, names::SAML2, "SubjectConfirmationData").or_raise(50008)?;
    let recipient = data.attribute("Recipient");
    ensure(recipient == Some(&cloud.reply), 50008, || {
        format!("the recipient is {recipient:?}")
    })?;
    if let Some(response) = response {
        let [confirmed, answered] =
            [data, response].map(|node| node.attribute("InResponseTo").unwrap_or_default());
        ensure(confirmed == answered, 50008, || {
            format!(
                "the subject is confirmed for the request {confirmed:?}, the response answers {answered:?}"
            )
        })?;
    }
    ensure(data.attribute("NotBefore").is_none(), 50008, || {
        "the confirmation has a NotBefore".to_owned()
    })?;
    let until = xml::instant_in(data, "NotOnOrAfter").or_raise(50008)?;
    ensure(until > now - SKEW, 500_133, || {
        format!("the subject was confirmed until {until}")
    })
}

/// Check 31 (SAML core §8.3.7): Entra ID takes no other format.
pub fn name_id(assertion: Node) -> Checked<String> {
    let subject = xml::only(assertion, names::SAML2, "Subject").or_raise(50008)?;
    let name_id = xml::only(subject, names::SAML2, "NameID").or_raise(50008)?;
    let format = name_id.attribute("Format");
    ensure(format == Some(names::PERSISTENT), 50008, || {
        format!("the NameID's format is {format:?}")
    })?;
    let value = xml::text(name_id);
    shared::clean_name(&value)?;
    Ok(value)
}

/// Every attribute in every attribute statement (SAML core §2.7.3).
pub fn claims(assertion: Node) -> Vec<Claim> {
    xml::children(assertion, names::SAML2, "AttributeStatement")
        .flat_map(|statement| xml::children(statement, names::SAML2, "Attribute"))
        .map(|attribute| Claim::read(attribute, names::SAML2, "Name", "NameFormat"))
        .collect()
}

/// Check 33.
pub fn odd_email(claims: &[Claim], user: Option<&User>) -> Option<String> {
    let values = claims
        .iter()
        .filter(|claim| claim.name == names::IDP_EMAIL)
        .flat_map(|claim| claim.values.iter().map(String::as_str));
    claims::odd_upn(names::IDP_EMAIL, values, user)
}

/// Check 34 (SAML core §2.7.2).
pub fn authentication(assertion: Node) -> Checked<Authentication> {
    let statement = xml::only(assertion, names::SAML2, "AuthnStatement").or_raise(50008)?;
    let context = xml::only(statement, names::SAML2, "AuthnContext").or_raise(50008)?;
    let class = xml::only(context, names::SAML2, "AuthnContextClassRef").or_raise(50008)?;
    let method = xml::text(class);
    ensure(!method.is_empty(), 50008, || {
        "AuthnContextClassRef is empty".to_owned()
    })?;
    let instant = xml::instant_in(statement, "AuthnInstant").or_raise(50008)?;
    shared::authenticated_before(assertion, instant)?;
    Ok(Authentication {
        method,
        instant,
        session_index: statement.attribute("SessionIndex").map(str::to_owned),
    })
}

/// Whether more than one factor was used: the class alone says so.
pub fn multi_factor(method: &str) -> bool {
    method == names::MULTIPLE_AUTHN
}

/// Check 41: an attribute that speaks of several factors is not listened to.
pub fn misplaced_mfa(mfa: bool, claims: &[Claim]) -> Option<String> {
    let speaks = |claim: &&Claim| {
        claim
            .values
            .iter()
            .chain([&claim.name])
            .any(|value| names::MULTI_FACTOR.contains(&value.as_str()))
    };
    let claim = claims.iter().find(speaks).filter(|_| !mfa)?;
    Some(format!(
        "the attribute {} speaks of several factors, but AuthnContextClassRef does not, and only that counts",
        claim.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_needs_an_identifier_that_xml_allows() {
        let accepts = |id: &str| {
            let text = format!("<Assertion Version='2.0' ID='{id}'/>");
            let document = roxmltree::Document::parse(&text).expect("it is XML");
            version(document.root_element()).is_ok()
        };
        assert!(["_1", "a.b-c"].into_iter().all(accepts));
        assert!(!["", "1a", "a:b", "a b"].into_iter().any(accepts));
    }
}
