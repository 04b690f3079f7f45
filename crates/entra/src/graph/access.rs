//! Who may do what: a token names its permissions, and a person's roles count as well.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Graph;
use super::error::GraphError;
use crate::guid;

/// Who holds a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An application by itself; it needs no role.
    Application,
    /// An application that acts for a person with these roles.
    Person { upn: String, roles: Vec<Role> },
}

/// The roles of Entra ID that matter for a federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    GlobalAdministrator,
    DomainNameAdministrator,
    ExternalIdentityProviderAdministrator,
    HybridIdentityAdministrator,
    SecurityAdministrator,
    UserAdministrator,
}

/// What a token opens.
#[derive(Clone, Debug)]
pub struct Access {
    pub holder: Holder,
    permissions: Vec<String>,
}

/// Something to be done, by the permissions that allow it; a higher one includes a lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    ReadDomains,
    WriteDomains,
    /// Federated or Managed.
    ChangeAuthentication,
    ReadFederation,
    WriteFederation,
    DeleteFederation,
    ReadUsers,
    WriteUsers,
    ReadMe,
    /// The roles of the caller.
    ReadMyRoles,
    /// Who has which role.
    ReadRoles,
    ReadOrganization,
    ReadPolicies,
}

/// How long a token counts.
pub const LIFETIME: TimeDelta = TimeDelta::hours(1);

impl Graph {
    /// A token with these permissions, such as `Domain.ReadWrite.All`, for as long as Microsoft's count.
    pub fn token(&self, holder: Holder, permissions: &[&str]) -> String {
        let now = self.now();
        let header = json!({ "typ": "JWT", "alg": "none" });
        let mut claims = json!({
            "aud": "https://graph.microsoft.com",
            "exp": (now + LIFETIME).timestamp(),
            "iat": now.timestamp(),
        });
        match &holder {
            Holder::Application => claims["roles"] = json!(permissions),
            Holder::Person { upn, roles } => {
                claims["scp"] = json!(permissions.join(" "));
                claims["upn"] = json!(upn);
                claims["wids"] =
                    json!(roles.iter().map(|role| role.template()).collect::<Vec<_>>());
            }
        }
        let [header, claims] = [header, claims].map(|part| BASE64URL.encode(part.to_string()));
        // What stands where a signature would is known to us alone.
        let token = format!("{header}.{claims}.{}", crypto::random::token());
        let access = Access {
            holder,
            permissions: permissions.iter().copied().map(str::to_owned).collect(),
        };
        self.0.tokens.put(token.clone(), access, now);
        token
    }

    /// A token of `admin@` the tenant's initial domain, a Global Administrator who is made if need be.
    pub fn admin_token(&self, permissions: &[&str]) -> String {
        let holder = Holder::Person {
            upn: self.administrator(),
            roles: vec![Role::GlobalAdministrator],
        };
        self.token(holder, permissions)
    }

    pub(super) fn access(
        &self,
        authorization: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Access, GraphError> {
        let token = authorization
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty())
            .ok_or_else(|| GraphError::token("Access token is empty."))?;
        self.0
            .tokens
            .look(token, now)
            .ok_or_else(|| GraphError::token("The token is unknown here, or its lifetime is over."))
    }
}

impl Access {
    pub fn ensure(&self, need: Need) -> Result<(), GraphError> {
        let permitted = need
            .permissions()
            .iter()
            .any(|permission| self.permissions.iter().any(|held| held == permission));
        let in_role = match &self.holder {
            Holder::Application => true,
            Holder::Person { roles, .. } => need.roles().is_none_or(|wanted| {
                roles
                    .iter()
                    .any(|role| *role == Role::GlobalAdministrator || wanted.contains(role))
            }),
        };
        (permitted && in_role)
            .then_some(())
            .ok_or_else(GraphError::denied)
    }
}

impl Need {
    fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::ReadDomains => &[
                "Domain.Read.All",
                "Domain.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::WriteDomains => &["Domain.ReadWrite.All"],
            Self::ChangeAuthentication => &["Domain-InternalFederation.ReadWrite.All"],
            Self::ReadFederation => &[
                "Domain-InternalFederation.Read.All",
                "Domain-InternalFederation.ReadWrite.All",
                "Domain.Read.All",
                "Domain.ReadWrite.All",
            ],
            Self::WriteFederation | Self::DeleteFederation => &[
                "Domain-InternalFederation.ReadWrite.All",
                "Domain.ReadWrite.All",
            ],
            Self::ReadUsers => &[
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::WriteUsers => &["User.ReadWrite.All", "Directory.ReadWrite.All"],
            Self::ReadMe => &[
                "User.Read",
                "User.ReadWrite",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::ReadMyRoles => &[
                "User.Read",
                "RoleManagement.Read.Directory",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::ReadRoles => &[
                "RoleManagement.Read.Directory",
                "RoleManagement.ReadWrite.Directory",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::ReadOrganization => &[
                "User.Read",
                "Organization.Read.All",
                "Organization.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::ReadPolicies => &["Policy.Read.All"],
        }
    }

    /// One of these a person has to have besides; none where everybody may.
    fn roles(self) -> Option<&'static [Role]> {
        match self {
            Self::ReadDomains
            | Self::ReadFederation
            | Self::ReadUsers
            | Self::ReadMe
            | Self::ReadMyRoles
            | Self::ReadRoles
            | Self::ReadOrganization
            | Self::ReadPolicies => None,
            Self::WriteDomains => Some(&[Role::DomainNameAdministrator]),
            Self::ChangeAuthentication | Self::WriteFederation => Some(&[
                Role::DomainNameAdministrator,
                Role::ExternalIdentityProviderAdministrator,
                Role::HybridIdentityAdministrator,
                Role::SecurityAdministrator,
            ]),
            Self::DeleteFederation => Some(&[
                Role::ExternalIdentityProviderAdministrator,
                Role::SecurityAdministrator,
            ]),
            Self::WriteUsers => Some(&[Role::UserAdministrator]),
        }
    }
}

impl Role {
    const ALL: [Self; 6] = [
        Self::GlobalAdministrator,
        Self::DomainNameAdministrator,
        Self::ExternalIdentityProviderAdministrator,
        Self::HybridIdentityAdministrator,
        Self::SecurityAdministrator,
        Self::UserAdministrator,
    ];

    /// The identifier that a role has in every tenant.
    fn template(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "62e90394-69f5-4237-9190-012177145e10",
            Self::DomainNameAdministrator => "8329153b-31d0-4727-b945-745eb3bc5f31",
            Self::ExternalIdentityProviderAdministrator => "be2f45a1-457d-42af-a067-6ec1fa63bc45",
            Self::HybridIdentityAdministrator => "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
            Self::SecurityAdministrator => "194ae4cb-b126-40b2-bd5b-6091b380977d",
            Self::UserAdministrator => "fe930be7-5e62-47db-91af-98c3a49a38b1",
        }
    }

    fn display_name(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "Global Administrator",
            Self::DomainNameAdministrator => "Domain Name Administrator",
            Self::ExternalIdentityProviderAdministrator => {
                "External Identity Provider Administrator"
            }
            Self::HybridIdentityAdministrator => "Hybrid Identity Administrator",
            Self::SecurityAdministrator => "Security Administrator",
            Self::UserAdministrator => "User Administrator",
        }
    }

    /// The role that a segment of an address names: `directoryRoles(roleTemplateId='…')`.
    pub(super) fn in_segment(segment: &str) -> Option<Result<Self, GraphError>> {
        let template = segment
            .strip_prefix("directoryRoles(roleTemplateId='")?
            .strip_suffix("')")?;
        let role = Self::ALL
            .into_iter()
            .find(|role| role.template() == template);
        Some(role.ok_or_else(|| GraphError::not_found(template)))
    }

    pub(super) fn json(self) -> Value {
        json!({
            "id": guid::of(self.template()),
            "deletedDateTime": null,
            "description": null,
            "displayName": self.display_name(),
            "roleTemplateId": self.template(),
        })
    }
}
