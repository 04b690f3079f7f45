//! The stand-in as a Windows PC: a password goes to the domain, and its answer to the token endpoint.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::Deserialize;
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::pages::{End, Line, Stage};
use super::realm::discover;
use super::rst::Request;
use super::{StandIn, pages, unreadable};
use crate::checks::windows::{
    Answer, Asked, Client, Endpoint, Fetched, Step, Version, answer, mex, realm,
};
use crate::checks::{Grant, Verdict};
use crate::guid;
use crate::tenant::Federation;

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The form; nothing of it goes anywhere but to the domain.
#[derive(Deserialize)]
pub struct Credentials {
    user: String,
    password: Zeroizing<String>,
    client: Option<String>,
}

pub async fn sign_in(
    State(stand_in): State<StandIn>,
    form: Result<Form<Credentials>, FormRejection>,
) -> Response {
    let form = match form {
        Ok(Form(form)) => form,
        Err(FormRejection::BytesRejection(error)) => return unreadable(&error),
        Err(_) => {
            return pages::problem(
                StatusCode::BAD_REQUEST,
                "Which account?",
                "The request does not name an account and its password.",
            );
        }
    };
    let client = Client::ALL
        .into_iter()
        .find(|client| Some(client.value()) == form.client.as_deref())
        .unwrap_or(Client::Windows);
    let tenant = stand_in.tenant();
    let found = discover(&tenant, &form.user);
    let mut walk = Walk {
        stand_in: &stand_in,
        client,
        user: &found.login,
        password: &form.password,
        correlation_id: &guid::random(),
        stages: Vec::new(),
    };
    let end = walk.go(found.federation).await;
    let status = match &end {
        End::SignedIn(person) => {
            info!(upn = person.upn, "Signed somebody in as a PC does");
            StatusCode::OK
        }
        End::Fault(_) | End::Failed { .. } => {
            warn!(walk.correlation_id, "Did not sign somebody in as a PC does");
            StatusCode::FORBIDDEN
        }
    };
    let page = pages::Windows {
        client,
        account: walk.user,
        correlation_id: walk.correlation_id,
        steps: walk.stages,
        end,
    };
    (status, pages::html(&page)).into_response()
}

/// The way of one password, step by step.
struct Walk<'a> {
    stand_in: &'a StandIn,
    client: Client,
    user: &'a str,
    password: &'a str,
    correlation_id: &'a str,
    stages: Vec<Stage>,
}

impl Walk<'_> {
    async fn go(&mut self, federation: Option<&Federation>) -> End {
        let step = realm(self.client, federation);
        let facts = vec![("Metadata", step.result.unwrap_or("none").to_owned())];
        self.show("Realm discovery", facts, &step);
        let (Some(federation), Some(address)) = (federation, step.result) else {
            return failed(&step);
        };

        let fetched = self.metadata(address).await;
        let step = mex(self.client, address, federation, &fetched);
        let chosen = step.result.as_ref();
        let facts = vec![
            ("GET", address.to_owned()),
            ("Answer", in_short(&fetched)),
            (
                "Found",
                chosen.map_or_else(|| "none".to_owned(), |chosen| chosen.address.clone()),
            ),
        ];
        self.show("Metadata", facts, &step);
        let Some(endpoint) = &step.result else {
            return failed(&step);
        };

        let message_id = format!("urn:uuid:{}", guid::random());
        let fetched = self.password(endpoint, &message_id).await;
        let asked = Asked {
            client: self.client,
            version: endpoint.version,
            message_id: &message_id,
            cloud: self.stand_in.cloud(),
            federation,
        };
        let step = answer(&asked, &fetched, self.stand_in.now());
        let facts = vec![
            ("POST", endpoint.address.clone()),
            ("Answer", in_short(&fetched)),
        ];
        let title = match endpoint.version {
            Version::Feb2005 => "Password by WS-Trust of February 2005",
            Version::Trust13 => "Password by WS-Trust 1.3",
        };
        self.show(title, facts, &step);
        let assertion = match &step.result {
            Some(Answer::Token { assertion }) => assertion,
            Some(Answer::Fault(fault)) => return End::Fault(fault.clone()),
            None => return failed(&step),
        };

        let assertion = BASE64URL.encode(assertion);
        let verdict = self.stand_in.redeem(Grant::Saml11, &assertion);
        self.stages.push(Stage {
            title: "Tokens for the assertion".to_owned(),
            facts: vec![("Grant", Grant::Saml11.grant_type().to_owned())],
            checks: verdict.checks.iter().map(Line::from).collect(),
        });
        refused(verdict)
    }

    /// Where passwords may be sent, asked for as the client does.
    async fn metadata(&self, address: &str) -> Fetched {
        // MSAL Go asks for an address without its query, and says of what type the body is that it does not send.
        let (address, sent) = match self.client {
            Client::Go => (
                address.split('?').next().unwrap_or(address),
                Some((header::CONTENT_TYPE, "application/xml")),
            ),
            _ => (address, None),
        };
        let headers: Vec<_> = self.headers().into_iter().chain(sent).collect();
        self.stand_in.0.fetch.get(address, &headers).await
    }

    async fn password(&self, endpoint: &Endpoint, message_id: &str) -> Fetched {
        let request = Request {
            client: self.client,
            endpoint,
            message_id,
            user: self.user,
            password: self.password,
            audience: &self.stand_in.cloud().audience,
            now: self.stand_in.now(),
        };
        let (envelope, action) = (request.envelope(), request.action());
        let sent = [
            (header::CONTENT_TYPE, "application/soap+xml; charset=utf-8"),
            (SOAP_ACTION, action.as_str()),
        ];
        let headers: Vec<_> = self.headers().into_iter().chain(sent).collect();
        let post = async || {
            let fetch = &self.stand_in.0.fetch;
            fetch.post(&endpoint.address, &headers, &envelope).await
        };
        let mut arrived = post().await?;
        // MSAL.NET takes what is over 499 for a passing trouble, unless it is told when to come back.
        if self.client == Client::DotNet && arrived.status >= 500 && !arrived.retry_after {
            arrived = post().await?;
            arrived.asked = 2;
        }
        Ok(arrived)
    }

    fn headers(&self) -> Vec<(HeaderName, &str)> {
        let agent = match self.client {
            Client::Windows => "Windows-AzureAD-Authentication-Provider/1.0",
            other => other.name(),
        };
        vec![
            (header::USER_AGENT, agent),
            (CLIENT_REQUEST_ID, self.correlation_id),
        ]
    }

    fn show<T>(&mut self, title: &str, facts: Vec<(&'static str, String)>, step: &Step<T>) {
        self.stages.push(Stage {
            title: title.to_owned(),
            facts,
            checks: step.checks.iter().map(Line::from).collect(),
        });
    }
}

fn failed<T>(step: &Step<T>) -> End {
    let (rule, why) = step.failed().expect("a step without a result failed");
    End::Failed {
        number: rule.number.to_owned(),
        title: rule.title,
        code: rule.code.to_owned(),
        why: why.to_owned(),
    }
}

fn refused(verdict: Verdict) -> End {
    if let Some((check, code, why)) = verdict.failed() {
        return End::Failed {
            number: check.number.to_string(),
            title: check.title,
            code: code.to_string(),
            why: why.to_owned(),
        };
    }
    let person = verdict.signed_in.expect("no check failed");
    End::SignedIn(Box::new(person))
}

fn in_short(fetched: &Fetched) -> String {
    match fetched {
        Ok(arrived) => {
            let content_type = arrived.content_type.as_deref().unwrap_or("no type");
            format!("{}, {content_type}", arrived.status)
        }
        Err(_) => "none".to_owned(),
    }
}
