//! The federation commands: a page for an administrator's browser, plain text for their `curl`.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use idp::certificates::CertificateInfo;
use idp::{Refusal, federate};
use store::{Protocol, Stage};

use crate::accept;
use crate::app::App;
use crate::extract::Browser;
use crate::pages;
use crate::problem::Failure;
use crate::routes::{
    choose_domain, domain_in, expiring, of_domain, only_for_admins, page, several, sign_in,
    with_domain,
};

/// `GET /wsfed/{app_id}/commands`, of one domain with `?domain=…`; `download` in the query names the file.
pub async fn show(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let in_browser = accept::prefers_html(&headers, false);
    let app_id = idp::parse::app_id(&app_id)?;
    let here = format!("/wsfed/{app_id}/commands");
    let domain = domain_in(query.as_deref());
    let person = match browser.signed_in().await? {
        Some(person) => person,
        None if in_browser => {
            let back = with_domain(&here, domain.as_deref());
            return sign_in::first(&app, &browser, back).await;
        }
        None => return Err(Refusal::NotSignedIn.into()),
    };
    only_for_admins(person)?;
    let shown = app.idp.app_by_id(&app_id).await?;
    if in_browser && several(&shown, domain.as_deref()) {
        return choose_domain(&shown, "Federation commands", &here);
    }
    let federation = app.idp.federation_of(shown.clone(), domain.as_deref())?;
    let of_domain = of_domain(&shown, &federation.domain);
    let script = federate::commands(&federation);
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    if query
        .as_deref()
        .is_some_and(|query| query.split('&').any(|part| part == "download"))
    {
        let disposition = format!(
            "attachment; filename=\"federate-{}.ps1\"",
            federation.domain
        );
        return Ok((plain, [(header::CONTENT_DISPOSITION, disposition)], script).into_response());
    }
    if !in_browser {
        return Ok((plain, script).into_response());
    }
    let (protocol, metadata, other_protocol, switch) = match federation.protocol {
        Protocol::Wsfed => (
            "WS-Federation",
            &shown.federation_metadata_url,
            "SAML 2.0",
            Protocol::Saml,
        ),
        Protocol::Saml => (
            "SAML 2.0",
            &shown.saml_metadata_url,
            "WS-Federation",
            Protocol::Wsfed,
        ),
    };
    let until = shown
        .certificate(Stage::Current)
        .map(CertificateInfo::until_in_words);
    let and = if of_domain.is_empty() { '?' } else { '&' };
    let text = |value: &str| Some(value.to_owned());
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
            "Metadata",
            metadata.as_ref().map(|url| format!("{url}{of_domain}")),
        ),
        (
            "Certificate thumbprint (SHA-1)",
            text(&federation.thumbprint),
        ),
        ("Certificate valid until", until),
        ("Microsoft cloud", text(federation.cloud.as_str())),
    ];
    Ok(page(&pages::Commands {
        expiring: expiring(&app, &shown),
        facts: facts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        password_alone: shown.active.is_some_and(|active| active.on),
        windows_href: format!("/wsfed/{app_id}/windows"),
        protocol,
        other_protocol,
        limits: federation.limits(),
        switch_command: format!("countersign app set {app_id} --protocol {switch}"),
        app_label: federation.label,
        download_href: format!("{here}{of_domain}{and}download"),
        compare_href: format!("/wsfed/{app_id}/compare{of_domain}"),
        back_href: "/".to_owned(),
        domain: federation.domain,
        script,
    })?
    .into_response())
}
