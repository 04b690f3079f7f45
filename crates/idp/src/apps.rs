//! Applications: made from a template, granted to groups, shown with every value that the other side needs.

use serde::Serialize;
use store::{
    App, AppKind, AttributeRule, Group, Issuer, NameIdRule, SigningKey, Source, User, WsFedSettings,
};

use crate::audit::Entry;
use crate::cloud::Cloud;
use crate::error::{Error, Refusal, Result};
use crate::federate::Federation;
use crate::parse::{self, Domain};
use crate::people::find_group;
use crate::{Idp, Origin, signing_keys};

/// A Microsoft 365 domain to be federated.
pub struct NewMicrosoft365 {
    pub domain: String,
    pub label: Option<String>,
    pub cloud: Cloud,
    /// Replaces the cloud's own sign-in address: a stand-in, a test.
    pub entra_url: Option<String>,
}

/// A WS-Federation application to be added.
pub struct NewWsFed {
    pub label: String,
    pub realm: String,
    /// The first is where an answer goes when the request names none.
    pub replies: Vec<String>,
    /// `FORMAT=SOURCE`; without one, the UPN in an unspecified format.
    pub name_id: Option<String>,
    /// `NAME=SOURCE`, each.
    pub attributes: Vec<String>,
}

/// An app as it is shown: everything the other side needs, nothing secret.
#[derive(Clone, Debug, Serialize)]
pub struct AppInfo {
    pub id: String,
    pub kind: AppKind,
    pub label: String,
    pub enabled: bool,
    pub domain: Option<String>,
    pub cloud: Option<String>,
    pub entra_url: Option<String>,
    pub issuer: String,
    pub realm: String,
    pub reply_urls: Vec<String>,
    pub name_id: NameIdRule,
    pub attributes: Vec<AttributeRule>,
    pub wsfed_url: String,
    pub signout_url: String,
    pub federation_metadata_url: String,
    /// Microsoft 365 only.
    pub commands_url: Option<String>,
    /// PEM.
    pub signing_certificate: String,
    /// SHA-1, upper-case hexadecimal, as Windows and Entra show it.
    pub certificate_thumbprint: String,
    pub certificate_expires_at: chrono::DateTime<chrono::Utc>,
    pub groups: Vec<String>,
    pub created_at: chrono::DateTime<chrono::Utc>,
}

impl AppInfo {
    /// What kind of app it is, for people.
    pub fn kind_in_words(&self) -> &'static str {
        match self.kind {
            AppKind::M365 => "Microsoft 365",
            AppKind::Wsfed => "WS-Federation",
        }
    }
}

/// A tile in the portal.
pub struct Tile {
    pub label: String,
    pub detail: String,
    pub href: String,
}

impl Idp {
    /// Microsoft 365 is a template: a WS-Federation app whose realm, reply and claims are Entra's.
    pub async fn add_microsoft365(&self, new: NewMicrosoft365, origin: &Origin) -> Result<AppInfo> {
        let domain = Domain::parse(&new.domain)?;
        if domain.is_within("onmicrosoft.com") {
            return Err(Error::Invalid(
                "an onmicrosoft.com domain cannot be federated; name a domain of your own"
                    .to_owned(),
            ));
        }
        let entra_url = match &new.entra_url {
            Some(url) => parse::reply_url("address of Entra", url)?
                .trim_end_matches('/')
                .to_owned(),
            None => new.cloud.entra_url().to_owned(),
        };
        let label = new
            .label
            .unwrap_or_else(|| format!("Microsoft 365 ({domain})"));
        let attribute = |name: &str, source| AttributeRule {
            name: name.to_owned(),
            source,
        };
        let app = App {
            id: crypto::random::hex_id::<12>(),
            kind: AppKind::M365,
            label: parse::name("label", &label)?,
            enabled: true,
            wsfed: WsFedSettings {
                realm: new.cloud.audience().to_owned(),
                replies: vec![format!("{entra_url}/login.srf")],
                name_id: NameIdRule {
                    format: parse::name_id_format("unspecified")?,
                    source: Source::ImmutableId,
                },
                attributes: vec![
                    attribute("http://schemas.xmlsoap.org/claims/UPN", Source::Upn),
                    attribute(
                        "http://schemas.microsoft.com/LiveID/Federation/2008/05/ImmutableID",
                        Source::ImmutableId,
                    ),
                ],
            },
            cloud: Some(new.cloud.as_str().to_owned()),
            entra_url: Some(entra_url),
            created_at: self.now(),
        };
        let issuer = Issuer {
            issuer: format!("https://{domain}"),
            app_id: app.id.clone(),
            domain: Some(domain.as_str().to_owned()),
        };
        self.add_app(app, issuer, origin).await
    }

    pub async fn add_wsfed(&self, new: NewWsFed, origin: &Origin) -> Result<AppInfo> {
        if new.replies.is_empty() {
            return Err(Error::Invalid(
                "name at least one reply address with --reply".to_owned(),
            ));
        }
        let name_id = match &new.name_id {
            Some(text) => {
                let (format, source) = parse::rule("name identifier", text)?;
                NameIdRule {
                    format: parse::name_id_format(&format)?,
                    source,
                }
            }
            None => NameIdRule {
                format: parse::name_id_format("unspecified")?,
                source: Source::Upn,
            },
        };
        let mut attributes: Vec<AttributeRule> = Vec::new();
        for text in &new.attributes {
            let (name, source) = parse::rule("attribute", text)?;
            parse::attribute_name(&name)?;
            if attributes.iter().any(|rule| rule.name == name) {
                return Err(Error::Invalid(format!(
                    "the attribute {name} is named twice"
                )));
            }
            attributes.push(AttributeRule { name, source });
        }
        let id = crypto::random::hex_id::<12>();
        let app = App {
            kind: AppKind::Wsfed,
            label: parse::name("label", &new.label)?,
            enabled: true,
            wsfed: WsFedSettings {
                realm: parse::uri("realm", &new.realm)?,
                replies: new
                    .replies
                    .iter()
                    .map(|reply| parse::reply_url("reply address", reply))
                    .collect::<Result<_>>()?,
                name_id,
                attributes,
            },
            cloud: None,
            entra_url: None,
            created_at: self.now(),
            id: id.clone(),
        };
        // Stored, not derived: a token's issuer stays what it is when the public URL changes.
        let issuer = Issuer {
            issuer: self.urls.wsfed(&id),
            app_id: id,
            domain: None,
        };
        self.add_app(app, issuer, origin).await
    }

    async fn add_app(&self, app: App, issuer: Issuer, origin: &Origin) -> Result<AppInfo> {
        let common_name = format!(
            "Countersign signing {}",
            issuer.domain.as_deref().unwrap_or(&app.id)
        );
        let key = signing_keys::first_key(
            self.master_key.clone(),
            app.id.clone(),
            common_name,
            self.now(),
        )
        .await?;
        let mut write = self.store.write().await?;
        if let Some(domain) = &issuer.domain
            && let Some(taken) = write.issuer_of_domain(domain).await?
        {
            return Err(Error::Invalid(format!(
                "{domain} is already served by the application {}; a domain has one federation",
                taken.app_id
            )));
        }
        write.add_app(&app, std::slice::from_ref(&issuer)).await?;
        write.add_signing_key(&key).await?;
        let entry = Entry::new("app.added", origin)
            .app(&app.id)
            .with("label", app.label.as_str())
            .with("issuer", issuer.issuer.as_str())
            .with("realm", app.wsfed.realm.as_str())
            .with("reply_urls", app.wsfed.replies.clone());
        write.append_audit(&entry.at(self.now())).await?;
        write.commit().await?;
        self.info(app, &[issuer], &key, &[])
    }

    pub async fn apps(&self) -> Result<Vec<AppInfo>> {
        let mut read = self.store.read().await?;
        let mut shown = Vec::new();
        for app in read.apps().await? {
            shown.push(self.read_info(&mut read, app).await?);
        }
        Ok(shown)
    }

    /// The app with this id, or with this domain, or the only one with this label.
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

    /// The values of the federation commands, for a Microsoft 365 app.
    pub fn federation_of(&self, app: AppInfo) -> Result<Federation> {
        let (Some(domain), Some(cloud), Some(commands_url)) =
            (app.domain, app.cloud, app.commands_url)
        else {
            return Err(Refusal::NoCommands { label: app.label }.into());
        };
        Ok(Federation {
            signing_certificate: app
                .signing_certificate
                .lines()
                .filter(|line| !line.starts_with('-'))
                .collect(),
            thumbprint: app.certificate_thumbprint,
            cloud: cloud.parse().map_err(Error::broken)?,
            app_id: app.id,
            label: app.label,
            domain,
            issuer: app.issuer,
            passive_sign_in_url: app.wsfed_url,
            sign_out_url: app.signout_url,
            commands_url,
        })
    }

    /// What the person finds in the portal.
    pub async fn tiles(&self, user: &User) -> Result<Vec<Tile>> {
        let mut read = self.store.read().await?;
        let mut tiles = Vec::new();
        for app in read.apps_granted_to(user.id).await? {
            if !app.enabled {
                continue;
            }
            let issuers = read.issuers_of(&app.id).await?;
            let domain = issuers
                .into_iter()
                .find_map(|issuer| issuer.domain)
                .unwrap_or_default();
            let tile = match (&app.kind, &app.entra_url) {
                // The smart link: Microsoft starts a sign-in for this domain and comes back to us.
                (AppKind::M365, Some(entra)) => Tile {
                    href: format!("{entra}/login.srf?wa=wsignin1.0&whr={domain}"),
                    detail: domain,
                    label: app.label,
                },
                _ => Tile {
                    href: format!(
                        "{}?wa=wsignin1.0&wtrealm={}",
                        self.urls.wsfed(&app.id),
                        encode(&app.wsfed.realm)
                    ),
                    detail: String::new(),
                    label: app.label,
                },
            };
            tiles.push(tile);
        }
        Ok(tiles)
    }

    async fn read_info(&self, read: &mut store::Read, app: App) -> Result<AppInfo> {
        let issuers = read.issuers_of(&app.id).await?;
        let key = read.current_signing_key(&app.id).await?;
        let key = key.ok_or_else(|| {
            Error::broken(std::io::Error::other(
                "the application has no current signing key",
            ))
        })?;
        let groups = read.granted_groups(&app.id).await?;
        self.info(app, &issuers, &key, &groups)
    }

    fn info(
        &self,
        app: App,
        issuers: &[Issuer],
        key: &SigningKey,
        groups: &[Group],
    ) -> Result<AppInfo> {
        let certificate =
            crypto::certificate::Certificate::from_der(&key.certificate).map_err(Error::broken)?;
        let issuer = issuers
            .first()
            .ok_or_else(|| Error::broken(std::io::Error::other("the application has no issuer")))?;
        Ok(AppInfo {
            wsfed_url: self.urls.wsfed(&app.id),
            signout_url: self.urls.wsfed_sign_out(&app.id),
            federation_metadata_url: self.urls.wsfed_metadata(&app.id),
            commands_url: (app.kind == AppKind::M365).then(|| self.urls.commands(&app.id)),
            signing_certificate: certificate.pem(),
            certificate_thumbprint: certificate.thumbprint(),
            certificate_expires_at: certificate.not_after(),
            domain: issuer.domain.clone(),
            issuer: issuer.issuer.clone(),
            realm: app.wsfed.realm,
            reply_urls: app.wsfed.replies,
            name_id: app.wsfed.name_id,
            attributes: app.wsfed.attributes,
            groups: groups.iter().map(|group| group.name.clone()).collect(),
            id: app.id,
            kind: app.kind,
            label: app.label,
            enabled: app.enabled,
            cloud: app.cloud,
            entra_url: app.entra_url,
            created_at: app.created_at,
        })
    }
}

async fn find_app(read: &mut store::Read, reference: &str) -> Result<App> {
    let reference = reference.trim();
    if let Some(app) = read.app(reference).await? {
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
