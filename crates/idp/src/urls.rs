//! Every route and the link that leads to it, as one item.

use std::sync::Arc;

use url::Url;

/// The links of one installation, all under its public URL.
#[derive(Clone, Debug)]
pub struct Urls {
    base: Arc<str>,
    secure: bool,
}

/// The paths as the router spells them.
pub mod route {
    pub const PORTAL: &str = "/";
    pub const SIGN_IN: &str = "/sign-in";
    pub const SIGN_IN_ATTEMPT: &str = "/sign-in/{attempt}";
    pub const SIGN_OUT: &str = "/sign-out";
    pub const SETUP: &str = "/setup/{token}";
    pub const WSFED: &str = "/wsfed/{app_id}";
    pub const WSFED_SIGN_OUT: &str = "/wsfed/{app_id}/signout";
    pub const WSFED_METADATA: &str =
        "/wsfed/{app_id}/FederationMetadata/2007-06/FederationMetadata.xml";
    pub const COMMANDS: &str = "/wsfed/{app_id}/commands";
    /// Where Entra looks when it polls for new signing certificates.
    pub const METADATA: &str = "/FederationMetadata/2007-06/FederationMetadata.xml";
}

impl Urls {
    /// Links under `public_url`, whose trailing slash does not count.
    pub fn new(public_url: &Url) -> Self {
        Self {
            base: public_url.as_str().trim_end_matches('/').into(),
            secure: public_url.scheme() == "https",
        }
    }

    /// Whether people reach this server over TLS; decides how cookies are named and marked.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// The public URL without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn setup(&self, token: &str) -> String {
        format!("{}/setup/{token}", self.base)
    }

    pub fn wsfed(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}", self.base)
    }

    pub fn wsfed_sign_out(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}/signout", self.base)
    }

    pub fn wsfed_metadata(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}{}", self.base, route::METADATA)
    }

    pub fn commands(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}/commands", self.base)
    }
}
