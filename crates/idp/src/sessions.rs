//! A person's session in one browser: found by the hash of a random token, ended by time or by hand.

use chrono::{DateTime, TimeDelta, Utc};
use store::{Session, User};

use crate::Idp;
use crate::error::Result;

/// A session ends when nobody used it for this long …
pub const IDLE: TimeDelta = TimeDelta::hours(4);
/// … and in any case this long after the person signed in.
pub const ABSOLUTE: TimeDelta = TimeDelta::hours(12);
/// How stale the stored time of last use may get: a write a minute, not one a request.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The value of the session cookie. The database knows only its hash.
#[derive(Clone)]
pub struct SessionToken(String);

impl SessionToken {
    pub(crate) fn new() -> Self {
        Self(crypto::random::token())
    }

    /// A token as a browser sent it; whether it is one, only the database knows.
    pub fn from_cookie(value: &str) -> Self {
        Self(value.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        crypto::digest(self.0.as_bytes())
    }
}

/// A live session and whose it is.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
}

/// Whether the session may still be used: neither idle nor over, and its user not disabled.
pub(crate) fn is_live(session: &Session, user: &User, now: DateTime<Utc>) -> bool {
    user.enabled && now < session.expires_at && now - session.last_seen_at < IDLE
}

impl Idp {
    /// Whose session this is, if it is alive.
    pub async fn signed_in(&self, token: &SessionToken) -> Result<Option<SignedIn>> {
        let found = {
            let mut read = self.store.read().await?;
            match read.session(&token.hash()).await? {
                Some(session) => read
                    .user(session.user_id)
                    .await?
                    .map(|user| SignedIn { user, session }),
                None => None,
            }
        };
        let Some(signed_in) =
            found.filter(|found| is_live(&found.session, &found.user, self.now()))
        else {
            return Ok(None);
        };
        self.touch(&signed_in.session).await?;
        Ok(Some(signed_in))
    }

    /// Notes that the session is in use, at most once a minute.
    pub(crate) async fn touch(&self, session: &Session) -> Result<()> {
        let now = self.now();
        if now - session.last_seen_at >= TOUCH_EVERY {
            let mut write = self.store.write().await?;
            write.touch_session(&session.id_hash, now).await?;
            write.commit().await?;
        }
        Ok(())
    }
}
