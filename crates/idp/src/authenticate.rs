//! Who is it? A password is checked once for every way of signing in: throttled, counted, and at the same
//! cost for a user who does not exist.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use store::{User, Write};
use tokio::sync::{Semaphore, SemaphorePermit};
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

/// A user name and a password that somebody gives, and where.
pub(crate) struct Credentials<'a> {
    pub username: &'a str,
    pub password: Zeroizing<String>,
    /// The app whose own address takes them; none on the sign-in page.
    pub app_id: Option<&'a str>,
    /// A hash of the whole request, where clients send one again without being asked.
    pub request: Option<[u8; 32]>,
}

/// Whose account is tried, and what counts its failures.
struct Attempt {
    upn: Option<Upn>,
    user: Option<User>,
    counted: Vec<(String, Policy)>,
    locked_until: Option<DateTime<Utc>>,
    app_id: Option<String>,
    request: Option<[u8; 32]>,
}

/// Somebody whose password was right and whose account is enabled; nothing is written about it yet.
pub(crate) struct Recognised {
    pub user: User,
    attempt: Attempt,
}

/// Attempts on one account from one source at the same moment: as many as may fail without a delay. The
/// others wait until these have been counted, so that trying at once is no way around the throttle.
#[derive(Clone)]
pub(crate) struct Turns {
    /// Accounts share a turn when their hashes do, which makes some wait for a few milliseconds.
    stripes: Arc<[Semaphore]>,
    hash: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        let free = usize::try_from(throttle::ACCOUNT_AT_SOURCE.free).expect("a small number");
        let stripes = (0..1024).map(|_| Semaphore::new(free)).collect();
        Self {
            stripes,
            hash: RandomState::new(),
        }
    }
}

impl Turns {
    /// How long an attempt waits for those before it.
    const PATIENCE: Duration = Duration::from_secs(5);

    async fn take(&self, account: &str, source: &str) -> Result<SemaphorePermit<'_>> {
        let stripe = self.hash.hash_one((account, source)) % 1024;
        let stripe = &self.stripes[usize::try_from(stripe).expect("less than 1024")];
        match tokio::time::timeout(Self::PATIENCE, stripe.acquire()).await {
            Ok(permit) => Ok(permit.expect("it is never closed")),
            Err(_) => Err(Error::Unavailable(
                "too many sign-ins of this account are waiting".to_owned(),
            )),
        }
    }
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
        let credentials = Credentials {
            username,
            password,
            app_id: None,
            request: None,
        };
        let recognised = self.recognise(credentials, origin).await?;
        self.start_session(&recognised, before, origin).await
    }

    /// Checks a password; a refusal is counted and on record when it is returned.
    pub(crate) async fn recognise(
        &self,
        credentials: Credentials<'_>,
        origin: &Origin,
    ) -> Result<Recognised> {
        let upn = Upn::parse(credentials.username).ok();
        let key = upn.as_ref().map(Upn::key).unwrap_or_default();
        let _turn = self.turns.take(&key, &origin.source).await?;
        // A flood is turned away here, before it costs anything.
        let place = self.passwords.place()?;
        let mut attempt = self.attempt(upn, &key, origin).await?;
        attempt.app_id = credentials.app_id.map(str::to_owned);
        attempt.request = credentials.request;
        if let Some(until) = attempt.locked_until {
            let line = attempt.refused(&Refusal::Locked { until }, origin);
            self.record(line).await?;
            return Err(Error::Refused(Refusal::Locked { until }, Record::Written));
        }
        let hash = attempt.user.as_ref().map(|user| user.password_hash.clone());
        let right = place.verify(credentials.password, hash).await?;
        match attempt.user.clone() {
            Some(user) if right && user.enabled => Ok(Recognised { user, attempt }),
            Some(User { upn, .. }) if right => {
                self.count(&attempt, Refusal::UserDisabled { upn }, origin)
                    .await
            }
            _ => {
                self.count(&attempt, Refusal::WrongCredentials, origin)
                    .await
            }
        }
    }

    /// Who it may be, and whether attempts are held up. The same statements for a user who does not exist.
    async fn attempt(&self, upn: Option<Upn>, key: &str, origin: &Origin) -> Result<Attempt> {
        let (now, source) = (self.now(), &origin.source);
        let mut read = self.store.read().await?;
        let user = read.user_by_upn(key).await?;
        let id = user.as_ref().map(|user| user.id).unwrap_or_default();
        let familiar = read.is_familiar(id, source, now - FAMILIAR_FOR).await?;
        // In the order of the keys, so that two attempts never wait for each other. What is no UPN
        // belongs to no account; the source counts all the same.
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
        let mut locked_until = None;
        for (key, _) in &counted {
            let throttle = read.throttle(key).await?;
            let until = throttle.and_then(|throttle| throttle::locked_until(&throttle, now));
            locked_until = locked_until.max(until);
        }
        Ok(Attempt {
            upn,
            user,
            counted,
            locked_until,
            app_id: None,
            request: None,
        })
    }

    async fn start_session(
        &self,
        recognised: &Recognised,
        before: Option<&SessionToken>,
        origin: &Origin,
    ) -> Result<SessionToken> {
        let now = self.now();
        let token = SessionToken::new();
        let mut write = self.store.write().await?;
        recognised.welcome(&mut write, origin, now).await?;
        if let Some(before) = before {
            write.end_session(&before.hash()).await?;
        }
        write
            .add_session(&store::Session {
                id_hash: token.hash().to_vec(),
                user_id: recognised.user.id,
                method: METHOD_PASSWORD.to_owned(),
                authenticated_at: now,
                created_at: now,
                last_seen_at: now,
                expires_at: now + ABSOLUTE,
                source: origin.source.clone(),
            })
            .await?;
        write.commit().await?;
        tracing::info!("Signed somebody in");
        Ok(token)
    }

    /// Counts a failure and writes it down, both or neither, and returns it.
    async fn count<T>(&self, attempt: &Attempt, refusal: Refusal, origin: &Origin) -> Result<T> {
        let now = self.now();
        let request = attempt.request.as_ref().map(<[u8; 32]>::as_slice);
        let mut write = self.store.write().await?;
        for (key, policy) in &attempt.counted {
            let throttle = write.lock_throttle(key, now).await?;
            let throttle = throttle::failed(&throttle, *policy, request, now);
            write.save_throttle(&throttle).await?;
        }
        write
            .append_audit(&attempt.refused(&refusal, origin).at(now))
            .await?;
        write.commit().await?;
        Err(Error::Refused(refusal, Record::Written))
    }
}

impl Recognised {
    /// Writes down that somebody signed in: their failures here are forgiven, their address is theirs.
    pub async fn welcome(
        &self,
        write: &mut Write,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<()> {
        for (key, policy) in &self.attempt.counted {
            if *policy == throttle::ACCOUNT_AT_SOURCE {
                write.clear_throttle(key).await?;
            }
        }
        write
            .remember_source(self.user.id, &origin.source, now)
            .await?;
        let entry = Entry::new("sign-in.accepted", origin)
            .user(&self.user.upn)
            .with("method", METHOD_PASSWORD);
        let entry = self.attempt.at_app(entry);
        Ok(write.append_audit(&entry.at(now)).await?)
    }
}

impl Attempt {
    fn at_app(&self, entry: Entry) -> Entry {
        match &self.app_id {
            Some(app_id) => entry.app(app_id),
            None => entry,
        }
    }

    /// The line about a refusal. What was typed is kept only if it has the form of a UPN: people type
    /// their password into the wrong field.
    fn refused(&self, refusal: &Refusal, origin: &Origin) -> Entry {
        let entry = Entry::new("sign-in.refused", origin).with("reason", refusal.reason());
        let entry = self.at_app(entry);
        match &self.upn {
            Some(upn) => entry.user(upn.as_str()),
            None => entry,
        }
    }
}
