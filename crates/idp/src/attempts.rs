//! A sign-in that was begun: what to do once the person is known. Stored, so that every step of signing
//! in returns to one dispatcher which decides the next step from here.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use store::Attempt;

use crate::error::{Error, Refusal, Result};
use crate::{Idp, Origin, saml};

/// How long a begun sign-in is kept.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What the person wanted when they had to sign in first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A page of this server, by a path that this server wrote.
    Page { path: String },
    /// A WS-Federation sign-in request, as its parser reads it.
    WsFed { app_id: String, request: String },
    /// A verified SAML request for authentication.
    Saml {
        app_id: String,
        request: Box<saml::Request>,
    },
}

/// A begun sign-in, taken up again.
#[derive(Clone, Debug)]
pub struct Begun {
    pub target: Target,
    pub begun_at: DateTime<Utc>,
    pub correlation_id: String,
}

impl Idp {
    /// Stores what is wanted and returns the token under which it is taken up again.
    pub async fn begin(&self, target: &Target, origin: &Origin) -> Result<String> {
        let token = crypto::random::token();
        let now = self.now();
        let mut write = self.store.write().await?;
        write
            .add_attempt(&Attempt {
                id_hash: crypto::digest(token.as_bytes()).to_vec(),
                target: serde_json::to_string(target).map_err(Error::broken)?,
                correlation_id: origin.correlation_id.clone(),
                created_at: now,
                expires_at: now + LIFETIME,
            })
            .await?;
        write.commit().await?;
        Ok(token)
    }

    /// The begun sign-in of a token, or the refusal that it has expired.
    pub async fn begun(&self, token: &str) -> Result<Begun> {
        let attempt = self
            .store
            .read()
            .await?
            .attempt(&crypto::digest(token.as_bytes()))
            .await?;
        let attempt = attempt
            .filter(|attempt| self.now() < attempt.expires_at)
            .ok_or(Refusal::AttemptExpired)?;
        Ok(Begun {
            target: serde_json::from_str(&attempt.target).map_err(Error::broken)?,
            begun_at: attempt.created_at,
            correlation_id: attempt.correlation_id,
        })
    }
}
