//! Sign-ins under way.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::error::Result;
use crate::transaction::{Read, Write};

/// A sign-in under way: what to do once it succeeds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Attempt {
    /// The hash of the token in its URL.
    pub id_hash: Vec<u8>,
    /// What to do after the sign-in, in the caller's own words.
    pub target: String,
    /// What ties pages, logs and audit together.
    pub correlation_id: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it is too late.
    pub expires_at: DateTime<Utc>,
}

impl Read {
    /// The attempt with this hash, expired or not.
    pub async fn attempt(&mut self, id_hash: &[u8]) -> Result<Option<Attempt>> {
        fetch_optional!(
            self,
            "SELECT id_hash, target, correlation_id, created_at, expires_at \
             FROM sign_in_attempts WHERE id_hash = $1",
            id_hash
        )
    }
}

impl Write {
    /// Begins an attempt.
    pub async fn add_attempt(&mut self, attempt: &Attempt) -> Result<()> {
        execute!(
            self,
            "INSERT INTO sign_in_attempts (id_hash, target, correlation_id, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
            &attempt.id_hash,
            &attempt.target,
            &attempt.correlation_id,
            attempt.created_at,
            attempt.expires_at
        )?;
        Ok(())
    }

    /// Ends an attempt; false when there is no such attempt, as when another request was faster.
    pub async fn end_attempt(&mut self, id_hash: &[u8]) -> Result<bool> {
        let ended = execute!(
            self,
            "DELETE FROM sign_in_attempts WHERE id_hash = $1",
            id_hash
        )?;
        Ok(ended == 1)
    }
}
