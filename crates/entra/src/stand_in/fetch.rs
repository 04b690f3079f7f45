//! The stand-in as a client: one request to an identity provider, bounded in size and time.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, Method, Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use zeroize::Zeroizing;

use crate::checks::windows::{Arrived, Fetched};

/// More than any metadata or token has.
const LIMIT: usize = 512 * 1024;
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks without following anybody anywhere: an answer that leads elsewhere is an answer with that status.
///
/// It speaks http and not https, for identity providers on this machine.
#[derive(Clone)]
pub struct Fetch(Client<HttpConnector, Body>);

impl Fetch {
    pub fn new() -> Self {
        // A connection of its own for each request: nothing is asked for twice by itself.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            .build_http();
        Self(client)
    }

    pub async fn get(&self, address: &str, headers: &[(HeaderName, &str)]) -> Fetched {
        self.send(Method::GET, address, headers, Body::empty())
            .await
    }

    pub async fn post(
        &self,
        address: &str,
        headers: &[(HeaderName, &str)],
        body: &Zeroizing<String>,
    ) -> Fetched {
        let body = Body::from(body.as_bytes().to_vec());
        self.send(Method::POST, address, headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        address: &str,
        headers: &[(HeaderName, &str)],
        body: Body,
    ) -> Fetched {
        if !address.starts_with("http://") {
            return Err(format!(
                "{address} is not http, and this stand-in speaks nothing else"
            ));
        }
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request
            .body(body)
            .map_err(|error| format!("{address} cannot be asked: {error}"))?;
        let answered = tokio::time::timeout(PATIENCE, self.answer(request));
        answered
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} seconds", PATIENCE.as_secs())))
            .map_err(|why| format!("{address}: {why}"))
    }

    async fn answer(&self, request: Request<Body>) -> Fetched {
        let response = self.0.request(request).await;
        let response = response.map_err(|error| innermost(&error))?;
        let (parts, body) = response.into_parts();
        let body = to_bytes(Body::new(body), LIMIT)
            .await
            .map_err(|_| "the answer is too long or breaks off".to_owned())?;
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        Ok(Arrived {
            status: parts.status.as_u16(),
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            retry_after: parts.headers.contains_key(header::RETRY_AFTER),
            body: body.into(),
            asked: 1,
        })
    }
}

/// The cause of all causes: what is above it says "client error" in more words.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
