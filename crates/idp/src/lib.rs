//! The verbs: what an identity provider does, with no HTTP, no SQL and no XML by hand.
//!
//! ```text
//! server ──► idp ──► store      users, groups, apps, keys, sessions, audit
//!              ├──► protocol   SAML, WS-Federation, WS-Trust, metadata: text to types and back
//!              └──► crypto     signatures, certificates, password hashes, sealed values
//! ```
//!
//! Everything hangs on [`Idp`]. A verb reads what it needs in one transaction, decides in pure
//! functions that take `now`, and writes in one short transaction in which its audit line is
//! committed too. Nothing is hashed, signed or fetched while a write is open.

pub mod anchors;
pub mod apps;
pub mod attempts;
pub mod audit;
pub mod authenticate;
pub mod certificates;
pub mod claims;
pub mod clock;
pub mod cloud;
pub mod compare;
pub mod doctor;
pub mod error;
pub mod expiry;
pub mod federate;
pub mod issue;
pub mod master_key;
pub mod metadata;
pub mod parse;
pub mod password_pool;
pub mod people;
pub mod rescue;
pub mod saml;
pub mod sessions;
pub mod setup;
pub mod sign_on;
pub mod sign_out;
pub mod signing_keys;
pub mod throttle;
pub mod troubleshooting;
pub mod urls;
pub mod wsfed;
pub mod wstrust;

pub use clock::Clock;
pub use error::{Error, Refusal, Result};

use std::sync::Arc;

use crypto::sealed::MasterKey;
use password_pool::PasswordPool;
use signing_keys::OpenKeys;
use store::Store;
use urls::Urls;

/// Where a request came from, for the audit, the throttle and the person who reads the error page.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address (IPv6: its /64 network), or `command line`.
    pub source: String,
    /// One id across the page, the log and the audit; Microsoft's `client-request-id` when there is one.
    pub correlation_id: String,
    /// The door, where it is not a browser's page: `ws-trust-2005`, `ws-trust-13`.
    pub via: Option<&'static str>,
}

/// Random bytes for whoever may not know `crypto`: cookies and correlation ids.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    crypto::random::bytes()
}

/// Compares in constant time, for codes that an attacker could otherwise guess byte by byte.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    crypto::sealed::equal(a, b)
}

/// A new row's id: a random UUID (RFC 9562 §5.4).
pub(crate) fn new_id() -> uuid::Uuid {
    uuid::Builder::from_random_bytes(crypto::random::bytes()).into_uuid()
}

/// The identity provider. Cheap to clone; all servers on one database are equal.
#[derive(Clone)]
pub struct Idp {
    store: Store,
    clock: Clock,
    master_key: Arc<MasterKey>,
    passwords: PasswordPool,
    turns: authenticate::Turns,
    open_keys: OpenKeys,
    urls: Urls,
}

impl Idp {
    /// Puts the provider together. `master_key` must be the one this database was sealed under,
    /// see [`master_key::agree`].
    pub fn new(
        store: Store,
        clock: Clock,
        master_key: Arc<MasterKey>,
        passwords: PasswordPool,
        urls: Urls,
    ) -> Self {
        Self {
            store,
            clock,
            master_key,
            passwords,
            turns: authenticate::Turns::default(),
            open_keys: OpenKeys::default(),
            urls,
        }
    }

    /// The links of this installation, all under its public URL.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// What time it is, as every verb sees it.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }

    /// A code that binds a form to the browser it was made for; `purpose` keeps codes apart.
    pub fn mac(&self, purpose: &str, message: &str) -> [u8; 32] {
        self.master_key.mac(purpose, message.as_bytes())
    }

    /// Whether the database takes changes: what `/readyz` asks.
    pub async fn ready(&self) -> Result<()> {
        Ok(self.store.ready().await?)
    }

    /// Forgets what has expired, in short writes so that nobody waits for long; a job calls it.
    pub async fn purge(&self) -> Result<u64> {
        let mut gone = 0;
        loop {
            let mut write = self.store.write().await?;
            let some = write.purge(self.now()).await?;
            write.commit().await?;
            gone += some;
            if some == 0 {
                return Ok(gone);
            }
        }
    }
}
