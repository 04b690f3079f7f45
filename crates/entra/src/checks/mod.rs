//! Would Entra ID let this person in? Each check has a number, and an error code when it fails.
//!
//! `wsfed` and `saml` tell the story of their message in its order; what both ask is asked by the same code.

mod assertion;
mod claims;
mod form;
mod grant;
mod names;
mod outcome;
mod replay;
mod rules;
mod saml;
mod signature;
mod user;
pub mod windows;
mod wsfed;
mod xml;

use chrono::{DateTime, TimeDelta, Utc};

use crate::tenant::{Protocol, Tenant};
use form::Form;
use outcome::Ledger;

pub use claims::Claim;
pub use grant::{Grant, redeem};
pub use outcome::{Aadsts, Check, Failure, Outcome, Verdict};
pub use replay::Replay;
pub use rules::{Rule, grant_rules, rules};
pub use saml::logout;

/// How far two clocks may differ.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);

/// How long a sign-in may take between the request and its answer.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

/// A sign-in request that this Entra ID sent and that waits for its answer.
#[derive(Clone, Debug)]
pub struct Outstanding {
    /// `wctx` or `RelayState`, which must come back as it went.
    pub context: String,
    /// The ID of an AuthnRequest; WS-Federation has none.
    pub request_id: Option<String>,
    pub started_at: DateTime<Utc>,
    /// The domain whose people were asked for.
    pub domain: String,
    /// The request asked to authenticate again (`wfresh=0`, `prompt=login` or `ForceAuthn`).
    pub fresh: bool,
    /// The request asked for more than one factor.
    pub mfa: bool,
    /// `client-request-id`, by which both sides' logs find the request.
    pub client_request_id: String,
}

/// What an accepted answer says about the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    pub upn: String,
    pub display_name: String,
    pub immutable_id: String,
    /// The federated domain that answered.
    pub domain: String,
    pub authentication_instant: DateTime<Utc>,
    pub method: String,
    pub mfa: bool,
    /// The identity provider's name for its session (SAML core §2.7.2); SAML 1.1 has none.
    pub session_index: Option<String>,
    /// The SHA-1 thumbprint of the certificate that verified the assertion.
    pub certificate_thumbprint: String,
    /// Every attribute of the assertion, as it was written.
    pub claims: Vec<Claim>,
}

/// Decides about the posted form `body`, which answers `outstanding`; `None` when what was posted leads to
/// no request that is waiting.
///
/// The checks run in order, the first failure decides the code, and those behind it are not reached.
pub fn accept(
    tenant: &Tenant,
    body: &[u8],
    outstanding: Option<&Outstanding>,
    replay: &mut Replay,
    now: DateTime<Utc>,
) -> Verdict {
    let form = Form::read(body);
    let protocol = spoken(&form, tenant, outstanding);
    let hear = match protocol {
        Protocol::WsFed => wsfed::hear,
        Protocol::Saml => saml::hear,
    };
    let mut ledger = Ledger::new(rules(protocol));
    let signed_in = hear(tenant, &form, outstanding, replay, now, &mut ledger);
    ledger.verdict(signed_in)
}

/// Which request a posted answer belongs to, by its own words; nothing of it is believed yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// `wctx` or `RelayState`.
    pub context: Option<String>,
    /// `InResponseTo` of a SAML 2.0 message.
    pub request_id: Option<String>,
}

/// Reads from a posted form what leads to the request that it answers.
pub fn lead(body: &[u8]) -> Lead {
    let form = Form::read(body);
    let context = ["wctx", "RelayState"]
        .into_iter()
        .find_map(|name| form.first(name));
    Lead {
        context: context.and_then(|value| String::from_utf8(value.to_vec()).ok()),
        request_id: saml::request_id(&form),
    }
}

/// The protocol of what was posted; where that does not tell, of the domain that was asked.
fn spoken(form: &Form, tenant: &Tenant, outstanding: Option<&Outstanding>) -> Protocol {
    let posted = |name| form.first(name).is_some();
    match (posted("wresult"), posted("SAMLResponse")) {
        (true, false) => Protocol::WsFed,
        (false, true) => Protocol::Saml,
        _ => asked_in(tenant, outstanding).unwrap_or(Protocol::WsFed),
    }
}

/// The protocol in which the domain was asked.
fn asked_in(tenant: &Tenant, outstanding: Option<&Outstanding>) -> Option<Protocol> {
    let domain = tenant.root_of(&outstanding?.domain)?;
    Some(domain.federation.as_ref()?.protocol)
}
