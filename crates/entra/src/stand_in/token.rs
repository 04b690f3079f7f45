//! The token endpoint, which gives tokens of its own for a domain's assertion.

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{StandIn, unreadable};
use crate::checks::{Aadsts, Grant, SignedIn, Verdict, redeem};
use crate::guid;

/// How long an access token would count.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// A token request (RFC 6749 §4.5). Who sends a password sends it in vain: it is not even read.
#[derive(Deserialize)]
pub struct Request {
    grant_type: Option<String>,
    client_id: Option<String>,
    /// What version 2.0 is asked for.
    scope: Option<String>,
    /// What version 1.0 is asked for.
    resource: Option<String>,
    assertion: Option<String>,
    client_info: Option<String>,
}

/// Whom and what tokens are for.
pub struct Wanted<'a> {
    pub client_id: &'a str,
    pub scope: &'a str,
    pub resource: Option<&'a str>,
    pub client_info: bool,
}

/// `POST /{tenant}/oauth2/v2.0/token`, which the MSAL libraries ask.
pub async fn version_2(
    State(stand_in): State<StandIn>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    request: Result<Form<Request>, FormRejection>,
) -> Response {
    answered(&request, &headers, |request| {
        stand_in.token(&tenant, request, Version::V2)
    })
}

/// `POST /{tenant}/oauth2/token`, which older clients ask.
pub async fn version_1(
    State(stand_in): State<StandIn>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    request: Result<Form<Request>, FormRejection>,
) -> Response {
    answered(&request, &headers, |request| {
        stand_in.token(&tenant, request, Version::V1)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

fn answered(
    request: &Result<Form<Request>, FormRejection>,
    headers: &HeaderMap,
    token: impl FnOnce(&Request) -> Result<Value, Refusal>,
) -> Response {
    let correlation_id = correlation_id(headers);
    let result = match request {
        Ok(Form(request)) => token(request),
        Err(FormRejection::BytesRejection(error)) => return unreadable(error),
        Err(_) => Err(Refusal::request(
            900_144,
            "the request body is not a form with each parameter once",
        )),
    };
    match result {
        Ok(tokens) => Json(tokens).into_response(),
        Err(refusal) => {
            warn!(
                code = refusal.code.0,
                correlation_id, "Refused a token request"
            );
            (StatusCode::BAD_REQUEST, Json(refusal.json(&correlation_id))).into_response()
        }
    }
}

/// What the client calls its request, if it looks like Microsoft's names for requests.
fn correlation_id(headers: &HeaderMap) -> String {
    headers
        .get("client-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|value| uuid::Uuid::try_parse(value).is_ok())
        .map_or_else(guid::random, str::to_owned)
}

/// Why there are no tokens (RFC 6749 §5.2), with Microsoft's code.
#[derive(Debug)]
pub struct Refusal {
    error: &'static str,
    pub code: Aadsts,
    pub why: String,
}

impl Refusal {
    fn request(code: u32, why: impl Into<String>) -> Self {
        Self {
            error: "invalid_request",
            code: Aadsts(code),
            why: why.into(),
        }
    }

    /// Of an assertion that a check failed.
    pub fn of(verdict: &Verdict) -> Option<Self> {
        let (_, code, why) = verdict.failed()?;
        Some(Self {
            error: "invalid_grant",
            code,
            why: why.to_owned(),
        })
    }

    fn json(&self, correlation_id: &str) -> Value {
        json!({
            "error": self.error,
            "error_description": format!("{}: {}. Correlation ID: {correlation_id}", self.code, self.why),
            "error_codes": [self.code.0],
            "correlation_id": correlation_id,
        })
    }
}

impl StandIn {
    fn token(&self, tenant: &str, request: &Request, version: Version) -> Result<Value, Refusal> {
        self.known_tenant(tenant)?;
        let grant_type = demanded("grant_type", request.grant_type.as_deref())?;
        let wanted = Wanted {
            client_id: demanded("client_id", request.client_id.as_deref())?,
            scope: match version {
                Version::V1 => request.scope.as_deref().unwrap_or("openid"),
                Version::V2 => demanded("scope", request.scope.as_deref())?,
            },
            resource: request.resource.as_deref(),
            client_info: request.client_info.as_deref() == Some("1"),
        };
        if grant_type == "password" {
            return Err(Refusal {
                error: "invalid_grant",
                code: Aadsts(50126),
                why: "invalid username or password: this stand-in keeps no passwords, so federated people bring an assertion and others cannot sign in".to_owned(),
            });
        }
        let grant = Grant::of(grant_type).ok_or_else(|| Refusal {
            error: "unsupported_grant_type",
            code: Aadsts(70003),
            why: format!("the grant type {grant_type:?} is not supported"),
        })?;
        let assertion = demanded("assertion", request.assertion.as_deref())?;
        let verdict = self.redeem(grant, assertion);
        match &verdict.signed_in {
            Some(person) => {
                info!(upn = person.upn, "Took an assertion for tokens");
                Ok(self.tokens(person, &wanted, version))
            }
            None => Err(Refusal::of(&verdict).expect("a check failed")),
        }
    }

    /// Judges an assertion that was brought for tokens.
    pub(super) fn redeem(&self, grant: Grant, assertion: &str) -> Verdict {
        redeem(
            &self.tenant(),
            grant,
            assertion,
            &mut self.replay(),
            self.now(),
        )
    }

    /// Refuses a tenant of which nobody has heard.
    pub(super) fn known_tenant(&self, tenant: &str) -> Result<(), Refusal> {
        let known = ["common", "organizations", self.tenant_id()].contains(&tenant)
            || self.tenant().domain(tenant).is_some();
        known
            .then_some(())
            .ok_or_else(|| Refusal::request(90002, format!("tenant {tenant:?} not found")))
    }

    fn tokens(&self, person: &SignedIn, wanted: &Wanted, version: Version) -> Value {
        let scopes: Vec<&str> = wanted.scope.split_ascii_whitespace().collect();
        let number = |seconds: i64| match version {
            Version::V1 => json!(seconds.to_string()),
            Version::V2 => json!(seconds),
        };
        let mut tokens = json!({
            "token_type": "Bearer",
            "scope": scopes.join(" "),
            "expires_in": number(LIFETIME.num_seconds()),
            "ext_expires_in": number(LIFETIME.num_seconds()),
            "access_token": crypto::random::token(),
        });
        if scopes.contains(&"openid") {
            tokens["id_token"] = json!(self.id_token(person, wanted.client_id, self.now()));
        }
        if scopes.contains(&"offline_access") || version == Version::V1 {
            tokens["refresh_token"] = json!(crypto::random::token());
        }
        if version == Version::V1 {
            tokens["expires_on"] = number((self.now() + LIFETIME).timestamp());
            tokens["resource"] = json!(wanted.resource);
        }
        if wanted.client_info {
            let info = json!({ "uid": object_id(person), "utid": self.tenant_id() });
            tokens["client_info"] = json!(BASE64URL.encode(info.to_string()));
        }
        tokens
    }

    /// An ID token that nobody signed: what is handed out here opens nothing.
    fn id_token(&self, person: &SignedIn, client_id: &str, now: DateTime<Utc>) -> String {
        let header = json!({ "typ": "JWT", "alg": "none" });
        let claims = json!({
            "aud": client_id,
            "iss": self.issuer(),
            "iat": now.timestamp(),
            "nbf": now.timestamp(),
            "exp": (now + LIFETIME).timestamp(),
            "name": person.display_name,
            "oid": object_id(person),
            "preferred_username": person.upn,
            "sub": object_id(person),
            "tid": self.tenant_id(),
            "ver": "2.0",
        });
        let [header, claims] = [header, claims].map(|part| BASE64URL.encode(part.to_string()));
        format!("{header}.{claims}.")
    }
}

fn demanded<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Refusal> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        Refusal::request(
            900_144,
            format!("the request body must contain the parameter {name:?}"),
        )
    })
}

/// The same for the same person, as Entra ID's are.
fn object_id(person: &SignedIn) -> String {
    guid::of(&person.immutable_id)
}
