//! What an admin changes about an app later, and what they look at before.

use protocol::saml2;
use serde::Serialize;
use store::{
    Active, App, AppKind, Issuer, LogoutService, Protocol, SamlBinding, SamlSettings, Signed, User,
};

use super::add::{acs, move_to_cloud, name_id_rule, saml_attributes};
use super::domains::{issuer_must_be_free, issuer_to_change, meant_domain};
use super::{AppInfo, find_app};
use crate::audit::Entry;
use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::people::find_user;
use crate::saml::{self, Change, Import};
use crate::{Idp, Origin, parse};

/// Each setting that shall change; the others stay. `none` clears what may be absent.
#[derive(Clone, Debug, Default)]
pub struct AppChange {
    pub label: Option<String>,
    pub enabled: Option<bool>,
    pub protocol: Option<Protocol>,
    pub cloud: Option<Cloud>,
    pub slug: Option<String>,
    pub issuer: Option<String>,
    /// The domain whose issuer changes; needed when there are several.
    pub domain: Option<String>,
    pub active: ActiveChange,
    pub saml: SamlChange,
}

/// What can change about WS-Trust, by which a password alone opens an app that speaks WS-Federation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveChange {
    pub on: Option<bool>,
    /// Networks and single addresses, all of them.
    pub networks: Vec<String>,
    /// 400, or 500 as AD FS answers.
    pub credential_status: Option<u16>,
}

/// What can change about a generic SAML app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SamlChange {
    pub entity_id: Option<String>,
    pub acs: Vec<String>,
    /// The address of the service provider's logout service, by the HTTP-Redirect binding.
    pub logout: Option<String>,
    pub name_id: Option<String>,
    pub attributes: Vec<String>,
    pub sign: Option<Signed>,
    pub signature_algorithm: Option<String>,
    pub encrypt: Option<bool>,
    pub signed_requests: Option<bool>,
    pub relay_state: Option<String>,
    /// PEM or DER, each; they replace those that are stored.
    pub signing_certificates: Vec<Vec<u8>>,
    pub encryption_certificate: Option<Vec<u8>>,
}

/// What a user's token would say.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    pub issuer: String,
    pub name_id_format: String,
    /// None when it is made at the first sign-in.
    pub name_id: Option<String>,
    pub attributes: Vec<PreviewAttribute>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PreviewAttribute {
    pub name: String,
    pub name_format: Option<String>,
    pub values: Vec<String>,
}

impl Idp {
    /// Changes settings of an app, all of them or none.
    pub async fn change_app(
        &self,
        reference: &str,
        change: AppChange,
        origin: &Origin,
    ) -> Result<AppInfo> {
        self.change_app_by(None, reference, change, origin).await
    }

    /// The same for an administrator who is signed in, whom the audit names.
    pub async fn change_app_as(
        &self,
        admin: &User,
        reference: &str,
        change: AppChange,
        origin: &Origin,
    ) -> Result<AppInfo> {
        self.change_app_by(Some(admin), reference, change, origin)
            .await
    }

    async fn change_app_by(
        &self,
        admin: Option<&User>,
        reference: &str,
        change: AppChange,
        origin: &Origin,
    ) -> Result<AppInfo> {
        let mut write = self.store.write().await?;
        let before = find_app(&mut write, reference).await?;
        let after = changed(&before, &change)?;
        let mut entry = Entry::new("app.changed", origin).app(&before.id);
        if let Some(admin) = admin {
            entry = entry.user(&admin.upn);
        }
        for (what, from, to) in differences(&before, &after) {
            entry = entry.with(what, format!("{from} -> {to}"));
        }
        if let Some(new) = &change.issuer {
            let new = parse::uri("issuer", new)?;
            let issuers = write.issuers_of(&before.id).await?;
            let meant = meant_domain(&issuers, reference, change.domain.as_deref());
            let issuer = issuer_to_change(&issuers, meant)?;
            let replaced = Issuer {
                issuer: new.clone(),
                ..issuer.clone()
            };
            issuer_must_be_free(&mut write, &replaced).await?;
            if let Some(domain) = issuer.domain.as_deref().filter(|_| issuers.len() > 1) {
                entry = entry.with("domain", domain);
            }
            entry = entry.with("issuer", format!("{} -> {new}", issuer.issuer));
            write.set_issuer(&before.id, &issuer.issuer, &new).await?;
        }
        write.update_app(&after).await?;
        write.append_audit(&entry.at(self.now())).await?;
        let shown = self.read_info(&mut write, after).await?;
        write.commit().await?;
        Ok(shown)
    }

    /// What importing this metadata would change, before it changes it.
    pub async fn plan_import(&self, reference: &str, metadata: &[u8]) -> Result<Import> {
        let app = find_app(&mut self.store.read().await?, reference).await?;
        saml::import_again(metadata, generic_saml(&app)?, self.now())
    }

    /// Imports a service provider's metadata again.
    pub async fn import_metadata(
        &self,
        reference: &str,
        metadata: &[u8],
        origin: &Origin,
    ) -> Result<Import> {
        let mut write = self.store.write().await?;
        let mut app = find_app(&mut write, reference).await?;
        let import = saml::import_again(metadata, generic_saml(&app)?, self.now())?;
        app.saml = Some(import.settings.clone());
        let mut entry = Entry::new("app.metadata-imported", origin).app(&app.id);
        for Change { what, from, to } in &import.changes {
            entry = entry.with(what, format!("{from} -> {to}"));
        }
        write.update_app(&app).await?;
        write.append_audit(&entry.at(self.now())).await?;
        write.commit().await?;
        Ok(import)
    }

    /// What a token of this app would say about this user.
    pub async fn preview(&self, reference: &str, user: &str) -> Result<Preview> {
        let (app, user, issuers) = {
            let mut read = self.store.read().await?;
            let app = find_app(&mut read, reference).await?;
            let user = find_user(&mut read, user).await?;
            let issuers = read.issuers_of(&app.id).await?;
            (app, user, issuers)
        };
        let issuer = crate::sign_on::issuer_for(&user, &app, &issuers)?.to_owned();
        let about = self.about_user(user, &app).await?;
        let (rule, attributes) = match (app.protocol, &app.wsfed, &app.saml) {
            (Protocol::Wsfed, Some(wsfed), _) => {
                let attributes = about.wsfed_attributes(wsfed)?.into_iter();
                let attributes = attributes.map(|attribute| PreviewAttribute {
                    name: format!("{}/{}", attribute.namespace, attribute.name),
                    name_format: None,
                    values: attribute.values,
                });
                (&wsfed.name_id, attributes.collect())
            }
            (_, _, Some(saml)) => {
                let attributes = about.saml_attributes(saml).into_iter();
                let attributes = attributes.map(|attribute: saml2::Attribute| PreviewAttribute {
                    name: attribute.name,
                    name_format: attribute.name_format,
                    values: attribute.values,
                });
                (&saml.name_id, attributes.collect())
            }
            _ => {
                return Err(Error::broken(std::io::Error::other(
                    "the application speaks nothing",
                )));
            }
        };
        Ok(Preview {
            issuer,
            name_id_format: rule.format.clone(),
            name_id: about.name_id(rule, &app).ok(),
            attributes,
        })
    }
}

/// The settings that metadata and the admin may change; Microsoft's are what Entra says they are.
fn generic_saml(app: &App) -> Result<&SamlSettings> {
    match (&app.saml, app.kind) {
        (Some(saml), AppKind::Saml) => Ok(saml),
        (_, AppKind::M365) => Err(Error::Invalid(
            "the SAML settings of Microsoft 365 are fixed: Entra publishes no other addresses, takes one name identifier, and reads nothing encrypted".to_owned(),
        )),
        _ => Err(Error::Invalid(
            "this application does not speak SAML; add another one with “countersign app add saml”".to_owned(),
        )),
    }
}

fn changed(before: &App, change: &AppChange) -> Result<App> {
    let mut app = before.clone();
    if let Some(label) = &change.label {
        app.label = parse::name("label", label)?;
    }
    app.enabled = change.enabled.unwrap_or(app.enabled);
    if let Some(protocol) = change.protocol
        && protocol != app.protocol
    {
        if app.kind != AppKind::M365 {
            return Err(Error::Invalid(
                "only a Microsoft 365 application speaks both protocols".to_owned(),
            ));
        }
        app.protocol = protocol;
    }
    if let Some(cloud) = change.cloud {
        if app.kind != AppKind::M365 {
            return Err(Error::Invalid(
                "only a Microsoft 365 application is in a cloud of Microsoft".to_owned(),
            ));
        }
        move_to_cloud(&mut app, cloud);
    }
    change_active(&mut app, &change.active)?;
    if let Some(slug) = change.slug.as_deref().map(unless_none) {
        if app.saml.is_none() {
            return Err(Error::Invalid(
                "only the addresses of SAML have a slug".to_owned(),
            ));
        }
        app.slug = slug.map(parse::slug).transpose()?;
    }
    if change.saml != SamlChange::default() {
        app.saml = Some(changed_saml(generic_saml(before)?, &change.saml)?);
    }
    Ok(app)
}

/// Only what speaks WS-Federation has a WS-Trust to open, so whatever turns to SAML closes it.
fn change_active(app: &mut App, change: &ActiveChange) -> Result<()> {
    let asked_for = *change != ActiveChange::default();
    let Some(wsfed) = &mut app.wsfed else {
        return if asked_for {
            Err(Error::Invalid(
                "a password alone opens only applications that speak WS-Federation, and this one speaks SAML"
                    .to_owned(),
            ))
        } else {
            Ok(())
        };
    };
    let active = &mut wsfed.active;
    active.on = change.on.unwrap_or(active.on);
    if app.protocol == Protocol::Saml {
        if change.on == Some(true) {
            return Err(Error::Invalid(format!(
                "a domain that speaks SAML cannot have it: Windows asks for a token by WS-Trust, which belongs to WS-Federation; run “countersign app set {} --protocol wsfed”, then run the new federation commands at Microsoft",
                app.id
            )));
        }
        active.on = false;
    }
    if !change.networks.is_empty() {
        active.networks = networks(&change.networks)?;
    }
    if let Some(status) = change.credential_status {
        if !matches!(status, 400 | 500) {
            return Err(Error::Invalid(format!(
                "the status of a refused password is 400, as Windows documents it, or 500, as AD FS answers; it cannot be {status}"
            )));
        }
        active.credential_status = status;
    }
    Ok(())
}

/// Each is looked at for every token that is asked for.
const MOST_NETWORKS: usize = 100;

fn networks(written: &[String]) -> Result<Vec<String>> {
    if written == ["none"] {
        return Ok(Vec::new());
    }
    let mut networks = Vec::new();
    for text in written {
        let network = parse::network(text)?.to_string();
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    if networks.len() > MOST_NETWORKS {
        return Err(Error::Invalid(format!(
            "these are {} networks, and an application takes {MOST_NETWORKS}; name larger ones",
            networks.len()
        )));
    }
    Ok(networks)
}

fn changed_saml(before: &SamlSettings, change: &SamlChange) -> Result<SamlSettings> {
    let mut saml = before.clone();
    if let Some(entity_id) = &change.entity_id {
        saml.entity_id = parse::entity_id(entity_id)?;
    }
    if !change.acs.is_empty() {
        saml.acs = acs(&change.acs)?;
    }
    if let Some(logout) = change.logout.as_deref().map(unless_none) {
        let service = logout.map(|url| {
            Ok::<_, Error>(LogoutService {
                binding: SamlBinding::Redirect,
                url: parse::reply_url("logout service", url)?,
                response_url: None,
            })
        });
        saml.logout = service.transpose()?;
    }
    if let Some(rule) = &change.name_id {
        saml.name_id = name_id_rule(rule)?;
    }
    if !change.attributes.is_empty() {
        let clear = change.attributes == ["none"];
        saml.attributes = saml_attributes(if clear { &[] } else { &change.attributes })?;
    }
    saml.sign = change.sign.unwrap_or(saml.sign);
    if let Some(name) = &change.signature_algorithm {
        let algorithm: crypto::xml_signature::Algorithm = name.parse().map_err(|_| {
            Error::Invalid(
                "the signature algorithm is rsa-sha256, rsa-sha384 or rsa-sha512".to_owned(),
            )
        })?;
        algorithm.as_str().clone_into(&mut saml.signature_algorithm);
    }
    if !change.signing_certificates.is_empty() {
        let read = change.signing_certificates.iter();
        saml.signing_certificates = read
            .map(|text| rsa_certificate(text))
            .collect::<Result<_>>()?;
    }
    if let Some(text) = &change.encryption_certificate {
        saml.encryption_certificate = Some(rsa_certificate(text)?);
    }
    saml.encrypt = change.encrypt.unwrap_or(saml.encrypt);
    saml.signed_requests = change.signed_requests.unwrap_or(saml.signed_requests);
    if let Some(state) = change.relay_state.as_deref().map(unless_none) {
        saml.relay_state = state.map(parse::relay_state).transpose()?;
    }
    if saml.encrypt && saml.encryption_certificate.is_none() {
        return Err(Error::Invalid(
            "there is no certificate to encrypt to; import the metadata or use --encryption-certificate".to_owned(),
        ));
    }
    if saml.signed_requests && saml.signing_certificates.is_empty() {
        return Err(Error::Invalid(
            "there is no certificate to verify requests with; import the metadata or use --signing-certificate".to_owned(),
        ));
    }
    Ok(saml)
}

/// A setting that may be absent is cleared by the word.
fn unless_none(text: &str) -> Option<&str> {
    (text != "none").then_some(text)
}

/// A certificate in PEM or DER as it is stored: the base64 of its DER.
fn rsa_certificate(text: &[u8]) -> Result<String> {
    use crypto::certificate::Certificate;
    let read = if text.starts_with(b"-----BEGIN") {
        Certificate::from_pem(text)
    } else {
        Certificate::from_der(text)
    };
    let certificate =
        read.map_err(|error| Error::Invalid(format!("this is no certificate: {error}")))?;
    if certificate.rsa_bits().is_none_or(|bits| bits < 2048) {
        return Err(Error::Invalid(
            "the certificate must hold an RSA key of at least 2048 bits".to_owned(),
        ));
    }
    Ok(certificate.base64().to_owned())
}

/// What differs, for the audit.
fn differences(before: &App, after: &App) -> Vec<(&'static str, String, String)> {
    let mut all = vec![
        ("label", before.label.clone(), after.label.clone()),
        (
            "enabled",
            before.enabled.to_string(),
            after.enabled.to_string(),
        ),
        (
            "protocol",
            before.protocol.to_string(),
            after.protocol.to_string(),
        ),
        (
            "cloud",
            before.cloud.clone().unwrap_or_default(),
            after.cloud.clone().unwrap_or_default(),
        ),
        (
            "slug",
            before.slug.clone().unwrap_or_default(),
            after.slug.clone().unwrap_or_default(),
        ),
    ];
    if let (Some(before), Some(after)) = (&before.wsfed, &after.wsfed) {
        all.extend(active_differences(&before.active, &after.active));
    }
    if let (Some(before), Some(after)) = (&before.saml, &after.saml) {
        let changes = saml::changes(before, after);
        all.extend(
            changes
                .into_iter()
                .map(|change| (change.what, change.from, change.to)),
        );
    }
    all.retain(|(_, from, to)| from != to);
    all
}

fn active_differences(before: &Active, after: &Active) -> [(&'static str, String, String); 3] {
    let on = |active: &Active| if active.on { "on" } else { "off" }.to_owned();
    let from = |active: &Active| match active.networks.as_slice() {
        [] => "everywhere".to_owned(),
        networks => networks.join(" "),
    };
    let status = |active: &Active| active.credential_status.to_string();
    [
        ("ws-trust", on(before), on(after)),
        ("ws-trust from", from(before), from(after)),
        ("ws-trust refusal status", status(before), status(after)),
    ]
}
