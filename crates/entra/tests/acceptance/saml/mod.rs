//! SAML 2.0.

pub mod changes;
mod checks;
pub mod response;
mod sign_out;
mod stand_in;
mod wrapping;
