//! WS-Federation's passive requestor profile (WS-Fed 1.2 §13): requests read, the response written.

mod parameters;
mod request;
mod response;
mod sign_in;

pub use request::{Message, parse};
pub use response::response;
pub(crate) use sign_in::prefill;
pub use sign_in::{SignIn, is_request_id};
