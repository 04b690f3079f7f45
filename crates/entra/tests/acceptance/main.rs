//! Microsoft's side, tested from the outside.

mod browser;
mod changes;
mod checks;
mod realm;
mod stand_in;
mod token;
