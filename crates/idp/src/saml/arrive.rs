//! What arrives at an app's SAML addresses: read by one parser, verified, and only then believed.

use chrono::{DateTime, TimeDelta, Utc};
use crypto::xml_signature::{self, Limits, NotVerified};
use crypto::{certificate::Certificate, detached_signature};
use protocol::saml2::{self, Arrived, Binding, Envelope, LogoutRequest, LogoutResponse};
use store::{App, SamlSettings};

use super::{Request, certificate, settings};
use crate::error::{Error, Refusal, Result};
use crate::sessions::SessionToken;
use crate::sign_on::{Look, check_enabled};
use crate::{Idp, Origin, parse};

/// How far the clock of a service provider may be off.
const SKEW: TimeDelta = TimeDelta::minutes(5);
/// A logout request that says nothing else holds this long.
const LOGOUT_LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// Which of an app's two SAML addresses was called. What arrives decides what happens; the address
/// decides only when nothing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    SignOn,
    SignOut,
}

/// A message, the app it is for, and who brought it.
pub struct Arrival {
    pub(crate) look: Look,
    pub message: Message,
}

impl Arrival {
    pub fn app_id(&self) -> &str {
        &self.look.app.id
    }

    pub fn label(&self) -> &str {
        &self.look.app.label
    }
}

/// A service provider's wish to end sessions.
#[derive(Clone)]
pub struct SignOutRequest {
    pub(crate) request: LogoutRequest,
    pub(crate) relay_state: Option<String>,
    /// Without a signature it can only mean the session of the browser that brought it.
    pub(crate) signed: bool,
}

/// What a browser brought.
#[derive(Clone)]
pub enum Message {
    /// Somebody opened the address of signing out.
    BareSignOut,
    /// A request to sign somebody in; or somebody opened the address, which the service provider did not ask for.
    SignOn(Request),
    SignOut(SignOutRequest),
    SignOutAnswer(LogoutResponse),
}

impl Idp {
    /// Reads and verifies what came to an app's SAML address, named by the app's id or its slug. A bad
    /// message goes on record.
    pub async fn saml_arrives(
        &self,
        reference: &str,
        endpoint: Endpoint,
        arrived: Result<Arrived, protocol::BadRequest>,
        session: Option<&SessionToken>,
        origin: &Origin,
    ) -> Result<Arrival> {
        match self
            .try_saml_arrives(reference, endpoint, arrived, session)
            .await
        {
            Err(Error::Refused(refusal, _)) => self.refuse_token(reference, refusal, origin).await,
            other => other,
        }
    }

    async fn try_saml_arrives(
        &self,
        reference: &str,
        endpoint: Endpoint,
        arrived: Result<Arrived, protocol::BadRequest>,
        session: Option<&SessionToken>,
    ) -> Result<Arrival> {
        let app_id = self.addressed(reference).await?;
        let look = self.look(&app_id, session).await?;
        check_enabled(&look.app)?;
        let settings = settings(&look.app)?;
        let message = match arrived.map_err(Refusal::from)? {
            Arrived::Message(envelope) => self.open(envelope, &look.app, settings)?,
            Arrived::Bare { .. } if endpoint == Endpoint::SignOut => Message::BareSignOut,
            Arrived::Bare { username, .. } => {
                Message::SignOn(Request::unsolicited(settings.relay_state.clone(), username))
            }
        };
        Ok(Arrival { look, message })
    }

    /// The id of the app that an address names by its id or its slug.
    pub(crate) async fn addressed(&self, reference: &str) -> Result<String> {
        if parse::app_id(reference).is_ok() {
            return Ok(reference.to_owned());
        }
        let slug = parse::slug(reference).map_err(|_| Refusal::UnknownApp)?;
        let app = self.store.read().await?.app_by_slug(&slug).await?;
        Ok(app.ok_or(Refusal::UnknownApp)?.id)
    }

    fn open(&self, envelope: Envelope, app: &App, settings: &SamlSettings) -> Result<Message> {
        let label = || app.label.clone();
        let document = xml_signature::read(&envelope.xml, &Limits::default())
            .map_err(protocol::BadRequest::not_xml)
            .map_err(Refusal::from)?;
        let root = document.root_element();
        let trusted = settings
            .signing_certificates
            .iter()
            .map(|stored| certificate(stored))
            .collect::<Result<Vec<Certificate>>>()?;
        // It may quote the message, which may be long.
        let bad_signature = |why: NotVerified| Refusal::BadSignature {
            label: label(),
            why: why.to_string().chars().take(200).collect(),
        };
        let embedded = xml_signature::signature_of(root).is_some();
        let (element, signed) = match (&envelope.signature, envelope.binding) {
            // Bindings §3.4.4.1: what travels in a query is signed beside the message, never inside.
            (_, Binding::Redirect) if embedded => {
                return Err(Refusal::from(protocol::BadRequest::SignatureInQueryMessage).into());
            }
            // Nobody's key is known, so nothing could be believed: it counts as unsigned.
            _ if trusted.is_empty() => (root, false),
            (Some(beside), _) => {
                detached_signature::verify(
                    &beside.signed,
                    &beside.value,
                    &beside.algorithm,
                    &trusted,
                )
                .map_err(bad_signature)?;
                (root, true)
            }
            (None, _) if embedded => {
                let verified = xml_signature::verify(root, &trusted).map_err(bad_signature)?;
                (verified.element(), true)
            }
            (None, _) => (root, false),
        };
        let message = saml2::message(element, envelope.answer).map_err(Refusal::from)?;
        let (issuer, destination) = match &message {
            saml2::Message::AuthnRequest(request) => (&request.issuer, &request.destination),
            saml2::Message::LogoutRequest(request) => (&request.issuer, &request.destination),
            saml2::Message::LogoutResponse(response) => (&response.issuer, &response.destination),
        };
        if *issuer != settings.entity_id {
            return Err(Refusal::ForeignIssuer { label: label() }.into());
        }
        self.check_destination(app, destination.as_deref(), signed)?;
        let needs_signature = match &message {
            saml2::Message::AuthnRequest(_) => settings.signed_requests,
            // Profiles §4.4.3.1, §4.4.3.3: logout messages in a browser are signed.
            saml2::Message::LogoutRequest(_) | saml2::Message::LogoutResponse(_) => {
                settings.signed_requests || !trusted.is_empty()
            }
        };
        if needs_signature && !signed {
            return Err(Refusal::NotSigned { label: label() }.into());
        }
        Ok(match message {
            saml2::Message::AuthnRequest(authn) => Message::SignOn(Request {
                authn: Some(authn),
                relay_state: envelope.relay_state,
                username: envelope.username,
                posted: envelope.binding == Binding::Post,
            }),
            saml2::Message::LogoutRequest(request) => {
                if !is_current(&request, self.now()) {
                    return Err(Refusal::Stale { label: label() }.into());
                }
                Message::SignOut(SignOutRequest {
                    request,
                    relay_state: envelope.relay_state,
                    signed,
                })
            }
            saml2::Message::LogoutResponse(response) => Message::SignOutAnswer(response),
        })
    }

    /// A message says where it is going, so that nobody can send it on (bindings §3.4.5.2, §3.5.5.2).
    fn check_destination(
        &self,
        app: &App,
        destination: Option<&str>,
        signed: bool,
    ) -> Result<(), Refusal> {
        let here = |destination: &str| {
            [Some(app.id.as_str()), app.slug.as_deref()]
                .into_iter()
                .flatten()
                .any(|name| {
                    destination == self.urls.saml(name)
                        || destination == self.urls.saml_sign_out(name)
                })
        };
        match destination {
            Some(destination) if here(destination) => Ok(()),
            None if !signed => Ok(()),
            _ => Err(Refusal::ForeignDestination {
                label: app.label.clone(),
            }),
        }
    }
}

/// An old logout request must not end a new session.
fn is_current(request: &LogoutRequest, now: DateTime<Utc>) -> bool {
    let until = request
        .not_on_or_after
        .unwrap_or(request.issue_instant + LOGOUT_LIFETIME);
    now < until + SKEW && request.issue_instant <= now + SKEW
}
