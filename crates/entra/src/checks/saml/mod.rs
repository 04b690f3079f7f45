//! A SAML 2.0 answer, a response with an assertion (SAML profiles §4.1.4); and such an assertion alone.

mod assertion;
mod carried;
pub mod logout;
mod message;

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::form::Form;
use super::outcome::Ledger;
use super::replay::Used;
use super::{Outstanding, PATIENCE, Replay, SKEW, SignedIn, claims, replay, signature, user};
use crate::tenant::{Protocol, Tenant};

pub use message::request_id;

/// A response that a browser posted.
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
    ledger.note(4, message::relay_state(&answer, outstanding, now))?;
    let text = ledger.note(6, message::decoded(&answer))?;
    let document = ledger.note(7, message::well_formed(&text))?;
    let response = ledger.note(8, message::response(&document))?;
    ledger.note(9, message::version(response))?;
    ledger.note(10, message::destination(response, &tenant.cloud))?;
    let unasked = ledger.note(11, message::in_response_to(response, outstanding, replay))?;
    ledger.remark(11, unasked);
    ledger.note(12, message::status(response))?;
    ledger.note(13, message::made_now(response, now))?;
    let unverified = ledger.note(18, assertion::only_one(response))?;
    let answer = Answer {
        response: Some(response),
        outstanding,
    };
    let signed_in = believe(tenant, unverified, answer, replay, now, ledger)?;
    if let Some(id) = outstanding.and_then(|asked| asked.request_id.clone()) {
        // A request that is older than this expired by itself.
        replay.remember(Used::Request(id), now + PATIENCE + SKEW, now);
    }
    Some(signed_in)
}

/// What is around an assertion: nothing, when it is brought to the token endpoint.
#[derive(Clone, Copy, Default)]
pub struct Answer<'a, 'i> {
    response: Option<Node<'a, 'i>>,
    outstanding: Option<&'a Outstanding>,
}

/// A SAML 2.0 assertion, however it came.
pub fn believe(
    tenant: &Tenant,
    unverified: Node,
    Answer {
        response,
        outstanding,
    }: Answer,
    replay: &mut Replay,
    now: DateTime<Utc>,
    ledger: &mut Ledger,
) -> Option<SignedIn> {
    let issuer = ledger.note(15, assertion::issuer(response, unverified))?;
    let realm = ledger.note(16, user::realm(tenant, &issuer, Protocol::Saml))?;
    if response.is_some() {
        let foreign = outstanding.and_then(|asked| user::foreign_realm(tenant, realm, asked));
        ledger.remark(17, foreign);
    }

    let id = unverified.attribute("ID").unwrap_or_default();
    let signature = ledger.note(19, signature::after_issuer(unverified))?;
    let verified = signature::noted(unverified, id, signature, realm, now, ledger)?;
    if let Some(response) = response {
        ledger.note(26, message::signature(response, unverified, realm))?;
    }

    let assertion = verified.element();
    ledger.note(27, assertion::version(assertion))?;
    let expires = ledger.note(28, assertion::valid_now(assertion, now))?;
    ledger.note(29, assertion::audience(assertion, &tenant.cloud))?;
    ledger.note(
        30,
        assertion::bearer(assertion, response, &tenant.cloud, now),
    )?;
    let immutable_id = ledger.note(31, assertion::name_id(assertion))?;
    let claims = assertion::claims(assertion);
    let found = tenant.user(&immutable_id);
    ledger.remark(33, assertion::odd_email(&claims, found));
    let authentication = ledger.note(34, assertion::authentication(assertion))?;
    ledger.note(35, replay::unused(id, replay))?;
    ledger.note(36, claims::no_duplicates(&claims))?;

    let user = user::noted(tenant, &immutable_id, realm, ledger)?;
    let mfa = assertion::multi_factor(&authentication.method);
    ledger.remark(41, assertion::misplaced_mfa(mfa, &claims));
    ledger.note(42, super::assertion::mfa_when_asked(mfa, outstanding))?;
    ledger.note(
        43,
        super::assertion::fresh_when_asked(authentication.instant, outstanding),
    )?;

    replay.remember(Used::Assertion(id.to_owned()), expires + SKEW, now);
    Some(SignedIn {
        upn: user.upn.clone(),
        display_name: user.display_name.clone(),
        immutable_id,
        domain: realm.domain.name.clone(),
        authentication_instant: authentication.instant,
        method: authentication.method,
        mfa,
        session_index: authentication.session_index,
        certificate_thumbprint: verified.certificate().thumbprint(),
        claims,
    })
}
