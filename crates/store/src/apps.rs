//! Applications that trust us, their issuers, and the groups that may use them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::Result;
use crate::groups::Group;
use crate::saml::{MaybeSaml, SamlSettings};
use crate::transaction::{Read, Write};
use crate::users::User;

/// An application that trusts us.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct App {
    /// 24 lower-case hexadecimal digits, which stand in its URLs.
    pub id: String,
    /// What the application is.
    pub kind: AppKind,
    /// The name that people see.
    pub label: String,
    /// Whether it is served.
    pub enabled: bool,
    /// What is set up at Microsoft, where it can be either; of other applications what they speak.
    pub protocol: Protocol,
    /// Another name for the id in the addresses of SAML.
    pub slug: Option<String>,
    /// How it speaks WS-Federation, if it does.
    #[sqlx(json(nullable))]
    pub wsfed: Option<WsFedSettings>,
    /// How it speaks SAML 2.0, if it does.
    #[sqlx(try_from = "MaybeSaml")]
    pub saml: Option<SamlSettings>,
    /// Which of Microsoft's clouds.
    pub cloud: Option<String>,
    /// What stands for `https://login.microsoftonline.com`.
    pub entra_url: Option<String>,
    /// When the application was added.
    pub created_at: DateTime<Utc>,
}

/// What an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum AppKind {
    /// Microsoft 365.
    M365,
    /// Any other relying party of WS-Federation.
    Wsfed,
    /// Any service provider of SAML 2.0.
    Saml,
}

/// A protocol that an application speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Protocol {
    /// WS-Federation.
    Wsfed,
    /// SAML 2.0.
    Saml,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wsfed => "wsfed",
            Self::Saml => "saml",
        })
    }
}

/// How an application speaks WS-Federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WsFedSettings {
    /// The security realm of the relying party, `wtrealm` (WS-Fed 1.2 §13.2.2).
    pub realm: String,
    /// The addresses that may receive a token, `wreply` (WS-Fed 1.2 §13.2.2); the first one when none is asked for.
    pub replies: Vec<String>,
    /// What names the subject.
    pub name_id: NameIdRule,
    /// What else is said about the subject.
    pub attributes: Vec<AttributeRule>,
    /// Whether a password alone opens it by WS-Trust.
    #[serde(default)]
    pub active: Active,
}

/// Who gets a token by WS-Trust: for a password in a SOAP message, without a page (WS-Trust 1.3 §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Active {
    /// Whether anybody does.
    pub on: bool,
    /// From which networks, in CIDR notation; from everywhere when there are none.
    pub networks: Vec<String>,
    /// The HTTP status of a fault about the credentials: 400, or 500 as AD FS answers.
    pub credential_status: u16,
}

impl Default for Active {
    fn default() -> Self {
        Self {
            on: false,
            networks: Vec::new(),
            credential_status: 400,
        }
    }
}

/// What names the subject (SAML core 1.1 §2.4.2.2, SAML core §2.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameIdRule {
    /// The URI of the format.
    pub format: String,
    /// Where the value comes from.
    pub source: Source,
}

/// An attribute of the subject (SAML core 1.1 §2.4.4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeRule {
    /// The full URI, namespace and name.
    pub name: String,
    /// Where the values come from.
    pub source: Source,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The user principal name.
    Upn,
    /// The mail address.
    Email,
    /// The name to show.
    DisplayName,
    /// The given name.
    GivenName,
    /// The family name.
    FamilyName,
    /// The ImmutableID.
    ImmutableId,
    /// The names of the user's groups.
    Groups,
    /// An identifier of the user's own for each application, made once and stored.
    Pairwise,
    /// Another one for each session.
    Transient,
    /// Always this.
    Constant(String),
}

/// The one string by which a domain, or an application without domains, knows us.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Issuer {
    /// The issuer's URI.
    pub issuer: String,
    /// The application that it belongs to.
    pub app_id: String,
    /// The domain that knows us by it.
    pub domain: Option<String>,
}

impl Read {
    /// The application with this id.
    pub async fn app(&mut self, id: &str) -> Result<Option<App>> {
        fetch_optional!(
            self,
            "SELECT id, kind, label, enabled, protocol, slug, wsfed, saml, cloud, entra_url, created_at \
             FROM apps WHERE id = $1",
            id
        )
    }

    /// The application with this slug.
    pub async fn app_by_slug(&mut self, slug: &str) -> Result<Option<App>> {
        fetch_optional!(
            self,
            "SELECT id, kind, label, enabled, protocol, slug, wsfed, saml, cloud, entra_url, created_at \
             FROM apps WHERE slug = $1",
            slug
        )
    }

    /// All applications, oldest first.
    pub async fn apps(&mut self) -> Result<Vec<App>> {
        fetch_all!(
            self,
            "SELECT id, kind, label, enabled, protocol, slug, wsfed, saml, cloud, entra_url, created_at \
             FROM apps ORDER BY created_at, id"
        )
    }

    /// The applications that a user may use through some group, oldest first.
    pub async fn apps_granted_to(&mut self, user_id: Uuid) -> Result<Vec<App>> {
        fetch_all!(
            self,
            "SELECT a.id, a.kind, a.label, a.enabled, a.protocol, a.slug, a.wsfed, a.saml, a.cloud, a.entra_url, a.created_at \
             FROM apps a \
             WHERE EXISTS (SELECT 1 FROM app_grants g JOIN memberships m ON m.group_id = g.group_id \
                           WHERE g.app_id = a.id AND m.user_id = $1) \
             ORDER BY a.created_at, a.id",
            user_id
        )
    }

    /// Whether a user may use an application through some group.
    pub async fn is_granted(&mut self, app_id: &str, user_id: Uuid) -> Result<bool> {
        fetch_value!(
            self,
            "SELECT EXISTS (SELECT 1 FROM app_grants g JOIN memberships m ON m.group_id = g.group_id \
                            WHERE g.app_id = $1 AND m.user_id = $2)",
            app_id,
            user_id
        )
    }

    /// The groups that may use an application, by name.
    pub async fn granted_groups(&mut self, app_id: &str) -> Result<Vec<Group>> {
        fetch_all!(
            self,
            "SELECT g.id, g.name, g.name_key, g.created_at \
             FROM groups g JOIN app_grants a ON a.group_id = g.id \
             WHERE a.app_id = $1 ORDER BY g.name_key",
            app_id
        )
    }

    /// The issuers of an application in their alphabetical order.
    pub async fn issuers_of(&mut self, app_id: &str) -> Result<Vec<Issuer>> {
        fetch_all!(
            self,
            "SELECT issuer, app_id, domain FROM issuers WHERE app_id = $1 ORDER BY issuer",
            app_id
        )
    }

    /// The issuer of a domain, lower-cased.
    pub async fn issuer_of_domain(&mut self, domain: &str) -> Result<Option<Issuer>> {
        fetch_optional!(
            self,
            "SELECT issuer, app_id, domain FROM issuers WHERE domain = $1",
            domain
        )
    }

    /// The issuer with this URI.
    pub async fn issuer(&mut self, issuer: &str) -> Result<Option<Issuer>> {
        fetch_optional!(
            self,
            "SELECT issuer, app_id, domain FROM issuers WHERE issuer = $1",
            issuer
        )
    }

    /// The users who may use an application through some group, each once, by user principal name.
    pub async fn users_granted(&mut self, app_id: &str) -> Result<Vec<User>> {
        fetch_all!(
            self,
            "SELECT id, upn, upn_key, display_name, email, given_name, family_name, immutable_id, \
                    anchor_source, anchor_used_at, password_hash, admin, enabled, created_at \
             FROM users u \
             WHERE EXISTS (SELECT 1 FROM app_grants g JOIN memberships m ON m.group_id = g.group_id \
                           WHERE g.app_id = $1 AND m.user_id = u.id) \
             ORDER BY upn_key",
            app_id
        )
    }
}

impl Write {
    /// Adds an application and its issuers.
    pub async fn add_app(&mut self, app: &App, issuers: &[Issuer]) -> Result<()> {
        execute!(
            self,
            "INSERT INTO apps (id, kind, label, enabled, protocol, slug, wsfed, saml, cloud, entra_url, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            &app.id,
            app.kind,
            &app.label,
            app.enabled,
            app.protocol,
            &app.slug,
            app.wsfed.as_ref().map(Json),
            app.saml.as_ref().map(SamlSettings::json),
            &app.cloud,
            &app.entra_url,
            app.created_at
        )?;
        for issuer in issuers {
            self.add_issuer(issuer).await?;
        }
        Ok(())
    }

    /// Adds an issuer to its application.
    pub async fn add_issuer(&mut self, issuer: &Issuer) -> Result<()> {
        execute!(
            self,
            "INSERT INTO issuers (issuer, app_id, domain) VALUES ($1, $2, $3)",
            &issuer.issuer,
            &issuer.app_id,
            &issuer.domain
        )?;
        Ok(())
    }

    /// Removes the issuer of a domain from its application; false when it has no such domain, or no other.
    pub async fn remove_issuer(&mut self, app_id: &str, domain: &str) -> Result<bool> {
        // Two at once who each leave the other's domain would leave none: the second waits here.
        execute!(self, "UPDATE apps SET label = label WHERE id = $1", app_id)?;
        let removed = execute!(
            self,
            "DELETE FROM issuers WHERE app_id = $1 AND domain = $2 \
             AND EXISTS (SELECT 1 FROM issuers other WHERE other.app_id = $1 AND other.domain <> $2)",
            app_id,
            domain
        )?;
        Ok(removed == 1)
    }

    /// Changes what an admin may change about an application; false when there is no such application.
    pub async fn update_app(&mut self, app: &App) -> Result<bool> {
        let changed = execute!(
            self,
            "UPDATE apps SET label = $2, enabled = $3, protocol = $4, slug = $5, wsfed = $6, saml = $7, \
                cloud = $8, entra_url = $9 \
             WHERE id = $1",
            &app.id,
            &app.label,
            app.enabled,
            app.protocol,
            &app.slug,
            app.wsfed.as_ref().map(Json),
            app.saml.as_ref().map(SamlSettings::json),
            &app.cloud,
            &app.entra_url
        )?;
        Ok(changed == 1)
    }

    /// Replaces an issuer of an application; false when it has no such issuer.
    pub async fn set_issuer(&mut self, app_id: &str, old: &str, new: &str) -> Result<bool> {
        let changed = execute!(
            self,
            "UPDATE issuers SET issuer = $3 WHERE app_id = $1 AND issuer = $2",
            app_id,
            old,
            new
        )?;
        Ok(changed == 1)
    }

    /// Lets a group use an application; false when it may already.
    pub async fn grant(&mut self, app_id: &str, group_id: Uuid) -> Result<bool> {
        let added = execute!(
            self,
            "INSERT INTO app_grants (app_id, group_id) VALUES ($1, $2) \
             ON CONFLICT (app_id, group_id) DO NOTHING",
            app_id,
            group_id
        )?;
        Ok(added == 1)
    }

    /// No longer lets a group use an application; false when it did not before.
    pub async fn revoke(&mut self, app_id: &str, group_id: Uuid) -> Result<bool> {
        let removed = execute!(
            self,
            "DELETE FROM app_grants WHERE app_id = $1 AND group_id = $2",
            app_id,
            group_id
        )?;
        Ok(removed == 1)
    }
}
