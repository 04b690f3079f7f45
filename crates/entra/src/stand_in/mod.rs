//! A small Microsoft 365 to sign in to: it asks a federated domain and judges the answer.

mod binding;
mod element;
mod fetch;
mod openid;
mod org_id;
mod pages;
mod realm;
mod request;
mod rst;
mod saml;
mod session;
pub(crate) mod shelf;
mod sign_out;
mod start;
mod token;
mod windows;
mod wsfed;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use chrono::{DateTime, TimeDelta, Utc};
use tracing::{info, warn};

use crate::checks::{self, Outstanding, Replay, Verdict, accept, logout};
use crate::graph::{self, Graph};
use crate::guid;
use crate::tenant::{Cloud, Tenant};
use fetch::Fetch;
use org_id::OrgIdKey;
use pages::problem;
use request::SignOutAnswer;
use session::{Session, Visit};
use shelf::Shelf;

/// More than the largest answer anybody sends.
const BODY_LIMIT: usize = 1024 * 1024;

/// The stand-in's pages and endpoints, at the root of a host of its own.
pub fn router(stand_in: StandIn) -> Router {
    Router::new()
        .route("/", get(start::home))
        .route("/start", get(start::start).post(start::start))
        .route("/windows", post(windows::sign_in))
        .route("/login.srf", get(start::smart_link).post(receive))
        .route("/sign-out", get(sign_out::begin))
        .route("/common/userrealm/{upn}", get(realm::by_path))
        .route("/common/UserRealm/{upn}", get(realm::by_path)) // MSAL for Go's spelling
        .route("/common/userrealm", get(realm::by_query))
        .route("/GetUserRealm.srf", get(realm::legacy).post(realm::legacy))
        .route("/common/discovery/instance", get(openid::instance))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(openid::version_2),
        )
        .route(
            "/{tenant}/.well-known/openid-configuration",
            get(openid::version_1),
        )
        .route("/{tenant}/discovery/v2.0/keys", get(openid::keys))
        .route("/{tenant}/oauth2/v2.0/token", post(token::version_2))
        .route("/{tenant}/oauth2/token", post(token::version_1))
        .route("/graph/{*path}", any(graph::answer))
        .route("/assets/stand-in.css", get(pages::stylesheet))
        .route("/assets/send.js", get(pages::script))
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
    /// The tenant is what Graph makes of it.
    graph: Graph,
    cloud: Cloud,
    base_url: String,
    tenant_id: String,
    clock: graph::Clock,
    outstanding: Shelf<Asked>,
    /// The blob of the context by the ID of its AuthnRequest.
    blobs: Shelf<String>,
    /// The domain that a LogoutRequest of this ID went to.
    leaving: Shelf<String>,
    sessions: Shelf<Visit>,
    replay: Mutex<Replay>,
    org_id_key: OnceLock<OrgIdKey>,
    fetch: Fetch,
}

/// A request that waits, and what was chosen together with it.
#[derive(Clone)]
struct Asked {
    outstanding: Outstanding,
    sign_out_answer: SignOutAnswer,
}

impl StandIn {
    /// A stand-in for this tenant, reached at `base_url`, that takes the time from `clock`.
    pub fn new(
        tenant: Tenant,
        base_url: &str,
        clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> Self {
        // Longer than a request counts, so that a late answer is told that it is late.
        let patience = TimeDelta::hours(2);
        let base_url = base_url.trim_end_matches('/');
        let (tenant_id, clock) = (guid::of(base_url), Arc::new(clock));
        Self(Arc::new(Inner {
            graph: Graph::new(&tenant, base_url, tenant_id.clone(), clock.clone()),
            cloud: tenant.cloud,
            base_url: base_url.to_owned(),
            tenant_id,
            clock,
            outstanding: Shelf::new(patience),
            blobs: Shelf::new(patience),
            leaving: Shelf::new(patience),
            sessions: Shelf::new(TimeDelta::hours(8)),
            replay: Mutex::default(),
            org_id_key: OnceLock::new(),
            fetch: Fetch::new(),
        }))
    }

    /// Where the tenant is looked at and changed.
    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }

    /// The tenant as it is now.
    fn tenant(&self) -> Arc<Tenant> {
        self.0.graph.tenant()
    }

    fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    fn base_url(&self) -> &str {
        &self.0.base_url
    }

    fn tenant_id(&self) -> &str {
        &self.0.tenant_id
    }

    fn now(&self) -> DateTime<Utc> {
        (self.0.clock)()
    }

    /// Made when it is needed first, for most tenants ask for no signatures.
    fn org_id_key(&self) -> &OrgIdKey {
        let make = || OrgIdKey::generate().expect("libcrypto makes RSA keys");
        self.0.org_id_key.get_or_init(make)
    }

    /// Judges a posted answer, together with the request it belongs to.
    fn judge(&self, body: &[u8]) -> (Verdict, Option<Asked>) {
        let now = self.now();
        let lead = checks::lead(body);
        let asked_by = |blob: &str| self.0.outstanding.look(blob, now);
        let by_context = || asked_by(request::blob(lead.context.as_deref()?)?);
        let by_id = || asked_by(&self.0.blobs.look(lead.request_id.as_deref()?, now)?);
        let asked = by_context().or_else(by_id);
        let outstanding = asked.as_ref().map(|asked| &asked.outstanding);
        let mut replay = self.replay();
        let verdict = accept(&self.tenant(), body, outstanding, &mut replay, now);
        (verdict, asked)
    }

    fn replay(&self) -> MutexGuard<'_, Replay> {
        // It changes in one step at the end of the checks, so a panic elsewhere leaves it whole.
        self.0.replay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something comes back from a domain, or a domain wants something.
async fn receive(
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
    sign_out::message(&stand_in, logout::posted(&body))
        .unwrap_or_else(|| answer(&stand_in, &session, &body))
}

/// An answer to a sign-in request, or to none.
fn answer(stand_in: &StandIn, session: &Session, body: &[u8]) -> Response {
    let (verdict, asked) = stand_in.judge(body);
    let sign_out_answer = asked
        .as_ref()
        .map(|asked| asked.sign_out_answer)
        .unwrap_or_default();
    let correlation_id = asked.map(|asked| asked.outstanding.client_request_id);
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
    session.end(stand_in);
    let cookie = stand_in.open_session(Visit {
        signed_in: signed_in.clone(),
        sign_out_answer,
    });
    (cookie, pages::verdict(&verdict, correlation_id.as_deref())).into_response()
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
