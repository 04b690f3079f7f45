//! The signature algorithms that we make and believe.

use std::{fmt, str::FromStr};

use openssl::{
    md::{Md, MdRef},
    sha,
};

/// RSASSA-PKCS1-v1_5 with SHA-2 (RFC 9231 §2.3.2–2.3.4), and the digest of the same width.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA-SHA256, which everybody reads.
    #[default]
    RsaSha256,
    /// RSA-SHA384.
    RsaSha384,
    /// RSA-SHA512.
    RsaSha512,
}

impl Algorithm {
    /// All of them; nothing weaker is ever believed.
    pub const ALL: [Self; 3] = [Self::RsaSha256, Self::RsaSha384, Self::RsaSha512];

    /// Its identifier as `ds:SignatureMethod` and `SigAlg` carry it.
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        }
    }

    /// The algorithm with this identifier, compared exactly.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.uri() == uri)
    }

    /// Its name in settings: `rsa-sha256`, `rsa-sha384` or `rsa-sha512`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::RsaSha384 => "rsa-sha384",
            Self::RsaSha512 => "rsa-sha512",
        }
    }

    /// The identifier of the digest of the same width, as `ds:DigestMethod` carries it.
    pub fn digest_uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
        }
    }

    /// The algorithm whose digest has this identifier.
    pub(crate) fn of_digest(uri: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.digest_uri() == uri)
    }

    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::RsaSha256 => sha::sha256(bytes).to_vec(),
            Self::RsaSha384 => sha::sha384(bytes).to_vec(),
            Self::RsaSha512 => sha::sha512(bytes).to_vec(),
        }
    }

    pub(crate) fn md(self) -> &'static MdRef {
        match self {
            Self::RsaSha256 => Md::sha256(),
            Self::RsaSha384 => Md::sha384(),
            Self::RsaSha512 => Md::sha512(),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or(UnknownAlgorithm)
    }
}

/// A name that is none of the algorithms'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature algorithm is none of rsa-sha256, rsa-sha384 and rsa-sha512")]
pub struct UnknownAlgorithm;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_found_by_what_it_is_called() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_uri(algorithm.uri()), Some(algorithm));
            assert_eq!(
                Algorithm::of_digest(algorithm.digest_uri()),
                Some(algorithm)
            );
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!(Algorithm::default().to_string(), "rsa-sha256");
    }

    #[test]
    fn nothing_else_has_their_names() {
        for name in ["", "rsa-sha1", "RSA-SHA256", "rsa-sha256 ", "sha256"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name:?}");
            assert_eq!(Algorithm::from_uri(name), None, "{name:?}");
        }
        // A signature's identifier is no digest's, nor the reverse.
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_uri(algorithm.digest_uri()), None);
            assert_eq!(Algorithm::of_digest(algorithm.uri()), None);
        }
    }
}
