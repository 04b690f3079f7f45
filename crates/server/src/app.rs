//! The application: the provider, its routes, and what every answer has in common.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use idp::Idp;
use idp::compare::LARGEST;
use idp::urls::route;
use idp::wstrust::LARGEST_ENVELOPE;
use ipnet::IpNet;

use crate::{extract, problem, routes};

/// What every handler can ask for.
#[derive(Clone)]
pub struct App {
    pub idp: Idp,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Plain HTTP on an address that others reach: only the proxies and this machine may use it.
    pub proxies_only: bool,
    /// Who may read `/metrics` besides this machine.
    pub metrics_networks: Arc<[IpNet]>,
    /// The sign-in page says so.
    pub demo: bool,
}

impl App {
    /// Whether this peer is one of the proxies.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|network| network.contains(&peer))
    }
}

/// A form of ours is small: two names and two passwords.
const FORM_LIMIT: usize = 64 << 10;
/// A federation message may carry a context of 256 KiB, which percent-encoding makes up to three times as long.
const MESSAGE_LIMIT: usize = 1 << 20;

/// A configuration to compare, what is typed and what is uploaded together; more is not read.
const UPLOAD_LIMIT: usize = LARGEST + (64 << 10);

/// All routes, in one list.
pub fn router(app: App) -> Router {
    let messages = Router::new()
        .route(
            route::WSFED,
            get(routes::wsfed::endpoint).post(routes::wsfed::endpoint),
        )
        .route(
            route::WSFED_SIGN_OUT,
            get(routes::wsfed::sign_out).post(routes::wsfed::sign_out),
        )
        .route(
            route::SAML,
            get(routes::saml::endpoint).post(routes::saml::endpoint),
        )
        .route(
            route::SAML_SIGN_OUT,
            get(routes::saml::sign_out_endpoint).post(routes::saml::sign_out_endpoint),
        )
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT));
    let soap = Router::new()
        .route(
            route::MEX,
            get(routes::trust::mex).post(routes::trust::mex_transfer),
        )
        .route(route::TRUST_2005, post(routes::trust::feb2005))
        .route(route::TRUST_13, post(routes::trust::v13))
        .layer(DefaultBodyLimit::max(LARGEST_ENVELOPE));
    let uploads = Router::new()
        .route(
            route::COMPARE,
            get(routes::compare::form).post(routes::compare::submit),
        )
        .layer(DefaultBodyLimit::max(UPLOAD_LIMIT));
    let pages = Router::new()
        .route(route::PORTAL, get(routes::portal::show))
        .route(
            route::SIGN_IN,
            get(routes::sign_in::plain).post(routes::sign_in::submit_plain),
        )
        .route(
            route::SIGN_IN_ATTEMPT,
            get(routes::sign_in::attempt).post(routes::sign_in::submit_attempt),
        )
        .route(route::SIGN_OUT, post(routes::sign_out::button))
        .route(route::SIGN_OUT_ROUND, get(routes::sign_out::round))
        .route(route::SIGN_OUT_RESULT, get(routes::sign_out::result))
        .route(route::SIGN_OUT_STEP, get(routes::sign_out::step))
        .route(
            route::SETUP,
            get(routes::setup::form).post(routes::setup::submit),
        )
        .route(route::COMMANDS, get(routes::commands::show))
        .route(route::HELP, get(routes::help::index))
        .route(route::HELP_CODE, get(routes::help::code))
        .route("/metrics", get(routes::metrics::show))
        .route(
            route::RESCUE,
            get(routes::rescue::download).post(routes::rescue::vouch),
        )
        .route(
            route::WINDOWS,
            get(routes::windows::show).post(routes::windows::change),
        )
        .route(route::WSFED_METADATA, get(routes::metadata::of_app))
        .route(route::METADATA, get(routes::metadata::of_host))
        .route(route::SAML_METADATA, get(routes::saml::metadata))
        .layer(DefaultBodyLimit::max(FORM_LIMIT));
    Router::new()
        .merge(messages)
        .merge(soap)
        .merge(uploads)
        .merge(pages)
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn_with_state(
            app.clone(),
            problem::explained,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), extract::origin))
        // Outside: what nobody needs to correlate.
        .route("/assets/{file}", get(routes::assets::file))
        .route("/favicon.ico", get(routes::assets::favicon))
        .route("/healthz", get(routes::health::alive))
        .route("/readyz", get(routes::health::ready))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            routes::security_headers,
        ))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            extract::only_through_proxies,
        ))
        .with_state(app)
}
