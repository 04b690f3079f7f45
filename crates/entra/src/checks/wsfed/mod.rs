//! A WS-Federation answer, a token response with a SAML 1.1 assertion; and such an assertion alone.

mod assertion;
mod message;

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::form::Form;
use super::outcome::Ledger;
use super::replay::Used;
use super::{Outstanding, Replay, SKEW, SignedIn, claims, replay, signature, user};
use crate::tenant::{Protocol, Tenant};

/// A token response that a browser posted.
pub fn hear(
    tenant: &Tenant,
    form: &Form,
    outstanding: Option<&Outstanding>,
    replay: &mut Replay,
    now: DateTime<Utc>,
    ledger: &mut Ledger,
) -> Option<SignedIn> {
    let answer = ledger.note(2, message::one_answer(form))?;
    ledger.note(3, message::protocol(tenant, outstanding))?;
    let asked = ledger.note(4, message::context(&answer, outstanding, now))?;
    ledger.note(5, message::action(&answer))?;
    let text = ledger.note(6, message::utf8(&answer))?;
    let document = ledger.note(7, message::well_formed(text))?;
    let response = ledger.note(8, message::token_response(&document))?;
    ledger.note(13, message::made_now(response, now))?;
    ledger.note(14, message::meant_for(response, &tenant.cloud))?;
    // 18 before 16: only of one assertion can be said who issued it.
    let unverified = ledger.note(18, assertion::only_one(response))?;
    believe(tenant, unverified, Some(asked), replay, now, ledger)
}

/// A SAML 1.1 assertion, however it came; whoever brings one to the token endpoint was asked nothing.
pub fn believe(
    tenant: &Tenant,
    unverified: Node,
    asked: Option<&Outstanding>,
    replay: &mut Replay,
    now: DateTime<Utc>,
    ledger: &mut Ledger,
) -> Option<SignedIn> {
    let issuer = unverified.attribute("Issuer").unwrap_or_default();
    let realm = ledger.note(16, user::realm(tenant, issuer, Protocol::WsFed))?;
    if let Some(asked) = asked {
        ledger.remark(17, user::foreign_realm(tenant, realm, asked));
    }

    let id = unverified.attribute("AssertionID").unwrap_or_default();
    let signature = ledger.note(19, signature::last_child(unverified))?;
    let verified = signature::noted(unverified, id, signature, realm, now, ledger)?;

    let assertion = verified.element();
    ledger.note(27, assertion::version(assertion))?;
    let expires = ledger.note(28, assertion::valid_now(assertion, now))?;
    ledger.note(29, assertion::audience(assertion, &tenant.cloud))?;
    ledger.note(30, assertion::bearer(assertion))?;
    let name = ledger.note(31, assertion::name_identifier(assertion))?;
    let claims = assertion::claims(assertion);
    let immutable_id = ledger.note(32, assertion::immutable_id(&claims, &name))?;
    ledger.remark(33, assertion::odd_upn(&claims, tenant.user(immutable_id)));
    let authentication = ledger.note(34, assertion::authentication(assertion))?;
    ledger.note(35, replay::unused(id, replay))?;
    ledger.note(36, claims::no_duplicates(&claims))?;

    let user = user::noted(tenant, immutable_id, realm, ledger)?;
    let mfa = assertion::multi_factor(&authentication.method, &claims);
    ledger.note(42, super::assertion::mfa_when_asked(mfa, asked))?;
    ledger.note(
        43,
        super::assertion::fresh_when_asked(authentication.instant, asked),
    )?;

    replay.remember(Used::Assertion(id.to_owned()), expires + SKEW, now);
    Some(SignedIn {
        upn: user.upn.clone(),
        display_name: user.display_name.clone(),
        immutable_id: user.immutable_id.clone(),
        domain: realm.domain.name.clone(),
        authentication_instant: authentication.instant,
        method: authentication.method,
        mfa,
        session_index: None,
        certificate_thumbprint: verified.certificate().thumbprint(),
        claims,
    })
}
