//! The handlers, one file per thing that people or Microsoft ask for.

pub mod assets;
pub mod commands;
pub mod health;
pub mod metadata;
pub mod portal;
pub mod setup;
pub mod sign_in;
pub mod wsfed;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{self, HeaderName};
use axum::middleware::Next;
use axum::response::{Html, Response};

use crate::app::App;
use crate::problem::Failure;

/// A page, rendered.
fn page(template: &impl Template) -> Result<Html<String>, Failure> {
    Ok(Html(
        template
            .render()
            .map_err(|error| idp::Error::Broken(Box::new(error)))?,
    ))
}

/// Everything a page needs is ours; nothing may be put around it or into it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The page that posts a token to an application. Without `form-action`, which browsers also apply to
/// the redirects that follow the post, wherever the application sends the person next.
const POST_BACK_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Middleware: the headers that every answer carries, unless its handler has said otherwise.
pub async fn security_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut say = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    say(header::CONTENT_SECURITY_POLICY, POLICY);
    say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(header::X_FRAME_OPTIONS, "DENY");
    say(header::REFERRER_POLICY, "same-origin");
    say(header::CACHE_CONTROL, "no-store");
    if app.idp.urls().secure() {
        say(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}
