//! Whether a password alone opens an application by WS-Trust: a page for administrators.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use idp::apps::{ActiveChange, AppChange, AppInfo};
use idp::{Error, Refusal};
use serde::Deserialize;
use store::{Active, Protocol};

use crate::app::App;
use crate::extract::{Browser, Form};
use crate::pages;
use crate::problem::Failure;
use crate::routes::{domains_in_words, only_for_admins, page, sign_in};

/// What the forms post; what one of them does not have stays as it is.
#[derive(Deserialize)]
pub struct Settings {
    #[serde(default)]
    on: String,
    understood: Option<String>,
    networks: Option<String>,
    status: Option<String>,
    #[serde(default)]
    form_token: String,
}

/// `GET /wsfed/{app_id}/windows`
pub async fn show(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
) -> Result<Response, Failure> {
    let app_id = idp::parse::app_id(&app_id)?;
    let Some(person) = browser.signed_in().await? else {
        return sign_in::first(&app, &browser, address(&app_id)).await;
    };
    only_for_admins(person)?;
    let shown = app.idp.app_by_id(&app_id).await?;
    render(browser, shown, None)
}

/// `POST /wsfed/{app_id}/windows`
pub async fn change(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    Form(settings): Form<Settings>,
) -> Result<Response, Failure> {
    let app_id = idp::parse::app_id(&app_id)?;
    browser.check_form(&settings.form_token)?;
    let Some(person) = browser.signed_in().await? else {
        return sign_in::first(&app, &browser, address(&app_id)).await;
    };
    let admin = only_for_admins(person)?;
    let before = app.idp.app_by_id(&app_id).await?;
    let is_on = before.active.as_ref().is_some_and(|active| active.on);
    let done = if settings.on == "on" && !is_on && settings.understood.is_none() {
        Err(Error::Invalid(
            "tick the box that says what it means to turn it on".to_owned(),
        ))
    } else {
        let origin = browser.origin.now();
        let change = settings.change();
        app.idp
            .change_app_as(&admin, &app_id, change, &origin)
            .await
    };
    match done {
        Ok(_) => Ok(Redirect::to(&address(&app_id)).into_response()),
        Err(Error::Invalid(text)) => {
            let mut answer = render(browser, before, Some((settings, text)))?;
            *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(answer)
        }
        Err(other) => Err(other.into()),
    }
}

fn address(app_id: &str) -> String {
    format!("/wsfed/{app_id}/windows")
}

impl Settings {
    fn change(&self) -> AppChange {
        let networks = self.networks.as_deref().map(|text| {
            let lines = text.lines().map(str::trim);
            let named: Vec<String> = lines
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect();
            if named.is_empty() {
                vec!["none".to_owned()]
            } else {
                named
            }
        });
        let status = self.status.as_deref();
        AppChange {
            active: ActiveChange {
                on: match self.on.as_str() {
                    "on" => Some(true),
                    "off" => Some(false),
                    _ => None,
                },
                networks: networks.unwrap_or_default(),
                credential_status: status.map(|status| status.parse().unwrap_or_default()),
            },
            ..AppChange::default()
        }
    }
}

/// The page, after a mistake with what was typed.
fn render(
    mut browser: Browser,
    app: AppInfo,
    mistake: Option<(Settings, String)>,
) -> Result<Response, Failure> {
    let other_protocol = || Refusal::OtherProtocol {
        label: app.label.clone(),
    };
    let Active {
        on,
        networks,
        credential_status,
    } = app.active.clone().ok_or_else(other_protocol)?;
    let (typed, message) = mistake.unzip();
    let back = match &app.commands_url {
        Some(_) => pages::Link {
            label: "Federation commands".to_owned(),
            href: format!("/wsfed/{}/commands", app.id),
        },
        None => pages::Link {
            label: "Your applications".to_owned(),
            href: "/".to_owned(),
        },
    };
    let domain = app.domain.is_some().then(|| domains_in_words(&app));
    let addresses = [
        ("mex", "Metadata exchange", app.mex_url),
        ("trust-2005", "WS-Trust of February 2005", app.trust2005_url),
        ("trust-13", "WS-Trust 1.3", app.trust13_url),
    ];
    let html = page(&pages::Windows {
        switch_command: (app.protocol == Protocol::Saml)
            .then(|| format!("countersign app set {} --protocol wsfed", app.id)),
        domain,
        app_label: app.label,
        enabled: app.enabled,
        back,
        message,
        on,
        typed_networks: typed
            .as_ref()
            .and_then(|typed| typed.networks.clone())
            .unwrap_or_else(|| networks.join("\n")),
        as_adfs: typed
            .and_then(|typed| typed.status)
            .map_or(credential_status == 500, |status| status == "500"),
        networks,
        from_here: browser.origin.now().source,
        addresses: addresses
            .into_iter()
            .filter_map(|(id, name, url)| {
                Some(pages::Address {
                    id,
                    name,
                    url: url?,
                })
            })
            .collect(),
        action: address(&app.id),
        form_token: browser.form_token(),
    })?;
    Ok((browser.cookies(), html).into_response())
}
