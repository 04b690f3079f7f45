//! What says that the other side has a certificate: Microsoft's own answer, or an administrator's word.

use crypto::certificate::Certificate;
use serde_json::Value;
use store::{App, AppKind, Issuer};

use crate::error::{Error, Result};
use crate::parse;

/// What an administrator hands in.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// What Microsoft Graph or its cmdlets answer about the federation of a domain, as JSON; several files for
    /// several domains.
    Graph(Vec<Vec<u8>>),
    /// Who says so, or why it is so.
    Word(String),
}

/// Evidence that could be read; whether it is about our certificate is another question.
pub(super) enum Claim {
    Graph(Vec<Configuration>),
    Word(String),
}

/// A federation as Microsoft has stored it: all of it that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    issuer: String,
    signing: Option<String>,
    next: Option<String>,
}

/// More than any answer about a few domains has.
const LARGEST: usize = 1 << 20;

impl Evidence {
    /// Reads it, before anything is locked.
    pub(super) fn read(&self) -> Result<Claim> {
        match self {
            Self::Graph(files) => {
                let mut found = Vec::new();
                for file in files {
                    found.extend(configurations(file)?);
                }
                Ok(Claim::Graph(found))
            }
            Self::Word(word) => {
                let word = parse::name("reason after --i-know", word)?;
                Ok(Claim::Word(word))
            }
        }
    }
}

impl Claim {
    /// What the audit calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Graph(_) => "graph",
            Self::Word(_) => "word",
        }
    }

    /// Says whether it is about this certificate of this app, and in which words that is kept.
    pub(super) fn about(
        &self,
        app: &App,
        issuers: &[Issuer],
        next: &Certificate,
    ) -> Result<String> {
        let found = match self {
            Self::Word(word) => return Ok(word.clone()),
            Self::Graph(found) => found,
        };
        if app.kind != AppKind::M365 {
            return invalid(
                "only of Microsoft 365 there is an answer to read; say with --i-know who knows that the other side has the certificate",
            );
        }
        let mut seen = Vec::new();
        for issuer in issuers {
            let issuer = issuer.issuer.as_str();
            let Some(of_domain) = found.iter().find(|one| one.issuer == issuer) else {
                let others: Vec<&str> = found.iter().map(|one| one.issuer.as_str()).collect();
                return invalid(format!(
                    "the file says nothing about the issuer {issuer}, but about {}; save the answer about the domain of this application, and of each if it has several",
                    printable(&others.join(", "))
                ));
            };
            let place = if is(of_domain.next.as_deref(), next) {
                "NextSigningCertificate"
            } else if is(of_domain.signing.as_deref(), next) {
                "SigningCertificate"
            } else {
                return invalid(format!(
                    "Microsoft does not have the next certificate {} for {issuer}: SigningCertificate is {}, NextSigningCertificate is {}; paste the script of “countersign app commands APP --action rotate”, then save the answer again",
                    next.thumbprint(),
                    named(of_domain.signing.as_deref()),
                    named(of_domain.next.as_deref())
                ));
            };
            seen.push(format!("{place} of {issuer}"));
        }
        Ok(format!("Microsoft's answer: {}", seen.join(", ")))
    }
}

/// Every configuration in an answer: an object, a list, or either inside of another object.
fn configurations(file: &[u8]) -> Result<Vec<Configuration>> {
    if file.len() > LARGEST {
        return invalid("the evidence is larger than 1 MiB, which no answer about a domain is");
    }
    let text = text_of(file);
    let text = text.trim();
    if text.is_empty() || text == "null" {
        return invalid(
            "the evidence is empty: Microsoft has no federation for that domain, or the command failed",
        );
    }
    if text.starts_with('<') {
        return invalid(
            "the evidence is a web page or XML, not JSON; save the output of “Get-MgDomainFederationConfiguration -DomainId DOMAIN | ConvertTo-Json”",
        );
    }
    let answer: Value = serde_json::from_str(text).map_err(|error| {
        Error::Invalid(format!(
            "the evidence is not JSON (line {}); save the output of “Get-MgDomainFederationConfiguration -DomainId DOMAIN | ConvertTo-Json” and nothing else",
            error.line()
        ))
    })?;
    // Graph lists them as `value`, a domain as its `federationConfiguration`.
    let inner = field(&answer, "value").or_else(|| field(&answer, "federationConfiguration"));
    let list = match inner.unwrap_or(&answer) {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let found: Vec<Configuration> = list.iter().filter_map(configuration).collect();
    if found.is_empty() {
        return invalid(
            "there is no federation in the evidence: nothing in it has an IssuerUri; save the output of “Get-MgDomainFederationConfiguration -DomainId DOMAIN | ConvertTo-Json”",
        );
    }
    Ok(found)
}

fn configuration(value: &Value) -> Option<Configuration> {
    let text = |name| Some(field(value, name)?.as_str()?.to_owned());
    Some(Configuration {
        issuer: text("issuerUri")?,
        signing: text("signingCertificate"),
        next: text("nextSigningCertificate"),
    })
}

/// Graph writes `issuerUri`, its cmdlets `IssuerUri`.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value
        .as_object()?
        .iter()
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

/// The text of a file as PowerShell writes it: UTF-8, or UTF-16 from version 5.1. What is no text becomes
/// U+FFFD, which cannot stand in anything that counts here.
fn text_of(file: &[u8]) -> String {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]))
            .collect();
        String::from_utf16_lossy(&units)
    };
    match file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file) {
        [0xFF, 0xFE, text @ ..] => utf16(text, u16::from_le_bytes),
        [0xFE, 0xFF, text @ ..] => utf16(text, u16::from_be_bytes),
        [_, 0, ..] => utf16(file, u16::from_le_bytes),
        [0, _, ..] => utf16(file, u16::from_be_bytes),
        text => String::from_utf8_lossy(text).into_owned(),
    }
}

fn read(base64: &str) -> Option<Certificate> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let base64: String = base64.split_ascii_whitespace().collect();
    Certificate::from_der(&BASE64_STANDARD.decode(base64).ok()?).ok()
}

fn is(stored: Option<&str>, certificate: &Certificate) -> bool {
    stored
        .and_then(read)
        .is_some_and(|stored| stored == *certificate)
}

fn named(stored: Option<&str>) -> String {
    match stored {
        None | Some("") => "empty".to_owned(),
        Some(stored) => read(stored).map_or_else(
            || "unreadable".to_owned(),
            |certificate| certificate.thumbprint(),
        ),
    }
}

/// Text from a file, for a line on a terminal.
fn printable(text: &str) -> String {
    let clean = text.chars().map(|c| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    });
    clean.take(300).collect()
}

fn invalid<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(text.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn words(file: &[u8]) -> String {
        configurations(file).expect_err("it is refused").to_string()
    }

    #[test]
    fn every_form_of_an_answer_is_read() {
        let graph = json!({"id": "6", "issuerUri": "https://contoso.com", "signingCertificate": "MIIA",
            "nextSigningCertificate": null, "displayName": "Contöso"});
        let cmdlet = json!({"AdditionalProperties": {}, "IssuerUri": "https://contoso.com",
            "SigningCertificate": "MIIA", "NextSigningCertificate": null});
        let wanted = Configuration {
            issuer: "https://contoso.com".to_owned(),
            signing: Some("MIIA".to_owned()),
            next: None,
        };
        for answer in [
            graph.clone(),
            cmdlet.clone(),
            json!([cmdlet]),
            json!({"@odata.context": "x", "value": [graph.clone()]}),
            json!({"value": [graph.clone()], "Count": 1}),
            json!({"domain": "contoso.com", "federationConfiguration": [graph]}),
        ] {
            let text = serde_json::to_string_pretty(&answer)
                .expect("JSON")
                .replace('\n', "\r\n");
            let units: Vec<u16> = text.encode_utf16().collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            for file in [
                text.clone().into_bytes(),
                [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
                little.clone(),
                [b"\xFF\xFE".as_slice(), &little].concat(),
                big.clone(),
                [b"\xFE\xFF".as_slice(), &big].concat(),
                format!("\r\n{text}\r\n\r\n").into_bytes(),
            ] {
                assert_eq!(
                    configurations(&file).expect("an answer"),
                    std::slice::from_ref(&wanted)
                );
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_with_what_to_do() {
        for (file, wanted) in [
            (b"".as_slice(), "empty"),
            (b"\xFF\xFE\r\0\n\0", "empty"),
            (b"null", "empty"),
            (b"<!DOCTYPE html><html>", "web page"),
            (b"PS C:\\> {}", "not JSON"),
            (b"{}{}", "not JSON"),
            (b"{}", "no federation"),
            (b"[]", "no federation"),
            (b"{\"value\": []}", "no federation"),
            (b"[1, \"x\", {\"IssuerUri\": 7}]", "no federation"),
        ] {
            let said = words(file);
            assert!(said.contains(wanted), "{wanted:?} is not in {said:?}");
        }
        assert!(words(&vec![b' '; LARGEST + 1]).contains("1 MiB"));
        assert!(words(&b"[".repeat(100_000)).contains("not JSON"));
    }

    proptest! {
        #[test]
        fn no_file_does_harm(file: Vec<u8>) {
            let _ = configurations(&file);
        }
    }
}
