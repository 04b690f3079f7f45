//! People and their anchors.

use serde_json::{Map, Value};

use super::Answer;
use super::directory::{AuthenticationType, Directory, User};
use super::error::GraphError;
use super::query::Kind;
use crate::tenant::domain_of;

const RESOURCE: &str = "User";

/// The anchor and much else come only when they are asked for.
pub const USER: Kind = Kind {
    name: "user",
    unasked: Some(&[
        "businessPhones",
        "displayName",
        "givenName",
        "jobTitle",
        "mail",
        "mobilePhone",
        "officeLocation",
        "preferredLanguage",
        "surname",
        "userPrincipalName",
        "id",
    ]),
};

/// The longest anchor.
const LONGEST: usize = 64;

impl Directory {
    pub(super) fn known_user(&self, key: &str) -> Result<&User, GraphError> {
        self.user(key).ok_or_else(|| GraphError::not_found(key))
    }

    /// `PATCH /users/{id}`
    pub(super) fn update_user(
        &mut self,
        key: &str,
        body: &Map<String, Value>,
    ) -> Result<Answer, GraphError> {
        let current = self.known_user(key)?;
        let updated = changed(current, body)?;
        if current.on_premises_sync_enabled {
            return Err(GraphError::bad_request(
                "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.",
            ));
        }
        self.ensure_upn(&updated)?;
        self.ensure_anchor(current, &updated)?;
        let id = updated.id.clone();
        if let Some(user) = self.users.iter_mut().find(|user| user.id == id) {
            *user = updated;
        }
        Ok(Answer::NoContent)
    }

    /// A UPN is of a verified domain, and one person's.
    fn ensure_upn(&self, user: &User) -> Result<(), GraphError> {
        let upn = &user.user_principal_name;
        let invalid = |why| GraphError::invalid("userPrincipalName", RESOURCE, why);
        let domain = domain_of(upn).ok_or_else(|| invalid("it must be a name and a domain"))?;
        let verified = self.domain(domain).is_some_and(|domain| domain.is_verified);
        if !verified {
            return Err(invalid("its domain is not a verified domain of the tenant"));
        }
        let taken = self
            .others(user)
            .any(|other| other.user_principal_name.to_lowercase() == upn.to_lowercase());
        if taken {
            return Err(GraphError::conflict("userPrincipalName"));
        }
        Ok(())
    }

    /// Check 40, and when an anchor can change.
    fn ensure_anchor(&self, current: &User, updated: &User) -> Result<(), GraphError> {
        if let Some(anchor) = &updated.on_premises_immutable_id {
            let invalid = |why| GraphError::invalid("onPremisesImmutableId", RESOURCE, why);
            if anchor.is_empty() || anchor.chars().count() > LONGEST {
                return Err(invalid("it must have 1 to 64 characters"));
            }
            let odd = |c: char| matches!(c, '$' | '_') || c.is_whitespace() || c.is_control();
            if anchor.contains(odd) {
                return Err(invalid("it must not have white space, $ or _"));
            }
            if self
                .others(updated)
                .any(|other| other.on_premises_immutable_id.as_ref() == Some(anchor))
            {
                return Err(GraphError::conflict("onPremisesImmutableId"));
            }
        }
        let changes = current.on_premises_immutable_id != updated.on_premises_immutable_id;
        let moves = !current.domain().eq_ignore_ascii_case(updated.domain());
        if self.is_federated(current.domain()) && changes && !moves {
            return Err(GraphError::bad_request(
                "Property 'onPremisesImmutableId' cannot be changed while the user is in a federated domain.",
            ));
        }
        if self.is_federated(updated.domain()) && updated.on_premises_immutable_id.is_none() {
            return Err(GraphError::bad_request(
                "You must provide a required property: Parameter name: FederatedUser.SourceAnchor",
            ));
        }
        Ok(())
    }

    fn others(&self, user: &User) -> impl Iterator<Item = &User> {
        self.users.iter().filter(|other| other.id != user.id)
    }

    fn is_federated(&self, domain: &str) -> bool {
        self.domain(domain)
            .is_some_and(|domain| self.authentication_type(domain) == AuthenticationType::Federated)
    }
}

/// The user with what a body says.
fn changed(user: &User, body: &Map<String, Value>) -> Result<User, GraphError> {
    let mut user = user.clone();
    for (name, value) in body {
        let invalid = || GraphError::invalid(name, RESOURCE, "it is of the wrong type");
        let text = || value.as_str().map(str::to_owned).ok_or_else(invalid);
        match name.as_str() {
            "userPrincipalName" => user.user_principal_name = text()?,
            "displayName" => user.display_name = text()?,
            "accountEnabled" => user.account_enabled = value.as_bool().ok_or_else(invalid)?,
            "onPremisesImmutableId" if value.is_null() => user.on_premises_immutable_id = None,
            "onPremisesImmutableId" => user.on_premises_immutable_id = Some(text()?),
            _ => {
                return Err(GraphError::bad_request(format!(
                    "Property '{name}' does not exist on type 'microsoft.graph.user', or is read-only and cannot be set."
                )));
            }
        }
    }
    Ok(user)
}
