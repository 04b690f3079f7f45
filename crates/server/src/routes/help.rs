//! What Microsoft's error codes mean: for everybody; what this server has to do with them: for administrators.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use idp::troubleshooting::{self, Code, Entry, Known, SECTIONS};
use serde::Deserialize;

use crate::app::App;
use crate::extract::Browser;
use crate::pages::{self, Marked};
use crate::problem::Failure;
use crate::routes::page;

/// Whom an administrator asks about.
#[derive(Deserialize)]
pub struct Question {
    user: Option<String>,
}

/// `GET /help/aadsts`
pub async fn index() -> Result<Html<String>, Failure> {
    let sections = SECTIONS.iter().map(|section| pages::HelpSection {
        title: section.title,
        entries: section.entries.iter().map(line).collect(),
    });
    page(&pages::HelpIndex {
        sections: sections.collect(),
    })
}

fn line(entry: &'static Entry) -> pages::HelpLine {
    pages::HelpLine {
        codes: entry
            .codes
            .iter()
            .map(|code| pages::Link {
                label: troubleshooting::shown(code),
                href: format!("/help/aadsts/{code}"),
            })
            .collect(),
        means: Marked(entry.means),
    }
}

/// `GET /help/aadsts/{code}`; `?user=` for an administrator.
pub async fn code(
    State(app): State<App>,
    Path(code): Path<String>,
    Query(question): Query<Question>,
    browser: Browser,
) -> Result<Response, Failure> {
    let Some(code) = Code::parse(&code) else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let (entry, class, coarser) = match code.known() {
        Known::Exactly(entry) => (Some(entry), None, None),
        Known::ByItsParent(entry) => (Some(entry), None, Some(entry)),
        Known::ByItsClass(class) => (None, Some(class), None),
    };
    let administers = browser
        .signed_in()
        .await?
        .is_some_and(|person| person.user.admin);
    let asked = question.user.filter(|user| !user.trim().is_empty());
    let advice = match entry {
        Some(entry) if administers => app.idp.advice(entry.topic, asked.as_deref()).await?,
        _ => None,
    };
    let microsofts = code
        .as_str()
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| {
            format!(
                "https://login.microsoftonline.com/error?code={}",
                code.as_str()
            )
        });
    Ok(page(&pages::Help {
        code: code.shown(),
        title: entry.map(|entry| entry.title),
        coarser: coarser.map(|entry| {
            let codes: Vec<String> = entry
                .codes
                .iter()
                .map(|c| troubleshooting::shown(c))
                .collect();
            codes.join(", ")
        }),
        class,
        texts: entry.map(|entry| pages::HelpTexts {
            means: Marked(entry.means),
            cause: Marked(entry.cause),
            look: Marked(entry.look),
        }),
        microsofts,
        form: advice
            .as_ref()
            .is_some_and(|advice| advice.asks_for_a_person)
            .then(|| format!("/help/aadsts/{}", code.as_str())),
        nobody: advice
            .as_ref()
            .is_some_and(|advice| advice.person.is_none())
            && asked.is_some(),
        asked: asked.unwrap_or_default(),
        here: advice.map(|advice| advice.person.into_iter().chain(advice.apps).collect()),
    })?
    .into_response())
}
