//! WS-Federation passive (WS-Fed 1.2 §13): the endpoint that Microsoft and other applications send people to.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use idp::Refusal;
use idp::attempts::Target;
use idp::sign_on::SignOn;
use protocol::BadRequest;
use protocol::wsfed::{Message, SignIn};

use crate::app::App;
use crate::extract::Browser;
use crate::problem::Failure;
use crate::routes::{post_back, sign_out as round};

/// `/wsfed/{app_id}`
pub async fn endpoint(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    RawQuery(query): RawQuery,
    form: Bytes,
) -> Result<Response, Failure> {
    let message = message(&app, &app_id, &browser, query, &form).await?;
    if matches!(message, Message::Bare { .. }) {
        let refusal = Refusal::BadRequest(BadRequest::Missing { parameter: "wa" });
        let origin = browser.origin.now();
        return Ok(app.idp.refuse_token(&app_id, refusal, &origin).await?);
    }
    answer(&app, app_id, browser, message).await
}

/// `/wsfed/{app_id}/signout`: the same messages, and a bare visit means signing out.
pub async fn sign_out(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    RawQuery(query): RawQuery,
    form: Bytes,
) -> Result<Response, Failure> {
    let message = message(&app, &app_id, &browser, query, &form).await?;
    answer(&app, app_id, browser, message).await
}

async fn answer(
    app: &App,
    app_id: String,
    browser: Browser,
    message: Message,
) -> Result<Response, Failure> {
    match message {
        Message::SignIn(request) => sign_in(app, app_id, browser, &request).await,
        Message::SignOut { reply } | Message::Bare { reply } => {
            let (session, origin) = (browser.session(), browser.origin.now());
            let signed_out = app
                .idp
                .wsfed_sign_out(&app_id, reply.as_deref(), session.as_ref(), &origin)
                .await?;
            round::answer(browser, signed_out)
        }
        Message::SignOutCleanup { .. } => clean_up(app, browser).await,
    }
}

async fn message(
    app: &App,
    app_id: &str,
    browser: &Browser,
    query: Option<String>,
    form: &[u8],
) -> Result<Message, Failure> {
    let message = app
        .idp
        .wsfed_message(
            app_id,
            query.as_deref().unwrap_or_default(),
            form,
            &browser.origin.now(),
        )
        .await?;
    if let Message::SignIn(SignIn {
        client_request_id: Some(id),
        ..
    }) = &message
    {
        browser.origin.continue_as(id);
    }
    Ok(message)
}

async fn sign_in(
    app: &App,
    app_id: String,
    browser: Browser,
    request: &SignIn,
) -> Result<Response, Failure> {
    let origin = browser.origin.now();
    match app
        .idp
        .wsfed_sign_on(
            &app_id,
            request,
            browser.session().as_ref(),
            app.idp.now(),
            &origin,
        )
        .await?
    {
        SignOn::Post(post) => post_back(post),
        SignOn::Authenticate => {
            let target = Target::WsFed {
                app_id,
                request: request.encoded(),
            };
            let attempt = app.idp.begin(&target, &origin).await?;
            Ok(Redirect::to(&format!("/sign-in/{attempt}")).into_response())
        }
    }
}

/// Loaded as an image or in a frame by an application that signs people out everywhere.
async fn clean_up(app: &App, mut browser: Browser) -> Result<Response, Failure> {
    if let Some(token) = browser.session() {
        app.idp.clean_up(&token, &browser.origin.now()).await?;
        browser.end_session();
    }
    Ok((
        browser.cookies(),
        [(header::CONTENT_TYPE, "image/gif")],
        PIXEL,
    )
        .into_response())
}

/// One transparent pixel.
const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
