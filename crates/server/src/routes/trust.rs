//! WS-Trust and its description: SOAP 1.2 messages of clients that show no pages.

use axum::RequestExt as _;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::header::{HeaderMap, HeaderName};
use axum::http::{HeaderValue, StatusCode, Version as HttpVersion, header};
use axum::response::{IntoResponse, Response};
use idp::error::Explanation;
use idp::wstrust::{Arrived, Declined, LARGEST_ENVELOPE};
use idp::{Error, Refusal};
use protocol::BadRequest;
use protocol::wstrust::Version;

use crate::app::App;
use crate::extract::RequestOrigin;
use crate::problem::{self, Failure};

/// SOAP 1.2 part 2 §7.1.4.
const SOAP: &str = "application/soap+xml; charset=utf-8";

/// `GET /wsfed/{app_id}/trust/mex`
pub async fn mex(State(app): State<App>, Path(app_id): Path<String>) -> Result<Response, Failure> {
    let definitions = app.idp.mex(&app_id).await?;
    Ok((
        [(header::CONTENT_TYPE, "text/xml; charset=utf-8")],
        definitions,
    )
        .into_response())
}

/// `POST /wsfed/{app_id}/trust/mex`: the same by WS-Transfer.
pub async fn mex_transfer(State(app): State<App>, message: Message) -> Response {
    let origin = message.origin.now();
    let answer = match &message.envelope {
        Ok(envelope) => {
            app.idp
                .mex_transferred(message.arrived(envelope), &origin)
                .await
        }
        Err(refusal) => Err(message.unread(&app, Version::V13, refusal).await),
    };
    message.answered(&app, answer)
}

/// `POST /wsfed/{app_id}/trust/2005/usernamemixed`
pub async fn feb2005(State(app): State<App>, message: Message) -> Response {
    sign_on(&app, message, Version::Feb2005, "ws-trust-2005").await
}

/// `POST /wsfed/{app_id}/trust/13/usernamemixed`
pub async fn v13(State(app): State<App>, message: Message) -> Response {
    sign_on(&app, message, Version::V13, "ws-trust-13").await
}

async fn sign_on(app: &App, message: Message, version: Version, via: &'static str) -> Response {
    message.origin.through(via);
    let origin = message.origin.now();
    let answer = match &message.envelope {
        Ok(envelope) => {
            let arrived = message.arrived(envelope);
            app.idp.trust_sign_on(arrived, version, &origin).await
        }
        Err(refusal) => Err(message.unread(app, version, refusal).await),
    };
    message.answered(app, answer)
}

/// A SOAP message as HTTP brought it, if it is one.
pub struct Message {
    app_id: String,
    envelope: Result<Bytes, Refusal>,
    host: String,
    /// Nobody has read the body to its end, so nothing can follow it (RFC 9112 §9.6).
    closes: bool,
    origin: RequestOrigin,
}

impl FromRequest<App> for Message {
    type Rejection = Response;

    async fn from_request(mut request: Request, app: &App) -> Result<Self, Response> {
        let head = from_head(&mut request, app).await;
        let (Path(app_id), origin) = head.map_err(IntoResponse::into_response)?;
        let is_soap = is_soap(text(request.headers(), header::CONTENT_TYPE));
        let told = text(request.headers(), header::HOST);
        let host = match request.uri().authority() {
            // HTTP/2 has it there (RFC 9113 §8.3.1).
            Some(authority) if told.is_empty() => authority.to_string(),
            _ => told.to_owned(),
        };
        let has_connection = request.version() < HttpVersion::HTTP_2;
        let body = Bytes::from_request(request, app).await;
        Ok(Self {
            app_id,
            host,
            closes: has_connection && body.is_err(),
            envelope: match body {
                Ok(_) if !is_soap => Err(BadRequest::MediaType.into()),
                Ok(body) => Ok(body),
                Err(error) => Err(unreadable(&error).into()),
            },
            origin,
        })
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

async fn from_head(
    request: &mut Request,
    app: &App,
) -> Result<(Path<String>, RequestOrigin), Failure> {
    let path = request.extract_parts::<Path<String>>().await;
    let path = path.map_err(|_| Refusal::UnknownApp)?;
    Ok((path, request.extract_parts_with_state(app).await?))
}

fn unreadable(error: &BytesRejection) -> BadRequest {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return BadRequest::EnvelopeTooLarge {
            limit: LARGEST_ENVELOPE,
        };
    }
    BadRequest::not_xml("it broke off")
}

/// RFC 3902: SOAP 1.2 in UTF-8, which is also what is meant when nothing is said.
fn is_soap(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_soap = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/soap+xml"));
    let mut charsets = parts
        .filter_map(|part| part.split_once('='))
        .filter_map(|(name, value)| {
            let is_charset = name.trim().eq_ignore_ascii_case("charset");
            is_charset.then(|| value.trim().trim_matches('"'))
        });
    is_soap && charsets.all(|charset| charset.eq_ignore_ascii_case("utf-8"))
}

impl Message {
    fn arrived<'a>(&'a self, envelope: &'a [u8]) -> Arrived<'a> {
        Arrived {
            app_id: &self.app_id,
            envelope,
            host: &self.host,
        }
    }

    /// What HTTP refused goes on record as what WS-Trust refuses does.
    async fn unread(&self, app: &App, version: Version, refusal: &Refusal) -> Declined {
        let origin = self.origin.now();
        let written = app
            .idp
            .refuse_token::<()>(&self.app_id, refusal.clone(), &origin);
        let error = written.await.expect_err("it returns the refusal");
        Declined::unread(version, error)
    }

    fn answered(self, app: &App, answer: Result<String, Declined>) -> Response {
        let declined = match answer {
            Ok(envelope) => return ([(header::CONTENT_TYPE, SOAP)], envelope).into_response(),
            Err(declined) => declined,
        };
        let about_credentials = declined.is_about_credentials();
        let status = if about_credentials {
            StatusCode::from_u16(declined.credential_status).unwrap_or(StatusCode::BAD_REQUEST)
        } else {
            status_of(&declined.error)
        };
        let (mut explanation, wait) = problem::explain(Some(&declined.error), status, app);
        fit_for_programs(&declined.error, &mut explanation);
        problem::log(Some(&declined.error), status);
        let reason = format!(
            "{} {} {} Correlation id: {}",
            explanation.what,
            explanation.why,
            explanation.what_to_do,
            self.origin.now().correlation_id
        );
        let mut response = match declined.envelope(&reason) {
            Ok(fault) => (status, [(header::CONTENT_TYPE, SOAP)], fault).into_response(),
            Err(error) => return Failure::from(error).into_response(),
        };
        let headers = response.headers_mut();
        // MSAL for .NET sends a request once more after 5xx, unless it is told when.
        let wait = wait.or(status.is_server_error().then_some(1));
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Where the words for a browser's page would mislead: there is none to reload, and the clock is another's.
fn fit_for_programs(error: &Error, explanation: &mut Explanation) {
    match error {
        Error::Unavailable(_) => {
            "Try again in a few seconds.".clone_into(&mut explanation.what_to_do);
        }
        Error::Refused(Refusal::Stale { .. }, _) => {
            "The request has expired, or comes from the future.".clone_into(&mut explanation.what);
            "Its timestamp is not within five minutes of this server's clock."
                .clone_into(&mut explanation.why);
            "Set the clock of the computer that sent it; if that is right, the server's is wrong."
                .clone_into(&mut explanation.what_to_do);
        }
        _ => {}
    }
}

/// 5xx for our own failures alone. Windows takes what is above 400 for trouble with the network and goes on
/// with what it remembers, so 400 stands for every refusal that asking again does not change.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Refused(refusal, _) => match refusal {
            Refusal::UnknownApp | Refusal::OtherProtocol { .. } => StatusCode::NOT_FOUND,
            Refusal::ActiveOff { .. } | Refusal::ForeignNetwork { .. } => StatusCode::FORBIDDEN,
            Refusal::BadRequest(BadRequest::EnvelopeTooLarge { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Refusal::BadRequest(BadRequest::MediaType) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        },
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soap_is_told_by_its_media_type() {
        for good in [
            "application/soap+xml",
            "application/soap+xml; charset=utf-8",
            "Application/SOAP+XML;charset=\"UTF-8\"; action=\"http://x/RST/Issue\"",
        ] {
            assert!(is_soap(good), "{good}");
        }
        for bad in [
            "",
            "text/xml; charset=utf-8",
            "application/x-www-form-urlencoded",
            "application/soap+xml; charset=utf-16",
            "application/soap+xmls",
        ] {
            assert!(!is_soap(bad), "{bad}");
        }
    }
}
