//! The handlers, one file per thing that people or Microsoft ask for.

pub mod assets;
pub mod commands;
pub mod compare;
pub mod health;
pub mod help;
pub mod metadata;
pub mod metrics;
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
use idp::expiry::InUse;
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

/// What an administrator is told about an app's signing certificates, once the end of one comes near.
fn expiring(app: &App, shown: &AppInfo) -> Vec<pages::Expiring> {
    let now = app.idp.now();
    let certificates = InUse::of(shown, now).into_iter();
    certificates
        .filter_map(|certificate| {
            certificate.due(now).map(|due| pages::Expiring {
                sentence: certificate.sentence(now),
                what_to_do: certificate.what_to_do,
                urgent: due.is_urgent(),
            })
        })
        .collect()
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
    use chrono::{DateTime, TimeDelta};
    use idp::Origin;
    use idp::apps::NewMicrosoft365;
    use idp::clock::ManualClock;
    use idp::cloud::Cloud;

    use super::*;
    use crate::config::Config;
    use crate::foundation;

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

    #[tokio::test]
    async fn administrators_are_told_of_a_certificate_from_90_days_before_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::for_demo(folder.path().join("data"), ([127, 0, 0, 1], 0).into());
        let clock = ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let idp = foundation::open(&config, clock.clock()).await;
        let idp = idp.expect("a provider");
        let new = NewMicrosoft365 {
            domain: "contoso.com".to_owned(),
            label: None,
            cloud: Cloud::Worldwide,
            entra_url: None,
        };
        let origin = Origin {
            source: "test".to_owned(),
            correlation_id: "test".to_owned(),
            via: None,
        };
        let shown = idp.add_microsoft365(new, &origin).await.expect("an app");
        let app = App {
            idp,
            trusted_proxies: Vec::new().into(),
            proxies_only: false,
            metrics_networks: Vec::new().into(),
            demo: false,
        };
        for (days, urgent) in [
            (91, None),
            (90, Some(false)),
            (8, Some(false)),
            (7, Some(true)),
            (-1, Some(true)),
        ] {
            let then = shown.certificate_expires_at - TimeDelta::days(days);
            clock.advance(then - app.idp.now());
            let shown = app.idp.app("contoso.com").await.expect("the app");
            let notices = expiring(&app, &shown);
            assert_eq!(
                notices.first().map(|notice| notice.urgent),
                urgent,
                "{days}"
            );
            for notice in notices {
                assert_eq!(
                    notice.what_to_do,
                    "Make its successor: countersign cert next contoso.com"
                );
            }
        }
    }

    #[test]
    fn what_is_posted_to_applications_may_redirect_anywhere() {
        for policy in [MESSAGE_POLICY, STEP_POLICY] {
            assert!(!policy.contains("form-action"), "{policy}");
        }
    }
}
