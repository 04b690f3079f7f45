//! Would Entra ID let this person in? Each check has a number, and an error code when it fails.

mod assertion;
mod claims;
mod form;
mod message;
mod names;
mod outcome;
mod replay;
mod rules;
mod signature;
mod user;
mod xml;

use chrono::{DateTime, TimeDelta, Utc};

use crate::tenant::Tenant;
use form::Form;
use outcome::Ledger;

pub use claims::Claim;
pub use outcome::{Aadsts, Check, Outcome, Verdict};
pub use replay::Replay;
pub use rules::{RULES, Rule};

/// How far two clocks may differ.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);

/// A sign-in request that this Entra ID sent and that waits for its answer.
#[derive(Clone, Debug)]
pub struct Outstanding {
    pub wctx: String,
    pub started_at: DateTime<Utc>,
    /// The domain whose people were asked for.
    pub domain: String,
    /// The request asked to authenticate again (`wfresh=0` or `prompt=login`).
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
    let mut ledger = Ledger::new();
    let signed_in = hear(
        tenant,
        &Form::read(body),
        outstanding,
        replay,
        now,
        &mut ledger,
    );
    ledger.verdict(signed_in)
}

/// The `wctx` in a posted form, for finding the request it answers.
pub fn context(body: &[u8]) -> Option<String> {
    Form::read(body)
        .all("wctx")
        .next()
        .and_then(|value| String::from_utf8(value.to_vec()).ok())
}

fn hear(
    tenant: &Tenant,
    form: &Form,
    outstanding: Option<&Outstanding>,
    replay: &mut Replay,
    now: DateTime<Utc>,
    ledger: &mut Ledger,
) -> Option<SignedIn> {
    let answer = ledger.note(2, message::one_answer(form))?;
    let wresult = ledger.note(3, message::protocol(tenant, &answer, outstanding))?;
    let asked = ledger.note(4, message::context(&answer, outstanding, now))?;
    ledger.note(5, message::action(&answer))?;
    let text = ledger.note(6, message::utf8(wresult))?;
    let document = ledger.note(7, message::well_formed(text))?;
    let response = ledger.note(8, message::token_response(&document))?;
    ledger.note(13, message::made_now(response, now))?;
    ledger.note(14, message::meant_for(response, &tenant.cloud))?;
    // 18 before 16: only of one assertion can be said who issued it.
    let unverified = ledger.note(18, assertion::only_one(response))?;
    let realm = ledger.note(16, user::realm(tenant, unverified))?;
    ledger.remark(17, user::foreign_realm(tenant, realm, asked));

    let signature = ledger.note(19, signature::place(unverified))?;
    ledger.note(20, signature::reference(unverified, signature))?;
    ledger.note(21, signature::transforms(signature))?;
    ledger.note(22, signature::algorithms(signature))?;
    let verified = ledger.note(23, signature::key(unverified, signature, realm))?;
    ledger.remark(24, signature::line_breaks(signature));
    ledger.remark(25, signature::out_of_date(&verified, now));

    let assertion = verified.element();
    ledger.note(27, assertion::version(assertion))?;
    let expires = ledger.note(28, assertion::valid_now(assertion, now))?;
    ledger.note(29, assertion::audience(assertion, &tenant.cloud))?;
    ledger.note(30, assertion::bearer(assertion))?;
    let name = ledger.note(31, assertion::name_identifier(assertion))?;
    let claims = claims::read(assertion);
    let immutable_id = ledger.note(32, claims::immutable_id(&claims, &name))?;
    ledger.remark(33, claims::odd_upn(&claims, tenant.user(immutable_id)));
    let authentication = ledger.note(34, assertion::authentication(assertion, now))?;
    let id = ledger.note(35, replay::unused(assertion, replay))?;
    ledger.note(36, claims::no_duplicates(&claims))?;

    let user = ledger.note(37, user::known(tenant, immutable_id))?;
    ledger.note(38, user::enabled(user))?;
    ledger.note(39, user::same_root(tenant, user, realm))?;
    let mfa = ledger.note(
        42,
        claims::mfa_when_asked(&authentication.method, &claims, asked),
    )?;
    ledger.note(
        43,
        assertion::fresh_when_asked(authentication.instant, asked),
    )?;

    replay.remember(id, expires + SKEW, now);
    Some(SignedIn {
        upn: user.upn.clone(),
        display_name: user.display_name.clone(),
        immutable_id: user.immutable_id.clone(),
        domain: realm.domain.name.clone(),
        authentication_instant: authentication.instant,
        method: authentication.method,
        mfa,
        certificate_thumbprint: verified.certificate().thumbprint(),
        claims,
    })
}
