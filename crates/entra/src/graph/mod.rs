//! Microsoft Graph, as far as a federation needs it: domains, their federation, people and their anchors.
//!
//! It keeps the one directory by which sign-ins are judged as well. Tests hand out tokens here, read the
//! journal of what was called, make calls fail, and compare the directory before and after.

mod access;
mod change;
mod configuration;
mod directory;
mod domains;
mod error;
mod filter;
mod journal;
mod look;
mod query;
mod replica;
mod request;
mod users;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::stand_in::StandIn;
use crate::stand_in::shelf::Shelf;
use crate::tenant::Tenant;
use access::Access;
use change::change;
use error::GraphError;
use journal::Journal;
use look::Look;
use replica::Replica;
use request::Request;

pub use access::{Holder, Role};
pub use configuration::{
    AuthenticationProtocol, CertificateUpdateStatus, Configuration, MfaBehavior,
    PromptLoginBehavior,
};
pub use directory::{AuthenticationType, Directory, Domain, User};
pub use journal::{Call, Fault, Moment};
pub use replica::Propagation;

/// Where Graph lives below the stand-in's own address.
const ROOT: &str = "/graph/v1.0";

/// Graph and the directory behind it; a clone is the same one.
#[derive(Clone)]
pub struct Graph(Arc<Inner>);

struct Inner {
    base_url: String,
    clock: Clock,
    tokens: Shelf<Access>,
    state: Mutex<Kept>,
}

pub(crate) type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Everything that calls change.
struct Kept {
    replica: Replica,
    habits: Habits,
    journal: Journal,
}

/// Ways of Graph about which the documents say nothing, or several things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Habits {
    /// Creating a federation makes the domain Federated by itself, as Microsoft's note of 2023 says.
    pub create_federates: bool,
    /// A domain that becomes Managed keeps its federation for another time.
    pub managed_keeps_configuration: bool,
    /// A federation without a certificate answers 500, and yet the domain is Federated and cannot be managed.
    pub takes_no_certificate: bool,
    /// A promoted sub-domain of a federated parent is Managed at once.
    pub promote_manages: bool,
    /// A domain without a federation has an empty list of them, where otherwise there is no such resource.
    pub lists_nothing: bool,
    /// Addresses lose their last slash on the way, as some versions of Microsoft's module did it to them.
    pub drops_trailing_slashes: bool,
    /// Addresses of this machine need no https, for tests that sign in afterwards.
    pub http_on_loopback: bool,
    /// How changes spread.
    pub propagation: Propagation,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            create_federates: true,
            managed_keeps_configuration: false,
            takes_no_certificate: false,
            promote_manages: false,
            lists_nothing: false,
            drops_trailing_slashes: false,
            http_on_loopback: false,
            propagation: Propagation::AtOnce,
        }
    }
}

/// What a call that was understood is answered with.
enum Answer {
    Ok(Value),
    Created(Value),
    NoContent,
    /// It changed something and then went wrong.
    Failed(GraphError),
}

/// `/graph/…`
pub(crate) async fn answer(
    State(stand_in): State<StandIn>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    stand_in.graph().answer(&method, &uri, &headers, body)
}

impl Graph {
    pub(crate) fn new(tenant: &Tenant, base_url: &str, tenant_id: String, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            base_url: format!("{base_url}{ROOT}"),
            clock,
            tokens: Shelf::new(access::LIFETIME),
            state: Mutex::new(Kept {
                replica: Replica::new(Directory::of(tenant, tenant_id)),
                habits: Habits::default(),
                journal: Journal::default(),
            }),
        }))
    }

    /// What stands for `https://graph.microsoft.com/v1.0`.
    pub fn base_url(&self) -> &str {
        &self.0.base_url
    }

    /// How it behaves from now on, where Microsoft leaves it open.
    pub fn set_habits(&self, habits: Habits) {
        self.state().habits = habits;
    }

    /// Changes the directory by other ways than Graph, seen at once.
    pub fn arrange(&self, change: impl FnOnce(&mut Directory)) {
        let now = self.now();
        let mut state = self.state();
        let mut directory = state.replica.newest().clone();
        change(&mut directory);
        state.replica.write(directory, Propagation::AtOnce, now);
    }

    /// The directory as it was written last, whoever sees it yet.
    pub fn directory(&self) -> Directory {
        self.state().replica.newest().clone()
    }

    /// The same without the random identifiers of federations: equal to an earlier one when nothing is
    /// different.
    pub fn snapshot(&self) -> Directory {
        self.directory().comparable()
    }

    /// The calls until now, the oldest first.
    pub fn journal(&self) -> Vec<Call> {
        self.state().journal.calls()
    }

    /// Begins the journal anew.
    pub fn forget(&self) {
        self.state().journal.forget();
    }

    /// Makes a coming call fail.
    pub fn fail(&self, fault: Fault) {
        self.state().journal.fail(fault);
    }

    /// Ends every failure that [`fail`](Self::fail) arranged.
    pub fn mend(&self) {
        self.state().journal.mend();
    }

    /// The tenant as sign-ins see it now.
    pub(crate) fn tenant(&self) -> Arc<Tenant> {
        let now = self.now();
        Arc::clone(&self.state().replica.seen(now).tenant)
    }

    /// The UPN of an administrator outside every federated domain.
    fn administrator(&self) -> String {
        let directory = self.directory();
        let initial = directory.domains.iter().find(|domain| domain.is_initial);
        let domain = initial.map_or("onmicrosoft.com", |domain| &domain.id);
        let upn = format!("admin@{domain}");
        if directory.user(&upn).is_none() {
            let administrator = User {
                roles: vec![Role::GlobalAdministrator],
                ..User::new(&upn, None)
            };
            self.arrange(|directory| directory.users.push(administrator));
        }
        upn
    }

    fn now(&self) -> DateTime<Utc> {
        (self.0.clock)()
    }

    fn state(&self) -> MutexGuard<'_, Kept> {
        // A call changes the directory in its last step, so a panic elsewhere leaves it whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Response {
        let now = self.now();
        let path = request::decoded(uri.path());
        let text =
            |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let access = self.access(text(header::AUTHORIZATION), now);
        let body = body.unwrap_or_default();
        let mut state = self.state();
        let fault = state.journal.fault();
        let performed = match (fault, access) {
            (Some(Moment::Before), _) => Err(GraphError::unavailable()),
            (Some(Moment::Throttled), _) => Err(GraphError::throttled()),
            (_, Err(error)) => Err(error),
            (_, Ok(access)) => {
                let request = Request::read(method, &path, uri, headers, &body, access);
                request.and_then(|request| self.perform(&request, &mut state, now))
            }
        };
        let performed = match fault {
            Some(Moment::After) => Err(GraphError::unavailable()),
            _ => performed,
        };
        let (status, code) = match &performed {
            Ok(Answer::Ok(_)) => (StatusCode::OK, None),
            Ok(Answer::Created(_)) => (StatusCode::CREATED, None),
            Ok(Answer::NoContent) => (StatusCode::NO_CONTENT, None),
            Ok(Answer::Failed(error)) | Err(error) => (error.status, Some(error.code)),
        };
        let address = uri.path_and_query().map_or("", |address| address.as_str());
        state.journal.write(Call {
            method: method.to_string(),
            path: address.strip_prefix(ROOT).unwrap_or(address).to_owned(),
            // Whoever brings no token does not fill our memory.
            body: (status != StatusCode::UNAUTHORIZED && !body.is_empty())
                .then(|| String::from_utf8_lossy(&body).into_owned()),
            status: status.as_u16(),
            code,
        });
        match performed {
            Ok(Answer::Ok(value) | Answer::Created(value)) => (status, Json(value)).into_response(),
            Ok(Answer::NoContent) => status.into_response(),
            Ok(Answer::Failed(error)) | Err(error) => error.response(now),
        }
    }

    fn perform(
        &self,
        request: &Request,
        state: &mut Kept,
        now: DateTime<Utc>,
    ) -> Result<Answer, GraphError> {
        if request.method == Method::GET {
            let seen = state.replica.read(now);
            let look = Look {
                base_url: self.base_url(),
                request,
                directory: &seen.directory,
                habits: &state.habits,
            };
            return look.answer();
        }
        let mut directory = state.replica.newest().clone();
        let answer = change(self.base_url(), request, &mut directory, &state.habits)?;
        state
            .replica
            .write(directory, state.habits.propagation, now);
        Ok(answer)
    }
}

/// An object with where its words are explained.
fn in_context(base_url: &str, of: &str, object: Map<String, Value>) -> Value {
    let mut whole = Map::new();
    let context = format!("{base_url}/$metadata#{of}");
    whole.insert("@odata.context".to_owned(), json!(context));
    whole.extend(object);
    whole.into()
}
