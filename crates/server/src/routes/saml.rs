//! SAML 2.0 (SAML profiles §4.1, §4.4): the addresses that service providers send people to.

use axum::body::Bytes;
use axum::extract::{
    FromRequest, FromRequestParts as _, Path, Query, Request as HttpRequest, State,
};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use idp::attempts::Target;
use idp::saml::{Arrival, Endpoint, Message, Request};
use idp::sign_on::SignOn;
use protocol::saml2::{self, Arrived};
use serde::Deserialize;

use crate::app::App;
use crate::extract::Browser;
use crate::problem::Failure;
use crate::routes::{post_back, sign_out as round};

/// `/saml2/{app}`
pub async fn endpoint(
    State(app): State<App>,
    browser: Browser,
    came: Came,
) -> Result<Response, Failure> {
    Box::pin(answer(&app, browser, Endpoint::SignOn, came)).await
}

/// `/saml2/{app}/slo`: the same messages, and a bare visit means signing out.
pub async fn sign_out_endpoint(
    State(app): State<App>,
    browser: Browser,
    came: Came,
) -> Result<Response, Failure> {
    Box::pin(answer(&app, browser, Endpoint::SignOut, came)).await
}

/// What came, for which app, unread.
pub struct Came {
    /// The app's id or its slug.
    reference: String,
    query: String,
    form: Bytes,
    posted: bool,
}

impl FromRequest<App> for Came {
    type Rejection = Response;

    async fn from_request(request: HttpRequest, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let path = Path::from_request_parts(&mut parts, app).await;
        let Path(reference) = path.map_err(IntoResponse::into_response)?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let posted = parts.method == Method::POST;
        let form = Bytes::from_request(HttpRequest::from_parts(parts, body), app).await;
        Ok(Self {
            reference,
            query,
            form: form.map_err(IntoResponse::into_response)?,
            posted,
        })
    }
}

async fn answer(
    app: &App,
    browser: Browser,
    endpoint: Endpoint,
    came: Came,
) -> Result<Response, Failure> {
    let arrived = saml2::arrived(&came.query, &came.form, came.posted);
    if let Ok(
        Arrived::Bare {
            client_request_id: Some(id),
            ..
        }
        | Arrived::Message(saml2::Envelope {
            client_request_id: Some(id),
            ..
        }),
    ) = &arrived
    {
        browser.origin.continue_as(id);
    }
    let origin = browser.origin.now();
    let session = browser.session();
    let arrival = app
        .idp
        .saml_arrives(
            &came.reference,
            endpoint,
            arrived,
            session.as_ref(),
            &origin,
        )
        .await?;
    match arrival.message.clone() {
        Message::SignOn(request) => Box::pin(sign_in(app, browser, arrival, request)).await,
        Message::BareSignOut => {
            let signed_out = app.idp.sign_out(session.as_ref(), &origin).await?;
            round::answer(browser, signed_out)
        }
        Message::SignOut(request) => {
            let signed_out = app.idp.saml_sign_out(&arrival, request, &origin).await?;
            round::answer(browser, signed_out)
        }
        Message::SignOutAnswer(response) => {
            let token = app
                .idp
                .saml_sign_out_answered(&arrival, &response, &origin)
                .await?;
            round::step_done(&token, &format!("{} has answered", arrival.label()))
        }
    }
}

async fn sign_in(
    app: &App,
    browser: Browser,
    arrival: Arrival,
    request: Request,
) -> Result<Response, Failure> {
    let origin = browser.origin.now();
    let app_id = arrival.app_id().to_owned();
    match app.idp.saml_sign_on_now(arrival, &request, &origin).await? {
        SignOn::Post(post) => post_back(post),
        SignOn::Authenticate => {
            let target = Target::Saml {
                app_id,
                request: Box::new(request),
            };
            let attempt = app.idp.begin(&target, &origin).await?;
            Ok(Redirect::to(&format!("/sign-in/{attempt}")).into_response())
        }
    }
}

#[derive(Deserialize)]
pub struct Wish {
    signed: Option<String>,
    domain: Option<String>,
}

/// `/saml2/{app}/metadata`, signed with `?signed=1`, of one domain with `?domain=…`
pub async fn metadata(
    State(app): State<App>,
    Path(reference): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, Failure> {
    let signed = wish
        .signed
        .is_some_and(|value| ["", "1", "true"].contains(&value.as_str()));
    let metadata = app
        .idp
        .saml_metadata(&reference, wish.domain.as_deref(), signed)
        .await?;
    // The media type of SAML metadata (SAML metadata appendix A).
    let headers = [
        (header::CONTENT_TYPE, "application/samlmetadata+xml"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"countersign-metadata.xml\"",
        ),
    ];
    Ok((headers, metadata).into_response())
}
