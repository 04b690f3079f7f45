//! Single logout with a SAML 2.0 domain (SAML profiles §4.4): what it asks, and what it answers.

use chrono::{DateTime, Utc};
use roxmltree::{Document, Node};

use super::message;
use crate::checks::form::Form;
use crate::checks::outcome::{Checked, OrRaise, ensure, failure};
use crate::checks::{Failure, SKEW, names, user, xml};
use crate::tenant::{Protocol, Realm, Tenant};

pub use super::carried::Carried;
pub use super::message::Status;

/// A domain's wish that a person's sessions end.
#[derive(Debug)]
pub struct LogoutRequest<'t> {
    pub id: String,
    pub realm: Realm<'t>,
    pub immutable_id: String,
    /// The sessions that are meant; none means all of them.
    pub session_indexes: Vec<String>,
}

/// A domain's answer to the wish that it ends a session.
#[derive(Debug)]
pub struct LogoutResponse {
    /// The request that it answers.
    pub request_id: String,
    pub domain: String,
    pub status: Status,
}

impl LogoutResponse {
    /// Whether somebody else who has a session did not end it (SAML core §3.7.3.2).
    pub fn is_partial(&self) -> bool {
        self.status.says(names::PARTIAL_LOGOUT)
    }
}

/// Reads a `LogoutRequest` and believes it only when the domain signed it.
pub fn request<'t>(
    tenant: &'t Tenant,
    carried: &Carried,
    now: DateTime<Utc>,
) -> Result<LogoutRequest<'t>, Failure> {
    let document = message::well_formed(&carried.xml)?;
    let root = named(&document, "LogoutRequest")?;
    let realm = trusted(tenant, carried, root, now)?;
    if root.has_attribute("NotOnOrAfter") {
        let until = xml::instant_in(root, "NotOnOrAfter").or_raise(50061)?;
        ensure(until > now - SKEW, 50061, || {
            format!("the request expired at {until}")
        })?;
    }
    let name_id = xml::only(root, names::SAML2, "NameID").or_raise(50061)?;
    Ok(LogoutRequest {
        id: root.attribute("ID").unwrap_or_default().to_owned(),
        realm,
        immutable_id: xml::text(name_id),
        session_indexes: xml::children(root, names::SAML2P, "SessionIndex")
            .map(xml::text)
            .collect(),
    })
}

/// Reads a `LogoutResponse` and believes it only when the domain signed it.
pub fn response(
    tenant: &Tenant,
    carried: &Carried,
    now: DateTime<Utc>,
) -> Result<LogoutResponse, Failure> {
    let document = message::well_formed(&carried.xml)?;
    let root = named(&document, "LogoutResponse")?;
    let realm = trusted(tenant, carried, root, now)?;
    let request_id = root.attribute("InResponseTo");
    Ok(LogoutResponse {
        request_id: request_id
            .ok_or_else(|| failure(50061, "it answers no request"))?
            .to_owned(),
        domain: realm.domain.name.clone(),
        status: Status::of(root).or_raise(50061)?,
    })
}

/// A sign-out message, not believed yet.
#[derive(Debug)]
pub enum Arrived {
    Request(Carried),
    Response(Carried),
}

/// The sign-out message in a posted form; `None` when the form is about something else.
pub fn posted(body: &[u8]) -> Result<Option<Arrived>, Failure> {
    let form = Form::read(body);
    if form.first("SAMLRequest").is_some() {
        return Carried::posted(body, "SAMLRequest").map(|carried| Some(Arrived::Request(carried)));
    }
    // What is wrong with an answer to a sign-in is for other checks to say.
    let carried = Carried::posted(body, "SAMLResponse").ok();
    Ok(carried
        .filter(|carried| {
            xml::document(&carried.xml)
                .is_ok_and(|document| named(&document, "LogoutResponse").is_ok())
        })
        .map(Arrived::Response))
}

/// The sign-out message in a query; `None` when the query is about something else.
pub fn in_query(query: &str) -> Result<Option<Arrived>, Failure> {
    let form = Form::read(query.as_bytes());
    if form.first("SAMLRequest").is_some() {
        return Err(failure(
            75003,
            "a request is posted here, no other binding is announced for it",
        ));
    }
    match form.first("SAMLResponse") {
        Some(_) => {
            Carried::in_query(query, "SAMLResponse").map(|carried| Some(Arrived::Response(carried)))
        }
        None => Ok(None),
    }
}

fn named<'a, 'i>(document: &'a Document<'i>, name: &'static str) -> Checked<Node<'a, 'i>> {
    let root = document.root_element();
    ensure(root.has_tag_name((names::SAML2P, name)), 50061, || {
        format!("{} is not a {name}", root.tag_name().name())
    })?;
    Ok(root)
}

/// The domain that sent this message to us just now, and signed it.
fn trusted<'t>(
    tenant: &'t Tenant,
    carried: &Carried,
    root: Node,
    now: DateTime<Utc>,
) -> Checked<Realm<'t>> {
    message::version(root)?;
    message::destination(root, &tenant.cloud)?;
    message::made_now(root, now)?;
    let issuer = xml::text(xml::only(root, names::SAML2, "Issuer").or_raise(50061)?);
    let realm = user::realm(tenant, &issuer, Protocol::Saml)?;
    carried.verify(root, realm.federation)?;
    Ok(realm)
}
