//! ImmutableIDs: where each came from, whether it is out in the world, and what Entra has.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use crate::error::Result;
use crate::statement::JsonObject;
use crate::transaction::{Read, Write};

/// Where an ImmutableID came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum AnchorSource {
    /// From before this was written down.
    Unknown,
    /// We made it.
    Made,
    /// An administrator typed it.
    Given,
    /// A file from Entra had it.
    Imported,
}

/// How it is known that an ImmutableID is out in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum AnchorUse {
    /// A token carried it.
    Token,
    /// A file from Entra had it for this user.
    Entra,
}

/// A user's ImmutableID and its story.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Anchor {
    pub upn: String,
    pub upn_key: String,
    pub immutable_id: String,
    pub anchor_source: AnchorSource,
    /// Since when it is known to be out in the world.
    pub anchor_used_at: Option<DateTime<Utc>>,
    /// What showed that first.
    pub anchor_used_by: Option<AnchorUse>,
    /// What Entra has for this user, as the last file from there said.
    pub entra_anchor: Option<String>,
    /// When a file from Entra last had this user.
    pub entra_seen_at: Option<DateTime<Utc>>,
}

/// A user's new ImmutableID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnchorChange {
    pub upn_key: String,
    /// What it must still be.
    pub from: String,
    pub to: String,
}

/// An ImmutableID that leaves in a token for the first time.
#[derive(Clone, Debug)]
pub struct AnchorIssued {
    pub user_id: Uuid,
    pub immutable_id: String,
    pub at: DateTime<Utc>,
}

impl Read {
    /// Everybody's ImmutableID, by user principal name.
    pub async fn anchors(&mut self) -> Result<Vec<Anchor>> {
        fetch_all!(
            self,
            "SELECT upn, upn_key, immutable_id, anchor_source, anchor_used_at, anchor_used_by, \
                    entra_anchor, entra_seen_at \
             FROM users ORDER BY upn_key"
        )
    }

    /// The user principal name of whoever has this ImmutableID.
    pub async fn upn_of_anchor(&mut self, immutable_id: &str) -> Result<Option<String>> {
        let row: Option<(String,)> = fetch_optional!(
            self,
            "SELECT upn FROM users WHERE immutable_id = $1",
            immutable_id
        )?;
        Ok(row.map(|(upn,)| upn))
    }
}

impl Write {
    /// Gives users new ImmutableIDs, which nobody has used yet; says how many changed.
    ///
    /// Passes over a user who has another one than `from` by now, and, unless `even_used`, one whose
    /// ImmutableID is out in the world. They may take over each other's, as all move at once.
    pub async fn change_anchors(
        &mut self,
        changes: &[AnchorChange],
        source: AnchorSource,
        even_used: bool,
    ) -> Result<u64> {
        // Both engines compare with the rows that have not moved yet, so whoever is in the way steps aside.
        let wanted: HashSet<&str> = changes.iter().map(|change| change.to.as_str()).collect();
        let in_the_way = |change: &&AnchorChange| wanted.contains(change.from.as_str());
        let aside: BTreeMap<&str, &str> = changes
            .iter()
            .filter(in_the_way)
            .map(|change| (change.upn_key.as_str(), change.from.as_str()))
            .collect();
        if !aside.is_empty() {
            execute!(
                self,
                "UPDATE users SET immutable_id = ' ' || users.upn_key \
                 FROM json_each($1) AS given \
                 WHERE users.upn_key = given.key AND users.immutable_id = given.value ->> 0 \
                   AND ($2 OR users.anchor_used_at IS NULL)",
                &JsonObject::new(aside.iter().map(|(key, from)| (*key, [*from]))),
                even_used
            )?;
        }
        let moved: Vec<_> = changes
            .iter()
            .map(|change| {
                let from = if aside.contains_key(change.upn_key.as_str()) {
                    format!(" {}", change.upn_key)
                } else {
                    change.from.clone()
                };
                (change.upn_key.as_str(), [from, change.to.clone()])
            })
            .collect();
        execute!(
            self,
            "UPDATE users SET immutable_id = given.value ->> 1, anchor_source = $2, \
                              anchor_used_at = NULL, anchor_used_by = NULL \
             FROM json_each($1) AS given \
             WHERE users.upn_key = given.key AND users.immutable_id = given.value ->> 0 \
               AND ($3 OR users.anchor_used_at IS NULL)",
            &JsonObject::new(moved),
            source,
            even_used
        )
    }

    /// Writes down what Entra has for these users; who has the same here has it for good.
    pub async fn note_entra_anchors<'a>(
        &mut self,
        seen: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        at: DateTime<Utc>,
    ) -> Result<()> {
        execute!(
            self,
            "UPDATE users \
             SET entra_anchor = given.value ->> 0, entra_seen_at = $2, \
                 anchor_used_by = CASE WHEN users.immutable_id = given.value ->> 0 \
                                       THEN COALESCE(users.anchor_used_by, 'entra') \
                                       ELSE users.anchor_used_by END, \
                 anchor_used_at = CASE WHEN users.immutable_id = given.value ->> 0 \
                                       THEN COALESCE(users.anchor_used_at, $2) \
                                       ELSE users.anchor_used_at END \
             FROM json_each($1) AS given WHERE users.upn_key = given.key",
            &JsonObject::new(seen.into_iter().map(|(key, anchor)| (key, [anchor]))),
            at
        )?;
        Ok(())
    }

    /// Remembers the first token that carries an ImmutableID, unless the user has another one by now.
    pub async fn note_anchor_issued(&mut self, issued: &AnchorIssued) -> Result<()> {
        execute!(
            self,
            "UPDATE users SET anchor_used_at = $3, anchor_used_by = 'token' \
             WHERE id = $1 AND immutable_id = $2 AND anchor_used_at IS NULL",
            issued.user_id,
            &issued.immutable_id,
            issued.at
        )?;
        Ok(())
    }
}
