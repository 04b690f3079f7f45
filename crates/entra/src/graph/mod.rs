//! Microsoft Graph, as far as a federation needs it: domains, their federation, people and their anchors.
//!
//! It keeps the one directory by which sign-ins are judged as well. Tests hand out tokens here, read the
//! journal of what was called, make calls fail, and compare the directory before and after.

mod access;
mod configuration;
mod directory;
mod domains;
mod error;
mod filter;
mod journal;
mod query;
mod replica;
mod users;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::stand_in::StandIn;
use crate::stand_in::shelf::Shelf;
use crate::tenant::Tenant;
use access::{Access, Need};
use domains::{CONFIGURATION, DOMAIN};
use error::GraphError;
use journal::Journal;
use query::{Kind, Query};
use replica::Replica;
use users::USER;

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

const ORGANIZATION: Kind = Kind {
    name: "organization",
    unasked: None,
};

const POLICY: Kind = Kind {
    name: "federatedTokenValidationPolicy",
    unasked: None,
};

/// Graph and the directory behind it; a clone is the same one.
#[derive(Clone)]
pub struct Graph(Arc<Inner>);

struct Inner {
    base_url: String,
    clock: Clock,
    tokens: Shelf<Access>,
    state: Mutex<Kept>,
}

pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

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

/// A call, taken apart.
struct Request<'a> {
    method: Method,
    segments: Vec<&'a str>,
    query: Query,
    body: Result<Map<String, Value>, GraphError>,
    access: Access,
    eventual: bool,
}

/// `/graph/…`
pub async fn answer(
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

    /// The directory as it was written last, without the random identifiers of federations: equal to an
    /// earlier one when nothing is different.
    pub fn snapshot(&self) -> Directory {
        self.state().replica.newest().clone().comparable()
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
        let mut upn = String::new();
        self.arrange(|directory| {
            let initial = directory.domains.iter().find(|domain| domain.is_initial);
            let domain = initial.map_or("onmicrosoft.com", |domain| &domain.id);
            upn = format!("admin@{domain}");
            if directory.user(&upn).is_none() {
                directory.users.push(User::new(&upn, None));
            }
        });
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
        let path = decoded(uri.path());
        let text =
            |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let access = self.access(text(header::AUTHORIZATION), now);
        let body = body.unwrap_or_default();
        let mut state = self.state();
        let fault = state.journal.fault();
        let performed = match (fault, access) {
            (Some(Moment::Before), _) => Err(GraphError::unavailable()),
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
            return self.look(request, &seen.directory, &state.habits);
        }
        let mut directory = state.replica.newest().clone();
        let answer = change(request, &mut directory, &state.habits)?;
        let answer = self.with_context(request, answer);
        state
            .replica
            .write(directory, state.habits.propagation, now);
        Ok(answer)
    }

    fn look(
        &self,
        request: &Request,
        directory: &Directory,
        habits: &Habits,
    ) -> Result<Answer, GraphError> {
        let query = &request.query;
        let need = |need| request.access.ensure(need);
        let one = |of: &str, object: Value, kind: &Kind| {
            let object = query.only_select()?.selected(object, kind)?;
            Ok(Answer::Ok(self.in_context(
                &format!("{of}{}/$entity", query.context()),
                object,
            )))
        };
        let list = |of: &str, objects: Vec<Value>, kind: &Kind| {
            let selected = objects
                .into_iter()
                .map(|object| query.only_select()?.selected(object, kind));
            let mut page = Map::new();
            page.insert(
                "value".to_owned(),
                json!(selected.collect::<Result<Vec<_>, GraphError>>()?),
            );
            Ok(Answer::Ok(
                self.in_context(&format!("{of}{}", query.context()), page),
            ))
        };
        match request.segments.as_slice() {
            ["domains"] => {
                need(Need::ReadDomains)?;
                let domains = directory.domains.iter();
                let domains = domains.map(|domain| directory.domain_json(domain));
                list("domains", domains.collect(), &DOMAIN)
            }
            ["domains", id] => {
                need(Need::ReadDomains)?;
                let domain = directory.known_domain(id)?;
                one("domains", directory.domain_json(domain), &DOMAIN)
            }
            ["domains", id, "federationConfiguration"] => {
                need(Need::ReadFederation)?;
                let configuration = directory.configuration(id)?;
                if configuration.is_none() && !habits.lists_nothing {
                    return Err(GraphError::not_found("federationConfiguration"));
                }
                let configuration = configuration.map(|configuration| configuration.json().into());
                let of = format!("domains('{id}')/federationConfiguration");
                list(&of, Vec::from_iter(configuration), &CONFIGURATION)
            }
            ["domains", id, "federationConfiguration", configuration_id] => {
                need(Need::ReadFederation)?;
                let configuration = directory.configuration_by_id(id, configuration_id)?;
                let of = format!("domains('{id}')/federationConfiguration");
                one(&of, configuration.json().into(), &CONFIGURATION)
            }
            ["users"] => {
                need(Need::ReadUsers)?;
                let users = directory.users.iter().map(User::json);
                let address = format!("{}/users", self.base_url());
                let page = query.page(users, &USER, &address, request.eventual)?;
                let of = format!("users{}", query.context());
                Ok(Answer::Ok(self.in_context(&of, page)))
            }
            ["users", key] => {
                need(Need::ReadUsers)?;
                one("users", directory.known_user(key)?.json(), &USER)
            }
            ["me"] => {
                need(Need::ReadMe)?;
                let Holder::Person { upn, .. } = &request.access.holder else {
                    return Err(GraphError::unreadable(
                        "/me request is only valid with delegated authentication flow.",
                    ));
                };
                one("users", directory.known_user(upn)?.json(), &USER)
            }
            ["organization"] => {
                need(Need::ReadOrganization)?;
                list("organization", vec![organization(directory)], &ORGANIZATION)
            }
            ["policies", "federatedTokenValidationPolicy"] => {
                need(Need::ReadPolicies)?;
                // The only one that sign-ins here are judged by.
                let policy = json!({
                    "id": "federatedTokenValidationPolicy",
                    "deletedDateTime": null,
                    "validatingDomains": {
                        "@odata.type": "#microsoft.graph.allDomains",
                        "rootDomains": "all",
                    },
                });
                one("policies/federatedTokenValidationPolicy", policy, &POLICY)
            }
            ["domains", _, "promote"] => Err(GraphError::method_not_allowed()),
            segments => Err(no_such(segments)),
        }
    }

    fn with_context(&self, request: &Request, answer: Answer) -> Answer {
        let of = match request.segments.as_slice() {
            ["domains", _, "promote"] => "Edm.Boolean".to_owned(),
            ["domains", id, ..] => format!("domains('{id}')/federationConfiguration/$entity"),
            _ => return answer,
        };
        match answer {
            Answer::Ok(Value::Object(object)) => Answer::Ok(self.in_context(&of, object)),
            Answer::Created(Value::Object(object)) => Answer::Created(self.in_context(&of, object)),
            other => other,
        }
    }

    /// An object with where its words are explained.
    fn in_context(&self, of: &str, object: Map<String, Value>) -> Value {
        let mut whole = Map::new();
        let context = format!("{}/$metadata#{of}", self.base_url());
        whole.insert("@odata.context".to_owned(), json!(context));
        whole.extend(object);
        whole.into()
    }
}

/// Whatever is not a read.
fn change(
    request: &Request,
    directory: &mut Directory,
    habits: &Habits,
) -> Result<Answer, GraphError> {
    let need = |need| request.access.ensure(need);
    let body = || request.body.as_ref().map_err(Clone::clone);
    match (request.method.as_str(), request.segments.as_slice()) {
        ("PATCH", ["domains", id]) => {
            let body = body()?;
            if body.contains_key("authenticationType") {
                need(Need::ChangeAuthentication)?;
            }
            if body.keys().any(|name| name != "authenticationType") {
                need(Need::WriteDomains)?;
            }
            directory.update_domain(id, body, habits)
        }
        ("POST", ["domains", id, "promote"]) => {
            need(Need::WriteDomains)?;
            directory.promote(id, habits)
        }
        ("POST", ["domains", id, "federationConfiguration"]) => {
            need(Need::WriteFederation)?;
            directory.create_configuration(id, body()?, habits)
        }
        ("PATCH", ["domains", id, "federationConfiguration", configuration_id]) => {
            need(Need::WriteFederation)?;
            directory.update_configuration(id, configuration_id, body()?, habits)
        }
        ("DELETE", ["domains", id, "federationConfiguration", configuration_id]) => {
            need(Need::DeleteFederation)?;
            directory.delete_configuration(id, configuration_id)
        }
        ("PATCH", ["users", key]) => {
            need(Need::WriteUsers)?;
            directory.update_user(key, body()?)
        }
        (
            _,
            ["domains" | "users" | "organization" | "me"]
            | ["users" | "domains", _]
            | ["domains", _, "federationConfiguration" | "promote"]
            | ["domains", _, "federationConfiguration", _]
            | ["policies", "federatedTokenValidationPolicy"],
        ) => Err(GraphError::method_not_allowed()),
        (_, segments) => Err(no_such(segments)),
    }
}

impl<'a> Request<'a> {
    fn read(
        method: &Method,
        path: &'a str,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        access: Access,
    ) -> Result<Self, GraphError> {
        let path = path.strip_prefix(ROOT).ok_or_else(|| no_such(&[path]))?;
        let consistency = headers.get("consistencylevel");
        Ok(Self {
            method: method.clone(),
            segments: path
                .split('/')
                .filter(|segment| !segment.is_empty())
                .collect(),
            query: Query::read(uri.query().unwrap_or_default())?,
            body: object(headers, body),
            access,
            eventual: consistency
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"eventual")),
        })
    }
}

/// The JSON object in a body, without the remarks that OData lets one make.
fn object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, GraphError> {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = content_type
        .and_then(|value| value.get(..16))
        .is_some_and(|start| start.eq_ignore_ascii_case(b"application/json"));
    let unreadable = || {
        GraphError::unreadable(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )
    };
    let body: Map<String, Value> = is_json
        .then(|| serde_json::from_slice(body).ok())
        .flatten()
        .ok_or_else(unreadable)?;
    Ok(body
        .into_iter()
        .filter(|(name, _)| !name.contains("@odata."))
        .collect())
}

fn no_such(segments: &[&str]) -> GraphError {
    GraphError::no_such_segment(segments.first().copied().unwrap_or_default())
}

fn organization(directory: &Directory) -> Value {
    let domains = directory.domains.iter().filter(|domain| domain.is_verified);
    let verified = domains.map(|domain| {
        json!({
            "capabilities": domain.supported_services.join(", "),
            "isDefault": domain.is_default,
            "isInitial": domain.is_initial,
            "name": domain.id,
            "type": directory.authentication_type(domain),
        })
    });
    json!({
        "id": directory.id,
        "displayName": directory.display_name,
        "onPremisesSyncEnabled": directory.sync_enabled.then_some(true),
        "tenantType": "AAD",
        "verifiedDomains": verified.collect::<Vec<_>>(),
    })
}

/// A path without its escapes; a plus sign is a plus sign there.
fn decoded(path: &str) -> String {
    let path = path.replace('+', "%2B");
    url::form_urlencoded::parse(path.replace('&', "%26").replace('=', "%3D").as_bytes())
        .map(|(text, _)| text.into_owned())
        .collect()
}
