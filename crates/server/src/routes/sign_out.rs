//! Signing out: the portal's button, and the round of the applications that have to be told.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use idp::sign_out::{Done, SignedOut, Step};
use idp::urls::route;
use serde::Deserialize;
use store::StepState;

use crate::app::App;
use crate::extract::{Browser, Form};
use crate::pages::{self, SignOutState};
use crate::problem::Failure;
use crate::routes::{MESSAGE_POLICY, PLAIN_ROUND_POLICY, ROUND_POLICY, STEP_POLICY, message, page};

/// How long the applications have to answer before the page goes on without them.
const PATIENCE: u32 = 5;

#[derive(Deserialize)]
pub struct SignOut {
    #[serde(default)]
    form_token: String,
}

/// `POST /sign-out`
pub async fn button(
    State(app): State<App>,
    browser: Browser,
    Form(form): Form<SignOut>,
) -> Result<Response, Failure> {
    browser.check_form(&form.form_token)?;
    let (session, origin) = (browser.session(), browser.origin.now());
    let signed_out = app.idp.sign_out(session.as_ref(), &origin).await?;
    answer(browser, signed_out)
}

/// Takes the cookie away, and goes on where the sign-out leads.
pub fn answer(mut browser: Browser, signed_out: SignedOut) -> Result<Response, Failure> {
    if browser.session().is_some() {
        browser.end_session();
    }
    let next = match signed_out {
        SignedOut::Done(done) => go(done)?,
        SignedOut::Round(token) => Redirect::to(&address(&token)).into_response(),
    };
    Ok((browser.cookies(), next).into_response())
}

/// `GET /sign-out/{round}`: tells every application in a frame of its own.
pub async fn round(State(app): State<App>, Path(token): Path<String>) -> Result<Response, Failure> {
    let round = app.idp.sign_out_round(&token).await?;
    let here = address(&token);
    let result_href = format!("{here}/result");
    let steps: Vec<_> = round
        .steps
        .into_iter()
        .map(|step| frame(step, &here))
        .collect();
    if steps.iter().all(|step| step.href.is_none()) {
        return Ok(Redirect::to(&result_href).into_response());
    }
    let html = page(&pages::SignOutRound {
        steps,
        result_href,
        seconds: PATIENCE,
    })?;
    let policy = if app.idp.urls().secure() {
        ROUND_POLICY
    } else {
        PLAIN_ROUND_POLICY
    };
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], html).into_response())
}

/// An application on the round's page, with a frame unless it has answered.
fn frame(step: Step, here: &str) -> pages::SignOutFrame {
    let state = match state(&step) {
        SignOutState::Waiting | SignOutState::NoAnswer | SignOutState::Told => {
            SignOutState::Telling
        }
        known => known,
    };
    pages::SignOutFrame {
        href: (state == SignOutState::Telling).then(|| format!("{here}/{}", step.position)),
        state,
        label: step.label,
        answers: step.answers,
    }
}

/// `GET /sign-out/{round}/{position}`: on the way to one application, in a frame or by hand.
pub async fn step(
    State(app): State<App>,
    Path((token, position)): Path<(String, i64)>,
) -> Result<Response, Failure> {
    match app.idp.sign_out_step(&token, position).await? {
        Some(Done::Redirect(to)) => Ok((FRAMED, Redirect::to(&to)).into_response()),
        Some(Done::Post(post)) => {
            let html = page(&message(post, "Signing you out"))?;
            Ok((FRAMED, html).into_response())
        }
        Some(Done::Page) | None => step_done(&token, "This application cannot be told"),
    }
}

/// An application has answered.
pub fn step_done(token: &str, title: &str) -> Result<Response, Failure> {
    let html = page(&pages::SignOutStep {
        title: title.to_owned(),
        result_href: format!("{}/result", address(token)),
    })?;
    Ok((FRAMED, html).into_response())
}

/// `GET /sign-out/{round}/result`: how it went, unless all is well and somebody waits for the person.
pub async fn result(
    State(app): State<App>,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    let (round, done) = app.idp.finish_sign_out(&token).await?;
    if round.complete && !matches!(done, Done::Page) {
        return go(done);
    }
    let here = address(&token);
    let outcome = |step: Step| {
        let state = state(&step);
        // Whoever has answered does not wait for another question.
        let again = matches!(state, SignOutState::Waiting | SignOutState::NoAnswer);
        pages::SignOutOutcome {
            href: again.then(|| format!("{here}/{}", step.position)),
            state,
            label: step.label,
        }
    };
    let (form, link) = match done {
        Done::Post(post) => (Some(message(post, "")), None),
        Done::Redirect(to) => (None, Some(link("Go back to the application", to))),
        Done::Page => (None, Some(link("Sign in again", route::SIGN_IN.to_owned()))),
    };
    let html = page(&pages::SignOutResult {
        steps: round.steps.into_iter().map(outcome).collect(),
        complete: round.complete,
        form,
        link,
    })?;
    Ok(([(header::CONTENT_SECURITY_POLICY, MESSAGE_POLICY)], html).into_response())
}

/// What may be shown in a frame of the round's page.
const FRAMED: [(header::HeaderName, &str); 2] = [
    (header::CONTENT_SECURITY_POLICY, STEP_POLICY),
    (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
];

fn address(token: &str) -> String {
    format!("{}/{token}", route::SIGN_OUT)
}

fn go(done: Done) -> Result<Response, Failure> {
    match done {
        Done::Page => {
            let continue_to = Some(link("Sign in again", route::SIGN_IN.to_owned()));
            Ok(page(&pages::SignedOut { continue_to })?.into_response())
        }
        Done::Redirect(to) => Ok(Redirect::to(&to).into_response()),
        Done::Post(post) => {
            let html = page(&message(post, "Signing you out"))?;
            Ok(([(header::CONTENT_SECURITY_POLICY, MESSAGE_POLICY)], html).into_response())
        }
    }
}

fn link(label: &str, href: String) -> pages::Link {
    pages::Link {
        label: label.to_owned(),
        href,
    }
}

fn state(step: &Step) -> SignOutState {
    match step.state {
        StepState::Done => SignOutState::Done,
        StepState::Partial => SignOutState::Partial,
        StepState::Failed => SignOutState::Failed,
        _ if !step.reachable => SignOutState::Unreachable,
        StepState::Waiting => SignOutState::Waiting,
        StepState::Sent if step.answers => SignOutState::NoAnswer,
        StepState::Sent => SignOutState::Told,
    }
}
