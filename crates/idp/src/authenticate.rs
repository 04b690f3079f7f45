//! Who is it? A password is checked once for every way of signing in: throttled, counted before it is
//! compared, and at the same cost for a user who does not exist.

use chrono::TimeDelta;
use store::User;
use zeroize::Zeroizing;

use crate::audit::Entry;
use crate::error::{Error, Record, Refusal, Result};
use crate::parse::Upn;
use crate::sessions::{ABSOLUTE, SessionToken};
use crate::throttle::{self, Policy};
use crate::{Idp, Origin};

/// A source from which the person signed in during this time is not held up by what strangers guess elsewhere.
const FAMILIAR_FOR: TimeDelta = TimeDelta::days(30);

/// How the person proved who they are; the only method until second factors exist.
pub const METHOD_PASSWORD: &str = "password";

/// An attempt that was let in and counted as a failure until it proves right.
struct Claimed {
    user: Option<User>,
    counted: Vec<(String, Policy)>,
}

impl Idp {
    /// Checks a password and starts a session. The session that the browser had before is ended, so its
    /// id is worth nothing from then on.
    pub async fn sign_in(
        &self,
        username: &str,
        password: Zeroizing<String>,
        before: Option<&SessionToken>,
        origin: &Origin,
    ) -> Result<SessionToken> {
        // The place in the queue comes first: a flood is turned away before it writes anything.
        let place = self.passwords.place()?;
        let upn = Upn::parse(username).ok();
        let claimed = self.claim(upn.as_ref(), origin).await?;
        let hash = claimed.user.as_ref().map(|user| user.password_hash.clone());
        let right = place.verify(password, hash).await?;
        match &claimed.user {
            Some(user) if right && user.enabled => {
                self.start_session(user, &claimed, before, origin).await
            }
            Some(user) if right => {
                let refusal = Refusal::UserDisabled {
                    upn: user.upn.clone(),
                };
                self.refuse_sign_in(upn.as_ref(), refusal, origin).await
            }
            _ => {
                self.refuse_sign_in(upn.as_ref(), Refusal::WrongCredentials, origin)
                    .await
            }
        }
    }

    /// Lets an attempt in or refuses it as locked. It counts as failed from here on, so that a thousand
    /// attempts at the same moment are no more than one after the other, and a crash forgets none.
    async fn claim(&self, upn: Option<&Upn>, origin: &Origin) -> Result<Claimed> {
        let now = self.now();
        let key = upn.map(Upn::key).unwrap_or_default();
        let (user, familiar) = {
            let mut read = self.store.read().await?;
            let user = read.user_by_upn(&key).await?;
            let id = user.as_ref().map(|user| user.id).unwrap_or_default();
            (
                user,
                read.is_familiar(id, &origin.source, now - FAMILIAR_FOR)
                    .await?,
            )
        };
        let source = &origin.source;
        // What is no UPN belongs to no account; the source counts all the same. In the order of the
        // keys, so that two attempts never wait for each other.
        let mut counted = Vec::new();
        if upn.is_some() {
            if !familiar {
                counted.push((format!("account:{key}"), throttle::ACCOUNT));
            }
            counted.push((
                format!("account:{key}@{source}"),
                throttle::ACCOUNT_AT_SOURCE,
            ));
        }
        counted.push((format!("source:{source}"), throttle::SOURCE));

        let mut write = self.store.write().await?;
        let mut locked = None;
        for (key, policy) in &counted {
            let current = write.lock_throttle(key, now).await?;
            locked = locked.max(throttle::locked_until(&current, now));
            write
                .save_throttle(&throttle::failed(&current, *policy, now))
                .await?;
        }
        if let Some(until) = locked {
            // Dropped unwritten: an attempt during the delay neither counts nor makes it longer.
            drop(write);
            return self
                .refuse_sign_in(upn, Refusal::Locked { until }, origin)
                .await;
        }
        write.commit().await?;
        Ok(Claimed { user, counted })
    }

    async fn start_session(
        &self,
        user: &User,
        claimed: &Claimed,
        before: Option<&SessionToken>,
        origin: &Origin,
    ) -> Result<SessionToken> {
        let now = self.now();
        let token = SessionToken::new();
        let mut write = self.store.write().await?;
        for (key, policy) in &claimed.counted {
            if *policy == throttle::ACCOUNT_AT_SOURCE {
                write.clear_throttle(key).await?;
            } else {
                let counted = write.lock_throttle(key, now).await?;
                write.save_throttle(&throttle::taken_back(&counted)).await?;
            }
        }
        write.remember_source(user.id, &origin.source, now).await?;
        if let Some(before) = before {
            write.end_session(&before.hash()).await?;
        }
        write
            .add_session(&store::Session {
                id_hash: token.hash().to_vec(),
                user_id: user.id,
                method: METHOD_PASSWORD.to_owned(),
                authenticated_at: now,
                created_at: now,
                last_seen_at: now,
                expires_at: now + ABSOLUTE,
                source: origin.source.clone(),
            })
            .await?;
        let entry = Entry::new("sign-in.accepted", origin)
            .user(&user.upn)
            .with("method", METHOD_PASSWORD);
        write.append_audit(&entry.at(now)).await?;
        write.commit().await?;
        Ok(token)
    }

    /// Writes the refusal down and returns it. What was typed is kept only if it has the form of a UPN:
    /// people type their password into the wrong field.
    async fn refuse_sign_in<T>(
        &self,
        upn: Option<&Upn>,
        refusal: Refusal,
        origin: &Origin,
    ) -> Result<T> {
        let mut entry = Entry::new("sign-in.refused", origin).with("reason", refusal.reason());
        if let Some(upn) = upn {
            entry = entry.user(upn.as_str());
        }
        self.record(entry).await?;
        Err(Error::Refused(refusal, Record::Written))
    }
}
