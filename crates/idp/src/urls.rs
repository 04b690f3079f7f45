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
    /// WS-Trust, found by path alone: some clients drop the query.
    pub const MEX: &str = "/wsfed/{app_id}/trust/mex";
    /// MSAL for Python tells the version from these paths when nothing else does.
    pub const TRUST_2005: &str = "/wsfed/{app_id}/trust/2005/usernamemixed";
    pub const TRUST_13: &str = "/wsfed/{app_id}/trust/13/usernamemixed";
    pub const WINDOWS: &str = "/wsfed/{app_id}/windows";
    pub const COMMANDS: &str = "/wsfed/{app_id}/commands";
    pub const COMPARE: &str = "/wsfed/{app_id}/compare";
    /// What Microsoft's codes mean; for everybody.
    pub const HELP: &str = "/help/aadsts";
    pub const HELP_CODE: &str = "/help/aadsts/{code}";
    pub const RESCUE: &str = "/wsfed/{app_id}/rescue";
    pub const SAML: &str = "/saml2/{app}";
    pub const SAML_SIGN_OUT: &str = "/saml2/{app}/slo";
    pub const SAML_METADATA: &str = "/saml2/{app}/metadata";
    pub const SIGN_OUT_ROUND: &str = "/sign-out/{round}";
    pub const SIGN_OUT_STEP: &str = "/sign-out/{round}/{position}";
    pub const SIGN_OUT_RESULT: &str = "/sign-out/{round}/result";
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

    pub fn mex(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}/trust/mex", self.base)
    }

    pub fn trust_2005(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}/trust/2005/usernamemixed", self.base)
    }

    pub fn trust_13(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}/trust/13/usernamemixed", self.base)
    }

    /// `app` is the app's id or its slug; so below.
    pub fn saml(&self, app: &str) -> String {
        format!("{}/saml2/{app}", self.base)
    }

    pub fn saml_sign_out(&self, app: &str) -> String {
        format!("{}/saml2/{app}/slo", self.base)
    }

    pub fn saml_metadata(&self, app: &str) -> String {
        format!("{}/saml2/{app}/metadata", self.base)
    }

    pub fn commands(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}/commands", self.base)
    }

    pub fn rescue(&self, app_id: &str) -> String {
        format!("{}/wsfed/{app_id}/rescue", self.base)
    }
}
