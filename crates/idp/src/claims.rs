//! Which identifier and which attributes an app is told about a user: pure.

use protocol::saml11::Attribute;
use store::{App, Group, Source, User};

use crate::error::{Error, Refusal, Result};
use crate::parse;

/// What the token says about the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub name_id: String,
    pub attributes: Vec<Attribute>,
}

/// Whether the app's rules mention groups, so that a look-up is made only for those that do.
pub fn need_groups(app: &App) -> bool {
    let rules = &app.wsfed;
    rules.name_id.source == Source::Groups
        || rules
            .attributes
            .iter()
            .any(|rule| rule.source == Source::Groups)
}

/// The claims that `app` gets about `user`. An attribute without a value is left out (SAML 1.1 core §2.4.4
/// wants at least one); an identifier without a value is refused.
pub fn for_app(user: &User, groups: &[Group], app: &App) -> Result<Claims> {
    let rules = &app.wsfed;
    let name_id = values(&rules.name_id.source, user, groups)
        .into_iter()
        .next()
        .ok_or_else(|| Refusal::NoIdentifier {
            upn: user.upn.clone(),
            label: app.label.clone(),
        })?;
    let mut attributes = Vec::with_capacity(rules.attributes.len());
    for rule in &rules.attributes {
        let values = values(&rule.source, user, groups);
        if !values.is_empty() {
            let (namespace, name) = parse::attribute_name(&rule.name).map_err(|_| {
                Error::broken(std::io::Error::other(
                    "a stored attribute name has no namespace",
                ))
            })?;
            attributes.push(Attribute {
                namespace,
                name,
                values,
            });
        }
    }
    Ok(Claims {
        name_id,
        attributes,
    })
}

fn values(source: &Source, user: &User, groups: &[Group]) -> Vec<String> {
    match source {
        Source::Upn => vec![user.upn.clone()],
        Source::Email => user.email.iter().cloned().collect(),
        Source::DisplayName => vec![user.display_name.clone()],
        Source::GivenName => user.given_name.iter().cloned().collect(),
        Source::FamilyName => user.family_name.iter().cloned().collect(),
        Source::ImmutableId => vec![user.immutable_id.clone()],
        Source::Groups => groups.iter().map(|group| group.name.clone()).collect(),
        Source::Constant(text) => vec![text.clone()],
    }
}
