//! Removes what nobody needs any more.

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Result;
use crate::transaction::Write;

/// How many rows of a kind go at once, so that the writer is soon free again.
const AT_ONCE: i64 = 1_000;
/// Failures older than this count for nothing.
const THROTTLES_KEPT: TimeDelta = TimeDelta::days(30);
/// A source that was not used for so long is no longer familiar.
const SOURCES_KEPT: TimeDelta = TimeDelta::days(90);

impl Write {
    /// Removes what has expired, a bounded number at once, and says how much; zero means all is clean.
    pub async fn purge(&mut self, now: DateTime<Utc>) -> Result<u64> {
        let sessions = execute!(
            self,
            "DELETE FROM sessions WHERE id_hash IN \
             (SELECT id_hash FROM sessions WHERE expires_at <= $1 LIMIT $2)",
            now,
            AT_ONCE
        )?;
        let attempts = execute!(
            self,
            "DELETE FROM sign_in_attempts WHERE id_hash IN \
             (SELECT id_hash FROM sign_in_attempts WHERE expires_at <= $1 LIMIT $2)",
            now,
            AT_ONCE
        )?;
        let sign_outs = execute!(
            self,
            "DELETE FROM sign_outs WHERE id_hash IN \
             (SELECT id_hash FROM sign_outs WHERE expires_at <= $1 LIMIT $2)",
            now,
            AT_ONCE
        )?;
        let links = execute!(
            self,
            "DELETE FROM one_time_links WHERE token_hash IN \
             (SELECT token_hash FROM one_time_links WHERE expires_at <= $1 LIMIT $2)",
            now,
            AT_ONCE
        )?;
        // Said twice for the last two, which PostgreSQL may see used again between SELECT and DELETE.
        let throttles = execute!(
            self,
            "DELETE FROM throttles WHERE key IN \
             (SELECT key FROM throttles WHERE last_failure_at < $1 \
              AND (locked_until IS NULL OR locked_until <= $2) LIMIT $3) \
             AND last_failure_at < $1",
            now - THROTTLES_KEPT,
            now,
            AT_ONCE
        )?;
        let sources = execute!(
            self,
            "DELETE FROM familiar_sources WHERE (user_id, source) IN \
             (SELECT user_id, source FROM familiar_sources WHERE last_success_at < $1 LIMIT $2) \
             AND last_success_at < $1",
            now - SOURCES_KEPT,
            AT_ONCE
        )?;
        Ok(sessions + attempts + sign_outs + links + throttles + sources)
    }
}
