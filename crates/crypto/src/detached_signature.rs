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

    use super::*;

    fn key(name: &str) -> SigningKey {
        let from = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        SigningKey::generate(name, from, 30).expect("a key")
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
