//! Domains and how they are federated.

use serde_json::{Map, Value, json};

use super::configuration::Configuration;
use super::directory::{AuthenticationType, Directory, Domain, is_microsofts};
use super::error::GraphError;
use super::query::Kind;
use super::{Answer, Habits};
use crate::guid;

pub const DOMAIN: Kind = Kind {
    name: "domain",
    unasked: None,
};

pub const CONFIGURATION: Kind = Kind {
    name: "internalDomainFederation",
    unasked: None,
};

/// What `PATCH /domains/{id}` may change.
const CHANGEABLE: &[&str] = &[
    "authenticationType",
    "isDefault",
    "supportedServices",
    "passwordValidityPeriodInDays",
    "passwordNotificationWindowInDays",
];

impl Directory {
    pub(super) fn known_domain(&self, id: &str) -> Result<&Domain, GraphError> {
        self.domain(id).ok_or_else(|| GraphError::not_found(id))
    }

    fn known_domain_mut(&mut self, id: &str) -> Result<&mut Domain, GraphError> {
        self.domain_mut(id).ok_or_else(|| GraphError::not_found(id))
    }

    /// The federation of a domain; for Graph one that is Managed has none.
    pub(super) fn configuration(&self, id: &str) -> Result<Option<&Configuration>, GraphError> {
        let domain = self.known_domain(id)?;
        if domain.is_unmanageable() {
            return Err(GraphError::internal());
        }
        Ok(domain.configuration.as_ref())
    }

    pub(super) fn configuration_by_id(
        &self,
        id: &str,
        configuration_id: &str,
    ) -> Result<&Configuration, GraphError> {
        self.configuration(id)?
            .filter(|configuration| configuration.id == configuration_id)
            .ok_or_else(|| GraphError::not_found(configuration_id))
    }

    /// `PATCH /domains/{id}`
    pub(super) fn update_domain(
        &mut self,
        id: &str,
        body: &Map<String, Value>,
        habits: &Habits,
    ) -> Result<Answer, GraphError> {
        let domain = self.known_domain(id)?;
        if let Some(name) = body
            .keys()
            .find(|name| !CHANGEABLE.contains(&name.as_str()))
        {
            return Err(GraphError::bad_request(format!(
                "Property '{name}' does not exist on type 'microsoft.graph.domain', or is read-only and cannot be set."
            )));
        }
        if !domain.is_verified {
            return Err(GraphError::bad_request(
                "The domain is not verified. Only verified domains can be updated.",
            ));
        }
        if let Some(value) = body.get("authenticationType") {
            let wanted = read("authenticationType", value)?;
            self.set_authentication_type(id, wanted, habits)?;
        }
        if let Some(value) = body.get("isDefault") {
            let wanted = read("isDefault", value)?;
            self.set_default(id, wanted)?;
        }
        let domain = self.known_domain_mut(id)?;
        for (name, value) in body {
            match name.as_str() {
                "supportedServices" => domain.supported_services = read(name, value)?,
                "passwordValidityPeriodInDays" => {
                    domain.password_validity_period_in_days = read(name, value)?;
                }
                "passwordNotificationWindowInDays" => {
                    domain.password_notification_window_in_days = read(name, value)?;
                }
                _ => {}
            }
        }
        Ok(Answer::NoContent)
    }

    fn set_authentication_type(
        &mut self,
        id: &str,
        wanted: AuthenticationType,
        habits: &Habits,
    ) -> Result<(), GraphError> {
        let domain = self.known_domain(id)?;
        if self.authentication_type(domain) == wanted {
            if domain.is_root && wanted == AuthenticationType::Managed {
                // It may have followed its parent until now.
                self.known_domain_mut(id)?.authentication_type = wanted;
            }
            return Ok(());
        }
        match wanted {
            AuthenticationType::Federated => {
                federable(domain)?;
                if domain.configuration.is_none() {
                    return Err(GraphError::bad_request(
                        "Changing authenticationType from Managed to Federated is not supported for a domain without a federation configuration.",
                    ));
                }
            }
            AuthenticationType::Managed if !domain.is_root => return Err(not_root()),
            AuthenticationType::Managed if domain.is_unmanageable() => {
                return Err(GraphError::internal());
            }
            AuthenticationType::Managed => {}
        }
        let domain = self.known_domain_mut(id)?;
        domain.authentication_type = wanted;
        if wanted == AuthenticationType::Managed && !habits.managed_keeps_configuration {
            domain.configuration = None;
        }
        Ok(())
    }

    fn set_default(&mut self, id: &str, wanted: bool) -> Result<(), GraphError> {
        let domain = self.known_domain(id)?;
        match (domain.is_default, wanted) {
            (true, true) | (false, false) => return Ok(()),
            (true, false) => {
                return Err(GraphError::bad_request(
                    "A tenant has one default domain: make another domain the default instead.",
                ));
            }
            (false, true) => {}
        }
        if self.authentication_type(domain) != AuthenticationType::Managed {
            return Err(GraphError::bad_request(
                "The authentication type of the default domain must be Managed.",
            ));
        }
        for domain in &mut self.domains {
            domain.is_default = domain.is_named(id);
            if domain.is_default {
                domain.authentication_type = AuthenticationType::Managed;
            }
        }
        Ok(())
    }

    /// `POST /domains/{id}/promote`
    pub(super) fn promote(&mut self, id: &str, habits: &Habits) -> Result<Answer, GraphError> {
        let domain = self.known_domain(id)?;
        if !domain.is_verified {
            return Err(GraphError::bad_request(
                "Unverified domains cannot be promoted. Please verify the domain before promotion.",
            ));
        }
        if domain.is_root {
            return Err(GraphError::bad_request(
                "The domain is a root domain already.",
            ));
        }
        let authentication_type = self.authentication_type(domain);
        let has_users = self.users.iter().any(|user| domain.is_named(user.domain()));
        if authentication_type == AuthenticationType::Federated && has_users {
            return Err(GraphError::bad_request(
                "Promoting a subdomain with user references is not allowed. Please migrate the users to the current root domain before promotion of the subdomain.",
            ));
        }
        let domain = self.known_domain_mut(id)?;
        domain.is_root = true;
        domain.authentication_type = if habits.promote_manages {
            AuthenticationType::Managed
        } else {
            authentication_type
        };
        Ok(Answer::Ok(json!({ "value": true })))
    }

    /// `POST /domains/{id}/federationConfiguration`
    pub(super) fn create_configuration(
        &mut self,
        id: &str,
        body: &Map<String, Value>,
        habits: &Habits,
    ) -> Result<Answer, GraphError> {
        let domain = self.known_domain(id)?;
        federable(domain)?;
        if domain.configuration.is_some() {
            return Err(GraphError::bad_request(
                "Domain already has Federation Configuration set.",
            ));
        }
        let mut body = body.clone();
        // A saved configuration brings the identifier that it had.
        body.insert("id".to_owned(), json!(guid::random()));
        let blank = Configuration {
            is_signed_authentication_request_required: Some(false),
            ..Configuration::default()
        };
        let created = self.accepted(id, blank.with(&body)?, habits);
        let domain = self.known_domain_mut(id)?;
        match created {
            Ok(created) => {
                let json = created.json();
                domain.configuration = Some(created);
                if habits.create_federates {
                    domain.authentication_type = AuthenticationType::Federated;
                }
                Ok(Answer::Created(json.into()))
            }
            Err(_) if habits.takes_no_certificate && is_without_certificate(&body) => {
                let created = blank.with(&body)?;
                domain.configuration = Some(created);
                domain.authentication_type = AuthenticationType::Federated;
                Ok(Answer::Failed(GraphError::internal()))
            }
            Err(error) => Err(error),
        }
    }

    /// `PATCH /domains/{id}/federationConfiguration/{cid}`
    pub(super) fn update_configuration(
        &mut self,
        id: &str,
        configuration_id: &str,
        body: &Map<String, Value>,
        habits: &Habits,
    ) -> Result<Answer, GraphError> {
        let current = self.configuration_by_id(id, configuration_id)?;
        if body.get("id").is_some_and(|id| id != configuration_id) {
            return Err(GraphError::bad_request(
                "Property 'id' is read-only and cannot be set.",
            ));
        }
        let updated = self.accepted(id, current.with(body)?, habits)?;
        let json = updated.json();
        self.known_domain_mut(id)?.configuration = Some(updated);
        Ok(Answer::Ok(json.into()))
    }

    /// `DELETE /domains/{id}/federationConfiguration/{cid}`
    pub(super) fn delete_configuration(
        &mut self,
        id: &str,
        configuration_id: &str,
    ) -> Result<Answer, GraphError> {
        self.configuration_by_id(id, configuration_id)?;
        let domain = self.known_domain_mut(id)?;
        domain.configuration = None;
        domain.authentication_type = AuthenticationType::Managed;
        Ok(Answer::NoContent)
    }

    /// The configuration as it would be stored, if the domain can have it.
    fn accepted(
        &self,
        id: &str,
        mut configuration: Configuration,
        habits: &Habits,
    ) -> Result<Configuration, GraphError> {
        if habits.drops_trailing_slashes {
            configuration.drop_trailing_slashes();
        }
        configuration.check(habits.http_on_loopback)?;
        let issuer = configuration.issuer_uri.as_deref().unwrap_or_default();
        let others = self.domains.iter().filter(|domain| !domain.is_named(id));
        let taken = others
            .filter_map(|domain| domain.configuration.as_ref()?.issuer_uri.as_deref())
            .chain(self.foreign_issuers.iter().map(String::as_str))
            .any(|other| other.eq_ignore_ascii_case(issuer));
        if taken {
            return Err(GraphError::taken("issuerUri"));
        }
        Ok(configuration)
    }
}

/// Check 47.
fn federable(domain: &Domain) -> Result<(), GraphError> {
    let refuse = |why: &str| Err(GraphError::bad_request(why));
    if domain.is_initial || is_microsofts(&domain.id) {
        return refuse("A domain of onmicrosoft.com cannot be federated.");
    }
    if !domain.is_verified {
        return refuse("The domain is not verified. Only verified domains can be federated.");
    }
    if domain.is_default {
        return refuse("The default domain cannot be federated.");
    }
    if !domain.is_root {
        return Err(not_root());
    }
    Ok(())
}

fn not_root() -> GraphError {
    GraphError::bad_request(
        "The domain is not a root domain: it follows its parent domain until it is promoted.",
    )
}

fn is_without_certificate(body: &Map<String, Value>) -> bool {
    body.get("signingCertificate").is_none_or(Value::is_null)
}

fn read<T: serde::de::DeserializeOwned>(name: &str, value: &Value) -> Result<T, GraphError> {
    serde_json::from_value(value.clone())
        .map_err(|error| GraphError::invalid(name, "Domain", &error.to_string()))
}
