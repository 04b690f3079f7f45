//! XML Signatures (W3C xmldsig-core): we sign with one form, and believe one strict profile of what others sign.
//!
//! Signing takes text that is canonical by construction and hashes it as it is. Verifying works on the tree that the
//! caller goes on to read, so that nobody reads anything else than what was signed.

mod algorithm;
mod read;
mod sign;
mod verify;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use read::{Limits, NotRead, read, text_of};
pub use roxmltree::Document;
pub use sign::{SignError, sign};
pub use verify::{NotVerified, Verified, signature_of, verify};

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
