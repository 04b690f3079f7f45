//! The only place that asks for randomness.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::hex;

/// `N` unpredictable bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    openssl::rand::rand_bytes(&mut bytes).expect("the operating system has seeded libcrypto");
    bytes
}

/// A bearer secret for a cookie or a link: 256 bits as base64url without padding (RFC 4648 §5).
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// A public identifier: `N` bytes as lower-case hexadecimal.
pub fn hex_id<const N: usize>() -> String {
    hex::lower(&bytes::<N>())
}

/// An `xs:ID` with 128 bits, as SAML core §1.3.4 asks for.
pub fn xml_id() -> String {
    // An NCName must not begin with a digit.
    format!("_{}", hex_id::<16>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_43_characters_that_a_url_and_a_cookie_carry_unchanged() {
        let token = token();
        assert_eq!(token.len(), 43);
        assert!(
            token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
    }

    #[test]
    fn ids_have_the_form_their_readers_expect() {
        let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let app = hex_id::<12>();
        assert!(app.len() == 24 && is_hex(&app), "{app}");
        let id = xml_id();
        assert!(
            id.len() == 33 && id.starts_with('_') && is_hex(&id[1..]),
            "{id}"
        );
    }

    #[test]
    fn nothing_comes_twice() {
        let mut seen: Vec<_> = (0..1000).map(|_| bytes::<16>()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1000);
    }
}
