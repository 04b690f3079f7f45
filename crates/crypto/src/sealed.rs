//! Values that only the holder of the master key can read, or could have written.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{
    hash::MessageDigest,
    pkey::PKey,
    sign::Signer,
    symm::{Cipher, decrypt_aead, encrypt_aead},
};
use zeroize::Zeroizing;

use crate::random;

/// The 256-bit key that everything secret in the database is sealed under.
///
/// It is never used itself: each sealed value and each purpose has a key derived from it.
pub struct MasterKey(Zeroizing<[u8; KEY]>);

impl MasterKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random::bytes()))
    }

    /// Reads what [`MasterKey::to_text`] wrote, with or without a line end.
    pub fn parse(text: &str) -> Result<Self, BadMasterKey> {
        let decoded = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| BadMasterKey)?);
        let key = <[u8; KEY]>::try_from(decoded.as_slice()).map_err(|_| BadMasterKey)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The key as one line of base64, for the key file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// Seals `plain` with AES-256-GCM (NIST SP 800-38D), so that it opens only for the same `purpose`.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Vec<u8> {
        let salt = random::bytes::<SALT>();
        let nonce = random::bytes::<NONCE>();
        let mut tag = [0; TAG];
        let encrypted = encrypt_aead(
            Cipher::aes_256_gcm(),
            self.sealing_key(purpose, &salt).as_slice(),
            Some(&nonce),
            &associated(purpose),
            plain,
            &mut tag,
        )
        .expect("libcrypto has AES-256-GCM, and key and nonce have its lengths");
        [&[VERSION][..], &salt, &nonce, &encrypted, &tag].concat()
    }

    /// Opens what [`MasterKey::seal`] sealed for the same `purpose`.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let (&[VERSION], rest) = sealed.split_first_chunk().ok_or(CannotOpen)? else {
            return Err(CannotOpen);
        };
        let (salt, rest) = rest.split_first_chunk::<SALT>().ok_or(CannotOpen)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(CannotOpen)?;
        let (encrypted, tag) = rest.split_last_chunk::<TAG>().ok_or(CannotOpen)?;
        let key = self.sealing_key(purpose, salt);
        decrypt_aead(
            Cipher::aes_256_gcm(),
            key.as_slice(),
            Some(nonce),
            &associated(purpose),
            encrypted,
            tag,
        )
        .map(Zeroizing::new)
        .map_err(|_| CannotOpen)
    }

    /// HMAC-SHA256 (RFC 2104) of `message` under a key that only this `purpose` has.
    pub fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let key = hmac(
            self.0.as_slice(),
            &[b"countersign mac\0", purpose.as_bytes()],
        );
        *hmac(key.as_slice(), &[message])
    }

    /// A key for one sealed value, so that no two values ever share key and nonce.
    fn sealing_key(&self, purpose: &str, salt: &[u8; SALT]) -> Zeroizing<[u8; KEY]> {
        hmac(
            self.0.as_slice(),
            &[b"countersign seal\0", salt, purpose.as_bytes()],
        )
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Compares two secrets in a time that depends only on their lengths.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && openssl::memcmp::eq(a, b)
}

/// The text is not a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 bytes, written as one line of base64")]
pub struct BadMasterKey;

/// The value was sealed under another master key or for another purpose, or it was damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot open the sealed value: another master key, another purpose, or damaged")]
pub struct CannotOpen;

/// The first byte of a sealed value: version ‖ salt ‖ nonce ‖ encrypted ‖ tag.
const VERSION: u8 = 1;
const KEY: usize = 32;
const SALT: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;

fn associated(purpose: &str) -> Vec<u8> {
    [&[VERSION], purpose.as_bytes()].concat()
}

fn hmac(key: &[u8], message: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let compute = || {
        let key = PKey::hmac(key)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        for part in message {
            signer.update(part)?;
        }
        let mut mac = Zeroizing::new([0; 32]);
        signer.sign(mac.as_mut_slice())?;
        Ok::<_, openssl::error::ErrorStack>(mac)
    };
    compute().expect("libcrypto has HMAC-SHA256, whose result is 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose() {
        let key = MasterKey::generate();
        for plain in [&b""[..], b"x", &[7; 5000]] {
            assert_eq!(
                *key.open("a key", &key.seal("a key", plain)).unwrap(),
                plain
            );
        }
    }

    #[test]
    fn a_key_that_was_written_down_still_opens() {
        let key = MasterKey::generate();
        let sealed = key.seal("p", b"secret");
        let again = MasterKey::parse(&format!("{}\n", *key.to_text())).unwrap();
        assert_eq!(*again.open("p", &sealed).unwrap(), b"secret");
        assert_eq!(again.mac("p", b"m"), key.mac("p", b"m"));
    }

    #[test]
    fn another_key_or_another_purpose_cannot_open() {
        let key = MasterKey::generate();
        let sealed = key.seal("p", b"secret");
        assert_eq!(MasterKey::generate().open("p", &sealed), Err(CannotOpen));
        assert_eq!(key.open("q", &sealed), Err(CannotOpen));
        assert_eq!(key.open("", &sealed), Err(CannotOpen));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_noticed() {
        let key = MasterKey::generate();
        let sealed = key.seal("p", b"secret");
        for position in 0..sealed.len() {
            for bit in 0..8 {
                let mut flipped = sealed.clone();
                flipped[position] ^= 1 << bit;
                assert_eq!(
                    key.open("p", &flipped),
                    Err(CannotOpen),
                    "byte {position} bit {bit}"
                );
            }
            assert_eq!(
                key.open("p", &sealed[..position]),
                Err(CannotOpen),
                "cut to {position}"
            );
        }
        assert_eq!(
            key.open("p", &[&sealed[..], &[0]].concat()),
            Err(CannotOpen)
        );
    }

    #[test]
    fn the_same_secret_never_looks_the_same_twice() {
        let key = MasterKey::generate();
        assert_ne!(key.seal("p", b"secret"), key.seal("p", b"secret"));
    }

    #[test]
    fn a_mac_depends_on_key_purpose_and_message() {
        let key = MasterKey::generate();
        let mac = key.mac("p", b"m");
        assert_ne!(mac, key.mac("q", b"m"));
        assert_ne!(mac, key.mac("p", b"n"));
        assert_ne!(mac, MasterKey::generate().mac("p", b"m"));
    }

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let mac = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            crate::hex::lower(mac.as_slice()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn only_32_bytes_of_base64_are_a_master_key() {
        let key = STANDARD.encode([1; 32]);
        for bad in [
            "",
            "x",
            &key[..40],
            &STANDARD.encode([1; 31]),
            &STANDARD.encode([1; 33]),
            &format!("{key} {key}"),
        ] {
            assert!(MasterKey::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_master_key_does_not_show_itself() {
        let key = MasterKey::parse(&STANDARD.encode([0x41; 32])).unwrap();
        let shown = format!("{key:?}");
        assert!(
            !shown.contains("41") && !shown.contains("65") && !shown.contains("QUFB"),
            "{shown}"
        );
    }

    #[test]
    fn equal_compares_content_and_length() {
        assert!(equal(b"", b"") && equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }
}
