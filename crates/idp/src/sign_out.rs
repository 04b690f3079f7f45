//! Signing out: the session ends first, then every app that knew of it is told, then whoever asked is answered.
//!
//! ```text
//! sign_out ─► session gone ─┬─► nobody else knew: Done
//!                           └─► a round: one step for each app, each visited in a frame of its own
//!                                 step ─► LogoutRequest or clean-up address ─► the app's answer
//!                               ─► finish: how it went, and Done
//! ```

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use crypto::certificate::SigningKey;
use protocol::names;
use protocol::saml2::{
    LogoutResponse, OutgoingLogoutRequest, OutgoingLogoutResponse, redirect_query, with_signature,
};
use protocol::{Unsigned, saml2};
use serde::{Deserialize, Serialize};
use store::{
    App, LogoutService, Protocol, SamlBinding, Session, SessionApp, SignOutStep, StepState, Write,
};

use crate::audit::Entry;
use crate::error::{Error, Refusal, Result};
use crate::issue::{algorithm, sign};
use crate::saml::{Arrival, SignOutRequest};
use crate::sessions::SessionToken;
use crate::sign_on::PostBack;
use crate::{Idp, Origin};

/// How long a round of signing out is kept.
const LIFETIME: TimeDelta = TimeDelta::hours(1);
/// How long an app may take to read a logout request.
const REQUEST_LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// What a sign-out leads to.
pub enum SignedOut {
    /// Nobody else had to be told.
    Done(Done),
    /// Other apps are told; the round is taken up again under this token.
    Round(String),
}

/// Where the person goes when everything is done.
pub enum Done {
    /// They started here.
    Page,
    Redirect(String),
    Post(PostBack),
}

/// How a round goes.
pub struct Round {
    pub steps: Vec<Step>,
    /// Whether every app was told, and those that can answer did so.
    pub complete: bool,
}

/// One app that is told.
pub struct Step {
    pub position: i64,
    pub label: String,
    pub state: StepState,
    /// Whether the app can be told at all, and then answer.
    pub reachable: bool,
    pub answers: bool,
}

/// Who asked, as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Finish {
    Page,
    Redirect {
        to: String,
    },
    Saml {
        app_id: String,
        request_id: String,
        relay_state: Option<String>,
        /// Whose browser brought the request, in whose domain's name it is answered if no session ends.
        #[serde(default)]
        brought_by: Option<String>,
    },
}

/// The stored end of a round; the token is sealed so that an answer finds its way back to the round.
#[derive(Serialize, Deserialize)]
struct Stored {
    finish: Finish,
    token: String,
}

impl Idp {
    /// Ends the session because the person wants it.
    pub async fn sign_out(
        &self,
        session: Option<&SessionToken>,
        origin: &Origin,
    ) -> Result<SignedOut> {
        self.end(Ending::Browser(session), None, Finish::Page, origin)
            .await
    }

    /// Ends the session because a WS-Federation app asks for it (WS-Fed 1.2 §13.2.4). A reply address leads
    /// back only if it is one of the app's, compared exactly.
    pub async fn wsfed_sign_out(
        &self,
        app_id: &str,
        reply: Option<&str>,
        session: Option<&SessionToken>,
        origin: &Origin,
    ) -> Result<SignedOut> {
        let app = self.store.read().await?.app(app_id).await?;
        let replies = app.and_then(|app| app.wsfed).map(|wsfed| wsfed.replies);
        let reply = reply.filter(|reply| {
            replies
                .iter()
                .flatten()
                .any(|stored| stored.as_str() == *reply)
        });
        let finish = match reply {
            Some(reply) => Finish::Redirect {
                to: reply.to_owned(),
            },
            None => Finish::Page,
        };
        self.end(Ending::Browser(session), Some(app_id), finish, origin)
            .await
    }

    /// Ends the session because another application signs the person out everywhere and tells the rest
    /// itself (WS-Fed 1.2 §13.2.4, `wsignoutcleanup1.0`).
    pub async fn clean_up(&self, session: &SessionToken, origin: &Origin) -> Result<()> {
        let mut write = self.store.write().await?;
        if let Some(session) = write.session(&session.hash()).await? {
            self.end_one(&mut write, &session, None, origin).await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// Ends the sessions that a SAML logout request means (SAML core §3.7.1).
    pub async fn saml_sign_out(
        &self,
        arrival: &Arrival,
        asked: SignOutRequest,
        origin: &Origin,
    ) -> Result<SignedOut> {
        let SignOutRequest {
            request,
            relay_state,
            signed,
        } = asked;
        let app_id = arrival.app_id().to_owned();
        let sessions = if signed {
            let mut read = self.store.read().await?;
            read.sessions_of_subject(&app_id, &request.name_id.value, &request.session_indexes)
                .await?
        } else {
            // Anybody can make an unsigned request, so it reaches no further than this browser.
            let person = arrival.look.person.as_ref();
            let meant = person.filter(|person| {
                person.known.iter().any(|known| {
                    known
                        .name_id
                        .as_ref()
                        .is_some_and(|name_id| name_id.value == request.name_id.value)
                })
            });
            meant
                .map(|person| person.session.clone())
                .into_iter()
                .collect()
        };
        let finish = if request.asynchronous {
            Finish::Page
        } else {
            Finish::Saml {
                app_id: app_id.clone(),
                request_id: request.id,
                relay_state,
                brought_by: arrival
                    .look
                    .person
                    .as_ref()
                    .map(|person| person.user.upn.clone()),
            }
        };
        self.end(Ending::Found(sessions), Some(&app_id), finish, origin)
            .await
    }

    async fn end(
        &self,
        ending: Ending<'_>,
        asked_by: Option<&str>,
        finish: Finish,
        origin: &Origin,
    ) -> Result<SignedOut> {
        let now = self.now();
        let mut write = self.store.write().await?;
        let sessions = match ending {
            Ending::Found(sessions) => sessions,
            Ending::Browser(token) => match token {
                Some(token) => write.session(&token.hash()).await?.into_iter().collect(),
                None => Vec::new(),
            },
        };
        let mut steps = Vec::new();
        let mut upn = String::new();
        for session in sessions {
            steps.extend(steps_of(&mut write, &session, asked_by).await?);
            upn = self.end_one(&mut write, &session, asked_by, origin).await?;
        }
        for (position, step) in steps.iter_mut().enumerate() {
            step.position = i64::try_from(position).unwrap_or(i64::MAX);
        }
        if steps.is_empty() {
            write.commit().await?;
            let done = self.done(finish, &upn, true).await?;
            return Ok(SignedOut::Done(done));
        }
        let token = crypto::random::token();
        let stored = Stored {
            finish,
            token: BASE64_STANDARD.encode(self.master_key.seal(PURPOSE, token.as_bytes())),
        };
        let sign_out = store::SignOut {
            id_hash: crypto::digest(token.as_bytes()).to_vec(),
            finish: serde_json::to_string(&stored).map_err(Error::broken)?,
            user_upn: upn,
            correlation_id: origin.correlation_id.clone(),
            created_at: now,
            expires_at: now + LIFETIME,
        };
        write.add_sign_out(&sign_out, &steps).await?;
        write.commit().await?;
        Ok(SignedOut::Round(token))
    }

    /// Ends a session, on record, and says whose it was.
    async fn end_one(
        &self,
        write: &mut Write,
        session: &Session,
        asked_by: Option<&str>,
        origin: &Origin,
    ) -> Result<String> {
        let user = write.user(session.user_id).await?;
        let upn = user.map(|user| user.upn).unwrap_or_default();
        if write.end_session(&session.id_hash).await? {
            let mut entry = Entry::new("session.ended", origin).user(&upn);
            if let Some(app_id) = asked_by {
                entry = entry.app(app_id);
            }
            write.append_audit(&entry.at(self.now())).await?;
        }
        Ok(upn)
    }

    /// How the round goes at this moment.
    pub async fn sign_out_round(&self, token: &str) -> Result<Round> {
        let (_, round) = self.round(token).await?;
        Ok(round)
    }

    /// What the browser takes to the app of one step: an address, or a form. None when the app cannot be told.
    pub async fn sign_out_step(&self, token: &str, position: i64) -> Result<Option<Done>> {
        let (sign_out, _) = self.round(token).await?;
        let mut write = self.store.write().await?;
        let steps = write.sign_out_steps(&sign_out.id_hash).await?;
        let step = steps
            .into_iter()
            .find(|step| step.position == position)
            .ok_or(Refusal::SignOutExpired)?;
        let app = write.app(&step.app_id).await?;
        write
            .advance_sign_out_step(&step.request_id, StepState::Waiting, StepState::Sent)
            .await?;
        write.commit().await?;
        let Some(app) = app else { return Ok(None) };
        match step.protocol {
            Protocol::Wsfed => Ok(clean_up_address(&app).map(Done::Redirect)),
            Protocol::Saml => self.logout_request(&app, &step, &sign_out.user_upn).await,
        }
    }

    async fn logout_request(
        &self,
        app: &App,
        step: &SignOutStep,
        upn: &str,
    ) -> Result<Option<Done>> {
        let Some(service) = logout_service(app) else {
            return Ok(None);
        };
        let Some(name_id) = &step.name_id else {
            return Ok(None);
        };
        let (issuer, key) = self.voice(app, Some(upn)).await?;
        let now = self.now();
        let unsigned = OutgoingLogoutRequest {
            id: &step.request_id,
            issued_at: now,
            destination: &service.url,
            issuer: &issuer,
            not_on_or_after: now + REQUEST_LIFETIME,
            reason: Some(names::logout::USER),
            name_id: saml2::NameIdentifier {
                format: &name_id.format,
                value: &name_id.value,
            },
            session_index: step.session_index.as_deref(),
        }
        .unsigned()
        .map_err(Error::broken)?;
        let message = Outgoing {
            answer: false,
            unsigned,
            url: &service.url,
            relay_state: None,
        };
        Ok(Some(send(app, service.binding, &message, &key)?))
    }

    /// Takes an app's answer to a step, and says to which round it belongs.
    pub async fn saml_sign_out_answered(
        &self,
        arrival: &Arrival,
        response: &LogoutResponse,
        origin: &Origin,
    ) -> Result<String> {
        let app = &arrival.look.app;
        let unexpected = || Refusal::UnexpectedAnswer {
            label: app.label.clone(),
        };
        let request_id = response.in_response_to.as_deref().ok_or_else(unexpected)?;
        let mut write = self.store.write().await?;
        let (sign_out, step) = write
            .sign_out_step(request_id)
            .await?
            .filter(|(sign_out, step)| step.app_id == app.id && self.now() < sign_out.expires_at)
            .ok_or_else(unexpected)?;
        let state = match response
            .status
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()[..]
        {
            [_, names::status::PARTIAL_LOGOUT, ..] => StepState::Partial,
            [names::status::SUCCESS, ..] => StepState::Done,
            _ => StepState::Failed,
        };
        if !write
            .advance_sign_out_step(&step.request_id, StepState::Sent, state)
            .await?
        {
            return Err(unexpected().into());
        }
        let entry = Entry::new("sign-out.answered", origin)
            .user(&sign_out.user_upn)
            .app(&app.id)
            .with("status", response.status.clone());
        write.append_audit(&entry.at(self.now())).await?;
        write.commit().await?;
        self.token_of(&sign_out)
    }

    /// How the round went, and where the person goes now.
    pub async fn finish_sign_out(&self, token: &str) -> Result<(Round, Done)> {
        let (sign_out, round) = self.round(token).await?;
        let stored = stored(&sign_out)?;
        let done = self
            .done(stored.finish, &sign_out.user_upn, round.complete)
            .await?;
        Ok((round, done))
    }

    async fn round(&self, token: &str) -> Result<(store::SignOut, Round)> {
        let mut read = self.store.read().await?;
        let sign_out = read
            .sign_out(&crypto::digest(token.as_bytes()))
            .await?
            .filter(|sign_out| self.now() < sign_out.expires_at)
            .ok_or(Refusal::SignOutExpired)?;
        let mut steps = Vec::new();
        for step in read.sign_out_steps(&sign_out.id_hash).await? {
            let app = read.app(&step.app_id).await?;
            let (reachable, answers) = match (&app, step.protocol) {
                (Some(app), Protocol::Wsfed) => (clean_up_address(app).is_some(), false),
                (Some(app), Protocol::Saml) => {
                    let reachable = logout_service(app).is_some() && step.name_id.is_some();
                    (reachable, reachable)
                }
                (None, _) => (false, false),
            };
            steps.push(Step {
                position: step.position,
                label: app.map_or(step.app_id, |app| app.label),
                state: step.state,
                reachable,
                answers,
            });
        }
        let complete = steps.iter().all(|step| {
            step.state == StepState::Done
                || (!step.answers && step.state == StepState::Sent && step.reachable)
        });
        Ok((sign_out, Round { steps, complete }))
    }

    async fn done(&self, finish: Finish, upn: &str, complete: bool) -> Result<Done> {
        let (app_id, request_id, relay_state, brought_by) = match finish {
            Finish::Page => return Ok(Done::Page),
            Finish::Redirect { to } => return Ok(Done::Redirect(to)),
            Finish::Saml {
                app_id,
                request_id,
                relay_state,
                brought_by,
            } => (app_id, request_id, relay_state, brought_by),
        };
        let app = self.store.read().await?.app(&app_id).await?;
        let Some(app) = app else {
            return Ok(Done::Page);
        };
        // Whoever publishes no address for it gets no answer.
        let Some(service) = logout_service(&app) else {
            return Ok(Done::Page);
        };
        let url = service.response_url.as_deref().unwrap_or(&service.url);
        let upn = Some(upn).filter(|upn| !upn.is_empty());
        let (issuer, key) = self.voice(&app, upn.or(brought_by.as_deref())).await?;
        let unsigned = OutgoingLogoutResponse {
            id: &crypto::random::xml_id(),
            issued_at: self.now(),
            destination: url,
            in_response_to: &request_id,
            issuer: &issuer,
            complete,
        }
        .unsigned()
        .map_err(Error::broken)?;
        let message = Outgoing {
            answer: true,
            unsigned,
            url,
            relay_state: relay_state.as_deref(),
        };
        send(&app, service.binding, &message, &key)
    }

    fn token_of(&self, sign_out: &store::SignOut) -> Result<String> {
        let sealed = BASE64_STANDARD
            .decode(stored(sign_out)?.token)
            .map_err(Error::broken)?;
        let token = self
            .master_key
            .open(PURPOSE, &sealed)
            .map_err(Error::broken)?;
        String::from_utf8(token.to_vec()).map_err(Error::broken)
    }
}

/// What the token of a round is sealed for.
const PURPOSE: &str = "sign-out";

/// Which sessions end.
enum Ending<'a> {
    /// That of the browser, if it has one.
    Browser(Option<&'a SessionToken>),
    Found(Vec<Session>),
}

/// A message on its way to an app.
struct Outgoing<'a> {
    answer: bool,
    unsigned: Unsigned,
    url: &'a str,
    relay_state: Option<&'a str>,
}

/// Signs a message as its binding wants it (SAML bindings §3.4.4.1, §3.5.4).
fn send(app: &App, binding: SamlBinding, message: &Outgoing<'_>, key: &SigningKey) -> Result<Done> {
    let algorithm = algorithm(crate::saml::settings(app)?)?;
    match binding {
        SamlBinding::Redirect => {
            let query = redirect_query(
                message.answer,
                &message.unsigned.xml,
                message.relay_state,
                Some(algorithm.uri()),
            );
            let signature = crypto::detached_signature::sign(query.as_bytes(), key, algorithm)
                .map_err(Error::broken)?;
            let query = with_signature(&query, &signature);
            let and = if message.url.contains('?') { '&' } else { '?' };
            Ok(Done::Redirect(format!("{}{and}{query}", message.url)))
        }
        SamlBinding::Post => {
            let signed = sign(&message.unsigned, key, algorithm)?;
            let name = if message.answer {
                "SAMLResponse"
            } else {
                "SAMLRequest"
            };
            let mut fields = vec![(name, BASE64_STANDARD.encode(signed))];
            let relay_state = message.relay_state.map(str::to_owned);
            fields.extend(relay_state.map(|state| ("RelayState", state)));
            Ok(Done::Post(PostBack {
                app_label: app.label.clone(),
                action: message.url.to_owned(),
                fields,
            }))
        }
    }
}

/// What has to be told to the apps that know a session, but for the one that asks.
async fn steps_of(
    write: &mut Write,
    session: &Session,
    asked_by: Option<&str>,
) -> Result<Vec<SignOutStep>> {
    let known = write.session_apps(&session.id_hash).await?;
    let others = known
        .into_iter()
        .filter(|known| Some(known.app_id.as_str()) != asked_by);
    let step = |known: SessionApp| SignOutStep {
        request_id: crypto::random::xml_id(),
        // Its place is known when all are.
        position: 0,
        state: StepState::Waiting,
        app_id: known.app_id,
        protocol: known.protocol,
        name_id: known.name_id,
        session_index: known.session_index,
    };
    Ok(others.map(step).collect())
}

fn stored(sign_out: &store::SignOut) -> Result<Stored> {
    serde_json::from_str(&sign_out.finish).map_err(Error::broken)
}

fn logout_service(app: &App) -> Option<&LogoutService> {
    app.saml.as_ref()?.logout.as_ref()
}

/// Where a WS-Federation app forgets the person (WS-Fed 1.2 §13.2.4): its reply address with the action.
fn clean_up_address(app: &App) -> Option<String> {
    let reply = app.wsfed.as_ref()?.replies.first()?;
    let and = if reply.contains('?') { '&' } else { '?' };
    Some(format!("{reply}{and}wa=wsignoutcleanup1.0"))
}
