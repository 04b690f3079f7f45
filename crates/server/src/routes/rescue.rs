//! The rescue pack: its download, and an administrator's word that they have it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use idp::{Error, Refusal};
use serde::Deserialize;

use crate::accept;
use crate::app::App;
use crate::extract::{Browser, Form};
use crate::problem::Failure;
use crate::routes::{commands, only_for_admins, sign_in};

/// What the form on the page of commands posts.
#[derive(Deserialize)]
pub struct Word {
    stored: Option<String>,
    #[serde(default)]
    version: String,
    /// Of the page to go back to.
    #[serde(default)]
    query: String,
    #[serde(default)]
    form_token: String,
}

/// `GET /wsfed/{app_id}/rescue`
pub async fn download(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let app_id = idp::parse::app_id(&app_id)?;
    let Some(person) = browser.signed_in().await? else {
        return if accept::prefers_html(&headers, false) {
            sign_in::first(&app, &browser, address(&app_id)).await
        } else {
            Err(Refusal::NotSignedIn.into())
        };
    };
    let admin = only_for_admins(person)?;
    let shown = app.idp.app_by_id(&app_id).await?;
    let pack = app.idp.rescue_pack(shown)?;
    app.idp
        .remember_rescue_pack(&app_id, &pack, Some(&admin), &browser.origin.now())
        .await?;
    let disposition = format!("attachment; filename=\"{}\"", pack.file_name);
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, pack.bytes).into_response())
}

/// `POST /wsfed/{app_id}/rescue`
pub async fn vouch(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    Form(word): Form<Word>,
) -> Result<Response, Failure> {
    let app_id = idp::parse::app_id(&app_id)?;
    browser.check_form(&word.form_token)?;
    let asked = commands::Asked::read(&word.query)?;
    let page = asked.address(&app_id);
    let Some(person) = browser.signed_in().await? else {
        return sign_in::first(&app, &browser, page).await;
    };
    let admin = only_for_admins(person)?;
    let shown = app.idp.app_by_id(&app_id).await?;
    let origin = browser.origin.now();
    let done = if word.stored.is_some() {
        let shown = shown.clone();
        app.idp
            .vouch_for_rescue_pack(shown, &word.version, &admin, &origin)
            .await
    } else {
        Err(Error::Invalid(
            "tick the box that says that the pack is stored".to_owned(),
        ))
    };
    match done {
        Ok(()) => Ok(Redirect::to(&page).into_response()),
        Err(Error::Invalid(text)) => {
            commands::render(&app, browser, shown, asked, Some(text)).await
        }
        Err(other) => Err(other.into()),
    }
}

/// Where the pack is.
pub fn address(app_id: &str) -> String {
    format!("/wsfed/{app_id}/rescue")
}
