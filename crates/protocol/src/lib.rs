//! The wire: SAML 1.1 and 2.0, WS-Federation, WS-Trust and metadata, bytes to types and back.
//!
//! ```text
//! server ──► idp ──► protocol      knows no HTTP, no SQL, no keys, no clock
//! ```
//!
//! What gets signed is written in its exclusive canonical form to begin with ([`xml::Writer`]), so
//! a signer hashes the text as it stands and no XML library has to rewrite it.

pub mod metadata;
pub mod names;
mod read;
pub mod saml11;
pub mod saml2;
mod soap;
mod urlencoded;
pub mod wsfed;
pub mod wstrust;
pub mod xml;

pub use urlencoded::{BadRequest, Fault};

/// A document in exclusive canonical form (W3C xml-exc-c14n §3) that waits for its enveloped signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned {
    /// The whole document.
    pub xml: String,
    /// The value of the root's ID attribute, which the signature refers to.
    pub id: String,
    /// The byte at which the standard wants the `ds:Signature`.
    pub signature_at: usize,
}
