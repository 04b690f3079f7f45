//! What Graph keeps of a tenant, and what of it sign-ins are judged by.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Configuration;
use super::access::Role;
use super::configuration::{AuthenticationProtocol, MfaBehavior};
use crate::guid;
use crate::tenant::{self, Cloud, Federation, Tenant, domain_of};

/// A directory with everything that can be changed in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Directory {
    pub id: String,
    pub display_name: String,
    pub cloud: Cloud,
    pub domains: Vec<Domain>,
    pub users: Vec<User>,
    /// Whether Entra Connect brings users from on premises.
    pub sync_enabled: bool,
    /// The `issuerUri`s of the domains of other tenants.
    pub foreign_issuers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthenticationType {
    Managed,
    Federated,
}

/// A domain with its federation, verified or not.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "Graph's own properties")]
pub struct Domain {
    pub id: String,
    /// What it was set to; it may follow its parent all the same.
    pub authentication_type: AuthenticationType,
    pub is_verified: bool,
    pub is_default: bool,
    /// A root domain, or a sub-domain that was promoted to one.
    pub is_root: bool,
    /// The `*.onmicrosoft.com` that the tenant began with.
    pub is_initial: bool,
    pub supported_services: Vec<String>,
    pub password_validity_period_in_days: Option<u32>,
    pub password_notification_window_in_days: Option<u32>,
    pub configuration: Option<Configuration>,
}

/// A person as Graph keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: String,
    pub user_principal_name: String,
    pub display_name: String,
    pub account_enabled: bool,
    pub on_premises_immutable_id: Option<String>,
    /// Entra Connect owns this account.
    pub on_premises_sync_enabled: bool,
    /// What this person administers.
    pub roles: Vec<Role>,
}

impl Domain {
    /// A verified root domain without a federation.
    pub fn managed(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            authentication_type: AuthenticationType::Managed,
            is_verified: true,
            is_default: false,
            is_root: true,
            is_initial: false,
            supported_services: vec!["Email".to_owned(), "OfficeCommunicationsOnline".to_owned()],
            password_validity_period_in_days: None,
            password_notification_window_in_days: None,
            configuration: None,
        }
    }

    /// The domain that every tenant begins with.
    pub fn initial(id: &str) -> Self {
        Self {
            is_default: true,
            is_initial: true,
            ..Self::managed(id)
        }
    }

    pub fn is_named(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name)
    }

    /// Federated without a certificate: Graph fails at whatever it is asked about such a configuration.
    pub fn is_unmanageable(&self) -> bool {
        let configuration = self.configuration.as_ref();
        configuration.is_some_and(|configuration| configuration.signing_certificate.is_none())
    }

    /// A sub-domain follows its parent. One that was promoted below a federated parent does so, too, until it
    /// has a federation of its own or is Managed.
    fn follows(&self) -> bool {
        let federated = self.authentication_type == AuthenticationType::Federated;
        !self.is_root || (federated && self.configuration.is_none())
    }

    fn federation(&self) -> Option<Federation> {
        let federated = self.authentication_type == AuthenticationType::Federated;
        let configuration = self.configuration.as_ref().filter(|_| federated)?;
        Some(configuration.federation())
    }
}

impl User {
    /// A person of the cloud alone.
    pub fn new(upn: &str, immutable_id: Option<&str>) -> Self {
        Self {
            id: guid::of(upn),
            user_principal_name: upn.to_owned(),
            display_name: upn.split('@').next().unwrap_or_default().to_owned(),
            account_enabled: true,
            on_premises_immutable_id: immutable_id.map(str::to_owned),
            on_premises_sync_enabled: false,
            roles: Vec::new(),
        }
    }

    pub fn domain(&self) -> &str {
        domain_of(&self.user_principal_name).unwrap_or_default()
    }

    /// As JSON with every property, whether it comes unasked or not.
    pub fn json(&self) -> Value {
        json!({
            "businessPhones": [],
            "displayName": self.display_name,
            "givenName": null,
            "jobTitle": null,
            "mail": null,
            "mobilePhone": null,
            "officeLocation": null,
            "preferredLanguage": null,
            "surname": null,
            "userPrincipalName": self.user_principal_name,
            "id": self.id,
            "accountEnabled": self.account_enabled,
            "onPremisesImmutableId": self.on_premises_immutable_id,
            // Graph knows no `false` here, unless the account was synced once.
            "onPremisesSyncEnabled": self.on_premises_sync_enabled.then_some(true),
            "userType": "Member",
        })
    }

    /// What a sign-in looks for; nobody is found without an anchor.
    fn known_by_anchor(&self) -> Option<tenant::User> {
        Some(tenant::User {
            upn: self.user_principal_name.clone(),
            immutable_id: self.on_premises_immutable_id.clone()?,
            display_name: self.display_name.clone(),
            enabled: self.account_enabled,
        })
    }
}

impl Directory {
    /// The directory of a tenant, with the initial domain that the tenant may not speak of.
    pub(super) fn of(tenant: &Tenant, id: String) -> Self {
        let mut domains: Vec<Domain> = tenant.domains.iter().map(Domain::from).collect();
        let name = tenant.domains.first().map_or("tenant", |domain| {
            domain.name.split('.').next().unwrap_or_default()
        });
        if !domains.iter().any(|domain| domain.is_initial) {
            domains.push(Domain::initial(&format!("{name}.onmicrosoft.com")));
        }
        Self {
            id,
            display_name: name.to_owned(),
            cloud: tenant.cloud.clone(),
            domains,
            users: tenant.users.iter().map(User::from).collect(),
            sync_enabled: false,
            foreign_issuers: Vec::new(),
        }
    }

    /// The part that sign-ins are judged by.
    pub(super) fn tenant(&self) -> Tenant {
        let decides = |domain: &&Domain| domain.is_verified && !domain.follows();
        let domains = self.domains.iter().filter(decides);
        Tenant {
            cloud: self.cloud.clone(),
            domains: domains
                .map(|domain| tenant::Domain {
                    name: domain.id.clone(),
                    federation: domain.federation(),
                })
                .collect(),
            users: self
                .users
                .iter()
                .filter_map(User::known_by_anchor)
                .collect(),
        }
    }

    /// The same without the identifiers that a new federation gets at random, to be compared.
    pub(super) fn comparable(mut self) -> Self {
        for configuration in self
            .domains
            .iter_mut()
            .filter_map(|domain| domain.configuration.as_mut())
        {
            configuration.id = String::new();
        }
        self
    }

    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.is_named(name))
    }

    pub fn domain_mut(&mut self, name: &str) -> Option<&mut Domain> {
        self.domains.iter_mut().find(|domain| domain.is_named(name))
    }

    /// By `id` or UPN.
    pub fn user(&self, key: &str) -> Option<&User> {
        self.users.iter().find(|user| user.is_keyed(key))
    }

    pub fn user_mut(&mut self, key: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.is_keyed(key))
    }

    /// How the people of a domain sign in, perhaps as those of its parent do.
    pub(super) fn authentication_type(&self, domain: &Domain) -> AuthenticationType {
        if !domain.follows() {
            return domain.authentication_type;
        }
        self.root_above(domain)
            .map_or(domain.authentication_type, |root| {
                self.authentication_type(root)
            })
    }

    /// The nearest root domain above a sub-domain.
    pub(super) fn root_above(&self, domain: &Domain) -> Option<&Domain> {
        let name = domain.id.to_ascii_lowercase();
        self.domains
            .iter()
            .filter(|root| root.is_root)
            .filter(|root| name.ends_with(&format!(".{}", root.id.to_ascii_lowercase())))
            .max_by_key(|root| root.id.len())
    }

    pub(super) fn domain_json(&self, domain: &Domain) -> Value {
        json!({
            "authenticationType": self.authentication_type(domain),
            "availabilityStatus": null,
            "id": domain.id,
            "isAdminManaged": true,
            "isDefault": domain.is_default,
            "isInitial": domain.is_initial,
            "isRoot": domain.is_root,
            "isVerified": domain.is_verified,
            "manufacturer": null,
            "model": null,
            "passwordNotificationWindowInDays": domain.password_notification_window_in_days,
            "passwordValidityPeriodInDays": domain.password_validity_period_in_days,
            "state": null,
            "supportedServices": domain.supported_services,
        })
    }
}

impl User {
    fn is_keyed(&self, key: &str) -> bool {
        self.id == key || self.user_principal_name.eq_ignore_ascii_case(key)
    }
}

impl From<&tenant::Domain> for Domain {
    fn from(domain: &tenant::Domain) -> Self {
        let configuration = domain.federation.as_ref().map(|federation| Configuration {
            display_name: Some(domain.name.clone()),
            ..Configuration::from(federation)
        });
        let authentication_type = match configuration {
            Some(_) => AuthenticationType::Federated,
            None => AuthenticationType::Managed,
        };
        Self {
            authentication_type,
            configuration,
            is_initial: is_microsofts(&domain.name),
            ..Self::managed(&domain.name)
        }
    }
}

impl From<&tenant::User> for User {
    fn from(user: &tenant::User) -> Self {
        Self {
            display_name: user.display_name.clone(),
            account_enabled: user.enabled,
            ..Self::new(&user.upn, Some(&user.immutable_id))
        }
    }
}

impl From<&Federation> for Configuration {
    fn from(federation: &Federation) -> Self {
        Self {
            id: guid::of(&federation.issuer_uri),
            display_name: None,
            issuer_uri: Some(federation.issuer_uri.clone()),
            metadata_exchange_uri: federation.metadata_exchange_uri.clone(),
            passive_sign_in_uri: Some(federation.passive_sign_in_uri.clone()),
            preferred_authentication_protocol: Some(match federation.protocol {
                tenant::Protocol::WsFed => AuthenticationProtocol::WsFed,
                tenant::Protocol::Saml => AuthenticationProtocol::Saml,
            }),
            signing_certificate: Some(BASE64.encode(&federation.signing_certificate)),
            active_sign_in_uri: federation.active_sign_in_uri.clone(),
            federated_idp_mfa_behavior: Some(MfaBehavior::AcceptIfMfaDoneByFederatedIdp),
            is_signed_authentication_request_required: Some(false),
            next_signing_certificate: federation
                .next_signing_certificate
                .as_ref()
                .map(|der| BASE64.encode(der)),
            password_reset_uri: None,
            prompt_login_behavior: None,
            signing_certificate_update_status: None,
            sign_out_uri: Some(federation.sign_out_uri.clone()),
        }
    }
}

/// A domain of Microsoft's own, which nobody can federate.
pub(super) fn is_microsofts(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".onmicrosoft.com")
}
