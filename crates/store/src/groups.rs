//! Groups, which are granted applications.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::error::Result;
use crate::transaction::{Read, Write};
use crate::users::User;

/// Several users under one name.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Group {
    /// Our own name for the group; never changes.
    pub id: Uuid,
    /// The name, as written.
    pub name: String,
    /// The name, lower-cased, by which the group is found.
    pub name_key: String,
    /// When the group was added.
    pub created_at: DateTime<Utc>,
}

impl Read {
    /// The group with this name, lower-cased.
    pub async fn group_by_name(&mut self, name_key: &str) -> Result<Option<Group>> {
        fetch_optional!(
            self,
            "SELECT id, name, name_key, created_at FROM groups WHERE name_key = $1",
            name_key
        )
    }

    /// All groups by name.
    pub async fn groups(&mut self) -> Result<Vec<Group>> {
        fetch_all!(
            self,
            "SELECT id, name, name_key, created_at FROM groups ORDER BY name_key"
        )
    }

    /// The groups of a user by name.
    pub async fn groups_of(&mut self, user_id: Uuid) -> Result<Vec<Group>> {
        fetch_all!(
            self,
            "SELECT g.id, g.name, g.name_key, g.created_at \
             FROM groups g JOIN memberships m ON m.group_id = g.id \
             WHERE m.user_id = $1 ORDER BY g.name_key",
            user_id
        )
    }

    /// The members of a group by user principal name.
    pub async fn members_of(&mut self, group_id: Uuid) -> Result<Vec<User>> {
        fetch_all!(
            self,
            "SELECT u.id, u.upn, u.upn_key, u.display_name, u.email, u.given_name, u.family_name, \
                    u.immutable_id, u.anchor_source, u.anchor_used_at, u.password_hash, u.admin, u.enabled, u.created_at \
             FROM users u JOIN memberships m ON m.user_id = u.id \
             WHERE m.group_id = $1 ORDER BY u.upn_key",
            group_id
        )
    }
}

impl Write {
    /// Adds a group without members.
    pub async fn add_group(&mut self, group: &Group) -> Result<()> {
        execute!(
            self,
            "INSERT INTO groups (id, name, name_key, created_at) VALUES ($1, $2, $3, $4)",
            group.id,
            &group.name,
            &group.name_key,
            group.created_at
        )?;
        Ok(())
    }

    /// Makes a user a member; false when that was so already.
    pub async fn join_group(&mut self, group_id: Uuid, user_id: Uuid) -> Result<bool> {
        let added = execute!(
            self,
            "INSERT INTO memberships (group_id, user_id) VALUES ($1, $2) \
             ON CONFLICT (group_id, user_id) DO NOTHING",
            group_id,
            user_id
        )?;
        Ok(added == 1)
    }

    /// Ends a membership; false when there was none.
    pub async fn leave_group(&mut self, group_id: Uuid, user_id: Uuid) -> Result<bool> {
        let removed = execute!(
            self,
            "DELETE FROM memberships WHERE group_id = $1 AND user_id = $2",
            group_id,
            user_id
        )?;
        Ok(removed == 1)
    }
}
