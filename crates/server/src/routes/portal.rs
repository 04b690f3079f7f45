//! The portal: where a person starts.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use idp::urls::route;

use crate::app::App;
use crate::extract::Browser;
use crate::pages;
use crate::problem::Failure;
use crate::routes::{domains_in_words, expiring, page};

/// `GET /`
pub async fn show(State(app): State<App>, mut browser: Browser) -> Result<Response, Failure> {
    let Some(person) = browser.signed_in().await? else {
        return Ok(Redirect::to(route::SIGN_IN).into_response());
    };
    let tiles = app.idp.tiles(&person.user).await?;
    let administered = if person.user.admin {
        app.idp.apps().await?
    } else {
        Vec::new()
    };
    let expiring = administered.iter().flat_map(|shown| expiring(&app, shown));
    let html = page(&pages::Portal {
        expiring: expiring.collect(),
        display_name: person.user.display_name,
        upn: person.user.upn,
        tiles: tiles
            .into_iter()
            .map(|tile| pages::Tile {
                label: tile.label,
                detail: tile.detail,
                href: tile.href,
            })
            .collect(),
        admin_apps: administered
            .into_iter()
            .map(|app| pages::AdminApp {
                kind: app.kind_in_words().to_owned(),
                domain: domains_in_words(&app),
                label: app.label,
                commands_href: app.commands_url,
                windows_href: app.active.map(|_| format!("/wsfed/{}/windows", app.id)),
                metadata_href: app.federation_metadata_url,
                saml_metadata_href: app.saml_metadata_url,
            })
            .collect(),
        form_token: browser.form_token(),
        sign_out_action: route::SIGN_OUT.to_owned(),
    })?;
    Ok((browser.cookies(), html).into_response())
}
