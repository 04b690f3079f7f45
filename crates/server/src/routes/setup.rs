//! The first administrator's page, behind a one-time link.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use idp::people::NewUser;
use idp::urls::route;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::app::App;
use crate::extract::{Browser, Form};
use crate::pages;
use crate::problem::{Failure, sentence};
use crate::routes::page;

#[derive(Deserialize)]
pub struct FirstAdmin {
    #[serde(default)]
    upn: String,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    password_again: Zeroizing<String>,
    #[serde(default)]
    form_token: String,
}

/// `GET /setup/{token}`
pub async fn form(
    State(app): State<App>,
    Path(token): Path<String>,
    browser: Browser,
) -> Result<Response, Failure> {
    app.idp.check_setup_link(&token).await?;
    show(browser, &token, String::new(), String::new(), None)
}

/// `POST /setup/{token}`
pub async fn submit(
    State(app): State<App>,
    Path(token): Path<String>,
    mut browser: Browser,
    Form(form): Form<FirstAdmin>,
) -> Result<Response, Failure> {
    browser.check_form(&form.form_token)?;
    let origin = browser.origin.now();
    let (upn, display_name) = (form.upn.clone(), form.display_name.clone());
    let done = if form.password == form.password_again {
        let new = NewUser {
            upn: form.upn.clone(),
            display_name: form.display_name,
            email: None,
            given_name: None,
            family_name: None,
            immutable_id: None,
            admin: true,
            password: form.password.clone(),
        };
        app.idp.set_up(&token, new, &origin).await
    } else {
        Err(idp::Error::Invalid("the two passwords differ".to_owned()))
    };
    if let Err(error) = done {
        let failure = Failure::from(error);
        let Some(message) = failure.invalid().map(sentence) else {
            return Err(failure);
        };
        let mut answer = show(browser, &token, upn, display_name, Some(message))?;
        *answer.status_mut() = failure.status();
        return Ok(answer);
    }
    let session = app
        .idp
        .sign_in(
            &form.upn,
            form.password,
            browser.session().as_ref(),
            &origin,
        )
        .await?;
    browser.start_session(&session);
    Ok((browser.cookies(), Redirect::to(route::PORTAL)).into_response())
}

fn show(
    mut browser: Browser,
    token: &str,
    upn: String,
    display_name: String,
    message: Option<String>,
) -> Result<Response, Failure> {
    let html = page(&pages::Setup {
        action: format!("/setup/{token}"),
        form_token: browser.form_token(),
        upn,
        display_name,
        message,
    })?;
    Ok((browser.cookies(), html).into_response())
}
