//! The keys that sign an application's tokens.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use crate::error::Result;
use crate::transaction::{Read, Write};

/// A key that signs, has signed or will sign an application's tokens.
#[derive(Clone, PartialEq, Eq, FromRow)]
pub struct SigningKey {
    /// Our own name for the key; what it names never changes but for the stage.
    pub id: Uuid,
    /// The application whose tokens it signs.
    pub app_id: String,
    /// Where it is in its life.
    pub stage: Stage,
    /// The X.509 certificate in DER.
    pub certificate: Vec<u8>,
    /// The private key, sealed under the master key.
    pub sealed_private_key: Vec<u8>,
    /// When the key was made.
    pub created_at: DateTime<Utc>,
}

/// Where a signing key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Stage {
    /// Published, and does not sign yet; an application has one at most.
    Next,
    /// Signs; an application has one at most.
    Current,
    /// Has signed.
    Retired,
}

impl Read {
    /// The signing keys of an application, oldest first.
    pub async fn signing_keys(&mut self, app_id: &str) -> Result<Vec<SigningKey>> {
        fetch_all!(
            self,
            "SELECT id, app_id, stage, certificate, sealed_private_key, created_at \
             FROM signing_keys WHERE app_id = $1 ORDER BY created_at, id",
            app_id
        )
    }

    /// The key that signs for an application.
    pub async fn current_signing_key(&mut self, app_id: &str) -> Result<Option<SigningKey>> {
        fetch_optional!(
            self,
            "SELECT id, app_id, stage, certificate, sealed_private_key, created_at \
             FROM signing_keys WHERE app_id = $1 AND stage = 'current'",
            app_id
        )
    }
}

impl Write {
    /// Adds a signing key.
    pub async fn add_signing_key(&mut self, key: &SigningKey) -> Result<()> {
        execute!(
            self,
            "INSERT INTO signing_keys (id, app_id, stage, certificate, sealed_private_key, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            key.id,
            &key.app_id,
            key.stage,
            &key.certificate,
            &key.sealed_private_key,
            key.created_at
        )?;
        Ok(())
    }

    /// Moves a key on in its life; false when it was not where the caller thought.
    pub async fn move_signing_key(&mut self, id: Uuid, from: Stage, to: Stage) -> Result<bool> {
        let moved = execute!(
            self,
            "UPDATE signing_keys SET stage = $3 WHERE id = $1 AND stage = $2",
            id,
            from,
            to
        )?;
        Ok(moved == 1)
    }
}

impl fmt::Debug for SigningKey {
    /// Without the private key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("id", &self.id)
            .field("app_id", &self.app_id)
            .field("stage", &self.stage)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}
