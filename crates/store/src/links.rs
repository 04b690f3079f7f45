//! Links that work once.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::error::Result;
use crate::transaction::{Read, Write};

/// A link that works once.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct OneTimeLink {
    /// The hash of the token in the link.
    pub token_hash: Vec<u8>,
    /// What it is for, in the caller's own words.
    pub purpose: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it is too late.
    pub expires_at: DateTime<Utc>,
}

impl Read {
    /// The link with this hash, expired or not.
    pub async fn one_time_link(&mut self, token_hash: &[u8]) -> Result<Option<OneTimeLink>> {
        fetch_optional!(
            self,
            "SELECT token_hash, purpose, created_at, expires_at \
             FROM one_time_links WHERE token_hash = $1",
            token_hash
        )
    }
}

impl Write {
    /// Adds a link.
    pub async fn add_one_time_link(&mut self, link: &OneTimeLink) -> Result<()> {
        execute!(
            self,
            "INSERT INTO one_time_links (token_hash, purpose, created_at, expires_at) \
             VALUES ($1, $2, $3, $4)",
            &link.token_hash,
            &link.purpose,
            link.created_at,
            link.expires_at
        )?;
        Ok(())
    }

    /// Ends all links for a purpose and says how many; none means that another request was faster.
    pub async fn end_one_time_links(&mut self, purpose: &str) -> Result<u64> {
        execute!(
            self,
            "DELETE FROM one_time_links WHERE purpose = $1",
            purpose
        )
    }
}
