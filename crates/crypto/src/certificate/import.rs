//! Certificates and private keys that were made elsewhere, in the forms in which people have them, and whether
//! they are fit to sign here.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use openssl::{
    bn::BigNum,
    error::ErrorStack,
    pkcs12::Pkcs12,
    pkey::{PKey, Private},
    provider::Provider,
    x509::{X509, X509KeyUsage},
};
use zeroize::Zeroizing;

use super::{BadCertificate, Certificate, KeyError, LEAST_BITS, SigningKey};

/// A key pair that may sign here.
#[derive(Debug)]
pub struct Imported {
    /// The pair.
    pub key: SigningKey,
    /// The hash that the certificate itself is signed with, when nobody should rely on it any more.
    pub weak_hash: Option<&'static str>,
}

/// Why a key pair is not taken; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not one X.509 certificate.
    #[error("the certificate cannot be read; give it in PEM or DER")]
    Certificate(#[source] BadCertificate),
    /// A PEM file without a certificate.
    #[error("the certificate's file has no certificate in it; give it in PEM or DER")]
    NoCertificate,
    /// More than one, so that nobody can say which one is meant.
    #[error(
        "there are several certificates; give the one that belongs to the key, without its chain (out of a PFX: “openssl pkcs12 -in all.pfx -clcerts -nodes -out both.pem”)"
    )]
    SeveralCertificates,
    /// Neither PEM nor DER, or a form that libcrypto does not know.
    #[error("the private key cannot be read; give it in PEM or DER, as PKCS#1 or PKCS#8")]
    Key(#[source] ErrorStack),
    /// A PEM file without a private key.
    #[error("the key's file has no private key in it; give it in PEM or DER, as PKCS#1 or PKCS#8")]
    NoKey,
    /// More than one.
    #[error("there are several private keys; give the one that belongs to the certificate")]
    SeveralKeys,
    /// Not PKCS#12.
    #[error("the file is not PFX (PKCS#12)")]
    Pfx(#[source] ErrorStack),
    /// PKCS#12 without a certificate or without a private key.
    #[error("the PFX file lacks {0}; export it again, together with the private key")]
    PfxLacks(&'static str),
    /// Something stands where the file should have ended.
    #[error(
        "something follows the {0}; the file was damaged, or is not what it seems: make it again"
    )]
    Trailing(&'static str),
    /// A PEM block that does not end, or is not base64.
    #[error("a PEM block is damaged: it does not end, or is not base64; make the file again")]
    Pem,
    /// The key is encrypted and no passphrase came.
    #[error("the private key is encrypted; its passphrase is needed")]
    PassphraseNeeded,
    /// It does not open.
    #[error(
        "the passphrase does not open the private key: it is another one, or the file is damaged"
    )]
    WrongPassphrase,
    /// Encrypted by an algorithm that this libcrypto has not got.
    #[error(
        "the file is encrypted by an old algorithm that the OpenSSL of this machine does not have; where it has, write \
         it anew: openssl pkcs12 -legacy -in old.pfx -nodes -out both.pem"
    )]
    OldEncryption,
    /// Only RSA signs: Entra takes nothing else.
    #[error("the key is not an RSA key; make one of 2048 bits or more")]
    NotRsa,
    /// Out of bounds.
    #[error("the RSA key has {bits} bits; at least 2048 and at most 8192 are taken")]
    Size {
        /// Its length.
        bits: u32,
    },
    /// 1, even, or none at all.
    #[error("the RSA key's public exponent is {exponent}, which protects nothing; make a new key")]
    Exponent {
        /// The exponent in decimal.
        exponent: String,
    },
    /// Its own key usage forbids what it is wanted for.
    #[error(
        "the certificate is that of an authority: its key usage allows no digital signature; give the one that \
         was issued for signing"
    )]
    AuthorityOnly,
    /// Over.
    #[error("the certificate has expired at {0}; get a new one")]
    Expired(DateTime<Utc>),
    /// Not begun.
    #[error("the certificate is not valid before {0}; wait, or correct the clock")]
    NotYetValid(DateTime<Utc>),
    /// Not a pair.
    #[error(
        "the private key does not belong to the certificate; give two files that were made together"
    )]
    Mismatch,
}

/// A certificate and its private key from two files, each in PEM or DER.
pub fn from_files(
    certificate: &[u8],
    private_key: &[u8],
    passphrase: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Imported, ImportError> {
    let certificate = one_certificate(certificate)?;
    let key = one_key(private_key, passphrase)?;
    judged(&certificate, key, now)
}

/// A certificate and its private key from PFX (PKCS#12, RFC 7292).
pub fn from_pfx(
    pfx: &[u8],
    passphrase: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Imported, ImportError> {
    let parsed = Pkcs12::from_der(pfx).map_err(ImportError::Pfx)?;
    if !is_one_der(pfx) {
        return Err(ImportError::Trailing("PFX"));
    }
    let password = usable(passphrase.unwrap_or_default())?;
    let contents = opened(|| parsed.parse2(password)).map_err(|error| match error {
        ImportError::WrongPassphrase if passphrase.is_none() => ImportError::PassphraseNeeded,
        other => other,
    })?;
    if contents.ca.is_some_and(|chain| !chain.is_empty()) {
        return Err(ImportError::SeveralCertificates);
    }
    let key = contents
        .pkey
        .ok_or(ImportError::PfxLacks("the private key"))?;
    let certificate = contents
        .cert
        .ok_or(ImportError::PfxLacks("the key's certificate"))?;
    let der = certificate
        .to_der()
        .map_err(|error| ImportError::Certificate(error.into()))?;
    judged(&der, key, now)
}

/// Whether the private key in a file is encrypted.
pub fn key_needs_passphrase(private_key: &[u8]) -> bool {
    matches!(
        one_key(private_key, None),
        Err(ImportError::PassphraseNeeded)
    )
}

/// Whether a PFX file opens only with a passphrase.
pub fn pfx_needs_passphrase(pfx: &[u8], now: DateTime<Utc>) -> bool {
    matches!(from_pfx(pfx, None, now), Err(ImportError::PassphraseNeeded))
}

/// The largest modulus that anybody could want; a signature with more takes tenths of a second.
const MOST_BITS: u32 = 8192;

fn judged(
    certificate_der: &[u8],
    key: PKey<Private>,
    now: DateTime<Utc>,
) -> Result<Imported, ImportError> {
    let unreadable = |error: ErrorStack| ImportError::Certificate(error.into());
    let certificate = Certificate::from_der(certificate_der).map_err(|error| match error {
        BadCertificate::NotDer => ImportError::Trailing("certificate"),
        other => ImportError::Certificate(other),
    })?;
    let bits = certificate.rsa_bits().ok_or(ImportError::NotRsa)?;
    if !(LEAST_BITS..=MOST_BITS).contains(&bits) {
        return Err(ImportError::Size { bits });
    }
    let rsa = certificate.key().rsa().map_err(unreadable)?;
    let one = BigNum::from_u32(1).map_err(unreadable)?;
    if !rsa.e().is_odd() || *rsa.e() <= *one {
        let exponent = rsa.e().to_dec_str().map_err(unreadable)?.to_string();
        return Err(ImportError::Exponent { exponent });
    }
    let x509 = X509::from_der(certificate_der).map_err(unreadable)?;
    if x509
        .key_usage()
        .is_some_and(|usage| !usage.contains(X509KeyUsage::DIGITAL_SIGNATURE))
    {
        return Err(ImportError::AuthorityOnly);
    }
    if now > certificate.not_after() {
        return Err(ImportError::Expired(certificate.not_after()));
    }
    if now < certificate.not_before() {
        return Err(ImportError::NotYetValid(certificate.not_before()));
    }
    Ok(Imported {
        weak_hash: weak_hash(&x509),
        key: SigningKey::pair(certificate, key).map_err(|error| match error {
            KeyError::Library(error) => ImportError::Key(error),
            _ => ImportError::Mismatch,
        })?,
    })
}

fn weak_hash(x509: &X509) -> Option<&'static str> {
    let name = x509.signature_algorithm().object().nid().long_name().ok()?;
    let name = name.to_ascii_lowercase();
    [
        ("sha1", "SHA-1"),
        ("md5", "MD5"),
        ("md4", "MD4"),
        ("md2", "MD2"),
    ]
    .into_iter()
    .find_map(|(part, spelled)| name.contains(part).then_some(spelled))
}

fn one_certificate(file: &[u8]) -> Result<Vec<u8>, ImportError> {
    let Some(text) = pem(file) else {
        return Ok(file.to_vec());
    };
    let blocks = blocks(text, "certificate")?;
    let mut certificates = blocks
        .iter()
        .filter(|block| block.label.ends_with("CERTIFICATE"));
    let certificate = certificates.next().ok_or(ImportError::NoCertificate)?;
    if certificates.next().is_some() {
        return Err(ImportError::SeveralCertificates);
    }
    Ok(certificate.der()?.to_vec())
}

fn one_key(file: &[u8], passphrase: Option<&str>) -> Result<PKey<Private>, ImportError> {
    let Some(text) = pem(file) else {
        return key_from_der(file, passphrase);
    };
    let blocks = blocks(text, "private key")?;
    let mut keys = blocks
        .iter()
        .filter(|block| block.label.ends_with("PRIVATE KEY"));
    let key = keys.next().ok_or(ImportError::NoKey)?;
    if keys.next().is_some() {
        return Err(ImportError::SeveralKeys);
    }
    // The way in which OpenSSL encrypted keys before PKCS#8 (RFC 1421 headers).
    if key.body.contains("ENCRYPTED") {
        let passphrase = usable(passphrase.ok_or(ImportError::PassphraseNeeded)?)?;
        return opened(|| {
            PKey::private_key_from_pem_passphrase(key.whole.as_bytes(), passphrase.as_bytes())
        });
    }
    key_from_der(&key.der()?, passphrase)
}

fn key_from_der(der: &[u8], passphrase: Option<&str>) -> Result<PKey<Private>, ImportError> {
    let key = if is_encrypted(der) {
        let passphrase = usable(passphrase.ok_or(ImportError::PassphraseNeeded)?)?;
        opened(|| PKey::private_key_from_pkcs8_passphrase(der, passphrase.as_bytes()))?
    } else {
        PKey::private_key_from_der(der).map_err(ImportError::Key)?
    };
    if is_one_der(der) {
        Ok(key)
    } else {
        Err(ImportError::Trailing("private key"))
    }
}

/// libcrypto takes passphrases as C strings.
fn usable(passphrase: &str) -> Result<&str, ImportError> {
    if passphrase.contains('\0') {
        Err(ImportError::WrongPassphrase)
    } else {
        Ok(passphrase)
    }
}

/// Tries once more with what OpenSSL keeps apart as legacy: RC2 and DES, which older Windows and Java write.
fn opened<T>(attempt: impl Fn() -> Result<T, ErrorStack>) -> Result<T, ImportError> {
    let error = match attempt() {
        Ok(opened) => return Ok(opened),
        Err(error) => error,
    };
    let unsupported = error.errors().iter().any(|error| {
        error
            .reason()
            .is_some_and(|reason| reason.contains("unsupported") || reason.contains("unknown"))
    });
    if !unsupported {
        return Err(ImportError::WrongPassphrase);
    }
    // Gone from the process as soon as the file is open.
    let _legacy =
        Provider::try_load(None, "legacy", true).map_err(|_| ImportError::OldEncryption)?;
    attempt().map_err(|_| ImportError::WrongPassphrase)
}

/// One `-----BEGIN …-----` to `-----END …-----` (RFC 7468).
struct Block<'a> {
    label: &'a str,
    body: &'a str,
    whole: &'a str,
}

impl Block<'_> {
    fn der(&self) -> Result<Zeroizing<Vec<u8>>, ImportError> {
        let base64: Zeroizing<String> =
            Zeroizing::new(self.body.split_ascii_whitespace().collect());
        STANDARD
            .decode(base64.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| ImportError::Pem)
    }
}

/// The text of a file in PEM; DER begins with another octet.
fn pem(file: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(file).ok()?;
    text.contains("-----BEGIN ").then_some(text)
}

/// The blocks in their order. Text before them explains them and is skipped, text behind the last is not.
fn blocks<'a>(text: &'a str, what: &'static str) -> Result<Vec<Block<'a>>, ImportError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let whole = &rest[begin..];
        let (label, behind) = whole["-----BEGIN ".len()..]
            .split_once("-----")
            .ok_or(ImportError::Pem)?;
        let end = format!("-----END {label}-----");
        let (body, after) = behind.split_once(&end).ok_or(ImportError::Pem)?;
        let length = whole.len() - after.len();
        blocks.push(Block {
            label,
            body,
            whole: &whole[..length],
        });
        rest = after;
    }
    if rest.trim().is_empty() {
        Ok(blocks)
    } else {
        Err(ImportError::Trailing(what))
    }
}

/// Whether a sequence is all there is. An indefinite length, which only BER has, says nothing beforehand.
fn is_one_der(bytes: &[u8]) -> bool {
    content(bytes).is_none_or(|(content, length)| content.len() == length)
}

/// `EncryptedPrivateKeyInfo` begins with an algorithm, `PrivateKeyInfo` and `RSAPrivateKey` with a number.
fn is_encrypted(der: &[u8]) -> bool {
    content(der).is_some_and(|(content, _)| content.first() == Some(&SEQUENCE))
}

const SEQUENCE: u8 = 0x30;

/// What follows the header of a sequence (X.690 §8.1.3), and how long it says that it is.
fn content(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (&[SEQUENCE, first], rest) = bytes.split_first_chunk()? else {
        return None;
    };
    match first {
        0x80 => None,
        short if short < 0x80 => Some((rest, usize::from(short))),
        long => {
            let octets = usize::from(long & 0x7f);
            let (length, rest) = rest.split_at_checked(octets)?;
            let length = length.iter().try_fold(0_usize, |sum, octet| {
                Some(sum.checked_mul(256)? + usize::from(*octet))
            })?;
            Some((rest, length))
        }
    }
}

#[cfg(test)]
mod tests;
