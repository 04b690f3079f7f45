//! Reads a service provider's metadata into an app's settings, and never lets it weaken a check unseen.

use chrono::{DateTime, Utc};
use crypto::xml_signature::{self, Limits};
use protocol::names;
use protocol::saml2::metadata::{self, ServiceProvider};
use serde::Serialize;
use store::{
    Acs, LogoutService, NameIdRule, SamlAttributeRule, SamlBinding, SamlSettings, Signed, Source,
};

use super::certificate;
use crate::error::{Error, Result};
use crate::parse;

/// A federation's whole aggregate is no metadata of one service provider.
const LIMITS: Limits = Limits {
    bytes: 4 << 20,
    depth: 64,
    attributes: 64,
    nodes: 400_000,
};

/// What an import would do.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    pub changes: Vec<Change>,
    /// What the metadata says and we do not follow, for the admin to know.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub(crate) settings: SamlSettings,
}

/// One setting that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub what: &'static str,
    pub from: String,
    pub to: String,
}

/// Reads metadata for a new app.
pub(crate) fn first(text: &[u8], entity_id: Option<&str>, now: DateTime<Utc>) -> Result<Import> {
    let found = read(text, entity_id, now)?;
    let mut notes = Vec::new();
    let name_id = name_id_of(&found);
    let settings = SamlSettings {
        attributes: attributes_of(&found, &mut notes),
        ..settings_of(&found, blank(&found.entity_id, name_id), &mut notes)?
    };
    Ok(Import {
        changes: Vec::new(),
        notes,
        settings,
    })
}

/// Reads metadata for an app that exists: its addresses and keys change, the admin's own choices stay.
pub(crate) fn again(text: &[u8], before: &SamlSettings, now: DateTime<Utc>) -> Result<Import> {
    let found = read(text, Some(&before.entity_id), now)?;
    let mut notes = Vec::new();
    let mut settings = settings_of(&found, before.clone(), &mut notes)?;
    // What was demanded stays demanded: a file that forgets to say so must not switch it off.
    if before.signed_requests && !found.authn_requests_signed {
        notes.push(
            "the metadata does not promise signed requests; they stay required, as they were"
                .to_owned(),
        );
    }
    settings.signed_requests |= before.signed_requests;
    if before.encrypt && settings.encryption_certificate.is_none() {
        notes.push(
            "the metadata has no key to encrypt to; the one that was stored stays".to_owned(),
        );
        settings
            .encryption_certificate
            .clone_from(&before.encryption_certificate);
    }
    settings.encrypt |= before.encrypt;
    if !before.signing_certificates.is_empty() && settings.signing_certificates.is_empty() {
        notes.push("the metadata has no signing key; those that were stored stay".to_owned());
        settings
            .signing_certificates
            .clone_from(&before.signing_certificates);
    }
    Ok(Import {
        changes: changes(before, &settings),
        notes,
        settings,
    })
}

/// What an app has before anybody says more about it.
pub(crate) fn blank(entity_id: &str, name_id: NameIdRule) -> SamlSettings {
    SamlSettings {
        entity_id: entity_id.to_owned(),
        acs: Vec::new(),
        logout: None,
        name_id,
        attributes: Vec::new(),
        // Whatever a service provider insists on, it finds.
        sign: Signed::Both,
        signature_algorithm: "rsa-sha256".to_owned(),
        encryption_certificate: None,
        encrypt: false,
        signing_certificates: Vec::new(),
        signed_requests: false,
        relay_state: None,
    }
}

/// Without any wish from the other side: the name that people type, as for WS-Federation.
pub(crate) fn default_name_id() -> NameIdRule {
    NameIdRule {
        format: names::name_id::UNSPECIFIED.to_owned(),
        source: Source::Upn,
    }
}

fn read(text: &[u8], entity_id: Option<&str>, now: DateTime<Utc>) -> Result<ServiceProvider> {
    let invalid = |text: String| Error::Invalid(text);
    let document = xml_signature::read(text, &LIMITS)
        .map_err(|error| invalid(format!("this is no SAML metadata: {error}")))?;
    let mut found = metadata::service_providers(document.root_element()).map_err(|error| {
        invalid(format!(
            "this is no metadata of a service provider: {error}"
        ))
    })?;
    if let Some(wanted) = entity_id {
        found.retain(|provider| provider.entity_id == wanted);
    }
    let provider = match found.len() {
        1 => found.remove(0),
        0 => {
            return Err(invalid(match entity_id {
                Some(wanted) => format!("the metadata is not about the service provider {wanted}"),
                None => "the metadata has no service provider that speaks SAML 2.0".to_owned(),
            }));
        }
        several => {
            return Err(invalid(format!(
                "the metadata has {several} service providers; name one with --entity-id: {}",
                found
                    .iter()
                    .take(20)
                    .map(|provider| provider.entity_id.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            )));
        }
    };
    if let Some(until) = provider.valid_until
        && until <= now
    {
        return Err(invalid(format!(
            "the metadata expired on {}; get the current one from the application",
            until.format("%Y-%m-%d")
        )));
    }
    Ok(provider)
}

/// Takes over what the metadata knows best: who it is, its addresses, its keys, what it promises.
fn settings_of(
    found: &ServiceProvider,
    before: SamlSettings,
    notes: &mut Vec<String>,
) -> Result<SamlSettings> {
    let mut acs = Vec::new();
    for service in &found.acs {
        if service.binding != names::binding::POST {
            notes.push(format!(
                "the assertion consumer service {} uses another binding than HTTP-POST and is left out",
                service.url
            ));
            continue;
        }
        match parse::reply_url("assertion consumer service", &service.url) {
            Ok(url) => acs.push(Acs {
                url,
                index: service.index,
                is_default: service.is_default,
            }),
            Err(error) => notes.push(format!("{error}; it is left out")),
        }
    }
    if acs.is_empty() {
        return Err(Error::Invalid(
            "the metadata has no assertion consumer service with the HTTP-POST binding at an https:// address".to_owned(),
        ));
    }
    if acs.iter().all(|acs| !acs.is_default) {
        acs[0].is_default = true;
    }
    let binding = |service: &metadata::LogoutService| match service.binding.as_str() {
        names::binding::REDIRECT => Some(SamlBinding::Redirect),
        names::binding::POST => Some(SamlBinding::Post),
        _ => None,
    };
    let mut logout = Vec::new();
    for service in &found.logout {
        let Some(binding) = binding(service) else {
            continue;
        };
        let url = |url: &String| parse::reply_url("logout service", url);
        let read = url(&service.url).and_then(|location| {
            Ok(LogoutService {
                binding,
                url: location,
                response_url: service.response_url.as_ref().map(url).transpose()?,
            })
        });
        match read {
            Ok(service) => logout.push(service),
            Err(error) => notes.push(format!("{error}; it is left out")),
        }
    }
    // By query a browser sends its cookies, by another site's form it does not.
    let logout = logout
        .iter()
        .find(|service| service.binding == SamlBinding::Redirect)
        .or(logout.first())
        .cloned();
    let encryption_certificate = found
        .encryption
        .iter()
        .find(|stored| is_usable(stored))
        .cloned();
    let signing_certificates = found
        .signing
        .iter()
        .filter(|stored| is_usable(stored))
        .cloned()
        .collect::<Vec<_>>();
    if signing_certificates.len() < found.signing.len() {
        notes.push(
            "a signing certificate that is no RSA key of at least 2048 bits is left out".to_owned(),
        );
    }
    if encryption_certificate.is_none() && !found.encryption.is_empty() {
        notes.push("no encryption certificate has an RSA key of at least 2048 bits, so assertions are not encrypted".to_owned());
    }
    if found.authn_requests_signed && signing_certificates.is_empty() {
        notes.push(
            "the metadata promises signed requests, but has no key to verify them with".to_owned(),
        );
    }
    Ok(SamlSettings {
        entity_id: parse::entity_id(&found.entity_id)?,
        acs,
        logout,
        // Whoever publishes a key wants to be the only reader.
        encrypt: encryption_certificate.is_some(),
        encryption_certificate,
        signed_requests: found.authn_requests_signed && !signing_certificates.is_empty(),
        signing_certificates,
        sign: match before.sign {
            Signed::Response if found.want_assertions_signed => Signed::Both,
            sign => sign,
        },
        ..before
    })
}

fn is_usable(stored: &str) -> bool {
    certificate(stored)
        .is_ok_and(|certificate| certificate.rsa_bits().is_some_and(|bits| bits >= 2048))
}

/// The first format on the service provider's list that we can fill.
fn name_id_of(found: &ServiceProvider) -> NameIdRule {
    let source = |format: &str| match format {
        names::name_id::PERSISTENT => Some(Source::Pairwise),
        names::name_id::TRANSIENT => Some(Source::Transient),
        names::name_id::EMAIL => Some(Source::Email),
        names::name_id::UNSPECIFIED => Some(Source::Upn),
        _ => None,
    };
    found
        .name_id_formats
        .iter()
        .find_map(|format| {
            Some(NameIdRule {
                source: source(format)?,
                format: format.clone(),
            })
        })
        .unwrap_or_else(default_name_id)
}

/// The requested attributes that everybody calls the same, by their OID or their short name.
fn attributes_of(found: &ServiceProvider, notes: &mut Vec<String>) -> Vec<SamlAttributeRule> {
    let mut rules: Vec<SamlAttributeRule> = Vec::new();
    for requested in &found.requested_attributes {
        let known = well_known(&requested.name)
            .or_else(|| well_known(requested.friendly_name.as_deref().unwrap_or_default()));
        match known {
            Some(source) if rules.iter().all(|rule| rule.name != requested.name) => {
                rules.push(SamlAttributeRule {
                    name: requested.name.clone(),
                    name_format: requested.name_format.clone(),
                    friendly_name: requested.friendly_name.clone(),
                    source,
                });
            }
            Some(_) => {}
            None => notes.push(format!(
                "the attribute {} is asked for{}; choose its source with --attribute",
                requested.friendly_name.as_ref().unwrap_or(&requested.name),
                if requested.required {
                    " and required"
                } else {
                    ""
                }
            )),
        }
    }
    rules
}

fn well_known(name: &str) -> Option<Source> {
    Some(match name {
        "urn:oid:0.9.2342.19200300.100.1.3"
        | "mail"
        | "email"
        | "emailAddress"
        | "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress" => Source::Email,
        "urn:oid:2.5.4.42"
        | "givenName"
        | "firstName"
        | "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname" => Source::GivenName,
        "urn:oid:2.5.4.4"
        | "sn"
        | "surname"
        | "lastName"
        | "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname" => Source::FamilyName,
        "urn:oid:2.16.840.1.113730.3.1.241"
        | "displayName"
        | "http://schemas.microsoft.com/identity/claims/displayname" => Source::DisplayName,
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"
        | "eduPersonPrincipalName"
        | "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
        | "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn" => Source::Upn,
        "urn:oid:1.3.6.1.4.1.5923.1.5.1.1"
        | "isMemberOf"
        | "groups"
        | "memberOf"
        | "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups" => Source::Groups,
        _ => return None,
    })
}

/// The differences, each in words.
pub(crate) fn changes(before: &SamlSettings, after: &SamlSettings) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |what, from: String, to: String| {
        if from != to {
            changes.push(Change { what, from, to });
        }
    };
    let on = |value: bool| if value { "on" } else { "off" }.to_owned();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let acs = |settings: &SamlSettings| {
        let each = settings.acs.iter().map(|acs| {
            let default = if acs.is_default { ", default" } else { "" };
            format!("{} (index {}{default})", acs.url, acs.index)
        });
        each.collect::<Vec<_>>().join(" ")
    };
    let logout = |settings: &SamlSettings| {
        or_none(settings.logout.as_ref().map(|service| {
            let response = service.response_url.as_ref();
            let response = response.map(|url| format!(", answers to {url}"));
            format!(
                "{:?} {}{}",
                service.binding,
                service.url,
                response.unwrap_or_default()
            )
        }))
    };
    let keys = |settings: &SamlSettings| {
        let each = settings
            .signing_certificates
            .iter()
            .map(|stored| fingerprint(stored));
        let text = each.collect::<Vec<_>>().join(" ");
        or_none((!text.is_empty()).then_some(text))
    };
    compare(
        "entity id",
        before.entity_id.clone(),
        after.entity_id.clone(),
    );
    compare("assertion consumer services", acs(before), acs(after));
    compare("logout service", logout(before), logout(after));
    compare(
        "signing certificates of the service provider",
        keys(before),
        keys(after),
    );
    compare(
        "signed requests required",
        on(before.signed_requests),
        on(after.signed_requests),
    );
    compare(
        "encryption certificate",
        or_none(before.encryption_certificate.as_deref().map(fingerprint)),
        or_none(after.encryption_certificate.as_deref().map(fingerprint)),
    );
    compare(
        "assertions encrypted",
        on(before.encrypt),
        on(after.encrypt),
    );
    compare("signed", before.sign.to_string(), after.sign.to_string());
    compare(
        "signature algorithm",
        before.signature_algorithm.clone(),
        after.signature_algorithm.clone(),
    );
    let name_id = |settings: &SamlSettings| {
        let rule = &settings.name_id;
        format!("{} from {:?}", rule.format, rule.source)
    };
    compare("name identifier", name_id(before), name_id(after));
    let attributes = |settings: &SamlSettings| {
        let each = settings.attributes.iter();
        let each = each.map(|rule| format!("{} from {:?}", rule.name, rule.source));
        each.collect::<Vec<_>>().join(", ")
    };
    compare("attributes", attributes(before), attributes(after));
    compare(
        "relay state",
        or_none(before.relay_state.clone()),
        or_none(after.relay_state.clone()),
    );
    changes
}

/// How people tell certificates apart.
fn fingerprint(stored: &str) -> String {
    certificate(stored).map_or_else(
        |_| "unreadable".to_owned(),
        |certificate| certificate.sha256_fingerprint(),
    )
}
