//! People who sign in.

use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::anchors::AnchorSource;
use crate::error::Result;
use crate::transaction::{Read, Write};

/// Somebody who signs in.
#[derive(Clone, PartialEq, Eq, FromRow)]
pub struct User {
    /// Our own name for the user; never changes.
    pub id: Uuid,
    /// The user principal name, as written.
    pub upn: String,
    /// The user principal name, lower-cased, by which the user is found.
    pub upn_key: String,
    /// The name to show.
    pub display_name: String,
    /// The mail address.
    pub email: Option<String>,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// What Microsoft 365 knows the user by; upper and lower case differ.
    pub immutable_id: String,
    /// Where that came from.
    pub anchor_source: AnchorSource,
    /// Since when it is known to be out in the world.
    pub anchor_used_at: Option<DateTime<Utc>>,
    /// The password's hash as a PHC string.
    pub password_hash: String,
    /// May configure everything.
    pub admin: bool,
    /// May sign in.
    pub enabled: bool,
    /// When the user was added.
    pub created_at: DateTime<Utc>,
}

impl Read {
    /// The user with this id.
    pub async fn user(&mut self, id: Uuid) -> Result<Option<User>> {
        fetch_optional!(
            self,
            "SELECT id, upn, upn_key, display_name, email, given_name, family_name, immutable_id, \
                    anchor_source, anchor_used_at, password_hash, admin, enabled, created_at \
             FROM users WHERE id = $1",
            id
        )
    }

    /// The user with this user principal name, lower-cased.
    pub async fn user_by_upn(&mut self, upn_key: &str) -> Result<Option<User>> {
        fetch_optional!(
            self,
            "SELECT id, upn, upn_key, display_name, email, given_name, family_name, immutable_id, \
                    anchor_source, anchor_used_at, password_hash, admin, enabled, created_at \
             FROM users WHERE upn_key = $1",
            upn_key
        )
    }

    /// All users by user principal name.
    pub async fn users(&mut self) -> Result<Vec<User>> {
        fetch_all!(
            self,
            "SELECT id, upn, upn_key, display_name, email, given_name, family_name, immutable_id, \
                    anchor_source, anchor_used_at, password_hash, admin, enabled, created_at \
             FROM users ORDER BY upn_key"
        )
    }

    /// The enabled users who may use an application and are of a domain of it, by user principal name: that and the
    /// ImmutableID of each. Whoever is of a longer domain of the application is that one's.
    pub async fn people_of(&mut self, app_id: &str, domain: &str) -> Result<Vec<(String, String)>> {
        fetch_all!(
            self,
            "SELECT u.upn, u.immutable_id FROM users u \
             WHERE u.enabled AND (u.upn_key LIKE '%@' || $2 OR u.upn_key LIKE '%.' || $2) \
               AND EXISTS (SELECT 1 FROM app_grants g JOIN memberships m ON m.group_id = g.group_id \
                           WHERE g.app_id = $1 AND m.user_id = u.id) \
               AND NOT EXISTS (SELECT 1 FROM issuers i WHERE i.app_id = $1 AND length(i.domain) > length($2) \
                               AND (u.upn_key LIKE '%@' || i.domain OR u.upn_key LIKE '%.' || i.domain)) \
             ORDER BY u.upn_key",
            app_id,
            domain
        )
    }

    /// How many of the users of a domain of an application are enabled and may use it, and how many there are in all.
    pub async fn count_people_of(&mut self, app_id: &str, domain: &str) -> Result<(i64, i64)> {
        fetch_one!(
            self,
            "SELECT COUNT(CASE WHEN u.enabled AND EXISTS \
                      (SELECT 1 FROM app_grants g JOIN memberships m ON m.group_id = g.group_id \
                       WHERE g.app_id = $1 AND m.user_id = u.id) THEN 1 END), COUNT(*) \
             FROM users u \
             WHERE (u.upn_key LIKE '%@' || $2 OR u.upn_key LIKE '%.' || $2) \
               AND NOT EXISTS (SELECT 1 FROM issuers i WHERE i.app_id = $1 AND length(i.domain) > length($2) \
                               AND (u.upn_key LIKE '%@' || i.domain OR u.upn_key LIKE '%.' || i.domain))",
            app_id,
            domain
        )
    }

    /// Whether there is an admin who may sign in.
    pub async fn admin_exists(&mut self) -> Result<bool> {
        fetch_value!(
            self,
            "SELECT EXISTS (SELECT 1 FROM users WHERE admin AND enabled)"
        )
    }

    /// Whether this user has signed in from this source at `since` or later.
    pub async fn is_familiar(
        &mut self,
        user_id: Uuid,
        source: &str,
        since: DateTime<Utc>,
    ) -> Result<bool> {
        fetch_value!(
            self,
            "SELECT EXISTS (SELECT 1 FROM familiar_sources \
                            WHERE user_id = $1 AND source = $2 AND last_success_at >= $3)",
            user_id,
            source,
            since
        )
    }
}

impl Write {
    /// Adds a user.
    pub async fn add_user(&mut self, user: &User) -> Result<()> {
        execute!(
            self,
            "INSERT INTO users (id, upn, upn_key, display_name, email, given_name, family_name, \
                                immutable_id, anchor_source, anchor_used_at, password_hash, admin, \
                                enabled, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            user.id,
            &user.upn,
            &user.upn_key,
            &user.display_name,
            &user.email,
            &user.given_name,
            &user.family_name,
            &user.immutable_id,
            user.anchor_source,
            user.anchor_used_at,
            &user.password_hash,
            user.admin,
            user.enabled,
            user.created_at
        )?;
        Ok(())
    }

    /// Lets a user sign in, or no longer; false when there is no such user.
    pub async fn set_user_enabled(&mut self, id: Uuid, enabled: bool) -> Result<bool> {
        let changed = execute!(
            self,
            "UPDATE users SET enabled = $2 WHERE id = $1",
            id,
            enabled
        )?;
        Ok(changed == 1)
    }

    /// Replaces a user's password hash; false when there is no such user.
    pub async fn set_password_hash(&mut self, id: Uuid, hash: &str) -> Result<bool> {
        let changed = execute!(
            self,
            "UPDATE users SET password_hash = $2 WHERE id = $1",
            id,
            hash
        )?;
        Ok(changed == 1)
    }

    /// Remembers that this user has signed in from this source.
    pub async fn remember_source(
        &mut self,
        user_id: Uuid,
        source: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        execute!(
            self,
            "INSERT INTO familiar_sources (user_id, source, last_success_at) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id, source) DO UPDATE SET last_success_at = excluded.last_success_at",
            user_id,
            source,
            now
        )?;
        Ok(())
    }
}

impl fmt::Debug for User {
    /// Without the password hash.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("User")
            .field("id", &self.id)
            .field("upn", &self.upn)
            .field("display_name", &self.display_name)
            .field("immutable_id", &self.immutable_id)
            .field("admin", &self.admin)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}
