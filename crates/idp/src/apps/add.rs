//! Applications are added from a template: Microsoft 365, or either protocol's generic one.

use protocol::names;
use store::{
    Acs, Active, App, AppKind, AttributeRule, Issuer, LogoutService, NameIdRule, Protocol,
    SamlAttributeRule, SamlBinding, SamlSettings, Signed, Source, Stage, WsFedSettings,
};

use super::domains::must_be_free;
use super::{AppInfo, acs_urls};
use crate::audit::Entry;
use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::parse::{self, Domain};
use crate::signing_keys::{self, NewKey};
use crate::{Idp, Origin, saml};

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

/// A SAML 2.0 service provider to be added.
pub struct NewSaml {
    pub label: String,
    /// Its metadata, or …
    pub metadata: Option<Vec<u8>>,
    /// … its entity id, which also picks one out of metadata about several, and …
    pub entity_id: Option<String>,
    /// … its assertion consumer services, the first of which is the default.
    pub acs: Vec<String>,
    /// `FORMAT=SOURCE`; without one, the first format on the metadata's list, or the UPN, unspecified.
    pub name_id: Option<String>,
    /// `NAME=SOURCE`, each.
    pub attributes: Vec<String>,
    /// Our entity id for this app, instead of the address of its metadata.
    pub issuer: Option<String>,
}

impl Idp {
    /// Microsoft 365 is a template: a WS-Federation app whose realm, reply and claims are Entra's.
    pub async fn add_microsoft365(&self, new: NewMicrosoft365, origin: &Origin) -> Result<AppInfo> {
        let domain = Domain::to_federate(&new.domain)?;
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
            protocol: Protocol::Wsfed,
            slug: None,
            saml: Some(entra_by_saml(new.cloud, &entra_url)),
            wsfed: Some(WsFedSettings {
                realm: new.cloud.audience().to_owned(),
                replies: vec![login_address(&entra_url)],
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
                active: Active::default(),
            }),
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
            Some(text) => name_id_rule(text)?,
            None => saml::default_name_id(),
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
            protocol: Protocol::Wsfed,
            slug: None,
            saml: None,
            wsfed: Some(WsFedSettings {
                realm: parse::uri("realm", &new.realm)?,
                replies: new
                    .replies
                    .iter()
                    .map(|reply| parse::reply_url("reply address", reply))
                    .collect::<Result<_>>()?,
                name_id,
                attributes,
                active: Active::default(),
            }),
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

    /// A SAML 2.0 service provider, from its metadata or from its entity id and addresses.
    pub async fn add_saml(&self, new: NewSaml, origin: &Origin) -> Result<(AppInfo, Vec<String>)> {
        let (mut settings, notes) = if let Some(metadata) = &new.metadata {
            let import = saml::first_import(metadata, new.entity_id.as_deref(), self.now())?;
            (import.settings, import.notes)
        } else {
            let entity_id = new.entity_id.as_deref().ok_or_else(|| {
                Error::Invalid(
                    "name the service provider by --metadata, or by --entity-id and --acs"
                        .to_owned(),
                )
            })?;
            let entity_id = parse::entity_id(entity_id)?;
            (saml::blank(&entity_id, saml::default_name_id()), Vec::new())
        };
        if new.metadata.is_none() || !new.acs.is_empty() {
            settings.acs = acs(&new.acs)?;
        }
        if let Some(text) = &new.name_id {
            settings.name_id = name_id_rule(text)?;
        }
        if !new.attributes.is_empty() {
            settings.attributes = saml_attributes(&new.attributes)?;
        }
        let id = crypto::random::hex_id::<12>();
        // Stored, not derived: a token's issuer stays what it is when the public URL changes.
        let issuer = Issuer {
            issuer: match &new.issuer {
                Some(issuer) => parse::uri("issuer", issuer)?,
                None => self.urls.saml_metadata(&id),
            },
            app_id: id.clone(),
            domain: None,
        };
        let app = App {
            kind: AppKind::Saml,
            label: parse::name("label", &new.label)?,
            enabled: true,
            protocol: Protocol::Saml,
            slug: None,
            wsfed: None,
            saml: Some(settings),
            cloud: None,
            entra_url: None,
            created_at: self.now(),
            id,
        };
        Ok((self.add_app(app, issuer, origin).await?, notes))
    }

    async fn add_app(&self, app: App, issuer: Issuer, origin: &Origin) -> Result<AppInfo> {
        let common_name = signing_keys::common_name(&app.id, Some(&issuer));
        let key = self
            .make_key(&app.id, Stage::Current, common_name, NewKey::default())
            .await?;
        let mut write = self.store.write().await?;
        must_be_free(&mut write, &issuer).await?;
        write.add_app(&app, std::slice::from_ref(&issuer)).await?;
        write.add_signing_key(&key).await?;
        let entry = Entry::new("app.added", origin)
            .app(&app.id)
            .with("label", app.label.as_str())
            .with("issuer", issuer.issuer.as_str());
        let entry = match (&app.wsfed, &app.saml) {
            (Some(wsfed), _) => entry
                .with("realm", wsfed.realm.as_str())
                .with("reply_urls", wsfed.replies.clone()),
            (None, Some(saml)) => entry
                .with("entity_id", saml.entity_id.as_str())
                .with("acs_urls", acs_urls(saml)),
            (None, None) => entry,
        };
        write.append_audit(&entry.at(self.now())).await?;
        write.commit().await?;
        self.info(app, &[issuer], &[key], &[])
    }
}

/// How Microsoft 365 reads SAML 2.0: whatever a request says, this is what Entra takes.
fn entra_by_saml(cloud: Cloud, entra_url: &str) -> SamlSettings {
    let name_id = NameIdRule {
        format: names::name_id::PERSISTENT.to_owned(),
        source: Source::ImmutableId,
    };
    let address = login_address(entra_url);
    SamlSettings {
        acs: vec![Acs {
            url: address.clone(),
            index: 0,
            is_default: true,
        }],
        logout: Some(LogoutService {
            binding: SamlBinding::Post,
            url: address,
            response_url: None,
        }),
        attributes: vec![SamlAttributeRule {
            name: "IDPEmail".to_owned(),
            name_format: None,
            friendly_name: None,
            source: Source::Upn,
        }],
        sign: Signed::Assertion,
        ..saml::blank(cloud.audience(), name_id)
    }
}

/// What is another in each cloud: who tokens are for, and where they are posted.
pub(super) fn move_to_cloud(app: &mut App, cloud: Cloud) {
    let entra_url = cloud.entra_url();
    app.saml = Some(entra_by_saml(cloud, entra_url));
    if let Some(wsfed) = &mut app.wsfed {
        cloud.audience().clone_into(&mut wsfed.realm);
        wsfed.replies = vec![login_address(entra_url)];
    }
    app.cloud = Some(cloud.as_str().to_owned());
    app.entra_url = Some(entra_url.to_owned());
}

/// The one address at which Entra takes tokens of every kind.
fn login_address(entra_url: &str) -> String {
    format!("{entra_url}/login.srf")
}

/// `FORMAT=SOURCE`
pub(super) fn name_id_rule(text: &str) -> Result<NameIdRule> {
    let (format, source) = parse::rule("name identifier", text)?;
    Ok(NameIdRule {
        format: parse::name_id_format(&format)?,
        source,
    })
}

/// Addresses in the order of their index; the first is the default.
pub(super) fn acs(urls: &[String]) -> Result<Vec<Acs>> {
    if urls.is_empty() {
        return Err(Error::Invalid(
            "name at least one assertion consumer service with --acs".to_owned(),
        ));
    }
    let acs = urls.iter().enumerate().map(|(index, url)| {
        Ok(Acs {
            url: parse::reply_url("assertion consumer service", url)?,
            index: u16::try_from(index).map_err(|_| {
                Error::Invalid("there are too many assertion consumer services".to_owned())
            })?,
            is_default: index == 0,
        })
    });
    acs.collect()
}

/// `NAME=SOURCE`, each name once.
pub(super) fn saml_attributes(texts: &[String]) -> Result<Vec<SamlAttributeRule>> {
    let mut rules: Vec<SamlAttributeRule> = Vec::new();
    for text in texts {
        let (name, source) = parse::rule("attribute", text)?;
        let (name, name_format) = parse::saml_attribute_name(&name)?;
        if rules.iter().any(|rule| rule.name == name) {
            return Err(Error::Invalid(format!(
                "the attribute {name} is named twice"
            )));
        }
        rules.push(SamlAttributeRule {
            name,
            name_format,
            friendly_name: None,
            source,
        });
    }
    Ok(rules)
}
