//! SAML 2.0 web browser single sign-on and logout (SAML profiles §4.1, §4.4), as an identity provider.
//!
//! ```text
//! arrives ──► verified ──► Message ─┬─► sign_on: the request is decided, and answered with a response
//!                                   └─► sign_out: sessions end, everybody who knew of them is told
//! ```

mod arrive;
mod import;
mod metadata;
mod request;
mod sign_on;

pub use arrive::{Arrival, Endpoint, Message, SignOutRequest};
pub use import::{Change, Import};
pub(crate) use import::{
    again as import_again, blank, changes, default_name_id, first as first_import,
};
pub use request::Request;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crypto::certificate::Certificate;
use store::{App, SamlSettings};

use crate::error::{Error, Refusal, Result};

/// How an app speaks SAML, if it does.
pub(crate) fn settings(app: &App) -> Result<&SamlSettings, Refusal> {
    app.saml.as_ref().ok_or_else(|| Refusal::OtherProtocol {
        label: app.label.clone(),
    })
}

/// A stored certificate: the base64 of its DER.
pub(crate) fn certificate(stored: &str) -> Result<Certificate> {
    let der = BASE64_STANDARD.decode(stored).map_err(Error::broken)?;
    Certificate::from_der(&der).map_err(Error::broken)
}
