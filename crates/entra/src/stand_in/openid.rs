//! What clients read before they ask for tokens: where the endpoints are (OpenID Connect Discovery §4).

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::StandIn;

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub async fn version_2(State(stand_in): State<StandIn>, Path(tenant): Path<String>) -> Response {
    stand_in.configuration(&tenant, "/v2.0")
}

/// `GET /{tenant}/.well-known/openid-configuration`
pub async fn version_1(State(stand_in): State<StandIn>, Path(tenant): Path<String>) -> Response {
    stand_in.configuration(&tenant, "")
}

#[derive(Deserialize)]
pub struct Instance {
    authorization_endpoint: String,
}

/// `GET /common/discovery/instance`: every authority of this host is known here.
pub async fn instance(
    State(stand_in): State<StandIn>,
    Query(asked): Query<Instance>,
) -> Json<Value> {
    let host = stand_in.host();
    let authority = url::Url::parse(&asked.authorization_endpoint).ok();
    let tenant = authority
        .as_ref()
        .and_then(|url| url.path_segments()?.next())
        .filter(|tenant| stand_in.known_tenant(tenant).is_ok())
        .unwrap_or("common");
    Json(json!({
        "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", stand_in.base_url()),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    }))
}

/// `GET /{tenant}/discovery/v2.0/keys`: none, for the tokens here are not signed.
pub async fn keys() -> Json<Value> {
    Json(json!({ "keys": [] }))
}

impl StandIn {
    fn configuration(&self, tenant: &str, version: &str) -> Response {
        if let Err(unknown) = self.known_tenant(tenant) {
            let error = json!({
                "error": "invalid_tenant",
                "error_description": format!("{}: {}", unknown.code, unknown.why),
                "error_codes": [unknown.code.0],
            });
            return (StatusCode::BAD_REQUEST, Json(error)).into_response();
        }
        let base = self.base_url();
        let oauth = format!("{base}/{tenant}/oauth2{version}");
        Json(json!({
            "issuer": self.issuer(),
            "token_endpoint": format!("{oauth}/token"),
            // Discovery must name one (OpenID Connect Discovery §3). In a browser sign-ins begin at our home page.
            "authorization_endpoint": format!("{oauth}/authorize"),
            "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["none"],
            "scopes_supported": ["openid", "profile", "offline_access"],
            "cloud_instance_name": self.instance(),
        }))
        .into_response()
    }

    /// Who the tokens say made them.
    pub(super) fn issuer(&self) -> String {
        format!("{}/{}/v2.0", self.base_url(), self.tenant_id())
    }

    fn host(&self) -> &str {
        let base = self.base_url();
        base.split_once("://").map_or(base, |(_, host)| host)
    }
}
