//! WS-Federation's passive requestor profile (WS-Fed 1.2 §13): requests read. The answer is [`crate::wstrust`]'s.

mod parameters;
mod request;
mod sign_in;

pub use request::{Message, parse};
pub(crate) use sign_in::prefill;
pub use sign_in::{SignIn, is_request_id};
