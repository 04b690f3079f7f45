//! The stand-in's pages.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::StandIn;
use crate::checks::windows::{self, Client, Fault};
use crate::checks::{Check, Outcome, SignedIn, Verdict};
use crate::tenant::Tenant;

/// Asks for an account, or says who is signed in; `notice` says why an account was not taken.
pub fn home(
    stand_in: &StandIn,
    signed_in: Option<&SignedIn>,
    user: &str,
    notice: Option<&str>,
) -> Response {
    let status = if notice.is_some() {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    let page = Home {
        signed_in,
        user,
        notice,
        tenant: &stand_in.tenant(),
        clients: Client::ALL,
    };
    (status, html(&page)).into_response()
}

/// Shows every check and, when none failed, the person.
pub fn verdict(verdict: &Verdict, correlation_id: Option<&str>) -> Response {
    html(&Answer {
        signed_in: verdict.signed_in.as_ref(),
        failed: verdict.failed().map(|(check, code, why)| Failed {
            code: code.to_string(),
            why,
            number: check.number,
            title: check.title,
        }),
        checks: verdict.checks.iter().map(Line::from).collect(),
        correlation_id,
    })
}

pub fn signed_out(text: &str) -> Response {
    html(&Notice {
        title: "Signed out",
        text,
    })
}

/// Answers a sign-out at the identity provider, which may show this in a frame.
pub fn cleaned_up() -> Response {
    let mut response = signed_out("The session at this stand-in has ended.");
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(IN_FRAMES),
    );
    response
}

/// A page for what cannot be answered.
pub fn problem(status: StatusCode, title: &str, text: &str) -> Response {
    (status, html(&Notice { title, text })).into_response()
}

pub async fn stylesheet() -> Response {
    asset(
        "text/css; charset=utf-8",
        include_str!("../../assets/stand-in.css"),
    )
}

/// Sends a form that the browser need not be asked about.
pub async fn script() -> Response {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("../../assets/send.js"),
    )
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, "max-age=300"),
        ],
        text,
    )
        .into_response()
}

// No form-action: Chromium applies it to the redirect to the identity provider as well.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";
/// For a page that an identity provider may show in a frame while somebody signs out.
const IN_FRAMES: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'";
/// For a page with a form that sends itself.
pub const SENDING: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; script-src 'self'; frame-ancestors 'none'";
pub const SENDING_IN_FRAMES: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; script-src 'self'";

pub async fn with_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(POLICY));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    signed_in: Option<&'a SignedIn>,
    user: &'a str,
    notice: Option<&'a str>,
    tenant: &'a Tenant,
    clients: [Client; 5],
}

#[derive(Template)]
#[template(path = "verdict.html")]
struct Answer<'a> {
    signed_in: Option<&'a SignedIn>,
    failed: Option<Failed<'a>>,
    checks: Vec<Line>,
    correlation_id: Option<&'a str>,
}

/// A check in a list.
pub struct Line {
    number: String,
    title: &'static str,
    mark: &'static str,
    word: &'static str,
    /// The code, when it failed, and why.
    why: Option<(Option<String>, String)>,
    /// What its failure is known by.
    codes: String,
}

struct Failed<'a> {
    code: String,
    why: &'a str,
    number: u8,
    title: &'static str,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    title: &'a str,
    text: &'a str,
}

impl Answer<'_> {
    fn passed(&self) -> usize {
        self.checks
            .iter()
            .filter(|line| line.word == PASSED.1)
            .count()
    }
}

/// The mark of an outcome and the word for it.
const PASSED: (&str, &str) = ("✓", "passed");
const WARNED: (&str, &str) = ("!", "warned");
const FAILED: (&str, &str) = ("✗", "failed");
const NOT_REACHED: (&str, &str) = ("·", "not-reached");

impl From<&Check> for Line {
    fn from(check: &Check) -> Self {
        let ((mark, word), why) = match &check.outcome {
            Outcome::Passed => (PASSED, None),
            Outcome::Warned(why) => (WARNED, Some((None, why.clone()))),
            Outcome::Failed { code, why } => (FAILED, Some((Some(code.to_string()), why.clone()))),
            Outcome::NotReached => (NOT_REACHED, None),
        };
        let codes: Vec<_> = check.raises.iter().map(u32::to_string).collect();
        Self {
            number: check.number.to_string(),
            title: check.title,
            mark,
            word,
            why,
            codes: match codes.as_slice() {
                [] => "warns".to_owned(),
                codes => codes.join(", "),
            },
        }
    }
}

impl From<&windows::Check> for Line {
    fn from(check: &windows::Check) -> Self {
        let code = check.rule.code;
        let ((mark, word), why) = match &check.outcome {
            windows::Outcome::Passed => (PASSED, None),
            windows::Outcome::Warned(why) => (WARNED, Some((None, why.clone()))),
            windows::Outcome::Failed(why) => {
                let code = (!code.is_empty()).then(|| code.to_owned());
                (FAILED, Some((code, why.clone())))
            }
            windows::Outcome::NotReached => (NOT_REACHED, None),
        };
        Self {
            number: check.rule.number.to_owned(),
            title: check.rule.title,
            mark,
            word,
            why,
            codes: code.to_owned(),
        }
    }
}

/// How far a password came.
#[derive(Template)]
#[template(path = "windows.html")]
pub struct Windows<'a> {
    pub client: Client,
    pub account: &'a str,
    pub steps: Vec<Stage>,
    pub end: End,
    pub correlation_id: &'a str,
}

/// A step on the way, with where it went.
pub struct Stage {
    pub title: String,
    pub facts: Vec<(&'static str, String)>,
    pub checks: Vec<Line>,
}

/// Where it ended.
pub enum End {
    SignedIn(Box<SignedIn>),
    /// The identity provider said no.
    Fault(Fault),
    /// A check failed.
    Failed {
        number: String,
        title: &'static str,
        code: String,
        why: String,
    },
}

pub fn html(page: &impl Template) -> Response {
    Html(page.render().expect("the template writes to memory")).into_response()
}
