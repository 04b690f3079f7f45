//! Signing in. Every step comes back to `/sign-in/{attempt}`, which decides from what is stored what comes next.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use idp::attempts::{Begun, Target};
use idp::sign_on::SignOn;
use idp::{Refusal, urls::route};
use protocol::wsfed::{Message, SignIn};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::app::App;
use crate::extract::{Browser, Form};
use crate::pages;
use crate::problem::Failure;
use crate::routes::{page, post_back};

/// What the form posts.
#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    form_token: String,
}

/// What the sign-in page shows beside its two fields.
#[derive(Default)]
struct Prompt {
    app_label: Option<String>,
    username: String,
    message: Option<String>,
}

/// `GET /sign-in`: on the way to the portal.
pub async fn plain(State(app): State<App>, browser: Browser) -> Result<Response, Failure> {
    if browser.signed_in().await?.is_some() {
        return Ok(Redirect::to(route::PORTAL).into_response());
    }
    form(&app, browser, route::SIGN_IN, Prompt::default())
}

/// `POST /sign-in`
pub async fn submit_plain(
    State(app): State<App>,
    browser: Browser,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Failure> {
    submit(
        &app,
        browser,
        credentials,
        route::SIGN_IN,
        route::PORTAL,
        None,
    )
    .await
}

/// The query with which the dispatcher asks again, whoever is signed in.
pub const ANOTHER: &str = "another";

/// `GET /sign-in/{attempt}`: the dispatcher.
pub async fn attempt(
    State(app): State<App>,
    Path(attempt): Path<String>,
    RawQuery(query): RawQuery,
    browser: Browser,
) -> Result<Response, Failure> {
    let another = query.as_deref() == Some(ANOTHER);
    let begun = begun(&app, &attempt, &browser).await?;
    let here = format!("{}/{attempt}", route::SIGN_IN);
    match &begun.target {
        Target::Page { path } => match browser.signed_in().await? {
            Some(_) => Ok(Redirect::to(path).into_response()),
            None => form(&app, browser, &here, Prompt::default()),
        },
        Target::WsFed { app_id, request } => {
            let request = stored_request(request)?;
            let (session, origin) = (browser.session(), browser.origin.now());
            let outcome = if another {
                SignOn::Authenticate
            } else {
                app.idp
                    .wsfed_sign_on(app_id, &request, session.as_ref(), begun.begun_at, &origin)
                    .await?
            };
            go_on(&app, browser, &here, app_id, request.username, outcome).await
        }
        Target::Saml { app_id, request } => {
            let (session, origin) = (browser.session(), browser.origin.now());
            let outcome = if another {
                SignOn::Authenticate
            } else {
                app.idp
                    .saml_sign_on(app_id, request, session.as_ref(), begun.begun_at, &origin)
                    .await?
            };
            let username = request.username().map(str::to_owned);
            go_on(&app, browser, &here, app_id, username, outcome).await
        }
    }
}

/// To the application, or to the form.
async fn go_on(
    app: &App,
    browser: Browser,
    here: &str,
    app_id: &str,
    username: Option<String>,
    outcome: SignOn,
) -> Result<Response, Failure> {
    match outcome {
        SignOn::Post(post) => post_back(post),
        SignOn::Authenticate => {
            let prompt = Prompt {
                app_label: app.idp.app_label(app_id).await?,
                username: username.unwrap_or_default(),
                message: None,
            };
            form(app, browser, here, prompt)
        }
    }
}

/// `POST /sign-in/{attempt}`: the password step.
pub async fn submit_attempt(
    State(app): State<App>,
    Path(attempt): Path<String>,
    browser: Browser,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Failure> {
    let begun = begun(&app, &attempt, &browser).await?;
    let app_label = match &begun.target {
        Target::WsFed { app_id, .. } | Target::Saml { app_id, .. } => {
            app.idp.app_label(app_id).await?
        }
        Target::Page { .. } => None,
    };
    let here = format!("{}/{attempt}", route::SIGN_IN);
    submit(&app, browser, credentials, &here, &here, app_label).await
}

/// Sends a browser to sign in and then back to `path`, which must be one that this server wrote.
pub async fn first(app: &App, browser: &Browser, path: String) -> Result<Response, Failure> {
    let attempt = app
        .idp
        .begin(&Target::Page { path }, &browser.origin.now())
        .await?;
    Ok(Redirect::to(&format!("{}/{attempt}", route::SIGN_IN)).into_response())
}

async fn begun(app: &App, attempt: &str, browser: &Browser) -> Result<Begun, Failure> {
    let begun = app.idp.begun(attempt).await?;
    browser.origin.continue_as(&begun.correlation_id);
    Ok(begun)
}

async fn submit(
    app: &App,
    mut browser: Browser,
    credentials: Credentials,
    here: &str,
    next: &str,
    app_label: Option<String>,
) -> Result<Response, Failure> {
    browser.check_form(&credentials.form_token)?;
    let origin = browser.origin.now();
    let signed_in = app
        .idp
        .sign_in(
            &credentials.username,
            credentials.password,
            browser.session().as_ref(),
            &origin,
        )
        .await;
    let failure = match signed_in {
        Ok(session) => {
            browser.start_session(&session);
            return Ok((browser.cookies(), Redirect::to(next)).into_response());
        }
        Err(error) => Failure::from(error),
    };
    let message = match failure.refusal() {
        Some(refusal @ Refusal::WrongCredentials) => refusal.explanation().what,
        Some(Refusal::Locked { until }) => {
            let seconds = (*until - app.idp.now()).num_seconds() + 1;
            format!(
                "Too many wrong passwords. Try again in {}.",
                waiting(seconds)
            )
        }
        _ => return Err(failure),
    };
    let status = failure.status();
    // The name goes back into the form only if it is one; a password typed into it does not.
    let username = idp::parse::Upn::parse(&credentials.username)
        .map(|upn| upn.as_str().to_owned())
        .unwrap_or_default();
    let mut answer = form(
        app,
        browser,
        here,
        Prompt {
            app_label,
            username,
            message: Some(message),
        },
    )?;
    *answer.status_mut() = status;
    if let (StatusCode::TOO_MANY_REQUESTS, Some(Refusal::Locked { until })) =
        (status, failure.refusal())
    {
        let seconds = (*until - app.idp.now()).num_seconds() + 1;
        answer
            .headers_mut()
            .insert(axum::http::header::RETRY_AFTER, seconds.max(1).into());
    }
    Ok(answer)
}

fn form(
    app: &App,
    mut browser: Browser,
    action: &str,
    prompt: Prompt,
) -> Result<Response, Failure> {
    let html = page(&pages::SignIn {
        app_label: prompt.app_label,
        action: action.to_owned(),
        form_token: browser.form_token(),
        username: prompt.username,
        message: prompt.message,
        demo: app.demo,
    })?;
    Ok((browser.cookies(), html).into_response())
}

/// How long, in words.
fn waiting(seconds: i64) -> String {
    match seconds {
        ..=1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", (seconds + 59) / 60),
    }
}

fn stored_request(text: &str) -> Result<SignIn, Failure> {
    match protocol::wsfed::parse(text, b"") {
        Ok(Message::SignIn(request)) => Ok(request),
        _ => Err(Refusal::AttemptExpired.into()),
    }
}
