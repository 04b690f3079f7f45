//! SAML 2.0 metadata (SAML metadata §2): ours written, a service provider's read.

mod service_provider;

pub use service_provider::{
    AssertionConsumer, LogoutService, NotMetadata, RequestedAttribute, ServiceProvider,
    service_providers,
};

use chrono::{DateTime, Utc};

use crate::Unsigned;
use crate::metadata::signing_key;
use crate::names::{ALGORITHMS, ASSERTION, METADATA, PROTOCOL, binding};
use crate::xml::{NotXml, Writer, instant, local, unsigned};

/// An identity provider as its service providers read it (SAML metadata §2.4.3).
#[derive(Debug, Clone)]
pub struct IdentityProvider<'a> {
    /// The document's own xs:ID.
    pub id: &'a str,
    /// `entityID`: the issuer that stands in the messages.
    pub entity_id: &'a str,
    /// When the document is no longer worth anything.
    pub valid_until: DateTime<Utc>,
    /// DER certificates in base64 without line breaks, the one that signs now first.
    pub certificates: &'a [&'a str],
    /// Where browsers bring requests for authentication, by either binding.
    pub sso_url: &'a str,
    /// Where they bring logout messages, by either binding.
    pub slo_url: &'a str,
    /// The name identifiers on offer.
    pub name_id_formats: &'a [&'a str],
    /// Whether requests have to be signed.
    pub want_authn_requests_signed: bool,
    /// The signature methods that are believed, the preferred one first (SAML metadata profile for algorithm
    /// support §2.4): some service providers sign with SHA-1 unless they are told.
    pub signing_methods: &'a [&'a str],
    /// Their digest methods (§2.3).
    pub digest_methods: &'a [&'a str],
    /// The attributes on offer: name and format.
    pub attributes: &'a [(&'a str, Option<&'a str>)],
}

impl IdentityProvider<'_> {
    /// Writes the document; its signature belongs at the front, as the first child (§2.3.2).
    pub fn unsigned(&self) -> Result<Unsigned, NotXml> {
        unsigned(
            self.id,
            METADATA.name("EntityDescriptor"),
            &[
                (local("ID"), self.id),
                (local("entityID"), self.entity_id),
                (local("validUntil"), &instant(self.valid_until)),
                // How long a copy may be used before looking again: new keys are announced days ahead.
                (local("cacheDuration"), "PT6H"),
            ],
            |w| {
                let signature_at = w.position();
                self.algorithms(w)?;
                self.role(w)?;
                Ok(signature_at)
            },
        )
    }

    fn algorithms(&self, w: &mut Writer) -> Result<(), NotXml> {
        w.element(METADATA.name("Extensions"), &[], |w| {
            for (name, methods) in [
                ("DigestMethod", self.digest_methods),
                ("SigningMethod", self.signing_methods),
            ] {
                for method in methods {
                    w.leaf(ALGORITHMS.name(name), &[(local("Algorithm"), method)], "")?;
                }
            }
            Ok(())
        })
    }

    fn role(&self, w: &mut Writer) -> Result<(), NotXml> {
        let wants = if self.want_authn_requests_signed {
            "true"
        } else {
            "false"
        };
        let attributes = [
            (local("WantAuthnRequestsSigned"), wants),
            (local("protocolSupportEnumeration"), PROTOCOL.uri),
        ];
        w.element(METADATA.name("IDPSSODescriptor"), &attributes, |w| {
            for certificate in self.certificates {
                signing_key(w, certificate)?;
            }
            // By query a browser sends its cookies, by another site's form it does not.
            for binding in [binding::REDIRECT, binding::POST] {
                endpoint(w, "SingleLogoutService", binding, self.slo_url)?;
            }
            for format in self.name_id_formats {
                w.leaf(METADATA.name("NameIDFormat"), &[], format)?;
            }
            // Entra posts, and readers that know one address take the first.
            for binding in [binding::POST, binding::REDIRECT] {
                endpoint(w, "SingleSignOnService", binding, self.sso_url)?;
            }
            for (name, format) in self.attributes {
                let mut attributes = vec![(local("Name"), *name)];
                attributes.extend(format.map(|format| (local("NameFormat"), format)));
                w.leaf(ASSERTION.name("Attribute"), &attributes, "")?;
            }
            Ok(())
        })
    }
}

fn endpoint(
    w: &mut Writer,
    name: &'static str,
    binding: &str,
    location: &str,
) -> Result<(), NotXml> {
    let attributes = [(local("Binding"), binding), (local("Location"), location)];
    w.leaf(METADATA.name(name), &attributes, "")
}
