//! What is asked of an assertion alike in SAML 1.1 and in SAML 2.0.

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::outcome::{Checked, OrRaise, ensure};
use super::{Outstanding, SKEW, names, xml};
use crate::tenant::Cloud;

/// How and when the person authenticated.
pub struct Authentication {
    pub method: String,
    pub instant: DateTime<Utc>,
    pub session_index: Option<String>,
}

/// Check 18: one assertion in the whole response, and nothing encrypted.
pub fn alone(response: Node) -> Checked<()> {
    let encrypted = response
        .descendants()
        .any(|node| node.tag_name().namespace() == Some(names::ENCRYPTION));
    ensure(!encrypted, 50008, || {
        "something in it is encrypted".to_owned()
    })?;
    let assertions = response.descendants().filter(|node| {
        let name = node.tag_name();
        name.name() == "Assertion"
            && [Some(names::SAML1), Some(names::SAML2)].contains(&name.namespace())
    });
    let count = assertions.count();
    ensure(count == 1, 50008, || format!("it holds {count} assertions"))
}

/// Check 28, with the assertion's `Conditions`; gives back until when it counts.
pub fn valid_now(assertion: Node, conditions: Node, now: DateTime<Utc>) -> Checked<DateTime<Utc>> {
    let issued = xml::instant_in(assertion, "IssueInstant").or_raise(50013)?;
    let not_before = xml::instant_in(conditions, "NotBefore").or_raise(50013)?;
    let not_on_or_after = xml::instant_in(conditions, "NotOnOrAfter").or_raise(50013)?;
    ensure(issued <= now + SKEW, 500_133, || {
        format!("it was issued in the future, at {issued}")
    })?;
    ensure(not_before <= now + SKEW, 500_133, || {
        format!("it is not valid before {not_before}")
    })?;
    ensure(not_on_or_after > now - SKEW, 500_133, || {
        format!("it was valid until {not_on_or_after}")
    })?;
    Ok(not_on_or_after)
}

/// Check 29: the only audience is us.
pub fn audience(restriction: Node, namespace: &'static str, cloud: &Cloud) -> Checked<()> {
    let audience = xml::text(xml::only(restriction, namespace, "Audience").or_raise(50008)?);
    ensure(audience == cloud.audience, 50008, || {
        format!("the audience is {audience:?}")
    })
}

/// Check 31: what names a person is not empty and is written without space around it.
pub fn clean_name(value: &str) -> Checked<()> {
    ensure(!value.is_empty() && value.trim() == value, 50008, || {
        format!("the subject's name is {value:?}, empty or with space around it")
    })
}

/// Check 34: nobody authenticates after the assertion about it was issued, which check 28 found in the past.
pub fn authenticated_before(assertion: Node, instant: DateTime<Utc>) -> Checked<()> {
    let issued = xml::instant_in(assertion, "IssueInstant").or_raise(50008)?;
    ensure(instant <= issued, 50013, || {
        format!(
            "the person authenticated at {instant}, after the assertion was issued, at {issued}"
        )
    })
}

/// Check 42.
pub fn mfa_when_asked(mfa: bool, asked: Option<&Outstanding>) -> Checked<()> {
    let asked = asked.is_some_and(|asked| asked.mfa);
    ensure(mfa || !asked, 50158, || {
        "the request asked for multi-factor authentication, the answer has none".to_owned()
    })
}

/// Check 43: whoever asks for a fresh authentication must not be given an old one.
pub fn fresh_when_asked(instant: DateTime<Utc>, asked: Option<&Outstanding>) -> Checked<()> {
    let Some(asked) = asked.filter(|asked| asked.fresh) else {
        return Ok(());
    };
    // Instants are often written in whole seconds.
    ensure(
        instant.timestamp() >= asked.started_at.timestamp(),
        50173,
        || {
            format!(
                "the person authenticated at {instant}, before it was asked for at {}",
                asked.started_at
            )
        },
    )
}
