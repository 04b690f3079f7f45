//! Errors, as people read them: one page per kind of blame, logged once, here.

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use idp::error::{Explanation, Record};
use idp::urls::route;
use idp::{Error, Origin, Refusal};

use crate::accept;
use crate::app::App;
use crate::extract::RequestOrigin;
use crate::pages::{self, Link};
use crate::routes::sign_in::ANOTHER;

/// Why a handler has no answer. Becomes a page in [`explained`], which knows the correlation id.
#[derive(Debug)]
pub struct Failure(Error);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Failure {
    /// The refusal, if it is one: some are shown on the form that led to them.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.0 {
            Error::Refused(refusal, _) => Some(refusal),
            _ => None,
        }
    }

    /// The text for the person who filled in a form, if it was their input.
    pub fn invalid(&self) -> Option<&str> {
        match &self.0 {
            Error::Invalid(text) => Some(text),
            _ => None,
        }
    }

    pub fn status(&self) -> StatusCode {
        match &self.0 {
            Error::Refused(refusal, _) => status_of(refusal),
            Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::UnknownApp
        | Refusal::UnknownDomain
        | Refusal::SeveralApps
        | Refusal::NoCommands { .. }
        | Refusal::OtherProtocol { .. } => StatusCode::NOT_FOUND,
        Refusal::BadRequest(_)
        | Refusal::ForeignIssuer { .. }
        | Refusal::ForeignDestination { .. }
        | Refusal::ForeignAcs { .. }
        | Refusal::Stale { .. }
        | Refusal::NameIdPolicy { .. }
        | Refusal::UnsupportedBinding { .. }
        | Refusal::UnexpectedAnswer { .. }
        | Refusal::ForeignRealm { .. }
        | Refusal::ForeignReply { .. }
        | Refusal::MethodRequested { .. }
        | Refusal::UnknownChoice { .. } => StatusCode::BAD_REQUEST,
        Refusal::NoNextCertificate { .. } => StatusCode::CONFLICT,
        // Credentials that do not suffice (RFC 9110 §15.5.4); 401 would promise a challenge that a browser answers.
        Refusal::AppDisabled { .. }
        | Refusal::NotSigned { .. }
        | Refusal::BadSignature { .. }
        | Refusal::Passive { .. }
        | Refusal::OtherSubject { .. }
        | Refusal::MultiFactorRequested { .. }
        | Refusal::ActiveOff { .. }
        | Refusal::ForeignNetwork { .. }
        | Refusal::WrongCredentials
        | Refusal::UserDisabled { .. }
        | Refusal::NotGranted { .. }
        | Refusal::OutsideDomain { .. }
        | Refusal::NoIdentifier { .. }
        | Refusal::ForeignForm
        | Refusal::NoCookie
        | Refusal::NotAdmin { .. } => StatusCode::FORBIDDEN,
        Refusal::NotSignedIn => StatusCode::UNAUTHORIZED,
        Refusal::Locked { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::AttemptExpired | Refusal::SetupLinkGone | Refusal::SignOutExpired => {
            StatusCode::GONE
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}

/// Middleware: turns every failed answer that is not yet a page into one.
pub async fn explained(
    State(app): State<App>,
    origin: RequestOrigin,
    request: Request,
    next: Next,
) -> Response {
    // Whoever takes anything is a browser, except where commands are copied from.
    let wants_html = accept::prefers_html(
        request.headers(),
        !["/commands", "/rescue"]
            .iter()
            .any(|end| request.uri().path().ends_with(end)),
    );
    let path = request.uri().path().to_owned();
    let has_connection = request.version() < Version::HTTP_2;
    let has_body = !request.body().is_end_stream();
    let is_for_programs = request
        .extensions()
        .get::<MatchedPath>()
        .is_some_and(|path| [route::TRUST_2005, route::TRUST_13].contains(&path.as_str()));
    let response = next.run(request).await;
    let status = response.status();
    let failure = response
        .extensions()
        .get::<std::sync::Arc<Failure>>()
        .cloned();
    let is_explained = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| {
            let value = value.as_bytes();
            value.starts_with(b"text/html") || value.starts_with(b"application/soap+xml")
        });
    if !(status.is_client_error() || status.is_server_error()) || is_explained {
        return response;
    }
    let origin = origin.now();
    if let Err(error) = record(&app, failure.as_deref(), status, &origin).await {
        // The answer stays a refusal: it grants nothing that would have to be on record first.
        tracing::warn!(%error, "A refusal could not be written to the audit");
    }
    let error = failure.as_deref().map(|failure| &failure.0);
    let (explanation, retry_after) = match status {
        StatusCode::METHOD_NOT_ALLOWED if is_for_programs => (for_programs(), None),
        _ => explain(error, status, &app),
    };
    log(error, status);
    let mut answer = if wants_html {
        let page = pages::Problem {
            status: status.as_u16(),
            title: explanation.title.to_owned(),
            what: explanation.what,
            why: explanation.why,
            what_to_do: explanation.what_to_do,
            correlation_id: origin.correlation_id,
            time: app.idp.now().format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            link: way_on(failure.as_deref(), &path),
        };
        (status, Html(page.to_string())).into_response()
    } else {
        let text = format!(
            "{}\n{} {}\n{}\nCorrelation id: {}\n",
            explanation.title,
            explanation.what,
            explanation.why,
            explanation.what_to_do,
            origin.correlation_id
        );
        (status, text).into_response()
    };
    if let Some(seconds) = retry_after {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = response.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    // Nobody has read the body to its end, so nothing can follow it (RFC 9112 §9.6).
    if failure.is_none() && has_body && has_connection {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer
}

/// Writes a refusal down, unless its verb has.
async fn record(
    app: &App,
    failure: Option<&Failure>,
    status: StatusCode,
    origin: &Origin,
) -> idp::Result<()> {
    match failure {
        Some(Failure(Error::Refused(refusal, Record::Missing))) => {
            app.idp.record_refusal(refusal, origin).await
        }
        Some(_) => Ok(()),
        None => match reason(status) {
            Some(reason) => app.idp.record_refused_request(reason, origin).await,
            None => Ok(()),
        },
    }
}

/// Why HTTP itself refused a request, for the audit. An address or a method that leads nowhere is a slip
/// of somebody's hand, and no line.
fn reason(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => None,
        StatusCode::PAYLOAD_TOO_LARGE => Some("too-large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some("unsupported-media-type"),
        _ => status.is_client_error().then_some("malformed"),
    }
}

/// `fallback` of the router.
pub async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// `method_not_allowed_fallback` of the router.
pub async fn method_not_allowed() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

/// What happened, for whoever reads the answer, and after how many seconds trying again may help.
pub fn explain(error: Option<&Error>, status: StatusCode, app: &App) -> (Explanation, Option<u64>) {
    let say = |title, what: &str, why: &str, what_to_do: &str| Explanation {
        title,
        what: what.to_owned(),
        why: why.to_owned(),
        what_to_do: what_to_do.to_owned(),
    };
    match error {
        Some(Error::Refused(refusal, _)) => {
            let wait = match refusal {
                Refusal::Locked { until } => {
                    u64::try_from((*until - app.idp.now()).num_seconds() + 1).ok()
                }
                _ => None,
            };
            (refusal.explanation(), wait)
        }
        Some(Error::Invalid(text)) => (
            say(
                "That cannot be done",
                "The request was not carried out.",
                &sentence(text),
                "Go back, change it and try again.",
            ),
            None,
        ),
        Some(Error::Unavailable(text)) => (
            say(
                "Please try again in a moment",
                "The server cannot answer right now.",
                &format!("The reason: {text}."),
                "Reload this page in a few seconds. Nothing was lost or changed.",
            ),
            Some(2),
        ),
        _ => (by_status(status), None),
    }
}

/// For an administrator who opens one of the addresses of WS-Trust to see whether it is there.
fn for_programs() -> Explanation {
    Explanation {
        title: "An address for programs",
        what: "There is no page here: Windows and other programs send a user name and a password to this address.".to_owned(),
        why: "They send it by POST, as a SOAP message of WS-Trust.".to_owned(),
        what_to_do: "Nothing is wrong. Whether it is turned on, an administrator sees with “countersign app show” or on the application's Windows page.".to_owned(),
    }
}

/// What HTTP itself refused before a handler saw it, and our own failures.
fn by_status(status: StatusCode) -> Explanation {
    let (title, what, why, what_to_do) = match status {
        StatusCode::NOT_FOUND => (
            "Page not found",
            "There is no page at this address.",
            "The address is incomplete or out of date.",
            "Start from the application that you want to use.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "Not possible this way",
            "This address does not take this kind of request.",
            "The method of the request does not fit the address.",
            "Start from the application that you want to use.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "Too much data",
            "The request is larger than this address takes.",
            "No honest form or message is that large.",
            "Go back and enter less.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::BAD_REQUEST
        | StatusCode::UNPROCESSABLE_ENTITY => (
            "The request is not valid",
            "The request could not be read.",
            "It is not a form as a browser sends it (application/x-www-form-urlencoded, each field once).",
            "Go back to the application and start again.",
        ),
        _ => (
            "Something went wrong",
            "The server could not answer this request.",
            "The failure is ours and has been logged.",
            "Try again. If it happens again, give your administrator the correlation id below.",
        ),
    };
    Explanation {
        title,
        what: what.to_owned(),
        why: why.to_owned(),
        what_to_do: what_to_do.to_owned(),
    }
}

/// What was wrong with an input, as a page says it.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

/// The page may offer a way on: to the form once more, or home. A web view may have no way back of its own.
fn way_on(failure: Option<&Failure>, path: &str) -> Option<Link> {
    let attempt = path.starts_with("/sign-in/");
    let form = attempt || path == route::SIGN_IN || path.starts_with("/setup/");
    let (label, href) = match failure?.refusal()? {
        Refusal::ForeignForm | Refusal::NoCookie if form => ("Try again", path.to_owned()),
        Refusal::UserDisabled { .. } if form => ("Sign in with another account", path.to_owned()),
        Refusal::NotGranted { .. }
        | Refusal::OutsideDomain { .. }
        | Refusal::OtherSubject { .. }
            if attempt =>
        {
            ("Sign in with another account", format!("{path}?{ANOTHER}"))
        }
        Refusal::ForeignForm
        | Refusal::NoCookie
        | Refusal::NotGranted { .. }
        | Refusal::OutsideDomain { .. }
        | Refusal::NotAdmin { .. }
        | Refusal::UserDisabled { .. } => ("Go to your applications", route::PORTAL.to_owned()),
        _ => return None,
    };
    Some(Link {
        label: label.to_owned(),
        href,
    })
}

/// One line about it.
pub fn log(error: Option<&Error>, status: StatusCode) {
    let code = status.as_u16();
    match error {
        Some(Error::Broken(cause)) => {
            tracing::error!(status = code, cause = %in_one_line(cause.as_ref()), "A request failed");
        }
        Some(Error::Unavailable(reason)) => {
            tracing::warn!(status = code, reason, "A request was turned away");
        }
        Some(Error::Refused(refusal, _)) => {
            tracing::info!(
                status = code,
                reason = refusal.reason(),
                "A request was refused"
            );
        }
        _ if status.is_server_error() => tracing::error!(status = code, "A request failed"),
        _ => tracing::info!(
            status = code,
            reason = reason(status),
            "A request was refused"
        ),
    }
}

/// An error and its causes in one line, without a cause that the line ends with already.
pub fn in_one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes
        .map(ToString::to_string)
        .fold(error.to_string(), |line, cause| {
            if line.ends_with(&cause) {
                line
            } else {
                format!("{line}: {cause}")
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrong_with_an_input_is_said_in_a_sentence() {
        assert_eq!(
            sentence("the two passwords differ"),
            "The two passwords differ."
        );
    }

    #[test]
    fn a_form_that_was_refused_leads_back_to_itself() {
        let disabled = || Refusal::UserDisabled {
            upn: "dave@contoso.com".to_owned(),
        };
        let not_granted = || Refusal::NotGranted {
            upn: "carol@contoso.com".to_owned(),
            label: "Contoso 365".to_owned(),
        };
        for (refusal, path, expected) in [
            (Refusal::NoCookie, "/sign-in", "/sign-in"),
            (Refusal::NoCookie, "/setup/link", "/setup/link"),
            (Refusal::ForeignForm, "/sign-in/attempt", "/sign-in/attempt"),
            (Refusal::ForeignForm, "/sign-out", "/"),
            (disabled(), "/sign-in/attempt", "/sign-in/attempt"),
            (
                not_granted(),
                "/sign-in/attempt",
                "/sign-in/attempt?another",
            ),
            (not_granted(), "/wsfed/app", "/"),
            (disabled(), "/wsfed/app", "/"),
        ] {
            let link = way_on(Some(&Failure::from(refusal)), path);
            assert_eq!(link.expect("a way on").href, expected, "{path}");
        }
        let expired = Failure::from(Refusal::AttemptExpired);
        assert!(way_on(Some(&expired), "/sign-in/attempt").is_none());
    }
}
