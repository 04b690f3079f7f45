//! `internalDomainFederation`: how a domain is federated, in Graph's words, and what Graph takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::pkey::Id;
use openssl::x509::X509;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::error::GraphError;
use crate::tenant::{Federation, Protocol};

const RESOURCE: &str = "InternalDomainFederation";

/// A federation as it was sent and is given back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Configuration {
    pub id: String,
    pub display_name: Option<String>,
    pub issuer_uri: Option<String>,
    pub metadata_exchange_uri: Option<String>,
    pub passive_sign_in_uri: Option<String>,
    pub preferred_authentication_protocol: Option<AuthenticationProtocol>,
    pub signing_certificate: Option<String>,
    pub active_sign_in_uri: Option<String>,
    pub federated_idp_mfa_behavior: Option<MfaBehavior>,
    pub is_signed_authentication_request_required: Option<bool>,
    pub next_signing_certificate: Option<String>,
    pub password_reset_uri: Option<String>,
    pub prompt_login_behavior: Option<PromptLoginBehavior>,
    pub signing_certificate_update_status: Option<CertificateUpdateStatus>,
    pub sign_out_uri: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthenticationProtocol {
    WsFed,
    Saml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MfaBehavior {
    AcceptIfMfaDoneByFederatedIdp,
    EnforceMfaByFederatedIdp,
    RejectMfaByFederatedIdp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PromptLoginBehavior {
    TranslateToFreshPasswordAuthentication,
    NativeSupport,
    Disabled,
}

/// What became of the last automatic rollover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateUpdateStatus {
    pub certificate_update_result: Option<String>,
    pub last_run_date_time: Option<String>,
}

impl Configuration {
    /// The configuration with what a body says on top of it.
    pub(super) fn with(&self, body: &Map<String, Value>) -> Result<Self, GraphError> {
        let mut merged = self.json();
        merged.extend(
            body.iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let merged: Self = serde_json::from_value(merged.into()).map_err(|error| {
            GraphError::bad_request(format!("The body is no {RESOURCE}: {error}."))
        })?;
        // Once it was said who proves a second factor, it cannot be left open again.
        if merged.federated_idp_mfa_behavior.is_none() {
            return Err(GraphError::bad_request(
                "FederatedIdpMfaBehavior cannot be empty",
            ));
        }
        Ok(merged)
    }

    pub(super) fn json(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => unreachable!("a struct of text is a JSON object"),
        }
    }

    /// Checks 48 to 50, as far as they need no other domain.
    pub(super) fn check(&self, http_on_loopback: bool) -> Result<(), GraphError> {
        let demanded = |name, value: &Option<String>| {
            value
                .is_none()
                .then(|| GraphError::invalid(name, RESOURCE, "it must have a value"))
                .map_or(Ok(()), Err)
        };
        demanded("issuerUri", &self.issuer_uri)?;
        demanded("passiveSignInUri", &self.passive_sign_in_uri)?;
        demanded("signingCertificate", &self.signing_certificate)?;
        if let Some(issuer) = &self.issuer_uri {
            absolute("issuerUri", issuer)?;
        }
        for (name, address) in [
            ("passiveSignInUri", &self.passive_sign_in_uri),
            ("activeSignInUri", &self.active_sign_in_uri),
            ("metadataExchangeUri", &self.metadata_exchange_uri),
            ("signOutUri", &self.sign_out_uri),
            ("passwordResetUri", &self.password_reset_uri),
        ] {
            let Some(address) = address else { continue };
            let url = absolute(name, address)?;
            let excused = http_on_loopback && url.scheme() == "http" && is_loopback(&url);
            if url.scheme() != "https" && !excused {
                let why = "it must be an address that begins with https://";
                return Err(GraphError::invalid(name, RESOURCE, why));
            }
        }
        for (name, text) in [
            ("signingCertificate", &self.signing_certificate),
            ("nextSigningCertificate", &self.next_signing_certificate),
        ] {
            let Some(text) = text else { continue };
            certificate(text).map_err(|why| GraphError::invalid(name, RESOURCE, why))?;
        }
        Ok(())
    }

    /// What some clients do to addresses on their way.
    pub(super) fn drop_trailing_slashes(&mut self) {
        for address in [
            &mut self.issuer_uri,
            &mut self.passive_sign_in_uri,
            &mut self.active_sign_in_uri,
            &mut self.metadata_exchange_uri,
            &mut self.sign_out_uri,
            &mut self.password_reset_uri,
        ]
        .into_iter()
        .flatten()
        {
            address.truncate(address.trim_end_matches('/').len());
        }
    }

    /// As sign-ins know it.
    pub(super) fn federation(&self) -> Federation {
        let der = |text: &String| BASE64.decode(text).unwrap_or_default();
        Federation {
            issuer_uri: self.issuer_uri.clone().unwrap_or_default(),
            passive_sign_in_uri: self.passive_sign_in_uri.clone().unwrap_or_default(),
            sign_out_uri: self.sign_out_uri.clone().unwrap_or_default(),
            protocol: match self.preferred_authentication_protocol {
                Some(AuthenticationProtocol::Saml) => Protocol::Saml,
                Some(AuthenticationProtocol::WsFed) | None => Protocol::WsFed,
            },
            signing_certificate: self
                .signing_certificate
                .as_ref()
                .map(der)
                .unwrap_or_default(),
            next_signing_certificate: self.next_signing_certificate.as_ref().map(der),
            metadata_exchange_uri: self.metadata_exchange_uri.clone(),
            active_sign_in_uri: self.active_sign_in_uri.clone(),
        }
    }
}

fn absolute(name: &str, text: &str) -> Result<Url, GraphError> {
    // The parser of browsers would drop these silently.
    let odd = text.contains(|c: char| c.is_whitespace() || c.is_control());
    Url::parse(text)
        .ok()
        .filter(|_| !odd)
        .ok_or_else(|| GraphError::invalid(name, RESOURCE, "it must be an absolute URI"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Check 49: what .NET's X509Certificate2 reads, and nothing around it.
fn certificate(text: &str) -> Result<(), &'static str> {
    if text.contains("-----") {
        return Err("it must have no lines that begin or end it");
    }
    if text.contains(char::is_whitespace) {
        return Err("it must have no white space");
    }
    let der = BASE64
        .decode(text)
        .map_err(|_| "it must be a certificate in base64")?;
    let certificate = X509::from_der(&der).map_err(|_| "it must be an X.509 certificate in DER")?;
    let whole = certificate.to_der().is_ok_and(|read| read == der);
    if !whole {
        return Err("something follows the certificate");
    }
    let key = certificate
        .public_key()
        .map_err(|_| "its key cannot be read")?;
    if key.id() != Id::RSA {
        return Err("its key must be RSA");
    }
    Ok(())
}
