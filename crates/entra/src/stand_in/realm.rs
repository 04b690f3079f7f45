//! Realm discovery: whom does this account sign in with, and where?

use askama::Template;
use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::Begin;
use super::{StandIn, pages};
use crate::tenant::{Domain, Federation, Protocol, Tenant, domain_of};

#[derive(Deserialize)]
pub struct Version {
    #[serde(rename = "api-version")]
    version: Option<String>,
}

/// `GET /common/userrealm/{upn}?api-version=1.0`, which the MSAL libraries ask.
pub async fn by_path(
    State(stand_in): State<StandIn>,
    Path(upn): Path<String>,
    Query(asked): Query<Version>,
) -> Response {
    stand_in.user_realm(&upn, asked.version.as_deref())
}

#[derive(Deserialize)]
pub struct UserRealm {
    user: String,
    #[serde(rename = "api-version")]
    version: Option<String>,
}

/// `GET /common/userrealm?user=…&api-version=2.1`, which web pages ask.
pub async fn by_query(State(stand_in): State<StandIn>, Query(asked): Query<UserRealm>) -> Response {
    stand_in.user_realm(&asked.user, asked.version.as_deref())
}

#[derive(Deserialize)]
pub struct Legacy {
    login: String,
    xml: Option<String>,
}

/// `GET` or `POST /GetUserRealm.srf?login=…&json=1`, the oldest of them.
pub async fn legacy(
    State(stand_in): State<StandIn>,
    asked: Result<Form<Legacy>, FormRejection>,
) -> Response {
    let Ok(Form(asked)) = asked else {
        return pages::problem(
            StatusCode::BAD_REQUEST,
            "Which account?",
            "The request does not name a login.",
        );
    };
    let tenant = stand_in.tenant();
    let found = discover(&tenant, &asked.login);
    let (state, user_state) = if found.federation.is_some() {
        (3, 2)
    } else {
        (4, 1)
    };
    let realm = LegacyRealm {
        state,
        user_state,
        auth_url: found.federation.and_then(|_| stand_in.auth_url(&found)),
        sts_auth_url: found
            .federation
            .and_then(|federation| federation.active_sign_in_uri.as_deref()),
        instance: stand_in.instance(),
        audience: &stand_in.cloud().audience,
        name_space_type: found.kind(),
        login: &found.login,
        domain: found.domain_name(),
    };
    if asked.xml.is_some_and(|xml| xml == "1") {
        let xml = realm.render().expect("the template writes to memory");
        return ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], xml).into_response();
    }
    Json(realm.json()).into_response()
}

/// What is known about an account before anybody has signed in.
pub struct Discovery<'a> {
    pub login: String,
    pub domain: Option<&'a Domain>,
    pub federation: Option<&'a Federation>,
}

impl Discovery<'_> {
    fn kind(&self) -> &'static str {
        match (self.domain, self.federation) {
            (_, Some(_)) => "Federated",
            (Some(_), None) => "Managed",
            (None, None) => "Unknown",
        }
    }

    fn domain_name(&self) -> &str {
        domain_of(&self.login).unwrap_or_default()
    }
}

#[derive(Template)]
#[template(path = "realm.xml")]
struct LegacyRealm<'a> {
    state: u8,
    user_state: u8,
    login: &'a str,
    name_space_type: &'static str,
    domain: &'a str,
    auth_url: Option<String>,
    sts_auth_url: Option<&'a str>,
    instance: &'a str,
    audience: &'a str,
}

impl LegacyRealm<'_> {
    fn json(&self) -> Value {
        let mut realm = json!({
            "State": self.state,
            "UserState": self.user_state,
            "Login": self.login,
            "NameSpaceType": self.name_space_type,
            "DomainName": self.domain,
            "FederationBrandName": self.domain,
            "CloudInstanceName": self.instance,
            "CloudInstanceIssuerUri": self.audience,
        });
        if let Some(auth_url) = &self.auth_url {
            realm["FederationGlobalVersion"] = json!(-1);
            realm["AuthURL"] = json!(auth_url);
            realm["STSAuthURL"] = json!(self.sts_auth_url);
            realm["AuthNForwardType"] = json!(1);
        }
        realm
    }
}

/// Finds the domain that answers for an account, by what follows its `@`.
pub fn discover<'t>(tenant: &'t Tenant, login: &str) -> Discovery<'t> {
    // An account is echoed in pages, JSON and XML: no controls, and no more than a UPN can have.
    let login: String = login
        .trim()
        .chars()
        .filter(|letter| !letter.is_control())
        .take(1024)
        .collect();
    let domain = tenant.root_of_upn(&login);
    Discovery {
        federation: domain.and_then(|domain| domain.federation.as_ref()),
        domain,
        login,
    }
}

impl StandIn {
    /// The name of the cloud as clients compare it: `microsoftonline.com`.
    pub(super) fn instance(&self) -> &str {
        let reply = &self.cloud().reply;
        let host = reply
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap_or(reply);
        host.strip_prefix("login.").unwrap_or(host)
    }

    /// Where this account signs in, ready to be followed.
    fn auth_url(&self, found: &Discovery) -> Option<String> {
        let federation = found.federation?;
        let begin = Begin {
            username: Some(&found.login),
            ..Begin::default()
        };
        match federation.protocol {
            Protocol::WsFed => Some(self.wsfed_request(&found.domain?.name, federation, &begin)),
            Protocol::Saml => Some(federation.passive_sign_in_uri.clone()),
        }
    }

    fn user_realm(&self, login: &str, version: Option<&str>) -> Response {
        let tenant = self.tenant();
        let found = discover(&tenant, login);
        match version {
            Some("1.0") => Json(self.version_1(&found)).into_response(),
            Some("2.0" | "2.1") => Json(self.version_2(&found)).into_response(),
            _ => {
                let choice = json!({ "error": "api-version is one of 1.0, 2.0 and 2.1" });
                (StatusCode::BAD_REQUEST, Json(choice)).into_response()
            }
        }
    }

    fn version_1(&self, found: &Discovery) -> Value {
        let mut realm = json!({
            "ver": "1.0",
            "account_type": found.kind(),
            "domain_name": found.domain_name(),
            "cloud_instance_name": self.instance(),
            "cloud_audience_urn": self.cloud().audience,
        });
        if let Some(federation) = found.federation {
            realm["federation_protocol"] = json!(protocol_name(federation));
            for (name, value) in [
                ("federation_metadata_url", &federation.metadata_exchange_uri),
                ("federation_active_auth_url", &federation.active_sign_in_uri),
            ] {
                if let Some(value) = value {
                    realm[name] = json!(value);
                }
            }
        }
        realm
    }

    fn version_2(&self, found: &Discovery) -> Value {
        let mut realm = json!({
            "NameSpaceType": found.kind(),
            "Login": found.login,
            "DomainName": found.domain_name(),
            "FederationBrandName": found.domain_name(),
            "TenantBrandingInfo": null,
            "cloud_instance_name": self.instance(),
        });
        if let (Some(federation), Some(auth_url)) = (found.federation, self.auth_url(found)) {
            realm["federation_protocol"] = json!(protocol_name(federation));
            realm["AuthURL"] = json!(auth_url);
        }
        realm
    }
}

fn protocol_name(federation: &Federation) -> &'static str {
    match federation.protocol {
        Protocol::WsFed => "WSTrust",
        Protocol::Saml => "SAML20",
    }
}
