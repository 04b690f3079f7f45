//! Checks 2 to 14: the form and the token response around the assertion.

use chrono::{DateTime, Utc};
use roxmltree::{Document, Node};

use crate::checks::form::Form;
use crate::checks::outcome::{Checked, OrRaise, ensure, failure};
use crate::checks::{Outstanding, PATIENCE, SKEW, asked_in, names, xml};
use crate::tenant::{Cloud, Protocol, Tenant};

/// The fields of an answer, each at most once.
pub struct Answer<'a> {
    wa: Option<&'a [u8]>,
    wctx: Option<&'a [u8]>,
    wresult: &'a [u8],
}

/// Check 2.
pub fn one_answer(form: &Form) -> Checked<Answer<'_>> {
    let once = |name: &'static str| form.once(name).or_raise(20012);
    let wresult = once("wresult")?;
    ensure(once("SAMLResponse")?.is_none(), 20012, || {
        "both wresult and SAMLResponse were posted".to_owned()
    })?;
    Ok(Answer {
        wa: once("wa")?,
        wctx: once("wctx")?,
        wresult: wresult
            .filter(|wresult| !wresult.is_empty())
            .ok_or_else(|| failure(90014, "the required field wresult is missing"))?,
    })
}

/// Check 3.
pub fn protocol(tenant: &Tenant, outstanding: Option<&Outstanding>) -> Checked<()> {
    ensure(
        asked_in(tenant, outstanding) != Some(Protocol::Saml),
        7_500_514,
        || "the domain is federated with SAML 2.0, but wresult was posted".to_owned(),
    )
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
    ensure(answer.wctx == Some(asked.context.as_bytes()), 20001, || {
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
pub fn utf8<'a>(answer: &Answer<'a>) -> Checked<&'a str> {
    std::str::from_utf8(answer.wresult)
        .map_err(|error| failure(75001, format!("wresult is not UTF-8: {error}")))
}

/// Check 7.
pub fn well_formed(text: &str) -> Checked<Document<'_>> {
    xml::document(text).or_raise(20012)
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
