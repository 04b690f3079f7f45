//! Signatures over bytes that travel beside them: SAML's HTTP-Redirect binding (SAML bindings §3.4.4.1).

use crate::{
    certificate::{Certificate, SigningKey},
    xml_signature::{Algorithm, NotVerified, SignError},
};

/// Signs bytes as they stand.
pub fn sign(bytes: &[u8], key: &SigningKey, algorithm: Algorithm) -> Result<Vec<u8>, SignError> {
    Ok(key.sign_digest(algorithm, &algorithm.digest(bytes))?)
}

/// The one of `trusted` that made `signature` over `bytes` with the algorithm that the message names.
///
/// The list of algorithms is that of XML signatures, so a message cannot choose a weaker one here.
pub fn verify<'k>(
    bytes: &[u8],
    signature: &[u8],
    algorithm_uri: &str,
    trusted: &'k [Certificate],
) -> Result<&'k Certificate, NotVerified> {
    let algorithm = Algorithm::from_uri(algorithm_uri).ok_or_else(|| NotVerified::Algorithm {
        uri: algorithm_uri.to_owned(),
    })?;
    let digest = algorithm.digest(bytes);
    trusted
        .iter()
        .find(|key| key.verifies(algorithm.md(), &digest, signature))
        .ok_or(NotVerified::SignatureValue)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use openssl::{
        hash::MessageDigest,
        pkey::{PKey, Private},
        sign::Signer,
    };

    use super::*;
    use crate::certificate::unfit;

    fn key(name: &str) -> SigningKey {
        let from = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        SigningKey::generate(name, from, 30).expect("a key")
    }

    /// A signature that is correct, whatever we think of its key and hash.
    fn signed_with(key: &PKey<Private>, hash: MessageDigest, bytes: &[u8]) -> Vec<u8> {
        let mut signer = Signer::new(hash, key).expect("a key to sign with");
        signer.update(bytes).expect("libcrypto hashes");
        signer.sign_to_vec().expect("libcrypto signs")
    }

    #[test]
    fn only_the_signed_bytes_and_a_trusted_key_verify() {
        let (signer, stranger) = (key("signer"), key("stranger"));
        let bytes = b"SAMLRequest=abc&RelayState=%26&SigAlg=x";
        for algorithm in Algorithm::ALL {
            let signature = sign(bytes, &signer, algorithm).expect("a signature");
            let trusted = [stranger.certificate().clone(), signer.certificate().clone()];
            let found = verify(bytes, &signature, algorithm.uri(), &trusted);
            assert_eq!(found, Ok(signer.certificate()), "{algorithm}");
            let wrong = Err(NotVerified::SignatureValue);
            assert_eq!(
                verify(bytes, &signature, algorithm.uri(), &trusted[..1]),
                wrong,
                "another key"
            );
            assert_eq!(
                verify(b"SAMLRequest=abd", &signature, algorithm.uri(), &trusted),
                wrong,
                "other bytes"
            );
            assert_eq!(verify(bytes, b"", algorithm.uri(), &trusted), wrong);
        }
    }

    #[test]
    fn a_signature_counts_for_its_own_algorithm_only() {
        let signer = key("signer");
        let trusted = [signer.certificate().clone()];
        for made in Algorithm::ALL {
            let signature = sign(b"text", &signer, made).expect("a signature");
            for claimed in Algorithm::ALL {
                let found = verify(b"text", &signature, claimed.uri(), &trusted);
                assert_eq!(found.is_ok(), made == claimed, "{made} as {claimed}");
            }
        }
    }

    #[test]
    fn a_short_key_and_a_key_that_is_not_rsa_verify_nothing() {
        for (key, certificate) in unfit() {
            let signature = signed_with(&key, MessageDigest::sha256(), b"text");
            let trusted = [certificate];
            assert_eq!(
                verify(b"text", &signature, Algorithm::RsaSha256.uri(), &trusted),
                Err(NotVerified::SignatureValue)
            );
        }
    }

    #[test]
    fn the_public_key_is_no_hmac_secret() {
        let signer = key("signer");
        let trusted = [signer.certificate().clone()];
        let public = trusted[0].key().public_key_to_der().expect("a public key");
        for secret in [
            &public[..],
            trusted[0].der(),
            trusted[0].base64().as_bytes(),
        ] {
            let secret = PKey::hmac(secret).expect("a secret");
            let signature = signed_with(&secret, MessageDigest::sha256(), b"text");
            assert_eq!(
                verify(b"text", &signature, Algorithm::RsaSha256.uri(), &trusted),
                Err(NotVerified::SignatureValue)
            );
        }
    }

    #[test]
    fn sha1_is_refused_although_the_signature_is_right() {
        let signer = key("signer");
        let trusted = [signer.certificate().clone()];
        let private = PKey::private_key_from_der(&signer.private_key_der()).expect("we wrote it");
        let signature = signed_with(&private, MessageDigest::sha1(), b"text");
        let uri = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
        let refused = NotVerified::Algorithm {
            uri: uri.to_owned(),
        };
        assert_eq!(verify(b"text", &signature, uri, &trusted), Err(refused));
        for algorithm in Algorithm::ALL {
            assert_eq!(
                verify(b"text", &signature, algorithm.uri(), &trusted),
                Err(NotVerified::SignatureValue)
            );
        }
    }

    #[test]
    fn the_message_cannot_choose_a_weaker_algorithm() {
        let signer = key("signer");
        let trusted = [signer.certificate().clone()];
        let signature = sign(b"text", &signer, Algorithm::RsaSha256).expect("a signature");
        for uri in [
            "",
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
        ] {
            let refused = NotVerified::Algorithm {
                uri: uri.to_owned(),
            };
            assert_eq!(verify(b"text", &signature, uri, &trusted), Err(refused));
        }
    }
}
