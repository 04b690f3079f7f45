//! Checks 2 to 14: the form and the token response around the assertion.

use chrono::{DateTime, TimeDelta, Utc};
use crypto::xml_signature::{Limits, read};
use roxmltree::{Document, Node};

use super::form::Form;
use super::outcome::{Checked, OrRaise, ensure, failure};
use super::{Outstanding, SKEW, names, xml};
use crate::tenant::{Cloud, Protocol, Tenant};

/// How long a sign-in may take between the request and its answer.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

/// The fields of an answer, each at most once.
pub struct Answer<'a> {
    wa: Option<&'a [u8]>,
    wctx: Option<&'a [u8]>,
    result: Posted<'a>,
}

enum Posted<'a> {
    WsFed(&'a [u8]),
    Saml,
}

/// Check 2.
pub fn one_answer(form: &Form) -> Checked<Answer<'_>> {
    let once = |name: &'static str| {
        let mut values = form.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(failure(20012, format!("{name} is there more than once"))),
        }
    };
    let result = match (once("wresult")?, once("SAMLResponse")?) {
        (Some(wresult), None) if !wresult.is_empty() => Posted::WsFed(wresult),
        (None, Some(_)) => Posted::Saml,
        (Some(_), Some(_)) => {
            return Err(failure(20012, "both wresult and SAMLResponse were posted"));
        }
        _ => return Err(failure(90014, "the required field wresult is missing")),
    };
    Ok(Answer {
        wa: once("wa")?,
        wctx: once("wctx")?,
        result,
    })
}

/// Check 3.
pub fn protocol<'a>(
    tenant: &Tenant,
    answer: &Answer<'a>,
    outstanding: Option<&Outstanding>,
) -> Checked<&'a [u8]> {
    let asked = outstanding.and_then(|asked| tenant.root_of(&asked.domain)?.federation.as_ref());
    match (&answer.result, asked.map(|federation| federation.protocol)) {
        (Posted::WsFed(wresult), Some(Protocol::WsFed) | None) => Ok(wresult),
        (Posted::WsFed(_), Some(Protocol::Saml)) => Err(failure(
            7_500_514,
            "the domain is federated with SAML 2.0, but wresult was posted",
        )),
        (Posted::Saml, _) => Err(failure(
            20012,
            "a SAMLResponse was posted where WS-Federation is spoken",
        )),
    }
}

/// Check 4.
pub fn context<'o>(
    answer: &Answer,
    outstanding: Option<&'o Outstanding>,
    now: DateTime<Utc>,
) -> Checked<&'o Outstanding> {
    let Some(asked) = outstanding else {
        return Err(failure(
            20001,
            "wctx was lost or changed: it belongs to no request that is waiting",
        ));
    };
    ensure(answer.wctx == Some(asked.wctx.as_bytes()), 20001, || {
        "wctx differs from what the request carried".to_owned()
    })?;
    ensure(now - asked.started_at <= PATIENCE, 50089, || {
        "the request expired while the person was signing in".to_owned()
    })?;
    Ok(asked)
}

/// Check 5.
pub fn action(answer: &Answer) -> Checked<()> {
    ensure(answer.wa == Some(b"wsignin1.0"), 20012, || {
        match answer.wa {
            Some(other) => format!("wa is {:?}", String::from_utf8_lossy(other)),
            None => "wa is missing".to_owned(),
        }
    })
}

/// Check 6.
pub fn utf8(wresult: &[u8]) -> Checked<&str> {
    std::str::from_utf8(wresult)
        .map_err(|error| failure(75001, format!("wresult is not UTF-8: {error}")))
}

/// Check 7.
pub fn well_formed(text: &str) -> Checked<Document<'_>> {
    read(text.as_bytes(), &Limits::default())
        .map_err(|error| failure(20012, format!("wresult: {error}")))
}

/// Check 8 (WS-Trust, February 2005, §5).
pub fn token_response<'a, 'i>(document: &'a Document<'i>) -> Checked<Node<'a, 'i>> {
    let root = document.root_element();
    ensure(
        root.has_tag_name((names::TRUST, "RequestSecurityTokenResponse")),
        20012,
        || {
            let name = root.tag_name();
            format!(
                "the root is {} of {:?}",
                name.name(),
                name.namespace().unwrap_or_default()
            )
        },
    )?;
    Ok(root)
}

/// Check 13: `t:Lifetime` says when the response was made and until when it counts.
pub fn made_now(response: Node, now: DateTime<Utc>) -> Checked<()> {
    let lifetime = xml::only(response, names::TRUST, "Lifetime").or_raise(20012)?;
    let at = |name| {
        let text = xml::text(xml::only(lifetime, names::UTILITY, name).or_raise(20012)?);
        xml::instant(&text)
            .ok_or_else(|| failure(20012, format!("{name} is not a UTC time: {text}")))
    };
    let (created, expires) = (at("Created")?, at("Expires")?);
    ensure(created <= now + SKEW, 20012, || {
        format!("it was created in the future, at {created}")
    })?;
    ensure(expires > now - SKEW && expires > created, 20012, || {
        format!("it expired at {expires}")
    })
}

/// Check 14.
pub fn meant_for(response: Node, cloud: &Cloud) -> Checked<()> {
    let applies_to = xml::only(response, names::POLICY, "AppliesTo").or_raise(20012)?;
    let reference =
        xml::only(applies_to, names::ADDRESSING, "EndpointReference").or_raise(20012)?;
    let address = xml::text(xml::only(reference, names::ADDRESSING, "Address").or_raise(20012)?);
    ensure(address == cloud.audience, 20012, || {
        format!("it applies to {address}")
    })?;
    for (name, expected) in [
        ("TokenType", names::SAML1),
        ("RequestType", names::TRUST_ISSUE),
        ("KeyType", names::NO_PROOF_KEY),
    ] {
        let value = xml::text(xml::only(response, names::TRUST, name).or_raise(20012)?);
        ensure(value == expected, 20012, || format!("{name} is {value}"))?;
    }
    Ok(())
}
