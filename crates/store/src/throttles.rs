//! How often something has failed lately.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::error::Result;
use crate::transaction::{Read, Write};

/// The failures under one key, such as an account or a source address.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Throttle {
    /// What failed, in the caller's own words; at most a kilobyte, which an index must hold.
    pub key: String,
    /// How often.
    pub failures: i64,
    /// When it last did.
    pub last_failure_at: DateTime<Utc>,
    /// Until when it is refused.
    pub locked_until: Option<DateTime<Utc>>,
    /// A hash of the request that failed last, where a client may send the same one again.
    pub last_request: Option<Vec<u8>>,
}

impl Read {
    /// The failures under this key, if any.
    pub async fn throttle(&mut self, key: &str) -> Result<Option<Throttle>> {
        fetch_optional!(
            self,
            "SELECT key, failures, last_failure_at, locked_until, last_request FROM throttles WHERE key = $1",
            key
        )
    }
}

impl Write {
    /// The failures under this key, none if need be, which nobody else changes until this
    /// transaction ends.
    ///
    /// Who locks several keys locks them in alphabetical order, or two callers may wait for each other.
    pub async fn lock_throttle(&mut self, key: &str, now: DateTime<Utc>) -> Result<Throttle> {
        fetch_one!(
            self,
            "INSERT INTO throttles (key, failures, last_failure_at) VALUES ($1, 0, $2) \
             ON CONFLICT (key) DO UPDATE SET failures = throttles.failures \
             RETURNING key, failures, last_failure_at, locked_until, last_request",
            key,
            now
        )
    }

    /// Replaces the failures under the throttle's key; false when there are none to replace.
    pub async fn save_throttle(&mut self, throttle: &Throttle) -> Result<bool> {
        let saved = execute!(
            self,
            "UPDATE throttles SET failures = $2, last_failure_at = $3, locked_until = $4, \
                                  last_request = $5 \
             WHERE key = $1",
            &throttle.key,
            throttle.failures,
            throttle.last_failure_at,
            throttle.locked_until,
            &throttle.last_request
        )?;
        Ok(saved == 1)
    }

    /// Forgets the failures under this key; false when there were none.
    pub async fn clear_throttle(&mut self, key: &str) -> Result<bool> {
        let cleared = execute!(self, "DELETE FROM throttles WHERE key = $1", key)?;
        Ok(cleared == 1)
    }
}
