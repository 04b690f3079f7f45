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
    /// The private key, sealed under the master key; nothing once the key was withdrawn.
    pub sealed_private_key: Vec<u8>,
    /// When the key was made.
    pub created_at: DateTime<Utc>,
    /// Since when it is on record that the other side knows the certificate.
    pub known_at: Option<DateTime<Utc>>,
    /// Whose word that is, or what was read.
    pub known_by: Option<String>,
    /// When it stopped signing, if it does not sign again.
    pub replaced_at: Option<DateTime<Utc>>,
    /// When its certificate left the metadata and its private key was deleted.
    pub withdrawn_at: Option<DateTime<Utc>>,
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
    /// Has signed, or was given up; published until it is withdrawn.
    Retired,
}

impl Read {
    /// The signing keys of an application, oldest first.
    pub async fn signing_keys(&mut self, app_id: &str) -> Result<Vec<SigningKey>> {
        fetch_all!(
            self,
            "SELECT id, app_id, stage, certificate, sealed_private_key, created_at, \
                    known_at, known_by, replaced_at, withdrawn_at \
             FROM signing_keys WHERE app_id = $1 ORDER BY created_at, id",
            app_id
        )
    }

    /// The key that signs for an application.
    pub async fn current_signing_key(&mut self, app_id: &str) -> Result<Option<SigningKey>> {
        fetch_optional!(
            self,
            "SELECT id, app_id, stage, certificate, sealed_private_key, created_at, \
                    known_at, known_by, replaced_at, withdrawn_at \
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
            "INSERT INTO signing_keys (id, app_id, stage, certificate, sealed_private_key, created_at, \
                                       known_at, known_by, replaced_at, withdrawn_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            key.id,
            &key.app_id,
            key.stage,
            &key.certificate,
            &key.sealed_private_key,
            key.created_at,
            key.known_at,
            &key.known_by,
            key.replaced_at,
            key.withdrawn_at
        )?;
        Ok(())
    }

    /// Makes this transaction the only one that changes the keys of an application, until it ends.
    pub async fn lock_signing_keys(&mut self, app_id: &str) -> Result<()> {
        execute!(
            self,
            "UPDATE apps SET enabled = enabled WHERE id = $1",
            app_id
        )?;
        Ok(())
    }

    /// Has the current key stop signing, and forgets who knew it; false when it was not the current one any more.
    pub async fn replace_signing_key(
        &mut self,
        id: Uuid,
        to: Stage,
        at: DateTime<Utc>,
    ) -> Result<bool> {
        let replaced = execute!(
            self,
            "UPDATE signing_keys SET stage = $2, replaced_at = $3, known_at = NULL, known_by = NULL \
             WHERE id = $1 AND stage = 'current'",
            id,
            to,
            at
        )?;
        Ok(replaced == 1)
    }

    /// Has a published key sign from now on; false when it was not where the caller thought.
    pub async fn promote_signing_key(&mut self, id: Uuid, from: Stage) -> Result<bool> {
        let promoted = execute!(
            self,
            "UPDATE signing_keys SET stage = 'current', replaced_at = NULL \
             WHERE id = $1 AND stage = $2 AND withdrawn_at IS NULL",
            id,
            from
        )?;
        Ok(promoted == 1)
    }

    /// Records that the other side knows a published certificate that does not sign; false when it is none.
    pub async fn know_signing_key(
        &mut self,
        id: Uuid,
        at: DateTime<Utc>,
        by: &str,
    ) -> Result<bool> {
        let known = execute!(
            self,
            "UPDATE signing_keys SET known_at = $2, known_by = $3 \
             WHERE id = $1 AND stage <> 'current' AND withdrawn_at IS NULL",
            id,
            at,
            by
        )?;
        Ok(known == 1)
    }

    /// Takes a key that does not sign out of the metadata and deletes its private key; false when it signs,
    /// or was withdrawn before.
    pub async fn withdraw_signing_key(&mut self, id: Uuid, at: DateTime<Utc>) -> Result<bool> {
        let nothing: &[u8] = &[];
        let withdrawn = execute!(
            self,
            "UPDATE signing_keys SET stage = 'retired', withdrawn_at = $2, sealed_private_key = $3 \
             WHERE id = $1 AND stage <> 'current' AND withdrawn_at IS NULL",
            id,
            at,
            nothing
        )?;
        Ok(withdrawn == 1)
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
