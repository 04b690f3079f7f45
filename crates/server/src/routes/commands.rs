//! The run-book: a page for an administrator's browser, plain text for their `curl`.

mod query;
mod words;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use idp::apps::AppInfo;
use idp::certificates::CertificateInfo;
use idp::federate::{Action, Choices, Flavor, RunBook};
use idp::rescue::RescueState;
use idp::{Error, Refusal};
use store::{Protocol, Stage};

use crate::accept;
use crate::app::App;
use crate::extract::Browser;
use crate::pages;
use crate::problem::Failure;
use crate::routes::{
    choose_domain, expiring, of_domain, only_for_admins, page, rescue, several, sign_in,
};

pub use query::Asked;

/// A longer one is no good on a page: a list of users, who may be a hundred thousand.
const LONGEST_SCRIPT: usize = 256 << 10;

/// `GET /wsfed/{app_id}/commands`, with `action`, `flavor`, `mfa`, `prompt` and `domain`; `download` names the file.
pub async fn show(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let in_browser = accept::prefers_html(&headers, false);
    let app_id = idp::parse::app_id(&app_id)?;
    let asked = Asked::read(query.as_deref().unwrap_or_default())?;
    let person = match browser.signed_in().await? {
        Some(person) => person,
        None if in_browser => {
            return sign_in::first(&app, &browser, asked.address(&app_id)).await;
        }
        None => return Err(Refusal::NotSignedIn.into()),
    };
    only_for_admins(person)?;
    let shown = app.idp.app_by_id(&app_id).await?;
    if in_browser && several(&shown, asked.domain.as_deref()) {
        let here = format!("/wsfed/{app_id}/commands");
        return choose_domain(&shown, "Federation commands", &here);
    }
    if in_browser && (!asked.download || is_gated(&app, &shown, asked.choices).await?) {
        return render(&app, browser, shown, asked, None).await;
    }
    let domain = asked.domain.as_deref();
    let book = app.idp.run_book(shown, domain, asked.choices).await?;
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let disposition = format!("attachment; filename=\"{}\"", book.file_name());
    let file = asked
        .download
        .then_some([(header::CONTENT_DISPOSITION, disposition)]);
    Ok((plain, file, book.script()?).into_response())
}

/// Whether a browser does not get the script yet: nobody has the present rescue pack.
async fn is_gated(app: &App, shown: &AppInfo, choices: Choices) -> Result<bool, Error> {
    let state = app.idp.rescue_state(shown.clone()).await?;
    Ok(choices.action == Action::Enable && state.is_some_and(|state| !state.up_to_date))
}

/// The page; with a message when a form of it was refused.
pub async fn render(
    app: &App,
    mut browser: Browser,
    shown: AppInfo,
    asked: Asked,
    message: Option<String>,
) -> Result<Response, Failure> {
    let choices = asked.choices;
    let no_commands = || Refusal::NoCommands {
        label: shown.label.clone(),
    };
    let rescue = app.idp.rescue_state(shown.clone()).await?;
    let rescue = rescue.ok_or_else(no_commands)?;
    let domain = asked.domain.as_deref();
    let book = app.idp.run_book(shown.clone(), domain, choices).await?;
    let people = app.idp.people_of(&book.federation).await?;
    let script = if choices.action == Action::Enable && !rescue.up_to_date {
        pages::Script::Gated
    } else {
        match book.script() {
            Ok(script) if script.len() > LONGEST_SCRIPT => pages::Script::TooLong {
                users: book.anchors.len(),
            },
            Ok(script) => pages::Script::Text(script),
            Err(Error::Refused(Refusal::NoNextCertificate { app_id, .. }, _)) => {
                pages::Script::NoNext {
                    command: format!("countersign cert next {app_id}"),
                }
            }
            Err(error) => return Err(error.into()),
        }
    };
    let status = if message.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let id = &shown.id;
    let set = format!("countersign app set {id}");
    let (protocol, other_protocol, switch) = match book.federation.protocol {
        Protocol::Wsfed => ("WS-Federation", "SAML 2.0", Protocol::Saml),
        Protocol::Saml => ("SAML 2.0", "WS-Federation", Protocol::Wsfed),
    };
    let is_for_settings = matches!(
        choices.action,
        Action::Check | Action::Enable | Action::Show
    );
    let html = page(&pages::Commands {
        expiring: expiring(app, &shown),
        actions: options(
            id,
            &asked,
            &Action::IN_ORDER,
            words::action,
            |choices, action| {
                choices.action = action;
            },
        ),
        flavors: options(id, &asked, Flavor::ALL, words::flavor, |choices, flavor| {
            choices.flavor = flavor;
        }),
        settings: if is_for_settings {
            words::settings(choices)
        } else {
            Vec::new()
        },
        form_action: format!("/wsfed/{id}/commands"),
        named_domain: asked.domain.clone(),
        action: choices.action.as_str(),
        flavor: choices.flavor.as_str(),
        flavor_title: words::flavor(choices.flavor).0,
        changes: words::action(choices.action).2,
        needs: words::needs(choices),
        people,
        protocol,
        other_protocol,
        limits: book.federation.limits(),
        switch_command: format!("{set} --protocol {switch}"),
        cloud: words::cloud(book.federation.cloud),
        cloud_command: format!("{set} --cloud worldwide|china|usgov"),
        script,
        message,
        rescue: rescue_of(id, &asked, &rescue, browser.form_token()),
        download_href: asked.download(id),
        compare_href: format!(
            "/wsfed/{id}/compare{}",
            of_domain(&shown, &book.federation.domain)
        ),
        back_href: "/".to_owned(),
        password_alone: shown.active.as_ref().is_some_and(|active| active.on),
        windows_href: format!("/wsfed/{id}/windows"),
        facts: facts(&shown, &book, protocol),
        app_label: book.federation.label,
        domain: book.federation.domain,
    })?;
    Ok((status, browser.cookies(), html).into_response())
}

/// A link for each thing that can be chosen, which keeps what was chosen otherwise.
fn options<T: Copy>(
    app_id: &str,
    asked: &Asked,
    all: &[T],
    words: impl Fn(T) -> (&'static str, &'static str, &'static str),
    choose: impl Fn(&mut Choices, T),
) -> Vec<pages::Alternative> {
    all.iter()
        .map(|one| {
            let mut other = asked.clone();
            choose(&mut other.choices, *one);
            let (name, about, effect) = words(*one);
            pages::Alternative {
                name,
                about,
                effect,
                href: other.address(app_id),
                current: other == *asked,
            }
        })
        .collect()
}

fn rescue_of(
    app_id: &str,
    asked: &Asked,
    state: &RescueState,
    form_token: String,
) -> pages::Rescue {
    let stored = state.stored.as_ref().map(|stored| pages::StoredRescue {
        version: stored.version.clone(),
        at: stored.stored_at.format("%Y-%m-%d %H:%M UTC").to_string(),
        by: match &stored.stored_by {
            Some(upn) => upn.clone(),
            None => "somebody at the command line".to_owned(),
        },
    });
    pages::Rescue {
        version: state.version.clone(),
        stored,
        up_to_date: state.up_to_date,
        href: rescue::address(app_id),
        command: format!("countersign app rescue {app_id}"),
        form_token,
        query: asked.query(),
    }
}

/// What the configuration holds, by the names of Graph.
fn facts(shown: &AppInfo, book: &RunBook, protocol: &str) -> Vec<(&'static str, String)> {
    let federation = &book.federation;
    let text = |value: &str| Some(value.to_owned());
    let metadata = match federation.protocol {
        Protocol::Wsfed => &shown.federation_metadata_url,
        Protocol::Saml => &shown.saml_metadata_url,
    };
    let of_domain = of_domain(shown, &federation.domain);
    let metadata = metadata.as_ref().map(|url| format!("{url}{of_domain}"));
    let until = shown
        .certificate(Stage::Current)
        .map(CertificateInfo::until_in_words);
    let next = federation.next.as_ref().map(|next| next.thumbprint.clone());
    let facts = [
        ("Domain", text(&federation.domain)),
        ("Issuer (IssuerUri)", text(&federation.issuer)),
        (
            "Sign-in (PassiveSignInUri)",
            text(&federation.passive_sign_in_url),
        ),
        ("Sign-out (SignOutUri)", text(&federation.sign_out_url)),
        (
            "Metadata exchange (MetadataExchangeUri)",
            federation.metadata_exchange_url.clone(),
        ),
        (
            "WS-Trust (ActiveSignInUri)",
            federation.active_sign_in_url.clone(),
        ),
        ("Protocol", text(protocol)),
        (
            "Second factor (FederatedIdpMfaBehavior)",
            text(federation.mfa_behavior.in_graph()),
        ),
        (
            "Fresh sign-in (PromptLoginBehavior)",
            text(federation.prompt_login.in_graph()),
        ),
        ("Metadata", metadata),
        (
            "Certificate thumbprint (SHA-1)",
            text(&federation.thumbprint),
        ),
        ("Certificate valid until", until),
        ("Next certificate’s thumbprint", next),
        ("Microsoft cloud", text(federation.cloud.as_str())),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}
