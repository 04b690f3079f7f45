//! Checks 33 and 36: what the attributes say.

use roxmltree::Node;

use super::outcome::{Checked, ensure};
use super::xml;
use crate::tenant::{User, domain_of};

/// An attribute of the assertion (SAML 1.1 core §2.4.4.1, SAML core §2.7.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// SAML 2.0 calls it the name's format; empty when it says none.
    pub namespace: String,
    pub name: String,
    pub values: Vec<String>,
}

impl Claim {
    /// Reads an `Attribute` whose name and namespace are in the attributes of these names.
    pub(super) fn read(
        attribute: Node,
        saml: &'static str,
        name: &'static str,
        namespace: &'static str,
    ) -> Self {
        let part = |name| attribute.attribute(name).unwrap_or_default().to_owned();
        Self {
            namespace: part(namespace),
            name: part(name),
            values: xml::children(attribute, saml, "AttributeValue")
                .map(xml::text)
                .collect(),
        }
    }
}

/// Check 33: Entra ID finds people by ImmutableID, so a wrong UPN does no harm today.
pub fn odd_upn<'a>(
    name: &str,
    values: impl Iterator<Item = &'a str>,
    user: Option<&User>,
) -> Option<String> {
    let found: Vec<_> = values.collect();
    let [upn] = found[..] else {
        return Some(format!("there are {} values for {name}", found.len()));
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
