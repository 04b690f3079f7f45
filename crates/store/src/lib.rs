//! The nouns: users, groups, apps, keys, sessions and the audit, on PostgreSQL or SQLite.
//!
//! Each statement is written once, as a literal that both engines understand, in the module of its
//! noun. Look-ups are methods of [`Read`], changes are methods of [`Write`], and a `Write` can do
//! what a `Read` can. A transaction that is dropped never happened.
//!
//! ```text
//!   idp ──▶ Store ──read()───▶ Read            one consistent view
//!             │  └──write()──▶ Write: Read     all of it at commit(), or nothing
//!             └─record(line)─▶ Recorder        durable audit, one commit for all who wait
//! ```
//!
//! Time is always an argument, truncated by the caller to microseconds, which is what PostgreSQL
//! keeps. Text must not hold NUL, which PostgreSQL refuses; the audit alone replaces it.

#[macro_use]
mod statement;

mod anchors;
mod apps;
mod attempts;
mod audit;
mod error;
mod groups;
mod links;
mod postgres;
mod purge;
mod record;
mod rescue_packs;
mod saml;
mod schema;
mod sessions;
mod settings;
mod sign_outs;
mod signing_keys;
mod sqlite;
mod store;
mod throttles;
mod transaction;
mod users;

#[cfg(test)]
mod conformance;

pub use anchors::{Anchor, AnchorChange, AnchorIssued, AnchorSource, AnchorUse};
pub use apps::{
    Active, App, AppKind, AttributeRule, Issuer, NameIdRule, Protocol, Source, WsFedSettings,
};
pub use attempts::Attempt;
pub use audit::AuditLine;
pub use error::{Error, OpenError, Result};
pub use groups::Group;
pub use links::OneTimeLink;
pub use rescue_packs::StoredPack;
pub use saml::{Acs, LogoutService, SamlAttributeRule, SamlBinding, SamlSettings, Signed};
pub use schema::Schema;
pub use sessions::{Session, SignOn};
pub use sign_outs::{SessionApp, SignOut, SignOutStep, StepState, StoredNameId};
pub use signing_keys::{SigningKey, Stage};
pub use store::Store;
pub use throttles::Throttle;
pub use transaction::{Read, Write};
pub use users::User;
