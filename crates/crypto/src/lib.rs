//! Secrets: XML signatures, certificates, password hashes, sealed values and randomness.
//!
//! ```text
//! server → idp → crypto → the system's libcrypto
//! ```
//!
//! A leaf that knows bytes, keys and XML trees, and nothing of HTTP, SQL or the clock. What it returns is a
//! promise: a [`xml_signature::Verified`] element was signed, an opened [`sealed`] value is the one that was stored.

pub mod certificate;
pub mod detached_signature;
pub mod exclusive_c14n;
mod hex;
pub mod password;
pub mod random;
pub mod sealed;
pub mod xml_encryption;
pub mod xml_signature;

/// SHA-256 (FIPS 180-4), the form in which tokens that we handed out are stored.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    openssl::sha::sha256(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_digest_is_sha256() {
        // FIPS 180-4, the one-block example "abc".
        assert_eq!(
            super::hex::lower(&super::digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
