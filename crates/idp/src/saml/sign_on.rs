//! Answers a request for authentication: with an assertion, with a status, or with a sign-in page.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use protocol::saml2::{self, Status, StatusCode};
use store::{App, AppKind};

use super::request::{Decided, Denied};
use super::{Request, settings};
use crate::claims;
use crate::error::{Error, Record, Refusal, Result};
use crate::issue::{Answer, Grant, algorithm, sign};
use crate::sessions::SessionToken;
use crate::sign_on::{Look, PostBack, SignOn, check_enabled, issuer_of, no_issuer, no_key};
use crate::{Idp, Origin};

impl Idp {
    /// Answers a request that was made at `asked_at`: now, or when the person was sent to sign in.
    pub async fn saml_sign_on(
        &self,
        app_id: &str,
        request: &Request,
        session: Option<&SessionToken>,
        asked_at: DateTime<Utc>,
        origin: &Origin,
    ) -> Result<SignOn> {
        let look = match self.look(app_id, session).await {
            Err(Error::Refused(refusal, _)) => {
                return self.refuse_token(app_id, refusal, origin).await;
            }
            look => look?,
        };
        self.answer(look, request, asked_at, origin).await
    }

    /// Answers a request that has just arrived. What another site's form brought is taken up again by a
    /// visit of our own, with which the browser sends its session.
    pub async fn saml_sign_on_now(
        &self,
        arrival: super::Arrival,
        request: &Request,
        origin: &Origin,
    ) -> Result<SignOn> {
        if request.posted && arrival.look.person.is_none() {
            return Ok(SignOn::Authenticate);
        }
        self.answer(arrival.look, request, self.now(), origin).await
    }

    async fn answer(
        &self,
        look: Look,
        request: &Request,
        asked_at: DateTime<Utc>,
        origin: &Origin,
    ) -> Result<SignOn> {
        let app = look.app.clone();
        // Who is signed in decides in whose name a status is told, or else who is said to be coming.
        let signed_in = look.person.as_ref().map(|person| person.user.upn.clone());
        let upn = signed_in.or_else(|| request.username.clone());
        let denied = match self.try_answer(look, request, asked_at, origin).await {
            Ok(Ok(sign_on)) => return Ok(sign_on),
            Ok(Err(denied)) => denied,
            Err(Error::Refused(refusal, Record::Missing)) => Denied { refusal, acs: None },
            Err(error) => return Err(error),
        };
        self.record_token_refusal(&app.id, &denied.refusal, origin)
            .await?;
        match (status_of(&denied.refusal, &app, request), denied.acs) {
            (Some(status), Some(acs)) => {
                self.deny(&app, request, upn.as_deref(), acs, status).await
            }
            _ => Err(Error::Refused(denied.refusal, Record::Written)),
        }
    }

    async fn try_answer(
        &self,
        look: Look,
        request: &Request,
        asked_at: DateTime<Utc>,
        origin: &Origin,
    ) -> Result<Result<SignOn, Denied>> {
        let Look { app, person } = look;
        check_enabled(&app)?;
        let settings = settings(&app)?;
        let decided = match request.decide(&app, settings) {
            Ok(decided) => decided,
            Err(denied) => return Ok(Err(denied)),
        };
        let denied = |refusal| {
            Ok(Err(Denied {
                refusal,
                acs: Some(decided.acs.clone()),
            }))
        };
        let person = person.filter(|person| request.is_fresh(&person.session, asked_at));
        let Some(person) = person else {
            if request.is_passive() {
                let label = app.label.clone();
                return denied(Refusal::Passive { label });
            }
            return Ok(Ok(SignOn::Authenticate));
        };
        let issuer = match person.entitled(&app) {
            Ok(issuer) => issuer,
            Err(refusal) => return denied(refusal),
        };
        let Decided {
            acs,
            name_id,
            context_class,
        } = &decided;
        let sources = claims::sources_of_saml(settings, name_id);
        let about = self.about(&person, &app, sources).await?;
        let value = match about.name_id(name_id, &app) {
            Ok(value) => value,
            Err(refusal) => return denied(refusal),
        };
        if !request.is_about(&person.user, &value) {
            let (upn, label) = (person.user.upn.clone(), app.label.clone());
            return denied(Refusal::OtherSubject { upn, label });
        }
        self.touch(&person.session).await?;
        let grant = Grant {
            person: &person,
            app: &app,
            issuer,
            about: &about,
        };
        let answer = Answer {
            acs,
            in_response_to: request.id(),
            name_id,
            context_class,
        };
        let response = self.issue_saml20(&grant, settings, &answer, origin).await?;
        Ok(Ok(SignOn::Post(post(&app, acs, &response, request))))
    }

    /// Tells the service provider why there is no assertion (SAML core §3.2.2.2), signed so that it can
    /// believe it.
    async fn deny(
        &self,
        app: &App,
        request: &Request,
        upn: Option<&str>,
        acs: String,
        status: Status<'_>,
    ) -> Result<SignOn> {
        let (issuer, key) = self.voice(app, upn).await?;
        let response = saml2::Response {
            id: &crypto::random::xml_id(),
            issued_at: self.now(),
            destination: &acs,
            in_response_to: request.id(),
            issuer: &issuer,
            status,
            assertion: None,
        }
        .unsigned()
        .map_err(Error::broken)?;
        let response = sign(&response, &key, algorithm(settings(app)?)?)?;
        Ok(SignOn::Post(post(app, &acs, &response, request)))
    }

    /// In whose name an app is spoken to about a person, and the key for it: the issuer of their domain, and
    /// about nobody, or somebody of no domain of the app, its first one.
    pub(crate) async fn voice(
        &self,
        app: &App,
        upn: Option<&str>,
    ) -> Result<(String, std::sync::Arc<crypto::certificate::SigningKey>)> {
        let mut read = self.store.read().await?;
        let issuers = read.issuers_of(&app.id).await?;
        let issuer = upn
            .and_then(|upn| issuer_of(upn, &issuers))
            .or_else(|| issuers.first())
            .ok_or_else(no_issuer)?;
        let key = read
            .current_signing_key(&app.id)
            .await?
            .ok_or_else(no_key)?;
        Ok((issuer.issuer.clone(), self.open_key(&key)?))
    }
}

fn post(app: &App, acs: &str, response: &str, request: &Request) -> PostBack {
    let mut fields = vec![("SAMLResponse", BASE64_STANDARD.encode(response))];
    let relay_state = request.relay_state.clone();
    fields.extend(relay_state.map(|state| ("RelayState", state)));
    PostBack {
        app_label: app.label.clone(),
        action: acs.to_owned(),
        fields,
    }
}

/// The status that tells a service provider of this refusal, where that helps more than a page.
fn status_of(refusal: &Refusal, app: &App, request: &Request) -> Option<Status<'static>> {
    let error = |code, detail, message| {
        Some(Status::Error {
            code,
            detail: Some(detail),
            message,
        })
    };
    match refusal {
        Refusal::Passive { .. } => error(
            StatusCode::Responder,
            StatusCode::NoPassive,
            "Nobody is signed in, and the request forbids asking.",
        ),
        // Nothing may be shown, so the service provider is the only one who can be told.
        _ if request.is_passive() => error(
            StatusCode::Responder,
            StatusCode::RequestDenied,
            "This request cannot be granted without asking the person.",
        ),
        // Entra shows a status to nobody; our page explains.
        _ if app.kind == AppKind::M365 => None,
        Refusal::MultiFactorRequested { .. } | Refusal::MethodRequested { .. } => error(
            StatusCode::Responder,
            StatusCode::NoAuthnContext,
            "The requested authentication context cannot be satisfied.",
        ),
        Refusal::NameIdPolicy { .. } => error(
            StatusCode::Requester,
            StatusCode::InvalidNameIdPolicy,
            "The requested name identifier is not available to this service provider.",
        ),
        Refusal::UnsupportedBinding { .. } => error(
            StatusCode::Requester,
            StatusCode::UnsupportedBinding,
            "Responses are sent by the HTTP-POST binding only.",
        ),
        Refusal::OtherSubject { .. } => error(
            StatusCode::Responder,
            StatusCode::RequestDenied,
            "The person who is signed in is not the one the request is about.",
        ),
        _ => None,
    }
}
