//! Check 45: an assertion alone, exchanged for tokens at the token endpoint (RFC 7522 §2.1, and its like for SAML 1.1).

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::general_purpose::PAD};
use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::outcome::{Checked, Ledger, OrRaise, ensure, failure};
use super::{Replay, SignedIn, Verdict, assertion, grant_rules, names, saml, wsfed, xml};
use crate::tenant::Tenant;

/// How an assertion asks for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    Saml11,
    Saml20,
}

impl Grant {
    /// The grant of a `grant_type`, if it is one of an assertion.
    pub fn of(grant_type: &str) -> Option<Self> {
        [Self::Saml11, Self::Saml20]
            .into_iter()
            .find(|grant| grant.grant_type() == grant_type)
    }

    pub fn grant_type(self) -> &'static str {
        match self {
            Self::Saml11 => "urn:ietf:params:oauth:grant-type:saml1_1-bearer",
            Self::Saml20 => "urn:ietf:params:oauth:grant-type:saml2-bearer",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Saml11 => names::SAML1,
            Self::Saml20 => names::SAML2,
        }
    }
}

/// Decides about the `assertion` that was sent with this grant.
pub fn redeem(
    tenant: &Tenant,
    grant: Grant,
    assertion: &str,
    replay: &mut Replay,
    now: DateTime<Utc>,
) -> Verdict {
    let mut ledger = Ledger::new(grant_rules(grant));
    let signed_in = read(tenant, grant, assertion, replay, now, &mut ledger);
    ledger.verdict(signed_in)
}

fn read(
    tenant: &Tenant,
    grant: Grant,
    assertion: &str,
    replay: &mut Replay,
    now: DateTime<Utc>,
    ledger: &mut Ledger,
) -> Option<SignedIn> {
    let text = ledger.note(6, decoded(assertion))?;
    let document = ledger.note(7, xml::document(&text).or_raise(50008))?;
    let unverified = document.root_element();
    ledger.note(45, is_of(grant, unverified))?;
    ledger.note(18, assertion::alone(unverified))?;
    match grant {
        Grant::Saml11 => wsfed::believe(tenant, unverified, None, replay, now, ledger),
        Grant::Saml20 => {
            let nothing_around = saml::Answer::default();
            saml::believe(tenant, unverified, nothing_around, replay, now, ledger)
        }
    }
}

/// The specification asks for base64url; what clients send is mostly base64, and either with or without padding.
fn decoded(assertion: &str) -> Checked<String> {
    const LENIENT: GeneralPurposeConfig =
        PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let bytes = STANDARD
        .decode(assertion)
        .or_else(|_| URL_SAFE.decode(assertion))
        .map_err(|error| failure(50008, format!("the assertion is not base64: {error}")))?;
    String::from_utf8(bytes).map_err(|_| failure(50008, "the assertion is not UTF-8 text"))
}

fn is_of(grant: Grant, root: Node) -> Checked<()> {
    ensure(
        root.has_tag_name((grant.namespace(), "Assertion")),
        50008,
        || {
            let name = root.tag_name();
            let namespace = name.namespace().unwrap_or_default();
            format!(
                "the grant type is {}, but what came is {} of {namespace:?}",
                grant.grant_type(),
                name.name()
            )
        },
    )
}
