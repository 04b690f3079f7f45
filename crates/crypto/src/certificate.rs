//! Signing keys and the X.509 certificates (RFC 5280) that announce them.

pub mod import;
mod signing_key;

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    error::ErrorStack,
    md::MdRef,
    pkey::{PKey, Public},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
    sha,
    x509::{X509, X509NameRef},
};

#[cfg(test)]
pub(crate) use self::signing_key::tests::{elliptic, unfit};
pub use self::signing_key::{KeyError, SigningKey};
use crate::hex;

/// An X.509 certificate, read once.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

impl Certificate {
    /// Reads one certificate in DER; nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, BadCertificate> {
        let certificate = Self::from_x509(&X509::from_der(der)?)?;
        if certificate.der() == der {
            Ok(certificate)
        } else {
            Err(BadCertificate::NotDer)
        }
    }

    /// Reads the first certificate of a PEM text (RFC 7468).
    pub fn from_pem(pem: &[u8]) -> Result<Self, BadCertificate> {
        Self::from_x509(&X509::from_pem(pem)?)
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The DER in base64 on one line, as metadata and `ds:X509Certificate` carry it.
    pub fn base64(&self) -> &str {
        &self.0.base64
    }

    /// The certificate in PEM (RFC 7468).
    pub fn pem(&self) -> String {
        let lines = self
            .base64()
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line) + "\n");
        format!(
            "-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n",
            lines.collect::<String>()
        )
    }

    /// The SHA-1 of the DER in upper-case hexadecimal, the name that Windows and Entra know it by.
    pub fn thumbprint(&self) -> String {
        hex::upper(&sha::sha1(self.der()))
    }

    /// The SHA-256 of the DER in upper-case hexadecimal.
    pub fn sha256_fingerprint(&self) -> String {
        hex::upper(&sha::sha256(self.der()))
    }

    /// The first instant of its validity.
    pub fn not_before(&self) -> DateTime<Utc> {
        self.0.not_before
    }

    /// The last instant of its validity.
    pub fn not_after(&self) -> DateTime<Utc> {
        self.0.not_after
    }

    /// The subject's name, its most specific part first, as RFC 4514 writes it.
    pub fn subject(&self) -> String {
        self.0.subject.clone()
    }

    /// The length of its RSA modulus in bits; `None` when the key is of another kind.
    pub fn rsa_bits(&self) -> Option<u32> {
        self.0.key.rsa().is_ok().then(|| self.0.key.bits())
    }

    /// Whether `signature` is this key's RSASSA-PKCS1-v1_5 (RFC 8017 §8.2) over the hash `digest`.
    pub(crate) fn verifies(&self, md: &MdRef, digest: &[u8], signature: &[u8]) -> bool {
        let verify = || {
            let mut context = PkeyCtx::new(&self.0.key)?;
            context.verify_init()?;
            context.set_rsa_padding(Padding::PKCS1)?;
            context.set_signature_md(md)?;
            context.verify(digest, signature)
        };
        self.rsa_bits().is_some_and(|bits| bits >= LEAST_BITS) && verify().unwrap_or(false)
    }

    /// The public key.
    pub(crate) fn key(&self) -> &PKey<Public> {
        &self.0.key
    }

    fn from_x509(x509: &X509) -> Result<Self, BadCertificate> {
        let der = x509.to_der()?;
        Ok(Self(Arc::new(Parsed {
            base64: STANDARD.encode(&der),
            der,
            key: x509.public_key()?,
            not_before: instant(x509.not_before())?,
            not_after: instant(x509.not_after())?,
            subject: spell(x509.subject_name()),
        })))
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({:?}, {})",
            self.subject(),
            self.thumbprint()
        )
    }
}

/// Why bytes are not a certificate that we can work with.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BadCertificate {
    /// libcrypto cannot read it.
    #[error("not a readable X.509 certificate")]
    Unreadable(#[from] ErrorStack),
    /// Something follows the certificate, or it is not in the distinguished encoding.
    #[error("not exactly one certificate in DER")]
    NotDer,
    /// A validity that no calendar has.
    #[error("the certificate's validity is not a point in time")]
    Validity,
}

/// The least length of an RSA modulus that signs or verifies here.
pub(crate) const LEAST_BITS: u32 = 2048;

struct Parsed {
    der: Vec<u8>,
    base64: String,
    key: PKey<Public>,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    subject: String,
}

fn instant(time: &Asn1TimeRef) -> Result<DateTime<Utc>, BadCertificate> {
    let since_epoch = Asn1Time::from_unix(0)?.diff(time)?;
    let seconds = i64::from(since_epoch.days) * 86_400 + i64::from(since_epoch.secs);
    DateTime::from_timestamp(seconds, 0).ok_or(BadCertificate::Validity)
}

fn spell(name: &X509NameRef) -> String {
    let mut parts: Vec<String> = name
        .entries()
        .map(|entry| {
            let kind = entry.object().nid().short_name().unwrap_or("?");
            let value = entry
                .data()
                .to_string()
                .map(|value| escape(&value))
                .unwrap_or_default();
            format!("{kind}={value}")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// A foreign certificate may hold anything; its name must not forge a second one, nor a line of a log.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
            escaped.push('\\');
        }
        escaped.push(if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        });
    }
    escaped
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;

    use super::*;

    fn key() -> SigningKey {
        let begin = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        SigningKey::generate("contoso.example", begin, 1095).unwrap()
    }

    #[test]
    fn what_is_not_a_certificate_or_a_key_is_refused() {
        let key = key();
        let (der, private) = (key.certificate().der(), key.private_key_der());
        for bad in [
            &b""[..],
            b"hello",
            &der[..der.len() - 1],
            &[der, b"x"].concat(),
        ] {
            assert!(Certificate::from_der(bad).is_err());
            assert!(Certificate::from_pem(bad).is_err());
            assert!(SigningKey::from_parts(bad, &private).is_err());
        }
        for bad in [&b""[..], b"hello", &private[..private.len() / 2], der] {
            assert!(SigningKey::from_parts(der, bad).is_err());
        }
    }

    #[test]
    fn a_certificate_is_the_same_in_every_form() {
        let key = key();
        let certificate = key.certificate();
        assert_eq!(
            Certificate::from_der(certificate.der()).unwrap(),
            *certificate
        );
        assert_eq!(
            Certificate::from_pem(certificate.pem().as_bytes()).unwrap(),
            *certificate
        );
        assert_eq!(
            STANDARD.decode(certificate.base64()).unwrap(),
            certificate.der()
        );
        let x509 = X509::from_der(certificate.der()).unwrap();
        assert_eq!(certificate.pem().as_bytes(), x509.to_pem().unwrap());
    }

    #[test]
    fn a_thumbprint_is_spelled_as_windows_spells_it() {
        let key = key();
        let spelled = |md| {
            hex::upper(
                &X509::from_der(key.certificate().der())
                    .unwrap()
                    .digest(md)
                    .unwrap(),
            )
        };
        assert_eq!(
            key.certificate().thumbprint(),
            spelled(MessageDigest::sha1())
        );
        assert_eq!(
            key.certificate().sha256_fingerprint(),
            spelled(MessageDigest::sha256())
        );
        assert_eq!(key.certificate().thumbprint().len(), 40);
    }
}
