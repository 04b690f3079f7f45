//! The rescue packs that somebody has, so that it can be told when they are out of date.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;

use crate::error::Result;
use crate::transaction::{Read, Write};

/// The rescue pack of an application that was stored last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct StoredPack {
    /// Which pack: a hash of its contents.
    pub version: String,
    /// The user principal name of whoever did; nobody's at the command line.
    pub stored_by: Option<String>,
    /// When.
    pub stored_at: DateTime<Utc>,
}

impl Read {
    /// The rescue pack of an application that was stored last.
    pub async fn stored_pack(&mut self, app_id: &str) -> Result<Option<StoredPack>> {
        fetch_optional!(
            self,
            "SELECT version, stored_by, stored_at FROM rescue_packs WHERE app_id = $1",
            app_id
        )
    }
}

impl Write {
    /// Remembers which rescue pack of an application was stored last.
    pub async fn set_stored_pack(&mut self, app_id: &str, pack: &StoredPack) -> Result<()> {
        execute!(
            self,
            "INSERT INTO rescue_packs (app_id, version, stored_by, stored_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (app_id) DO UPDATE SET version = excluded.version, \
                stored_by = excluded.stored_by, stored_at = excluded.stored_at",
            app_id,
            &pack.version,
            &pack.stored_by,
            pack.stored_at
        )?;
        Ok(())
    }
}
