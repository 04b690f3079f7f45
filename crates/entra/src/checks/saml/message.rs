//! Checks 2 to 13 and 26: the form and the response around the assertion (SAML core §3.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use roxmltree::{Document, Node};

use crate::checks::form::Form;
use crate::checks::outcome::{Checked, OrRaise, ensure, failure};
use crate::checks::{
    Outstanding, PATIENCE, Replay, SKEW, asked_in, names, replay, signature as xmldsig, xml,
};
use crate::tenant::{Cloud, Protocol, Realm, Tenant};

/// The fields of an answer, each at most once.
pub struct Answer<'a> {
    response: &'a [u8],
    relay_state: &'a [u8],
}

/// Check 2.
pub fn one_answer(form: &Form) -> Checked<Answer<'_>> {
    let once = |name: &'static str| form.once(name).or_raise(75001);
    let response = once("SAMLResponse")?;
    ensure(once("wresult")?.is_none(), 75001, || {
        "both wresult and SAMLResponse were posted".to_owned()
    })?;
    Ok(Answer {
        response: response
            .filter(|response| !response.is_empty())
            .ok_or_else(|| failure(750_054, "the required field SAMLResponse is missing"))?,
        relay_state: once("RelayState")?.unwrap_or_default(),
    })
}

/// Check 3.
pub fn protocol(tenant: &Tenant, outstanding: Option<&Outstanding>) -> Checked<()> {
    ensure(
        asked_in(tenant, outstanding) != Some(Protocol::WsFed),
        20012,
        || "a SAMLResponse was posted where WS-Federation is spoken".to_owned(),
    )
}

/// Check 4: an answer to nothing may carry what it wants, unless that was ours once.
pub fn relay_state(
    answer: &Answer,
    outstanding: Option<&Outstanding>,
    now: DateTime<Utc>,
) -> Checked<()> {
    let Some(asked) = outstanding else {
        let ours = b"estsrequest=";
        let was_ours = answer
            .relay_state
            .windows(ours.len())
            .any(|part| part == ours);
        return ensure(!was_ours, 50089, || {
            "RelayState belongs to no request that is waiting".to_owned()
        });
    };
    ensure(
        answer.relay_state == asked.context.as_bytes(),
        50089,
        || "RelayState was lost or differs from what the request carried".to_owned(),
    )?;
    ensure(now - asked.started_at <= PATIENCE, 50089, || {
        "the request expired while the person was signing in".to_owned()
    })
}

/// Check 6 (SAML bindings §3.5.4).
pub fn decoded(answer: &Answer) -> Checked<String> {
    let bytes = BASE64
        .decode(answer.response)
        .map_err(|error| failure(75001, format!("SAMLResponse is not base64: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        failure(
            75001,
            "SAMLResponse is not UTF-8 text; a compressed message travels in a query only",
        )
    })?;
    ensure(
        text.trim_start_matches('\u{feff}').starts_with('<'),
        75001,
        || "SAMLResponse does not hold XML".to_owned(),
    )?;
    Ok(text)
}

/// Check 7.
pub fn well_formed(text: &str) -> Checked<Document<'_>> {
    xml::document(text).or_raise(75001)
}

/// Check 8.
pub fn response<'a, 'i>(document: &'a Document<'i>) -> Checked<Node<'a, 'i>> {
    let root = document.root_element();
    ensure(
        root.has_tag_name((names::SAML2P, "Response")),
        7_500_514,
        || {
            let name = root.tag_name();
            format!(
                "a supported type of SAML response was not found: the root is {} of {:?}",
                name.name(),
                name.namespace().unwrap_or_default()
            )
        },
    )?;
    Ok(root)
}

/// Check 9 (SAML core §3.2.2, §1.3.4).
pub fn version(response: Node) -> Checked<()> {
    let version = response.attribute("Version");
    ensure(version == Some("2.0"), 50008, || {
        format!("its version is {version:?}")
    })?;
    let id = response.attribute("ID").unwrap_or_default();
    ensure(xml::is_nc_name(id), 50008, || {
        format!("its ID {id:?} is not an XML identifier")
    })?;
    ensure(xml::is_unique(id, response.document()), 50008, || {
        format!("{id} is the identifier of several elements")
    })
}

/// Check 10.
pub fn destination(message: Node, cloud: &Cloud) -> Checked<()> {
    let destination = message.attribute("Destination");
    ensure(
        destination == Some(&cloud.reply),
        50008,
        || match destination {
            Some(other) => format!("its destination is {other}, not {}", cloud.reply),
            None => "it has no destination".to_owned(),
        },
    )
}

/// Check 11; gives back a warning when the answer claims a request that nobody made, for Entra ID takes that
/// as an answer to nothing.
pub fn in_response_to(
    response: Node,
    outstanding: Option<&Outstanding>,
    replay: &Replay,
) -> Checked<Option<String>> {
    let claimed = response.attribute("InResponseTo").unwrap_or_default();
    let Some(asked) = outstanding else {
        return Ok((!claimed.is_empty())
            .then(|| format!("nobody made the request {claimed}; taken as if none were claimed")));
    };
    ensure(Some(claimed) == asked.request_id.as_deref(), 50008, || {
        format!("InResponseTo is {claimed:?}, which is not the request's ID")
    })?;
    replay::unanswered(claimed, replay)?;
    Ok(None)
}

/// Check 12 (SAML core §3.2.2.2).
pub fn status(response: Node) -> Checked<()> {
    let status = Status::of(response).or_raise(50008)?;
    ensure(status.succeeded(), 50008, || {
        format!("the identity provider answers with {status}")
    })
}

/// The status of a response: the codes from the top level down, and what it says to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub codes: Vec<String>,
    pub message: Option<String>,
}

impl Status {
    pub fn of(response: Node) -> Result<Self, String> {
        let status = xml::only(response, names::SAML2P, "Status")?;
        let mut codes = Vec::new();
        let mut parent = status;
        while codes.is_empty() || xml::children(parent, names::SAML2P, "StatusCode").count() > 0 {
            parent = xml::only(parent, names::SAML2P, "StatusCode")?;
            codes.push(parent.attribute("Value").unwrap_or_default().to_owned());
        }
        let message = xml::children(status, names::SAML2P, "StatusMessage").next();
        Ok(Self {
            codes,
            message: message.map(xml::text),
        })
    }

    pub fn succeeded(&self) -> bool {
        self.codes[0] == names::SUCCESS
    }

    /// Whether a code of the second level is this one.
    pub fn says(&self, code: &str) -> bool {
        self.codes[1..].iter().any(|found| found == code)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let short = |code: &String| code.rsplit(':').next().unwrap_or_default().to_owned();
        let codes: Vec<_> = self.codes.iter().map(short).collect();
        f.write_str(&codes.join(", "))?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

/// Check 13.
pub fn made_now(message: Node, now: DateTime<Utc>) -> Checked<()> {
    let issued = xml::instant_in(message, "IssueInstant").or_raise(50008)?;
    ensure(issued <= now + SKEW, 500_133, || {
        format!("it was made in the future, at {issued}")
    })?;
    ensure(issued > now - PATIENCE, 500_133, || {
        format!("it was made long ago, at {issued}")
    })
}

/// Check 26: nobody has to sign the response, but who does has to do it well.
pub fn signature(response: Node, assertion: Node, realm: Realm) -> Checked<()> {
    match xmldsig::of_message(response, Some(assertion))? {
        Some(signature) => xmldsig::trusted(response, signature, realm.federation).map(drop),
        None => Ok(()),
    }
}

/// `InResponseTo` of a posted message, before anything is known about it.
pub fn request_id(form: &Form) -> Option<String> {
    let text = String::from_utf8(BASE64.decode(form.first("SAMLResponse")?).ok()?).ok()?;
    let document = xml::document(&text).ok()?;
    let id = document.root_element().attribute("InResponseTo");
    id.map(str::to_owned)
}
