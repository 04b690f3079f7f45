//! Federation metadata: what Entra and other relying parties read about us, signed with the app's key.

use crypto::xml_signature::Algorithm;
use protocol::metadata::{ClaimType, Federation};
use store::{App, AppKind};

use crate::Idp;
use crate::error::{Error, Refusal, Result};
use crate::issue::sign;
use crate::sign_on::{check_enabled, issuer_named};
use crate::signing_keys::{announced, current};
use crate::wsfed::settings;

impl Idp {
    /// The metadata of one app (WS-Fed 1.2 §3), in the name of one of its domains: the first, unless one is
    /// named. Entra takes the certificates from here when it renews them; they are those of every domain.
    pub async fn wsfed_metadata(&self, app_id: &str, domain: Option<&str>) -> Result<String> {
        let mut read = self.store.read().await?;
        let app = read.app(app_id).await?.ok_or(Refusal::UnknownApp)?;
        self.metadata_of(&mut read, &app, domain).await
    }

    /// The metadata at the address that Entra knows by itself, when the host serves just one Microsoft
    /// 365 app; with several nobody could say whose it is.
    pub async fn microsoft365_metadata(&self) -> Result<String> {
        let mut read = self.store.read().await?;
        let mut apps: Vec<App> = read
            .apps()
            .await?
            .into_iter()
            .filter(|app| app.kind == AppKind::M365 && app.enabled)
            .collect();
        match (apps.pop(), apps.is_empty()) {
            (Some(app), true) => self.metadata_of(&mut read, &app, None).await,
            (Some(_), false) => Err(Refusal::SeveralApps.into()),
            (None, _) => Err(Refusal::UnknownApp.into()),
        }
    }

    async fn metadata_of(
        &self,
        read: &mut store::Read,
        app: &App,
        domain: Option<&str>,
    ) -> Result<String> {
        check_enabled(app)?;
        let settings = settings(app)?;
        let issuers = read.issuers_of(&app.id).await?;
        let keys = read.signing_keys(&app.id).await?;
        let issuer = issuer_named(&issuers, domain)?;
        let current = self.open_key(current(&keys)?)?;
        let certificates = announced(&keys)?;
        let claim_types: Vec<ClaimType> = settings
            .attributes
            .iter()
            .map(|rule| ClaimType {
                uri: &rule.name,
                display_name: rule.name.rsplit('/').next().unwrap_or(&rule.name),
                description: "Sent in every token when the user has a value for it.",
            })
            .collect();
        let unsigned = Federation {
            id: &crypto::random::xml_id(),
            issuer: &issuer.issuer,
            passive_url: &self.urls().wsfed(&app.id),
            certificates: &certificates.iter().map(String::as_str).collect::<Vec<_>>(),
            display_name: &app.label,
            claim_types: &claim_types,
        }
        .unsigned()
        .map_err(Error::broken)?;
        sign(&unsigned, &current, Algorithm::default())
    }
}
