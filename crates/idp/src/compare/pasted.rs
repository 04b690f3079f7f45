//! What was pasted: found to be text, JSON, and a configuration of this domain, or refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Known, LARGEST, shortened};
use crate::error::{Error, Result};

/// One `internalDomainFederation`, whose names are in lower case: PowerShell writes IssuerUri, Graph issuerUri.
#[derive(Debug)]
pub(super) struct Configuration {
    fields: BTreeMap<String, Value>,
    /// The domain in `@odata.context`, if there is one.
    domain: Option<String>,
}

impl Configuration {
    /// A setting's value; an empty one is none.
    pub fn get(&self, setting: &str) -> Option<&Value> {
        let value = self.fields.get(&setting.to_ascii_lowercase())?;
        (!value.is_null() && value != "").then_some(value)
    }

    pub fn text(&self, setting: &str) -> Option<&str> {
        self.get(setting)?.as_str()
    }
}

/// Some of what every configuration has.
const TELLING: [&str; 4] = [
    "issueruri",
    "passivesigninuri",
    "signingcertificate",
    "preferredauthenticationprotocol",
];

const HOW: &str =
    "paste what “Get-MgDomainFederationConfiguration -DomainId DOMAIN | ConvertTo-Json” prints";

fn refused<T>(why: impl AsRef<str>) -> Result<T> {
    Err(Error::Invalid(format!("{}; {HOW}", why.as_ref())))
}

/// All configurations in the text, of which there should be one.
pub(super) fn read(pasted: &[u8]) -> Result<Vec<Configuration>> {
    let text = text(pasted)?;
    let text = text.trim();
    if text.is_empty() {
        return refused(
            "nothing was pasted, and PowerShell prints nothing if the domain is not federated",
        );
    }
    if text.starts_with('<') {
        return refused("this is HTML or XML, and no JSON: a page that was saved, or metadata");
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) if error.is_eof() => {
            return refused(format!(
                "this JSON ends too early, in line {}: a part of it is missing",
                error.line()
            ));
        }
        Err(_)
            if !text.starts_with(['{', '[']) && text.to_ascii_lowercase().contains("issueruri") =>
        {
            return refused(
                "this is a list for the eye, and no JSON: “| ConvertTo-Json” is missing",
            );
        }
        Err(error) => {
            return refused(format!(
                "this is no JSON: it goes wrong in line {}, column {}",
                error.line(),
                error.column()
            ));
        }
    };
    let mut found = Vec::new();
    collect(value, None, &mut found)?;
    Ok(found)
}

/// An object, an array of them, or Graph's answer with an array as `value`.
fn collect(value: Value, context: Option<&str>, found: &mut Vec<Configuration>) -> Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::Array(all) => all
            .into_iter()
            .try_for_each(|value| collect(value, context, found)),
        Value::Object(mut object) => {
            let own = domain_of(&object);
            let context = own.as_deref().or(context);
            if let Some(Value::Object(error)) = object.get("error") {
                let part = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
                return refused(format!(
                    "this is an error of Graph, and no configuration: {} {}",
                    shortened(part("code")),
                    shortened(part("message"))
                ));
            }
            if let Some(all @ Value::Array(_)) = object.get_mut("value").map(Value::take) {
                return collect(all, context, found);
            }
            found.push(configuration(object, context)?);
            Ok(())
        }
        _ => refused("this is JSON, but no federation configuration"),
    }
}

fn configuration(object: Map<String, Value>, context: Option<&str>) -> Result<Configuration> {
    let mut fields = BTreeMap::new();
    for (name, value) in object {
        let key = name.to_ascii_lowercase();
        match fields.insert(key, value.clone()) {
            Some(before) if before != value => {
                return refused(format!(
                    "{} stands there twice, with different values",
                    shortened(&name)
                ));
            }
            _ => {}
        }
    }
    if !TELLING.iter().any(|name| fields.contains_key(*name)) {
        return refused("this is JSON, but no federation configuration: it has no IssuerUri");
    }
    Ok(Configuration {
        fields,
        domain: context.map(str::to_owned),
    })
}

/// `…/$metadata#domains('contoso.com')/federationConfiguration`, at the top or where PowerShell keeps it.
fn domain_of(object: &Map<String, Value>) -> Option<String> {
    const CONTEXT: &str = "@odata.context";
    let additional = object.get("AdditionalProperties");
    let context = object
        .get(CONTEXT)
        .or_else(|| additional?.get(CONTEXT))?
        .as_str()?;
    let (_, rest) = context.split_once("#domains('")?;
    let (domain, _) = rest.split_once('\'')?;
    Some(domain.to_ascii_lowercase())
}

/// UTF-8 or UTF-16, as `>` of Windows PowerShell writes it, with or without a byte order mark.
fn text(bytes: &[u8]) -> Result<String> {
    if bytes.len() > LARGEST {
        return refused("this is larger than 1 MiB, and a configuration has some kilobytes");
    }
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let pairs = bytes.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return None;
        }
        let units: Vec<u16> = pairs.map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, text @ ..] => String::from_utf8(text.to_vec()).ok(),
        [0xFF, 0xFE, text @ ..] => utf16(text, u16::from_le_bytes),
        [0xFE, 0xFF, text @ ..] => utf16(text, u16::from_be_bytes),
        [0, _, ..] => utf16(bytes, u16::from_be_bytes),
        [_, 0, ..] => utf16(bytes, u16::from_le_bytes),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    };
    match text {
        Some(text) => Ok(text),
        None => refused("this is no text in UTF-8 or UTF-16"),
    }
}

/// The configuration that is this domain's, and how many more there are that no other domain explains.
pub(super) fn choose<'a>(
    known: &Known,
    all: &'a [Configuration],
) -> Result<(Option<&'a Configuration>, usize)> {
    let ours = &known.federation;
    let is_ours = |one: &&Configuration| one.text("issuerUri") == Some(&ours.issuer);
    let (foreign, candidates): (Vec<_>, Vec<_>) = all
        .iter()
        .map(|one| (one, elsewhere(known, one)))
        .partition(|(_, elsewhere)| elsewhere.is_some());
    let candidates: Vec<_> = candidates.into_iter().map(|(one, _)| one).collect();
    let chosen = candidates.iter().copied().find(is_ours);
    let Some(chosen) = chosen.or_else(|| candidates.first().copied()) else {
        return match foreign.into_iter().find_map(|(_, elsewhere)| elsewhere) {
            Some(elsewhere) => Err(Error::Invalid(format!(
                "this is the configuration of another domain, not of {}: it is {elsewhere}",
                ours.domain
            ))),
            None => Ok((None, 0)),
        };
    };
    Ok((Some(chosen), candidates.len() - 1))
}

/// Which other domain a configuration is of, in words, if it is of another one.
fn elsewhere(known: &Known, one: &Configuration) -> Option<String> {
    let ours = &known.federation;
    let served = |domain: &str| known.domains.iter().find(|known| known.domain == domain);
    if let Some(domain) = &one.domain {
        return match served(domain) {
            _ if *domain == ours.domain => None,
            Some(known) => Some(format!(
                "of {domain}, which the application {} serves; compare it with “countersign app compare {domain} FILE”",
                known.label
            )),
            None => Some(format!(
                "of {}, which no application here serves",
                shortened(domain)
            )),
        };
    }
    // A slash or the case makes no other domain of it.
    let plain = |issuer: &str| issuer.trim().trim_end_matches('/').to_ascii_lowercase();
    let issuer = plain(one.text("issuerUri")?);
    let of = known
        .domains
        .iter()
        .find(|known| known.domain != ours.domain && plain(&known.issuer) == issuer)?;
    if plain(&ours.issuer) == issuer {
        return None;
    }
    Some(format!(
        "of {domain}, which the application {} serves; compare it with “countersign app compare {domain} FILE”",
        of.label,
        domain = of.domain
    ))
}
