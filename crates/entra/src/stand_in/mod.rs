//! A small Microsoft 365 to sign in to: it asks a federated domain and judges the answer.

mod pages;
mod realm;
mod request;
mod session;
mod shelf;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FormRejection};
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use tracing::{info, warn};

use crate::checks::{self, Outstanding, Replay, SignedIn, Verdict, accept};
use crate::tenant::{Federation, Protocol, Tenant};
use pages::problem;
use request::{Ask, Request};
use session::Session;
use shelf::Shelf;

/// More than the largest answer anybody sends.
const BODY_LIMIT: usize = 1024 * 1024;

/// The stand-in's pages and endpoints, at the root of a host of its own.
pub fn router(stand_in: StandIn) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/start", get(start).post(start))
        .route("/login.srf", get(smart_link).post(answer))
        .route("/sign-out", get(sign_out))
        .route("/common/userrealm/{upn}", get(realm::by_path))
        .route("/common/userrealm", get(realm::by_query))
        .route("/GetUserRealm.srf", get(realm::legacy).post(realm::legacy))
        .route("/assets/stand-in.css", get(pages::stylesheet))
        .fallback(async || {
            problem(
                StatusCode::NOT_FOUND,
                "Nothing here",
                "This stand-in has no such page.",
            )
        })
        .method_not_allowed_fallback(async || {
            problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "Not like this",
                "This page takes no such request.",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(axum::middleware::map_response(pages::with_security_headers))
        .with_state(stand_in)
}

/// The stand-in's state: the tenant, and in memory the requests that wait and who is signed in.
#[derive(Clone)]
pub struct StandIn(Arc<Inner>);

struct Inner {
    tenant: Tenant,
    secure: bool,
    clock: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    outstanding: Shelf<Outstanding>,
    sessions: Shelf<SignedIn>,
    replay: Mutex<Replay>,
}

impl StandIn {
    /// A stand-in for this tenant, reached at `base_url`, that takes the time from `clock`.
    pub fn new(
        tenant: Tenant,
        base_url: &str,
        clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            tenant,
            secure: base_url.starts_with("https://"),
            clock: Box::new(clock),
            // Longer than a request counts, so that a late answer is told that it is late.
            outstanding: Shelf::new(TimeDelta::hours(2)),
            sessions: Shelf::new(TimeDelta::hours(8)),
            replay: Mutex::default(),
        }))
    }

    fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    fn now(&self) -> DateTime<Utc> {
        (self.0.clock)()
    }

    /// Remembers a request to a domain and words it; gives back where to send the browser.
    fn begin(&self, domain: &str, federation: &Federation, begin: &Begin) -> String {
        let blob = crypto::random::token();
        let outstanding = Outstanding {
            wctx: request::context(&blob, begin.long_context),
            started_at: self.now(),
            domain: domain.to_owned(),
            fresh: begin.ask.fresh(),
            mfa: begin.ask == Ask::MultiFactor,
            client_request_id: uuid::Builder::from_random_bytes(crypto::random::bytes())
                .into_uuid()
                .to_string(),
        };
        let request = Request {
            ask: begin.ask,
            client_request_id: &outstanding.client_request_id,
            username: begin.username,
            wctx: &outstanding.wctx,
            with_reply: begin.with_reply,
        };
        let url = request.url(&self.tenant().cloud, federation);
        self.0.outstanding.put(blob, outstanding, self.now());
        url
    }

    /// Judges a posted answer, together with the request it belongs to.
    fn judge(&self, body: &[u8]) -> (Verdict, Option<Outstanding>) {
        let now = self.now();
        let outstanding = checks::context(body)
            .and_then(|wctx| request::blob(&wctx).map(str::to_owned))
            .and_then(|blob| self.0.outstanding.look(&blob, now));
        // The replay cache changes in one step at the end, so a panic elsewhere leaves it whole.
        let mut replay = self.0.replay.lock().unwrap_or_else(PoisonError::into_inner);
        (
            accept(self.tenant(), body, outstanding.as_ref(), &mut replay, now),
            outstanding,
        )
    }
}

/// How a request is to be worded.
struct Begin<'a> {
    username: Option<&'a str>,
    ask: Ask,
    with_reply: bool,
    long_context: bool,
}

async fn home(State(stand_in): State<StandIn>, session: Session) -> Response {
    pages::home(&stand_in, session.signed_in.as_ref(), "", None)
}

/// The sign-in form; a box that is not ticked is not sent.
#[derive(Deserialize)]
struct Start {
    user: String,
    #[serde(default)]
    ask: Ask,
    without_username: Option<String>,
    with_reply: Option<String>,
    long_context: Option<String>,
}

async fn start(
    State(stand_in): State<StandIn>,
    session: Session,
    form: Result<Form<Start>, FormRejection>,
) -> Response {
    let form = match form {
        Ok(Form(form)) => form,
        Err(FormRejection::BytesRejection(error)) => return unreadable(&error),
        Err(_) => {
            return problem(
                StatusCode::BAD_REQUEST,
                "Which account?",
                "The request does not name an account.",
            );
        }
    };
    let found = stand_in.discover(&form.user);
    let refuse = |why: &str| {
        pages::home(
            &stand_in,
            session.signed_in.as_ref(),
            &found.login,
            Some(why),
        )
    };
    let Some(domain) = found.domain else {
        return refuse("This username may be incorrect. Make sure you typed it correctly.");
    };
    let Some(federation) = found.federation else {
        return refuse(
            "This domain is not federated. Its people have a password in the cloud, and this stand-in keeps none.",
        );
    };
    if federation.protocol == Protocol::Saml {
        return refuse(
            "This domain is federated with SAML 2.0; this stand-in speaks WS-Federation.",
        );
    }
    let begin = Begin {
        username: form
            .without_username
            .is_none()
            .then_some(found.login.as_str()),
        ask: form.ask,
        with_reply: form.with_reply.is_some(),
        long_context: form.long_context.is_some(),
    };
    Redirect::to(&stand_in.begin(&domain.name, federation, &begin)).into_response()
}

#[derive(Deserialize)]
struct SmartLink {
    wa: Option<String>,
    whr: Option<String>,
}

/// A link that starts at a domain without asking for an account, or the clean-up after a sign-out.
async fn smart_link(
    State(stand_in): State<StandIn>,
    session: Session,
    Query(link): Query<SmartLink>,
) -> Response {
    match (link.wa.as_deref(), link.whr.as_deref()) {
        (Some("wsignin1.0"), Some(whr)) => {
            let domain = stand_in.tenant().root_of(whr);
            let federation = domain.and_then(|domain| domain.federation.as_ref());
            match (domain, federation) {
                (Some(domain), Some(federation)) if federation.protocol == Protocol::WsFed => {
                    let begin = Begin {
                        username: None,
                        ask: Ask::SignIn,
                        with_reply: false,
                        long_context: false,
                    };
                    Redirect::to(&stand_in.begin(&domain.name, federation, &begin)).into_response()
                }
                _ => problem(
                    StatusCode::NOT_FOUND,
                    "AADSTS50128",
                    "No tenant has a federated domain of the name that the link gives.",
                ),
            }
        }
        (Some("wsignin1.0") | None, None) => Redirect::to("/").into_response(),
        (Some("wsignoutcleanup1.0"), _) => {
            session.end(&stand_in);
            // An identity provider shows this in a frame while somebody signs out.
            let framed = [(
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'",
            )];
            (stand_in.no_session(), framed, pages::signed_out()).into_response()
        }
        _ => problem(
            StatusCode::BAD_REQUEST,
            "AADSTS20012",
            "The WS-Federation message is invalid: wa is unknown.",
        ),
    }
}

/// An answer comes back.
async fn answer(
    State(stand_in): State<StandIn>,
    session: Session,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return unreadable(&error),
    };
    if !is_form(&headers) {
        return problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Not a form",
            "Answers are posted as application/x-www-form-urlencoded.",
        );
    }
    let (verdict, outstanding) = stand_in.judge(&body);
    let correlation_id = outstanding.map(|asked| asked.client_request_id);
    let Some(signed_in) = &verdict.signed_in else {
        let code = verdict.code().unwrap_or_default();
        warn!(code, correlation_id, "Refused an answer");
        return (
            StatusCode::FORBIDDEN,
            pages::verdict(&verdict, correlation_id.as_deref()),
        )
            .into_response();
    };
    info!(upn = signed_in.upn, correlation_id, "Accepted an answer");
    session.end(&stand_in);
    let cookie = stand_in.open_session(signed_in.clone());
    (cookie, pages::verdict(&verdict, correlation_id.as_deref())).into_response()
}

/// Ends the session here, then at the identity provider.
async fn sign_out(State(stand_in): State<StandIn>, session: Session) -> Response {
    session.end(&stand_in);
    let domain = session
        .signed_in
        .and_then(|signed_in| stand_in.tenant().domain(&signed_in.domain));
    match domain.and_then(|domain| domain.federation.as_ref()) {
        Some(federation) => {
            let url = request::with_query(&federation.sign_out_uri, "wa=wsignout1.0");
            (stand_in.no_session(), Redirect::to(&url)).into_response()
        }
        None => (stand_in.no_session(), pages::signed_out()).into_response(),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn unreadable(error: &BytesRejection) -> Response {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too much",
            "No answer is as long as what was posted.",
        ),
        status => problem(
            status,
            "Unreadable",
            "What was posted could not be read to its end.",
        ),
    }
}
