//! SAML 2.0.

mod changes;
mod checks;
mod response;
mod sign_out;
mod stand_in;
mod wrapping;
