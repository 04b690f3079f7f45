//! The handlers, one file per thing that people or Microsoft ask for.

pub mod assets;
pub mod commands;
pub mod compare;
pub mod health;
pub mod metadata;
pub mod portal;
pub mod rescue;
pub mod saml;
pub mod setup;
pub mod sign_in;
pub mod sign_out;
pub mod trust;
pub mod windows;
pub mod wsfed;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{self, HeaderName};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use idp::Refusal;
use idp::apps::AppInfo;
use idp::parse::Domain;
use idp::sessions::SignedIn;
use idp::sign_on::PostBack;
use store::User;

use crate::app::App;
use crate::pages;
use crate::problem::Failure;

/// The administrator who is signed in; everybody else is refused.
fn only_for_admins(person: SignedIn) -> Result<User, Refusal> {
    if person.user.admin {
        Ok(person.user)
    } else {
        let upn = person.user.upn;
        Err(Refusal::NotAdmin { upn })
    }
}

/// All domains of an application, for people.
fn domains_in_words(app: &AppInfo) -> String {
    let names = app.domains.iter().map(|one| one.domain.as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// The domain that a query names.
fn domain_in(query: Option<&str>) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query?.as_bytes());
    let (_, domain) = pairs.find(|(name, _)| name == "domain")?;
    Some(domain.into_owned())
}

/// An address of ours with the domain that its query names, to come back to after signing in.
fn with_domain(path: &str, domain: Option<&str>) -> String {
    match domain.map(Domain::parse) {
        Some(Ok(domain)) => format!("{path}?domain={domain}"),
        _ => path.to_owned(),
    }
}

/// What links about a domain have as their query: its name, where the application has others.
fn of_domain(app: &AppInfo, domain: &str) -> String {
    if app.domains.len() > 1 {
        format!("?domain={domain}")
    } else {
        String::new()
    }
}

/// Whether a page about one domain has to ask first which one is meant.
fn several(app: &AppInfo, domain: Option<&str>) -> bool {
    domain.is_none() && app.domains.len() > 1
}

/// The page that asks for one of several domains; `href` leads on when the domain is added to it.
fn choose_domain(app: &AppInfo, title: &'static str, href: &str) -> Result<Response, Failure> {
    let choices = app.domains.iter().map(|one| pages::Choice {
        domain: one.domain.clone(),
        unicode: idp::parse::in_unicode(&one.domain),
        issuer: one.issuer.clone(),
        href: format!("{href}?domain={}", one.domain),
    });
    let html = page(&pages::Domains {
        title,
        app_label: app.label.clone(),
        choices: choices.collect(),
    })?;
    Ok(html.into_response())
}

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
const MESSAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The same in a frame of our own page.
const STEP_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'self'";
/// The page whose frames tell the applications; where they lead is the applications' business.
const ROUND_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src 'self' https:";
/// The same where this server is reached over plain HTTP, as on a developer's machine.
const PLAIN_ROUND_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src 'self' https: http:";

/// The form that the browser posts to an application.
fn post_back(post: PostBack) -> Result<Response, Failure> {
    let html = page(&message(post, "Signing you in"))?;
    Ok(([(header::CONTENT_SECURITY_POLICY, MESSAGE_POLICY)], html).into_response())
}

/// The same as a page, to be shown or to be part of another.
fn message(post: PostBack, doing: &'static str) -> pages::PostBack {
    let fields = post.fields.into_iter().map(|(name, value)| pages::Field {
        name: name.to_owned(),
        value,
    });
    pages::PostBack {
        doing,
        app_label: post.app_label,
        action: post.action,
        fields: fields.collect(),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_lead_anywhere_by_https_and_by_plain_http_only_from_plain_http() {
        assert!(ROUND_POLICY.ends_with("; frame-src 'self' https:"));
        assert_eq!(PLAIN_ROUND_POLICY, format!("{ROUND_POLICY} http:"));
        assert_eq!(
            ROUND_POLICY.split("; frame-src").next(),
            Some(POLICY),
            "in all else it is the policy of every page"
        );
    }

    #[test]
    fn what_is_posted_to_applications_may_redirect_anywhere() {
        for policy in [MESSAGE_POLICY, STEP_POLICY] {
            assert!(!policy.contains("form-action"), "{policy}");
        }
    }
}
