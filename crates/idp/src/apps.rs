//! Applications: made from a template, granted to groups, shown with every value that the other side needs.

mod add;
mod change;
mod domains;

pub use add::{NewMicrosoft365, NewSaml, NewWsFed};
pub use change::{ActiveChange, AppChange, Preview, SamlChange};
pub use domains::{BlockedUser, DomainInfo, UserCheck};

use serde::Serialize;
use store::{
    Active, App, AppKind, AttributeRule, Group, Issuer, NameIdRule, Protocol, SamlSettings,
    SigningKey, Stage, User,
};

use crate::audit::Entry;
use crate::certificates::{self, CertificateInfo};
use crate::error::{Error, Refusal, Result};
use crate::federate::{Federation, MfaBehavior, PromptLogin};
use crate::people::find_group;
use crate::sign_on::{issuer_of, no_issuer, no_key};
use crate::{Idp, Origin};

/// An app as it is shown: everything the other side needs, nothing secret.
#[derive(Clone, Debug, Serialize)]
pub struct AppInfo {
    pub id: String,
    pub kind: AppKind,
    pub label: String,
    pub enabled: bool,
    /// What the federation commands and the tile use, of a Microsoft 365 app; of others what they speak.
    pub protocol: Protocol,
    /// Another name for the id in the SAML addresses.
    pub slug: Option<String>,
    pub domain: Option<String>,
    pub cloud: Option<String>,
    pub entra_url: Option<String>,
    pub issuer: String,
    /// Microsoft 365 only: every domain with its issuer, of which those above are the first.
    pub domains: Vec<DomainInfo>,
    /// WS-Federation only, and so down to whether a password alone opens it.
    pub realm: Option<String>,
    pub reply_urls: Vec<String>,
    pub name_id: Option<NameIdRule>,
    pub attributes: Vec<AttributeRule>,
    pub wsfed_url: Option<String>,
    pub signout_url: Option<String>,
    pub federation_metadata_url: Option<String>,
    pub mex_url: Option<String>,
    pub trust2005_url: Option<String>,
    pub trust13_url: Option<String>,
    pub active: Option<Active>,
    /// SAML only, and so down to all that is set for it.
    pub saml_sso_url: Option<String>,
    pub saml_slo_url: Option<String>,
    pub saml_metadata_url: Option<String>,
    /// The service provider's.
    pub entity_id: Option<String>,
    pub acs_urls: Vec<String>,
    pub saml: Option<SamlSettings>,
    /// Microsoft 365 only.
    pub commands_url: Option<String>,
    /// PEM.
    pub signing_certificate: String,
    /// SHA-1, upper-case hexadecimal, as Windows and Entra show it.
    pub certificate_thumbprint: String,
    pub certificate_expires_at: chrono::DateTime<chrono::Utc>,
    /// All of them: that of the key that signs, the next one, then those that signed before, newest first.
    pub certificates: Vec<CertificateInfo>,
    pub groups: Vec<String>,
    pub created_at: chrono::DateTime<chrono::Utc>,
}

impl AppInfo {
    /// What kind of app it is, for people.
    pub fn kind_in_words(&self) -> &'static str {
        match self.kind {
            AppKind::M365 => "Microsoft 365",
            AppKind::Wsfed => "WS-Federation",
            AppKind::Saml => "SAML 2.0",
        }
    }

    /// The certificate in this stage, the one that signed before while it is published.
    pub fn certificate(&self, stage: Stage) -> Option<&CertificateInfo> {
        self.certificates
            .iter()
            .find(|certificate| certificate.stage == stage && certificate.published)
    }
}

/// A tile in the portal.
pub struct Tile {
    pub label: String,
    pub detail: String,
    pub href: String,
}

impl Idp {
    pub async fn apps(&self) -> Result<Vec<AppInfo>> {
        let mut read = self.store.read().await?;
        let mut shown = Vec::new();
        for app in read.apps().await? {
            shown.push(self.read_info(&mut read, app).await?);
        }
        Ok(shown)
    }

    /// The app with this id, this slug or this domain, or the only one with this label.
    pub async fn app(&self, reference: &str) -> Result<AppInfo> {
        let mut read = self.store.read().await?;
        let app = find_app(&mut read, reference).await?;
        self.read_info(&mut read, app).await
    }

    /// The app with this id and no other, for addresses.
    pub async fn app_by_id(&self, id: &str) -> Result<AppInfo> {
        let mut read = self.store.read().await?;
        let app = read.app(id).await?.ok_or(Refusal::UnknownApp)?;
        self.read_info(&mut read, app).await
    }

    pub async fn grant(&self, app: &str, group: &str, origin: &Origin) -> Result<AppInfo> {
        self.change_grant(app, group, true, origin).await
    }

    pub async fn revoke(&self, app: &str, group: &str, origin: &Origin) -> Result<AppInfo> {
        self.change_grant(app, group, false, origin).await
    }

    async fn change_grant(
        &self,
        app: &str,
        group: &str,
        granted: bool,
        origin: &Origin,
    ) -> Result<AppInfo> {
        let mut write = self.store.write().await?;
        let app = find_app(&mut write, app).await?;
        let group = find_group(&mut write, group).await?;
        let changed = if granted {
            write.grant(&app.id, group.id).await?
        } else {
            write.revoke(&app.id, group.id).await?
        };
        if changed {
            let event = if granted {
                "app.granted"
            } else {
                "app.revoked"
            };
            let entry = Entry::new(event, origin)
                .app(&app.id)
                .with("group", group.name.as_str());
            write.append_audit(&entry.at(self.now())).await?;
        }
        let shown = self.read_info(&mut write, app).await?;
        write.commit().await?;
        Ok(shown)
    }

    /// The values of the federation commands, for a domain of a Microsoft 365 app; it has to be named only
    /// when there are several.
    pub fn federation_of(&self, app: AppInfo, domain: Option<&str>) -> Result<Federation> {
        let no_commands = || Refusal::NoCommands {
            label: app.label.clone(),
        };
        let federation = (|| {
            let (passive_sign_in_url, sign_out_url) = match app.protocol {
                Protocol::Wsfed => (app.wsfed_url.clone()?, app.signout_url.clone()?),
                Protocol::Saml => (app.saml_sso_url.clone()?, app.saml_slo_url.clone()?),
            };
            Some((
                app.cloud.clone()?,
                app.commands_url.clone()?,
                passive_sign_in_url,
                sign_out_url,
            ))
        })();
        let (cloud, mut commands_url, passive_sign_in_url, sign_out_url) =
            federation.ok_or_else(no_commands)?;
        let DomainInfo { domain, issuer } = app.domain_named(domain)?.clone();
        if app.domains.len() > 1 {
            commands_url = format!("{commands_url}?domain={domain}");
        }
        // Turned off they answer with a fault, so that turning them on needs no visit to Microsoft.
        let (metadata_exchange_url, active_sign_in_url) = match app.protocol {
            Protocol::Wsfed => (app.mex_url, app.trust2005_url),
            Protocol::Saml => (None, None),
        };
        Ok(Federation {
            signing_certificate: certificates::on_one_line(&app.signing_certificate),
            thumbprint: app.certificate_thumbprint,
            next: certificates::next_of(&app.certificates),
            mfa_behavior: MfaBehavior::default(),
            prompt_login: PromptLogin::default(),
            cloud: cloud.parse().map_err(Error::broken)?,
            app_id: app.id,
            label: app.label,
            protocol: app.protocol,
            domain,
            issuer,
            passive_sign_in_url,
            sign_out_url,
            metadata_exchange_url,
            active_sign_in_url,
            commands_url,
        })
    }

    /// What the person finds in the portal: the apps that would let them in.
    pub async fn tiles(&self, user: &User) -> Result<Vec<Tile>> {
        let mut read = self.store.read().await?;
        let mut tiles = Vec::new();
        for app in read.apps_granted_to(user.id).await? {
            let issuers = read.issuers_of(&app.id).await?;
            let Some(issuer) = issuer_of(&user.upn, &issuers).filter(|_| app.enabled) else {
                continue;
            };
            let domain = issuer.domain.clone().unwrap_or_default();
            let href = match (&app.entra_url, &app.wsfed) {
                // The smart link: Microsoft starts a sign-in for this domain and comes back to us.
                (Some(entra), _) => format!("{entra}/login.srf?wa=wsignin1.0&whr={domain}"),
                (None, Some(wsfed)) => format!(
                    "{}?wa=wsignin1.0&wtrealm={}",
                    self.urls.wsfed(&app.id),
                    encode(&wsfed.realm)
                ),
                (None, None) => self.urls.saml(&app.id),
            };
            tiles.push(Tile {
                label: app.label,
                detail: domain,
                href,
            });
        }
        Ok(tiles)
    }

    pub(crate) async fn read_info(&self, read: &mut store::Read, app: App) -> Result<AppInfo> {
        let issuers = read.issuers_of(&app.id).await?;
        let keys = read.signing_keys(&app.id).await?;
        let groups = read.granted_groups(&app.id).await?;
        self.info(app, &issuers, &keys, &groups)
    }

    fn info(
        &self,
        app: App,
        issuers: &[Issuer],
        keys: &[SigningKey],
        groups: &[Group],
    ) -> Result<AppInfo> {
        let certificates = certificates::shown(keys, self.now())?;
        let current = certificates
            .iter()
            .find(|certificate| certificate.stage == Stage::Current)
            .ok_or_else(no_key)?;
        let issuer = issuers.first().ok_or_else(no_issuer)?;
        let by_wsfed = |url: String| app.wsfed.is_some().then_some(url);
        let by_saml = |url: String| app.saml.is_some().then_some(url);
        Ok(AppInfo {
            wsfed_url: by_wsfed(self.urls.wsfed(&app.id)),
            signout_url: by_wsfed(self.urls.wsfed_sign_out(&app.id)),
            federation_metadata_url: by_wsfed(self.urls.wsfed_metadata(&app.id)),
            mex_url: by_wsfed(self.urls.mex(&app.id)),
            trust2005_url: by_wsfed(self.urls.trust_2005(&app.id)),
            trust13_url: by_wsfed(self.urls.trust_13(&app.id)),
            active: app.wsfed.as_ref().map(|wsfed| wsfed.active.clone()),
            saml_sso_url: by_saml(self.urls.saml(&app.id)),
            saml_slo_url: by_saml(self.urls.saml_sign_out(&app.id)),
            saml_metadata_url: by_saml(self.urls.saml_metadata(&app.id)),
            entity_id: app.saml.as_ref().map(|saml| saml.entity_id.clone()),
            acs_urls: app.saml.as_ref().map(acs_urls).unwrap_or_default(),
            commands_url: (app.kind == AppKind::M365).then(|| self.urls.commands(&app.id)),
            signing_certificate: current.certificate.clone(),
            certificate_thumbprint: current.thumbprint.clone(),
            certificate_expires_at: current.not_after,
            certificates,
            domain: issuer.domain.clone(),
            issuer: issuer.issuer.clone(),
            domains: issuers.iter().filter_map(DomainInfo::of).collect(),
            realm: app.wsfed.as_ref().map(|wsfed| wsfed.realm.clone()),
            name_id: app.wsfed.as_ref().map(|wsfed| wsfed.name_id.clone()),
            reply_urls: app
                .wsfed
                .as_ref()
                .map(|wsfed| wsfed.replies.clone())
                .unwrap_or_default(),
            attributes: app.wsfed.map(|wsfed| wsfed.attributes).unwrap_or_default(),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
            id: app.id,
            kind: app.kind,
            label: app.label,
            enabled: app.enabled,
            protocol: app.protocol,
            slug: app.slug,
            saml: app.saml,
            cloud: app.cloud,
            entra_url: app.entra_url,
            created_at: app.created_at,
        })
    }
}

/// Where a service provider takes assertions.
fn acs_urls(saml: &SamlSettings) -> Vec<String> {
    saml.acs.iter().map(|acs| acs.url.clone()).collect()
}

pub(crate) async fn find_app(read: &mut store::Read, reference: &str) -> Result<App> {
    let reference = reference.trim();
    if let Some(app) = read.app(reference).await? {
        return Ok(app);
    }
    if let Some(app) = read.app_by_slug(reference).await? {
        return Ok(app);
    }
    if let Some(issuer) = read
        .issuer_of_domain(&reference.to_ascii_lowercase())
        .await?
        && let Some(app) = read.app(&issuer.app_id).await?
    {
        return Ok(app);
    }
    let mut named: Vec<App> = read
        .apps()
        .await?
        .into_iter()
        .filter(|app| app.label.eq_ignore_ascii_case(reference))
        .collect();
    match (named.pop(), named.is_empty()) {
        (Some(app), true) => Ok(app),
        (Some(_), false) => Err(Error::Invalid(
            "several applications have this label; name one by its id from “countersign app list”"
                .to_owned(),
        )),
        (None, _) => Err(Error::Invalid(
            "there is no such application; “countersign app list” shows their ids".to_owned(),
        )),
    }
}

/// Percent-encodes a query value.
fn encode(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}
