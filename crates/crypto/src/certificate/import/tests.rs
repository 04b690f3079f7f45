use chrono::Duration;
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    nid::Nid,
    pkey::PKeyRef,
    rsa::Rsa,
    stack::Stack,
    symm::Cipher,
    x509::{X509Builder, X509Name, extension::KeyUsage},
};

use super::super::{elliptic, signing_key::self_signed, unfit};
use super::*;

const PASSPHRASE: &str = "pässword";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn rsa() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn certificate_of(key: &PKey<Private>) -> X509 {
    valid(key, now() - Duration::days(1), now() + Duration::days(1))
}

fn valid(key: &PKey<Private>, from: DateTime<Utc>, until: DateTime<Utc>) -> X509 {
    self_signed(key, "signing", from, until).unwrap()
}

/// A certificate for this public key, with a key usage if there is one, signed by another key.
fn issued<T: openssl::pkey::HasPublic>(
    key: &PKeyRef<T>,
    usage: Option<KeyUsage>,
    md: MessageDigest,
) -> X509 {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "issued").unwrap();
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    let at = |time: DateTime<Utc>| Asn1Time::from_unix(time.timestamp()).unwrap();
    builder
        .set_not_before(&at(now() - Duration::days(1)))
        .unwrap();
    builder
        .set_not_after(&at(now() + Duration::days(1)))
        .unwrap();
    builder.set_pubkey(key).unwrap();
    if let Some(usage) = usage {
        builder.append_extension(usage.build().unwrap()).unwrap();
    }
    builder.sign(&rsa(), md).unwrap();
    builder.build()
}

fn judge(certificate: &X509, key: &PKey<Private>) -> Result<Imported, ImportError> {
    let pem = key.private_key_to_pem_pkcs8().unwrap();
    from_files(&certificate.to_pem().unwrap(), &pem, None, now())
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, ImportError>) -> String {
    outcome.expect_err("it is refused").to_string()
}

#[test]
fn every_form_that_people_have_is_read() {
    let key = rsa();
    let certificate = certificate_of(&key);
    let rsa = key.rsa().unwrap();
    let aes = Cipher::aes_256_cbc();
    let secret = PASSPHRASE.as_bytes();
    let with_text = [
        b"Bag Attributes\n    friendlyName: signing\n".as_slice(),
        &certificate.to_pem().unwrap(),
        b"\r\n",
    ]
    .concat();
    let both = [
        certificate.to_pem().unwrap(),
        key.private_key_to_pem_pkcs8().unwrap(),
    ]
    .concat();
    for file in [
        certificate.to_pem().unwrap(),
        certificate.to_der().unwrap(),
        with_text,
        both.clone(),
    ] {
        for (private, passphrase) in [
            (key.private_key_to_pem_pkcs8().unwrap(), None),
            (key.private_key_to_pkcs8().unwrap(), None),
            (rsa.private_key_to_pem().unwrap(), None),
            (rsa.private_key_to_der().unwrap(), None),
            (both.clone(), None),
            (
                key.private_key_to_pem_pkcs8_passphrase(aes, secret)
                    .unwrap(),
                Some(PASSPHRASE),
            ),
            (
                key.private_key_to_pkcs8_passphrase(aes, secret).unwrap(),
                Some(PASSPHRASE),
            ),
            (
                rsa.private_key_to_pem_passphrase(aes, secret).unwrap(),
                Some(PASSPHRASE),
            ),
        ] {
            let imported = from_files(&file, &private, passphrase, now()).unwrap();
            assert_eq!(
                imported.key.certificate().der(),
                certificate.to_der().unwrap()
            );
            assert_eq!(imported.weak_hash, None);
        }
    }
}

#[test]
fn a_passphrase_is_asked_for_and_has_to_be_right() {
    let key = rsa();
    let certificate = certificate_of(&key).to_pem().unwrap();
    let aes = Cipher::aes_256_cbc();
    let secret = PASSPHRASE.as_bytes();
    for private in [
        key.private_key_to_pem_pkcs8_passphrase(aes, secret)
            .unwrap(),
        key.private_key_to_pkcs8_passphrase(aes, secret).unwrap(),
        key.rsa()
            .unwrap()
            .private_key_to_pem_passphrase(aes, secret)
            .unwrap(),
    ] {
        let none = from_files(&certificate, &private, None, now());
        assert!(
            matches!(none, Err(ImportError::PassphraseNeeded)),
            "{none:?}"
        );
        for wrong in ["", "password", "p\0q"] {
            let wrong = from_files(&certificate, &private, Some(wrong), now());
            assert!(
                matches!(wrong, Err(ImportError::WrongPassphrase)),
                "{wrong:?}"
            );
        }
    }
}

#[test]
fn a_pfx_is_read_however_it_is_encrypted() {
    let key = rsa();
    let certificate = certificate_of(&key);
    // What Windows wrote for twenty years needs the legacy algorithms to be made, and to be read.
    let old = {
        let _legacy = Provider::try_load(None, "legacy", true).unwrap();
        Pkcs12::builder()
            .pkey(&key)
            .cert(&certificate)
            .key_algorithm(Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC)
            .cert_algorithm(Nid::PBE_WITHSHA1AND40BITRC2_CBC)
            .mac_md(MessageDigest::sha1())
            .build2(PASSPHRASE)
            .unwrap()
    };
    let new = Pkcs12::builder()
        .pkey(&key)
        .cert(&certificate)
        .build2(PASSPHRASE)
        .unwrap();
    for pfx in [old, new].map(|pfx| pfx.to_der().unwrap()) {
        let imported = from_pfx(&pfx, Some(PASSPHRASE), now()).unwrap();
        assert_eq!(
            imported.key.certificate().der(),
            certificate.to_der().unwrap()
        );
        let none = from_pfx(&pfx, None, now());
        assert!(
            matches!(none, Err(ImportError::PassphraseNeeded)),
            "{none:?}"
        );
        let wrong = from_pfx(&pfx, Some("password"), now());
        assert!(
            matches!(wrong, Err(ImportError::WrongPassphrase)),
            "{wrong:?}"
        );
        let trailing = from_pfx(&[&pfx[..], b"\n"].concat(), Some(PASSPHRASE), now());
        assert!(
            matches!(trailing, Err(ImportError::Trailing("PFX"))),
            "{trailing:?}"
        );
    }
    let open = Pkcs12::builder()
        .pkey(&key)
        .cert(&certificate)
        .build2("")
        .unwrap();
    assert!(from_pfx(&open.to_der().unwrap(), None, now()).is_ok());
}

#[test]
fn a_pfx_holds_one_certificate_and_its_key() {
    let key = rsa();
    let certificate = certificate_of(&key);
    let mut chain = Stack::new().unwrap();
    chain.push(certificate_of(&rsa())).unwrap();
    let several = Pkcs12::builder()
        .pkey(&key)
        .cert(&certificate)
        .ca(chain)
        .build2("x")
        .unwrap();
    let several = from_pfx(&several.to_der().unwrap(), Some("x"), now());
    assert!(
        matches!(several, Err(ImportError::SeveralCertificates)),
        "{several:?}"
    );
    let keyless = Pkcs12::builder().cert(&certificate).build2("x").unwrap();
    let keyless = from_pfx(&keyless.to_der().unwrap(), Some("x"), now());
    assert!(
        matches!(
            keyless,
            Err(ImportError::PfxLacks(_) | ImportError::SeveralCertificates)
        ),
        "{keyless:?}"
    );
    for bad in [b"".as_slice(), b"hello", &certificate.to_der().unwrap()] {
        let bad = from_pfx(bad, None, now());
        assert!(matches!(bad, Err(ImportError::Pfx(_))), "{bad:?}");
    }
}

#[test]
fn keys_that_protect_nothing_are_refused() {
    let [(short, _), (curve, _)] = unfit();
    let short = refused(judge(&certificate_of(&short), &short));
    assert!(short.contains("1024 bits"), "{short}");
    let curve = judge(&certificate_of(&curve), &curve);
    assert!(matches!(curve, Err(ImportError::NotRsa)), "{curve:?}");

    // Of the longest only the length counts: making such a key takes minutes.
    let mut modulus = BigNum::new().unwrap();
    modulus.set_bit(8200).unwrap();
    modulus.set_bit(0).unwrap();
    let e = || BigNum::from_u32(65_537).unwrap();
    let long = PKey::from_rsa(Rsa::from_public_components(modulus, e()).unwrap()).unwrap();
    let long = refused(judge(&issued(&long, None, MessageDigest::sha256()), &rsa()));
    assert!(long.contains("8201 bits"), "{long}");

    let key = rsa();
    for exponent in [1, 2, 65_536] {
        let n = key.rsa().unwrap().n().to_owned().unwrap();
        let e = BigNum::from_u32(exponent).unwrap();
        let public = PKey::from_rsa(Rsa::from_public_components(n, e).unwrap()).unwrap();
        let words = refused(judge(&issued(&public, None, MessageDigest::sha256()), &key));
        assert!(
            words.contains(&format!("exponent is {exponent},")),
            "{words}"
        );
    }
}

#[test]
fn parts_that_are_no_pair_are_refused() {
    let (one, other) = (rsa(), rsa());
    for key in [other, elliptic()] {
        let outcome = judge(&certificate_of(&one), &key);
        assert!(matches!(outcome, Err(ImportError::Mismatch)), "{outcome:?}");
    }
}

#[test]
fn a_certificate_has_to_be_in_date() {
    let key = rsa();
    let (hour, day) = (Duration::hours(1), Duration::days(1));
    let old = judge(&valid(&key, now() - day, now() - hour), &key);
    assert!(
        matches!(old, Err(ImportError::Expired(at)) if at == now() - hour),
        "{old:?}"
    );
    let new = judge(&valid(&key, now() + hour, now() + day), &key);
    assert!(
        matches!(new, Err(ImportError::NotYetValid(at)) if at == now() + hour),
        "{new:?}"
    );
    judge(&valid(&key, now(), now()), &key).expect("both ends belong to it");
}

#[test]
fn an_authority_is_no_signer_of_tokens_and_an_old_hash_is_only_noted() {
    let key = rsa();
    let sha256 = MessageDigest::sha256();
    let mut usage = KeyUsage::new();
    usage.key_cert_sign().crl_sign();
    let authority = judge(&issued(&key, Some(usage), sha256), &key);
    assert!(
        matches!(authority, Err(ImportError::AuthorityOnly)),
        "{authority:?}"
    );
    let mut usage = KeyUsage::new();
    usage.key_cert_sign().digital_signature();
    judge(&issued(&key, Some(usage), sha256), &key).expect("it may sign too");
    let noted = |md| judge(&issued(&key, None, md), &key).unwrap().weak_hash;
    assert_eq!(noted(sha256), None);
    assert_eq!(noted(MessageDigest::sha1()), Some("SHA-1"));
    assert_eq!(noted(MessageDigest::md5()), Some("MD5"));
}

#[test]
fn files_that_are_not_what_they_should_be_are_refused() {
    let key = rsa();
    let certificate = certificate_of(&key);
    let (pem, der) = (certificate.to_pem().unwrap(), certificate.to_der().unwrap());
    let private = key.private_key_to_pem_pkcs8().unwrap();
    let followed = |bytes: &[u8]| [bytes, b"x"].concat();
    for (file, words) in [
        (pem.repeat(2), "several certificates"),
        (followed(&pem), "follows the certificate"),
        (followed(&der), "follows the certificate"),
        (private.clone(), "no certificate in it"),
        (pem[..pem.len() - 10].to_vec(), "damaged"),
        (
            String::from_utf8(pem.clone())
                .unwrap()
                .replacen("MII", "M;I", 1)
                .into_bytes(),
            "damaged",
        ),
        (b"<html>".to_vec(), "cannot be read"),
        (Vec::new(), "cannot be read"),
    ] {
        let said = refused(from_files(&file, &private, None, now()));
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
    for (file, words) in [
        (private.repeat(2), "several private keys"),
        (followed(&private), "follows the private key"),
        (
            followed(&key.private_key_to_pkcs8().unwrap()),
            "follows the private key",
        ),
        (
            followed(&key.rsa().unwrap().private_key_to_der().unwrap()),
            "follows the private key",
        ),
        (pem.clone(), "no private key in it"),
        (b"<html>".to_vec(), "cannot be read"),
        (Vec::new(), "cannot be read"),
    ] {
        let said = refused(from_files(&pem, &file, None, now()));
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
}

#[test]
fn a_longer_key_is_made_when_it_is_asked_for() {
    let key = SigningKey::generate_of_size(3072, "name", now(), 30).unwrap();
    assert_eq!(key.certificate().rsa_bits(), Some(3072));
    assert_eq!(key.certificate().not_after(), now() + Duration::days(30));
}
