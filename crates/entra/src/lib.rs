//! Microsoft's side of a federated sign-in, as its documents describe it.
//!
//! [`checks`] decides about an answer as Entra ID would, with its error codes; [`stand_in`] is a small
//! Microsoft 365 to sign in to, in a browser or as a Windows PC does, for demonstrations and tests, and
//! [`graph`] is where its directory is looked at and changed. None knows anything of the code that writes our
//! messages: what they share with it is the published standards alone.
//!
//! ```text
//! demo, tests ──► stand_in ──► checks ──► crypto (the strict reader of signatures)
//!                      ├──────────┴─────► tenant
//!                      └──► graph ──────────┘
//! ```

pub mod checks;
pub mod graph;
mod guid;
pub mod stand_in;
pub mod tenant;

pub use checks::{Outstanding, Replay, Verdict, accept};
pub use graph::Graph;
pub use stand_in::{StandIn, router};
pub use tenant::{Cloud, Domain, Federation, Protocol, Tenant, User};
