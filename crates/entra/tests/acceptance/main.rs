//! Microsoft's side, tested from the outside.

mod browser;
mod changes;
mod checks;
mod grant;
mod graph;
mod judged;
mod realm;
mod saml;
mod stand_in;
mod token;
mod windows;
