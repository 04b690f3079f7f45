//! Users and groups, as the command line and the set-up page change them.

use serde::Serialize;
use store::{AnchorSource, Group, User};
use zeroize::Zeroizing;

use crate::anchors;
use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::parse::{self, Upn};
use crate::{Idp, Origin};

/// A user to be added.
pub struct NewUser {
    pub upn: String,
    pub display_name: String,
    pub email: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    /// An existing anchor; without one a new one is made.
    pub immutable_id: Option<String>,
    pub admin: bool,
    pub password: Zeroizing<String>,
}

/// A user as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct UserInfo {
    pub upn: String,
    pub display_name: String,
    pub email: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub immutable_id: String,
    pub admin: bool,
    pub enabled: bool,
    pub groups: Vec<String>,
    pub created_at: chrono::DateTime<chrono::Utc>,
}

/// A group as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct GroupInfo {
    pub name: String,
    pub members: Vec<String>,
}

impl Idp {
    /// Adds a user who may sign in at once.
    pub async fn add_user(&self, new: NewUser, origin: &Origin) -> Result<UserInfo> {
        let user = self.prepare_user(new).await?;
        let mut write = self.store.write().await?;
        write.add_user(&user).await?;
        write
            .append_audit(&added(&user, origin).at(self.now()))
            .await?;
        write.commit().await?;
        Ok(info(user, &[]))
    }

    /// Checks the fields and hashes the password: what takes long, before a write is opened.
    pub(crate) async fn prepare_user(&self, new: NewUser) -> Result<User> {
        let upn = Upn::parse(&new.upn)?;
        let optional =
            |what, text: Option<String>| text.map(|text| parse::name(what, &text)).transpose();
        let display_name = parse::name("display name", &new.display_name)?;
        let email = optional("e-mail address", new.email)?;
        let given_name = optional("given name", new.given_name)?;
        let family_name = optional("family name", new.family_name)?;
        let (immutable_id, anchor_source) = match &new.immutable_id {
            Some(existing) => (parse::immutable_id(existing)?, AnchorSource::Given),
            None => (anchors::made(), AnchorSource::Made),
        };
        let password_hash = self
            .passwords
            .place()?
            .hash(parse::new_password(new.password)?)
            .await?;
        Ok(User {
            id: crate::new_id(),
            upn_key: upn.key(),
            // Until it is said otherwise, people are reached at their UPN.
            email: email.or_else(|| Some(upn.as_str().to_owned())),
            upn: upn.as_str().to_owned(),
            display_name,
            given_name,
            family_name,
            immutable_id,
            anchor_source,
            anchor_used_at: None,
            password_hash,
            admin: new.admin,
            enabled: true,
            created_at: self.now(),
        })
    }

    /// Switches a user on or off. Switching off ends all sessions at once.
    pub async fn set_user_enabled(
        &self,
        upn: &str,
        enabled: bool,
        origin: &Origin,
    ) -> Result<UserInfo> {
        let mut write = self.store.write().await?;
        let mut user = find_user(&mut write, upn).await?;
        write.set_user_enabled(user.id, enabled).await?;
        user.enabled = enabled;
        let ended = if enabled {
            0
        } else {
            write.end_sessions_of(user.id).await?
        };
        let groups = write.groups_of(user.id).await?;
        let entry = Entry::new(
            if enabled {
                "user.enabled"
            } else {
                "user.disabled"
            },
            origin,
        )
        .user(&user.upn)
        .with("sessions_ended", ended);
        write.append_audit(&entry.at(self.now())).await?;
        write.commit().await?;
        Ok(info(user, &groups))
    }

    /// Gives a user a new password and ends all sessions that were begun with the old one.
    pub async fn set_password(
        &self,
        upn: &str,
        password: Zeroizing<String>,
        origin: &Origin,
    ) -> Result<UserInfo> {
        let place = self.passwords.place()?;
        let hash = place.hash(parse::new_password(password)?).await?;
        let mut write = self.store.write().await?;
        let user = find_user(&mut write, upn).await?;
        write.set_password_hash(user.id, &hash).await?;
        let ended = write.end_sessions_of(user.id).await?;
        let groups = write.groups_of(user.id).await?;
        let entry = Entry::new("user.password-set", origin)
            .user(&user.upn)
            .with("sessions_ended", ended);
        write.append_audit(&entry.at(self.now())).await?;
        write.commit().await?;
        Ok(info(user, &groups))
    }

    pub async fn user(&self, upn: &str) -> Result<UserInfo> {
        let mut read = self.store.read().await?;
        let user = find_user(&mut read, upn).await?;
        let groups = read.groups_of(user.id).await?;
        Ok(info(user, &groups))
    }

    pub async fn users(&self) -> Result<Vec<UserInfo>> {
        let mut read = self.store.read().await?;
        let mut shown = Vec::new();
        for user in read.users().await? {
            let groups = read.groups_of(user.id).await?;
            shown.push(info(user, &groups));
        }
        Ok(shown)
    }

    pub async fn add_group(&self, name: &str, origin: &Origin) -> Result<GroupInfo> {
        let name = parse::name("group name", name)?;
        let mut write = self.store.write().await?;
        let group = Group {
            id: crate::new_id(),
            name_key: name.to_lowercase(),
            name: name.clone(),
            created_at: self.now(),
        };
        write.add_group(&group).await?;
        write
            .append_audit(
                &Entry::new("group.added", origin)
                    .with("group", name.as_str())
                    .at(self.now()),
            )
            .await?;
        write.commit().await?;
        Ok(GroupInfo {
            name,
            members: Vec::new(),
        })
    }

    pub async fn join_group(&self, group: &str, upn: &str, origin: &Origin) -> Result<GroupInfo> {
        self.change_membership(group, upn, true, origin).await
    }

    pub async fn leave_group(&self, group: &str, upn: &str, origin: &Origin) -> Result<GroupInfo> {
        self.change_membership(group, upn, false, origin).await
    }

    async fn change_membership(
        &self,
        group: &str,
        upn: &str,
        member: bool,
        origin: &Origin,
    ) -> Result<GroupInfo> {
        let mut write = self.store.write().await?;
        let group = find_group(&mut write, group).await?;
        let user = find_user(&mut write, upn).await?;
        let changed = if member {
            write.join_group(group.id, user.id).await?
        } else {
            write.leave_group(group.id, user.id).await?
        };
        if changed {
            let event = if member { "group.joined" } else { "group.left" };
            let entry = Entry::new(event, origin)
                .user(&user.upn)
                .with("group", group.name.as_str());
            write.append_audit(&entry.at(self.now())).await?;
        }
        let members = write
            .members_of(group.id)
            .await?
            .into_iter()
            .map(|member| member.upn)
            .collect();
        write.commit().await?;
        Ok(GroupInfo {
            name: group.name,
            members,
        })
    }
}

/// The line about a user who was added.
pub(crate) fn added(user: &User, origin: &Origin) -> Entry {
    Entry::new("user.added", origin)
        .user(&user.upn)
        .with("immutable_id", user.immutable_id.as_str())
        .with("admin", user.admin)
}

pub(crate) async fn find_group(read: &mut store::Read, name: &str) -> Result<Group> {
    read.group_by_name(&name.trim().to_lowercase())
        .await?
        .ok_or_else(|| {
            Error::Invalid(format!(
                "there is no group “{}”; add it with “countersign group add”",
                name.trim()
            ))
        })
}

pub(crate) async fn find_user(read: &mut store::Read, upn: &str) -> Result<User> {
    let key = Upn::parse(upn)?.key();
    read.user_by_upn(&key).await?.ok_or_else(|| no_user(&key))
}

fn no_user(key: &str) -> Error {
    Error::Invalid(format!(
        "there is no user {key}; “countersign user list” shows all, “countersign user add” adds one"
    ))
}

fn info(user: User, groups: &[Group]) -> UserInfo {
    UserInfo {
        upn: user.upn,
        display_name: user.display_name,
        email: user.email,
        given_name: user.given_name,
        family_name: user.family_name,
        immutable_id: user.immutable_id,
        admin: user.admin,
        enabled: user.enabled,
        groups: groups.iter().map(|group| group.name.clone()).collect(),
        created_at: user.created_at,
    }
}
