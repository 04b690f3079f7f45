//! Checks 57 and 59: an answer with a token (WS-Trust, February 2005 and 1.3).

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::reserialized::{self, start_tag};
use super::tally::ensure;
use super::{Answer, Asked, Client, Fetched, Tally, Version, soap, with_status};
use crate::checks::{SKEW, names, signature, xml};
use crate::tenant::Federation;

pub fn read(
    asked: &Asked,
    fetched: &Fetched,
    now: DateTime<Utc>,
    tally: &mut Tally,
) -> Option<Answer> {
    let arrived = tally.note("56.1", with_status(fetched, 200))?;
    tally.note("57.1", soap::media_type(arrived))?;
    let text = soap::text(arrived);
    let document = tally.note("57.2", text.and_then(xml::document))?;
    let (header, content) = tally.note("57.3", soap::parts(document.root_element()))?;
    tally.note(
        "57.4",
        soap::action(header, &asked.version.response_action()),
    )?;
    tally.note("57.5", soap::relates_to(header, asked))?;
    tally.note("57.6", timestamp(header, now))?;
    let response = tally.note("57.7", token_response(content, asked.version))?;
    tally.note("57.8", token_type(response, asked.version))?;
    tally.note("57.9", meant_for(response, asked, now))?;
    let assertion = tally.note("57.10", assertion(response, asked.version))?;
    tally.mind("57.11", alone(assertion))?;
    let written = &document.input_text()[assertion.range()];
    tally.mind("57.12", own_prefix(written))?;
    let cut = cut_out(document.input_text());
    tally.mind("57.13", is_cut_out(cut, written))?;
    tally.note("57.14", xml::document(written).map(drop))?;
    let [sorted, without_duplicates] = tally.note("59", survives(written, asked.federation))?;
    let assertion = match asked.client {
        Client::Java => sorted,
        Client::DotNet => without_duplicates,
        Client::Python => cut.unwrap_or(written).to_owned(),
        Client::Go | Client::Windows => written.to_owned(),
    };
    Some(Answer::Token { assertion })
}

/// Web Services Security §10.
fn timestamp(header: Node, now: DateTime<Utc>) -> Result<(), String> {
    let security = xml::only(header, names::SECURITY, "Security")?;
    let timestamp = xml::only(security, names::UTILITY, "Timestamp")?;
    is_of_now(timestamp, now)
}

fn is_of_now(parent: Node, now: DateTime<Utc>) -> Result<(), String> {
    let at = |name| {
        let text = xml::text(xml::only(parent, names::UTILITY, name)?);
        xml::instant(&text).ok_or_else(|| format!("{name} is not a UTC time: {text}"))
    };
    let (created, expires) = (at("Created")?, at("Expires")?);
    ensure(created <= now + SKEW, || {
        format!("it was created in the future, at {created}")
    })?;
    ensure(expires > now - SKEW && expires > created, || {
        format!("it expired at {expires}")
    })
}

/// Alone in 2005, in a collection in 1.3 (WS-Trust 1.3 §4.4).
fn token_response<'a, 'i>(content: Node<'a, 'i>, version: Version) -> Result<Node<'a, 'i>, String> {
    let namespace = version.namespace();
    let expected = match version {
        Version::Feb2005 => "RequestSecurityTokenResponse",
        Version::Trust13 => "RequestSecurityTokenResponseCollection",
    };
    ensure(content.has_tag_name((namespace, expected)), || {
        let name = content.tag_name();
        let namespace = name.namespace().unwrap_or_default();
        format!(
            "the body holds {} of {namespace:?}, not {expected}",
            name.name()
        )
    })?;
    match version {
        Version::Feb2005 => Ok(content),
        Version::Trust13 => xml::only(content, namespace, "RequestSecurityTokenResponse"),
    }
}

/// Whatever else it is, two libraries bring the token as one of SAML 2.0.
fn token_type(response: Node, version: Version) -> Result<(), String> {
    let everywhere = response
        .document()
        .descendants()
        .filter(|node| node.tag_name().name() == "TokenType");
    let count = everywhere.count();
    ensure(count == 1, || format!("there are {count} of TokenType"))?;
    let token_type = xml::text(xml::only(response, version.namespace(), "TokenType")?);
    ensure(token_type == names::SAML1, || {
        format!("TokenType is {token_type:?}")
    })
}

fn meant_for(response: Node, asked: &Asked, now: DateTime<Utc>) -> Result<(), String> {
    let namespace = asked.version.namespace();
    is_of_now(xml::only(response, namespace, "Lifetime")?, now)?;
    let applies_to = xml::only(response, names::POLICY, "AppliesTo")?;
    let reference = xml::only(applies_to, names::ADDRESSING, "EndpointReference")?;
    let address = xml::text(xml::only(reference, names::ADDRESSING, "Address")?);
    ensure(address == asked.cloud.audience, || {
        format!("it applies to {address:?}")
    })?;
    for (name, expected) in [
        ("RequestType", asked.version.request_type().as_str()),
        ("KeyType", asked.version.key_type()),
    ] {
        let value = xml::text(xml::only(response, namespace, name)?);
        ensure(value == expected, || format!("{name} is {value:?}"))?;
    }
    Ok(())
}

fn assertion<'a, 'i>(response: Node<'a, 'i>, version: Version) -> Result<Node<'a, 'i>, String> {
    let token = xml::only(response, version.namespace(), "RequestedSecurityToken")?;
    let mut elements = token.children().filter(Node::is_element);
    match (elements.next(), elements.next()) {
        (Some(assertion), None) if assertion.has_tag_name((names::SAML1, "Assertion")) => {
            Ok(assertion)
        }
        (None, _) => Err("there is no token".to_owned()),
        (Some(_), Some(_)) => Err("there is more than one token".to_owned()),
        (Some(other), None) => {
            let name = other.tag_name();
            let namespace = name.namespace().unwrap_or_default();
            Err(format!("the token is {} of {namespace:?}", name.name()))
        }
    }
}

fn alone(assertion: Node) -> Result<(), String> {
    let is_alone = assertion.prev_sibling().is_none() && assertion.next_sibling().is_none();
    ensure(is_alone, || "there is space around it".to_owned())
}

fn own_prefix(written: &str) -> Result<(), String> {
    let tag = start_tag(written).ok_or("it has no start tag")?;
    ensure(tag.name == "saml:Assertion", || {
        format!("it is written as {}", tag.name)
    })?;
    ensure(
        tag.attributes.contains(&("xmlns:saml", names::SAML1)),
        || "the prefix is not declared on it".to_owned(),
    )
}

fn is_cut_out(cut: Option<&str>, written: &str) -> Result<(), String> {
    let cut = cut.ok_or("the expression finds nothing")?;
    ensure(cut.trim() == written, || {
        "the expression finds something else".to_owned()
    })
}

/// What is in the token, found as MSAL Python does, without reading XML.
fn cut_out(envelope: &str) -> Option<&str> {
    let response = between(envelope, "RequestSecurityTokenResponse")?;
    between(response, "TokenType")?;
    between(response, "RequestedSecurityToken")
}

/// From the first start tag of this name to its last end tag; its prefix may only be of word characters.
fn between<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text
        .match_indices('<')
        .filter(|(at, _)| is_named(&text[at + 1..], name))
        .find_map(|(at, _)| text[at..].find('>').map(|end| at + end + 1))?;
    let end = text
        .rmatch_indices("</")
        .map(|(at, _)| at)
        .find(|at| is_named(&text[at + 2..], name))?;
    text.get(start..end)
}

fn is_named(text: &str, name: &str) -> bool {
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let unprefixed = text
        .trim_start_matches(word)
        .strip_prefix(':')
        .filter(|_| text.starts_with(word));
    text.starts_with(name) || unprefixed.is_some_and(|text| text.starts_with(name))
}

/// What MSAL Java's and .NET's writers make of it.
fn survives(written: &str, federation: &Federation) -> Result<[String; 2], String> {
    verifies(written, federation)?;
    let again = |text: Option<String>, how: &str| -> Result<String, String> {
        let text = text.ok_or("it cannot be taken apart")?;
        verifies(&text, federation).map_err(|why| format!("written {how}: {why}"))?;
        Ok(text)
    };
    Ok([
        again(reserialized::sorted(written), "with sorted attributes")?,
        again(
            reserialized::without_duplicates(written),
            "without doubled declarations",
        )?,
    ])
}

fn verifies(text: &str, federation: &Federation) -> Result<(), String> {
    let document = xml::document(text)?;
    let registered = signature::registered(federation).map_err(|failure| failure.why)?;
    crypto::xml_signature::verify(document.root_element(), &registered)
        .map(drop)
        .map_err(|error| error.to_string())
}
