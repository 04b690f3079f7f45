//! How an application speaks SAML 2.0, and how it knows a user.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::apps::{NameIdRule, Source};
use crate::error::Result;
use crate::transaction::{Read, Write};

/// How an application speaks SAML 2.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamlSettings {
    /// The service provider's `entityID` (SAML metadata §2.3.2), which is the audience of its assertions.
    pub entity_id: String,
    /// Where assertions are posted (SAML metadata §2.4.4).
    pub acs: Vec<Acs>,
    /// Where logout messages go (SAML metadata §2.4.2).
    pub logout: Option<LogoutService>,
    /// What names the subject.
    pub name_id: NameIdRule,
    /// What else is said about the subject.
    pub attributes: Vec<SamlAttributeRule>,
    /// What is signed.
    pub sign: Signed,
    /// `rsa-sha256`, `rsa-sha384` or `rsa-sha512`.
    pub signature_algorithm: String,
    /// The certificate that assertions can be encrypted to: base64 of its DER.
    pub encryption_certificate: Option<String>,
    /// Whether they are.
    pub encrypt: bool,
    /// The service provider's own certificates, which verify its messages: base64 of their DER.
    pub signing_certificates: Vec<String>,
    /// Whether its requests have to be signed.
    pub signed_requests: bool,
    /// The `RelayState` of a sign-on that starts here (SAML profiles §4.1.5).
    pub relay_state: Option<String>,
}

/// An assertion consumer service with the HTTP-POST binding (SAML metadata §2.4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acs {
    /// Its address.
    pub url: String,
    /// By which requests can name it.
    pub index: u16,
    /// Whether it is the one for requests that name none.
    pub is_default: bool,
}

/// A single logout service (SAML metadata §2.4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutService {
    /// How messages travel to it.
    pub binding: SamlBinding,
    /// Its address.
    pub url: String,
    /// The address of answers, if it is another.
    pub response_url: Option<String>,
}

/// The bindings that a browser carries (SAML bindings §3.4, §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SamlBinding {
    /// HTTP-Redirect.
    Redirect,
    /// HTTP-POST.
    Post,
}

/// What of a response is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signed {
    /// The assertion.
    Assertion,
    /// The response around it.
    Response,
    /// Each of them.
    Both,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assertion => "assertion",
            Self::Response => "response",
            Self::Both => "both",
        })
    }
}

/// An attribute of the subject (SAML core §2.7.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamlAttributeRule {
    /// `Name`.
    pub name: String,
    /// `NameFormat`.
    pub name_format: Option<String>,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// Where the values come from.
    pub source: Source,
}

/// The column as it comes.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct MaybeSaml(Option<String>);

impl TryFrom<MaybeSaml> for Option<SamlSettings> {
    type Error = serde_json::Error;

    fn try_from(column: MaybeSaml) -> std::result::Result<Self, serde_json::Error> {
        column.0.map(|json| serde_json::from_str(&json)).transpose()
    }
}

impl SamlSettings {
    /// As the database keeps them.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("names and values of this type are all text")
    }
}

impl Read {
    /// The identifier by which an application knows a user, if it ever got one.
    pub async fn pairwise_id(&mut self, app_id: &str, user_id: Uuid) -> Result<Option<String>> {
        let found: Option<(String,)> = fetch_optional!(
            self,
            "SELECT value FROM pairwise_ids WHERE app_id = $1 AND user_id = $2",
            app_id,
            user_id
        )?;
        Ok(found.map(|(value,)| value))
    }
}

impl Write {
    /// Stores the identifier by which an application knows a user, and returns the one that is stored: the
    /// first stays for ever.
    pub async fn add_pairwise_id(
        &mut self,
        app_id: &str,
        user_id: Uuid,
        value: &str,
        now: DateTime<Utc>,
    ) -> Result<String> {
        execute!(
            self,
            "INSERT INTO pairwise_ids (app_id, user_id, value, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (app_id, user_id) DO NOTHING",
            app_id,
            user_id,
            value,
            now
        )?;
        let stored = self.pairwise_id(app_id, user_id).await?;
        Ok(stored.expect("it was inserted, or was there before"))
    }
}
