//! RSA keys that sign, and their self-signed certificates.

use std::fmt;

use chrono::{DateTime, Duration, Utc};
use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::BigNum,
    error::ErrorStack,
    hash::MessageDigest,
    md::Md,
    nid::Nid,
    pkey::{PKey, Private},
    pkey_ctx::PkeyCtx,
    rsa::{Padding, Rsa},
    sha,
    x509::{X509, X509Builder, X509Name, extension},
};
use zeroize::Zeroizing;

use super::{BadCertificate, Certificate, LEAST_BITS};
use crate::{random, xml_signature::Algorithm};

/// An RSA private key and its certificate, read once: reading costs more than signing.
pub struct SigningKey {
    key: PKey<Private>,
    certificate: Certificate,
}

impl SigningKey {
    /// A new RSA-2048 key with a self-signed certificate that is valid for `days` from `not_before`.
    pub fn generate(
        common_name: &str,
        not_before: DateTime<Utc>,
        days: u32,
    ) -> Result<Self, KeyError> {
        Self::generate_of_size(LEAST_BITS, common_name, not_before, days)
    }

    /// The same with an RSA key of `bits`, of which 4096 take a second or more.
    pub fn generate_of_size(
        bits: u32,
        common_name: &str,
        not_before: DateTime<Utc>,
        days: u32,
    ) -> Result<Self, KeyError> {
        let not_after = not_before
            .checked_add_signed(Duration::days(days.into()))
            .ok_or(KeyError::Validity)?;
        let key = PKey::from_rsa(Rsa::generate(bits)?)?;
        let x509 = self_signed(&key, &shorten(common_name)?, not_before, not_after)?;
        Ok(Self {
            key,
            certificate: Certificate::from_x509(&x509)?,
        })
    }

    /// Puts a certificate and its private key (PKCS#8 or PKCS#1) together again.
    pub fn from_parts(certificate_der: &[u8], private_key_der: &[u8]) -> Result<Self, KeyError> {
        let certificate = Certificate::from_der(certificate_der)?;
        let key = PKey::private_key_from_der(private_key_der).map_err(KeyError::Unreadable)?;
        Self::pair(certificate, key)
    }

    /// Puts the two together, if they belong together and may sign.
    pub(super) fn pair(certificate: Certificate, key: PKey<Private>) -> Result<Self, KeyError> {
        match certificate.rsa_bits() {
            None => return Err(KeyError::NotRsa),
            Some(bits) if bits < LEAST_BITS => return Err(KeyError::TooShort { bits }),
            Some(_) => {}
        }
        // Equal moduli alone would not notice a damaged private exponent; a signature does.
        let signing = Self { key, certificate };
        let probe = sha::sha256(b"a signature to see whether key and certificate belong together");
        let signature = signing
            .sign_digest(Algorithm::RsaSha256, &probe)
            .map_err(|_| KeyError::Mismatch)?;
        if signing
            .certificate
            .verifies(Md::sha256(), &probe, &signature)
        {
            Ok(signing)
        } else {
            Err(KeyError::Mismatch)
        }
    }

    /// The private key as PKCS#8 (RFC 5958), for sealing.
    pub fn private_key_der(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(
            self.key
                .private_key_to_pkcs8()
                .expect("an RSA key has a PKCS#8 form"),
        )
    }

    /// The certificate that announces the key.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2) over a hash.
    pub(crate) fn sign_digest(
        &self,
        algorithm: Algorithm,
        digest: &[u8],
    ) -> Result<Vec<u8>, ErrorStack> {
        let mut context = PkeyCtx::new(&self.key)?;
        context.sign_init()?;
        context.set_rsa_padding(Padding::PKCS1)?;
        context.set_signature_md(algorithm.md())?;
        let mut signature = Vec::with_capacity(self.key.size());
        context.sign_to_vec(digest, &mut signature)?;
        Ok(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// Why there is no signing key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// The certificate is unusable.
    #[error("the certificate is unusable")]
    Certificate(#[from] BadCertificate),
    /// The private key is not PKCS#8 or PKCS#1 DER.
    #[error("the private key cannot be read")]
    Unreadable(#[source] ErrorStack),
    /// Only RSA keys sign: Entra takes nothing else.
    #[error("the key is not an RSA key")]
    NotRsa,
    /// Shorter than 2048 bits.
    #[error("the RSA key has {bits} bits; 2048 are needed")]
    TooShort {
        /// Its length.
        bits: u32,
    },
    /// The private key is not that of the certificate.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// A certificate needs a name.
    #[error("the certificate's common name is empty")]
    NoName,
    /// A validity that no calendar has.
    #[error("the certificate would be valid beyond the calendar")]
    Validity,
    /// libcrypto failed.
    #[error("libcrypto could not make the key or its certificate")]
    Library(#[from] ErrorStack),
}

/// RFC 5280 appendix A.1, ub-common-name.
const LONGEST_NAME: usize = 64;

pub(super) fn self_signed(
    key: &PKey<Private>,
    common_name: &str,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    let name = name.build();

    let mut certificate = X509Builder::new()?;
    certificate.set_version(2)?; // X.509 v3
    certificate.set_serial_number(&*Asn1Integer::from_bn(&*BigNum::from_slice(
        &random::bytes::<16>(),
    )?)?)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(&*Asn1Time::from_unix(not_before.timestamp())?)?;
    certificate.set_not_after(&*Asn1Time::from_unix(not_after.timestamp())?)?;
    certificate.set_pubkey(key)?;
    certificate.append_extension(extension::BasicConstraints::new().critical().build()?)?;
    certificate.append_extension(
        extension::KeyUsage::new()
            .critical()
            .digital_signature()
            .build()?,
    )?;
    let key_id =
        extension::SubjectKeyIdentifier::new().build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(key_id)?;
    certificate.sign(key, MessageDigest::sha256())?;
    Ok(certificate.build())
}

fn shorten(common_name: &str) -> Result<String, KeyError> {
    let printable: String = common_name.chars().filter(|c| !c.is_control()).collect();
    let name: String = printable.trim().chars().take(LONGEST_NAME).collect();
    if name.is_empty() {
        Err(KeyError::NoName)
    } else {
        Ok(name)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::TimeZone;
    use openssl::ec::{EcGroup, EcKey};

    use super::*;

    fn noon() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 20, 12, 0, 0).unwrap()
    }

    fn key() -> SigningKey {
        SigningKey::generate("contoso.example", noon(), 1095).unwrap()
    }

    fn certificate_of(key: &PKey<Private>) -> Vec<u8> {
        self_signed(key, "a name", noon(), noon())
            .unwrap()
            .to_der()
            .unwrap()
    }

    pub(crate) fn elliptic() -> PKey<Private> {
        let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap()
    }

    /// Keys that nobody here may trust or encrypt to, with their certificates: too short, and of another kind.
    pub(crate) fn unfit() -> [(PKey<Private>, Certificate); 2] {
        let short = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
        [short, elliptic()].map(|key| {
            let certificate = Certificate::from_der(&certificate_of(&key)).unwrap();
            (key, certificate)
        })
    }

    #[test]
    fn a_new_key_has_a_certificate_that_says_what_it_is_for() {
        let key = key();
        let certificate = key.certificate();
        assert_eq!(certificate.subject(), "CN=contoso.example");
        assert_eq!(certificate.rsa_bits(), Some(2048));
        assert_eq!(certificate.not_before(), noon());
        assert_eq!(certificate.not_after(), noon() + Duration::days(1095));

        let x509 = X509::from_der(certificate.der()).unwrap();
        assert!(
            x509.verify(&x509.public_key().unwrap()).unwrap(),
            "it is signed by itself"
        );
        let serial = x509.serial_number().to_bn().unwrap();
        assert!(!serial.is_negative() && serial.num_bits() > 64, "{serial}");
        let text = String::from_utf8(x509.to_text().unwrap()).unwrap();
        for line in [
            "Version: 3",
            "sha256WithRSAEncryption",
            "CA:FALSE",
            "Digital Signature",
            "Subject Key Identifier",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("Certificate Sign"), "{text}");
    }

    #[test]
    fn two_keys_have_nothing_in_common() {
        let (one, other) = (key(), key());
        assert_ne!(one.certificate(), other.certificate());
        assert_ne!(*one.private_key_der(), *other.private_key_der());
    }

    #[test]
    fn a_key_that_was_put_away_signs_as_before() {
        let key = key();
        let again =
            SigningKey::from_parts(key.certificate().der(), &key.private_key_der()).unwrap();
        assert_eq!(again.certificate(), key.certificate());
        let digest = sha::sha256(b"message");
        let signature = again.sign_digest(Algorithm::RsaSha256, &digest).unwrap();
        assert!(
            key.certificate()
                .verifies(Md::sha256(), &digest, &signature)
        );
        assert!(
            !key.certificate()
                .verifies(Md::sha256(), &sha::sha256(b"another"), &signature)
        );
        assert!(
            !key.certificate()
                .verifies(Md::sha512(), &sha::sha512(b"message"), &signature)
        );
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let (one, other) = (key(), key());
        let result = SigningKey::from_parts(one.certificate().der(), &other.private_key_der());
        assert!(matches!(result, Err(KeyError::Mismatch)), "{result:?}");

        let result = SigningKey::from_parts(
            one.certificate().der(),
            &elliptic().private_key_to_pkcs8().unwrap(),
        );
        assert!(matches!(result, Err(KeyError::Mismatch)), "{result:?}");
    }

    #[test]
    fn only_rsa_keys_of_2048_bits_and_more_sign() {
        let [short, elliptic] = unfit().map(|(key, certificate)| {
            SigningKey::from_parts(certificate.der(), &key.private_key_to_pkcs8().unwrap())
        });
        assert!(matches!(short, Err(KeyError::TooShort { bits: 1024 })));
        assert!(matches!(elliptic, Err(KeyError::NotRsa)));

        let long = PKey::from_rsa(Rsa::generate(3072).unwrap()).unwrap();
        let parts = (certificate_of(&long), long.private_key_to_pkcs8().unwrap());
        assert!(SigningKey::from_parts(&parts.0, &parts.1).is_ok());
    }

    #[test]
    fn any_label_makes_a_common_name() {
        let named = |name: &str| {
            SigningKey::generate(name, noon(), 1).map(|key| key.certificate().subject())
        };
        assert_eq!(
            named(&"é".repeat(100)).unwrap(),
            format!("CN={}", "é".repeat(64))
        );
        assert_eq!(named(" Contoso\r\n\0 AG ").unwrap(), "CN=Contoso AG");
        assert_eq!(named("a,b=c").unwrap(), "CN=a\\,b\\=c");
        for empty in ["", " \t\n", "\0"] {
            assert!(matches!(named(empty), Err(KeyError::NoName)), "{empty:?}");
        }
    }

    #[test]
    fn a_validity_beyond_the_calendar_is_an_error() {
        assert!(SigningKey::generate("name", DateTime::<Utc>::MAX_UTC, 1).is_err());
        assert!(SigningKey::generate("name", noon(), u32::MAX).is_err());
        let certificate = SigningKey::generate("name", noon(), 36_500)
            .unwrap()
            .certificate()
            .clone();
        assert_eq!(
            certificate.not_after(),
            noon() + Duration::days(36_500),
            "beyond 2050 the encoding changes"
        );
    }

    #[test]
    fn a_private_key_does_not_show_itself() {
        let key = key();
        let shown = format!("{key:?}");
        assert_eq!(
            shown,
            format!("SigningKey {{ certificate: {:?}, .. }}", key.certificate())
        );
        assert_eq!(
            format!("{:?}", key.certificate()),
            format!(
                "Certificate(\"CN=contoso.example\", {})",
                key.certificate().thumbprint()
            )
        );
    }
}
