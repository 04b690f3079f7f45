//! The first administrator: a one-time link, printed where only the operator reads it.

use chrono::TimeDelta;
use store::OneTimeLink;

use crate::error::{Refusal, Result};
use crate::people::{NewUser, added};
use crate::{Idp, Origin};

const PURPOSE: &str = "setup";
const LIFETIME: TimeDelta = TimeDelta::hours(24);

impl Idp {
    /// A new set-up link, or none when there is an administrator. Each server that starts prints its
    /// own; all of them hold until one is used.
    pub async fn setup_link(&self) -> Result<Option<String>> {
        let mut write = self.store.write().await?;
        if write.admin_exists().await? {
            return Ok(None);
        }
        let token = crypto::random::token();
        let now = self.now();
        write
            .add_one_time_link(&OneTimeLink {
                token_hash: crypto::digest(token.as_bytes()).to_vec(),
                purpose: PURPOSE.to_owned(),
                created_at: now,
                expires_at: now + LIFETIME,
            })
            .await?;
        write.commit().await?;
        Ok(Some(self.urls.setup(&token)))
    }

    /// Whether the link can still be used.
    pub async fn check_setup_link(&self, token: &str) -> Result<()> {
        let mut read = self.store.read().await?;
        self.expect_setup_link(&mut read, token).await
    }

    /// Adds the first administrator and uses the link up, both or neither.
    pub async fn set_up(&self, token: &str, new: NewUser, origin: &Origin) -> Result<()> {
        self.check_setup_link(token).await?;
        let user = self.prepare_user(NewUser { admin: true, ..new }).await?;
        let mut write = self.store.write().await?;
        self.expect_setup_link(&mut write, token).await?;
        // Whoever ends the links is the first; a second one at the same moment ends none.
        if write.end_one_time_links(PURPOSE).await? == 0 {
            return Err(Refusal::SetupLinkGone.into());
        }
        write.add_user(&user).await?;
        write
            .append_audit(
                &added(&user, origin)
                    .with("by", "set-up link")
                    .at(self.now()),
            )
            .await?;
        write.commit().await?;
        Ok(())
    }

    async fn expect_setup_link(&self, read: &mut store::Read, token: &str) -> Result<()> {
        let link = read
            .one_time_link(&crypto::digest(token.as_bytes()))
            .await?;
        let good = link.is_some_and(|link| link.purpose == PURPOSE && self.now() < link.expires_at);
        if !good || read.admin_exists().await? {
            return Err(Refusal::SetupLinkGone.into());
        }
        Ok(())
    }
}
