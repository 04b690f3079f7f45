//! Checks 32, 33, 36 and 42: what the attributes say.

use roxmltree::Node;

use super::outcome::{Checked, ensure, failure};
use super::{Outstanding, names, xml};
use crate::tenant::{User, domain_of};

/// An attribute of the assertion (SAML 1.1 core §2.4.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub namespace: String,
    pub name: String,
    pub values: Vec<String>,
}

/// Every attribute in every attribute statement.
pub fn read(assertion: Node) -> Vec<Claim> {
    xml::children(assertion, names::SAML1, "AttributeStatement")
        .flat_map(|statement| xml::children(statement, names::SAML1, "Attribute"))
        .map(|attribute| Claim {
            namespace: attribute
                .attribute("AttributeNamespace")
                .unwrap_or_default()
                .to_owned(),
            name: attribute
                .attribute("AttributeName")
                .unwrap_or_default()
                .to_owned(),
            values: xml::children(attribute, names::SAML1, "AttributeValue")
                .map(xml::text)
                .collect(),
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

/// Check 33: Entra ID finds people by ImmutableID, so a wrong UPN does no harm today.
pub fn odd_upn(claims: &[Claim], user: Option<&User>) -> Option<String> {
    let found: Vec<_> = values(claims, names::UPN).collect();
    let [upn] = found[..] else {
        return Some(format!("there are {} values for UPN", found.len()));
    };
    if domain_of(upn).is_none() {
        return Some(format!("{upn:?} does not look like a UPN"));
    }
    user.filter(|user| !user.upn.eq_ignore_ascii_case(upn))
        .map(|user| format!("it says {upn}, but the ImmutableID is that of {}", user.upn))
}

/// Check 36.
pub fn no_duplicates(claims: &[Claim]) -> Checked<()> {
    let twice = claims.iter().enumerate().find_map(|(at, claim)| {
        let same =
            |other: &&Claim| (&other.namespace, &other.name) == (&claim.namespace, &claim.name);
        claims[..at].iter().find(same)
    });
    ensure(twice.is_none(), 50008, || {
        format!("{} is there twice", twice.map_or("", |claim| &claim.name))
    })
}

/// Check 42; gives back whether more than one factor was used.
pub fn mfa_when_asked(method: &str, claims: &[Claim], asked: &Outstanding) -> Checked<bool> {
    let mfa = names::METHODS
        .into_iter()
        .flat_map(|name| values(claims, name))
        .chain([method])
        .any(|method| names::MULTI_FACTOR.contains(&method));
    ensure(mfa || !asked.mfa, 50158, || {
        "the request asked for multi-factor authentication, the answer has none".to_owned()
    })?;
    Ok(mfa)
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
