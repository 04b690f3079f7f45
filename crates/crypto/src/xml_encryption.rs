//! Encrypts an element for its only reader (XML Encryption 1.1): AES-256-GCM, its key under RSA-OAEP.

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{
    error::ErrorStack,
    md::Md,
    pkey_ctx::PkeyCtx,
    rsa::Padding,
    symm::{Cipher, encrypt_aead},
};
use zeroize::Zeroizing;

use crate::{
    certificate::{Certificate, LEAST_BITS},
    random,
};

/// The `xenc:EncryptedData` that stands for `element` (xmlenc-core1 §3.4), itself in exclusive canonical form, so
/// that it can be part of a document that is signed.
///
/// `element` must declare every namespace that it uses, since its reader sees it alone.
pub fn encrypt(element: &str, recipient: &Certificate) -> Result<String, CannotEncrypt> {
    if recipient.rsa_bits().is_none_or(|bits| bits < LEAST_BITS) {
        return Err(CannotEncrypt::Key);
    }
    let content_key = Zeroizing::new(random::bytes::<32>());
    let nonce = random::bytes::<12>();
    let mut tag = [0; 16];
    let sealed = encrypt_aead(
        Cipher::aes_256_gcm(),
        &*content_key,
        Some(&nonce),
        &[],
        element.as_bytes(),
        &mut tag,
    )?;
    // xmlenc-core1 §5.2.4: the nonce in front, the tag behind.
    let cipher_value = STANDARD.encode([&nonce[..], &sealed, &tag].concat());
    let wrapped = STANDARD.encode(wrap(&*content_key, recipient)?);
    let certificate = recipient.base64();
    Ok(format!(
        "<xenc:EncryptedData xmlns:xenc=\"{XENC}\" Type=\"{XENC}Element\">\
         <xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"></xenc:EncryptionMethod>\
         <ds:KeyInfo xmlns:ds=\"{DS}\"><xenc:EncryptedKey>\
         <xenc:EncryptionMethod Algorithm=\"{XENC}rsa-oaep-mgf1p\">\
         <ds:DigestMethod Algorithm=\"{DS}sha1\"></ds:DigestMethod></xenc:EncryptionMethod>\
         <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
         <xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData>\
         </xenc:EncryptedKey></ds:KeyInfo>\
         <xenc:CipherData><xenc:CipherValue>{cipher_value}</xenc:CipherValue></xenc:CipherData>\
         </xenc:EncryptedData>"
    ))
}

/// Why an element was not encrypted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CannotEncrypt {
    /// The reader's key is no RSA key of at least 2048 bits.
    #[error("the certificate to encrypt to has no RSA key of at least 2048 bits")]
    Key,
    /// libcrypto failed.
    #[error("libcrypto could not encrypt")]
    Library(#[from] ErrorStack),
}

const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// RSA-OAEP with SHA-1 and MGF1 (RFC 8017 §7.1): the one form that every reader of SAML has. OAEP does not
/// rest on SHA-1's resistance to collisions.
fn wrap(content_key: &[u8], recipient: &Certificate) -> Result<Vec<u8>, ErrorStack> {
    let mut context = PkeyCtx::new(recipient.key())?;
    context.encrypt_init()?;
    context.set_rsa_padding(Padding::PKCS1_OAEP)?;
    context.set_rsa_oaep_md(Md::sha1())?;
    context.set_rsa_mgf1_md(Md::sha1())?;
    let mut wrapped = Vec::new();
    context.encrypt_to_vec(content_key, &mut wrapped)?;
    Ok(wrapped)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use openssl::{
        pkey::{PKey, Private},
        symm::decrypt_aead,
    };

    use super::*;
    use crate::{
        certificate::{SigningKey, unfit},
        exclusive_c14n::canonicalize,
        xml_signature::{Limits, read, text_of},
    };

    const ELEMENT: &str = "<a:Secret xmlns:a=\"urn:a\">Zoë &amp; Co</a:Secret>";

    fn reader() -> SigningKey {
        let from = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        SigningKey::generate("reader", from, 30).expect("a key")
    }

    fn private(reader: &SigningKey) -> PKey<Private> {
        PKey::private_key_from_der(&reader.private_key_der()).expect("we wrote it")
    }

    /// The wrapped key, and the content with nonce and tag.
    fn cipher_values(encrypted: &str) -> [Vec<u8>; 2] {
        let document = read(encrypted.as_bytes(), &Limits::default()).expect("XML");
        let values: Vec<Vec<u8>> = document
            .descendants()
            .filter(|node| node.has_tag_name((XENC, "CipherValue")))
            .map(|node| STANDARD.decode(text_of(node)).expect("base64"))
            .collect();
        values.try_into().expect("two values")
    }

    /// What the reader does: unwraps the key, opens the content.
    fn decrypt(
        [wrapped, sealed]: &[Vec<u8>; 2],
        reader: &PKey<Private>,
    ) -> Result<Vec<u8>, ErrorStack> {
        let mut context = PkeyCtx::new(reader)?;
        context.decrypt_init()?;
        context.set_rsa_padding(Padding::PKCS1_OAEP)?;
        context.set_rsa_oaep_md(Md::sha1())?;
        context.set_rsa_mgf1_md(Md::sha1())?;
        let mut content_key = Vec::new();
        context.decrypt_to_vec(wrapped, &mut content_key)?;
        let (nonce, rest) = sealed.split_at(12);
        let (sealed, tag) = rest.split_at(rest.len() - 16);
        decrypt_aead(
            Cipher::aes_256_gcm(),
            &content_key,
            Some(nonce),
            &[],
            sealed,
            tag,
        )
    }

    #[test]
    fn only_the_reader_can_open_what_was_encrypted() {
        let reader = reader();
        let encrypted = encrypt(ELEMENT, reader.certificate()).expect("encrypted");
        assert!(!encrypted.contains("Zoë"));
        let values = cipher_values(&encrypted);
        let opened = decrypt(&values, &private(&reader)).expect("the reader opens it");
        assert_eq!(opened, ELEMENT.as_bytes());
        let stranger = self::reader();
        let by_stranger = decrypt(&values, &private(&stranger));
        assert!(by_stranger.is_err(), "a stranger opened it");
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let reader = reader();
        let encrypted = encrypt(ELEMENT, reader.certificate()).expect("encrypted");
        let values = cipher_values(&encrypted);
        assert_eq!(values[1].len(), 12 + ELEMENT.len() + 16);
        let key = private(&reader);
        for (part, value) in values.iter().enumerate() {
            for at in 0..value.len() {
                let mut changed = values.clone();
                changed[part][at] ^= 1;
                let opened = decrypt(&changed, &key);
                assert!(opened.is_err(), "byte {at} of part {part}");
            }
        }
    }

    #[test]
    fn nothing_is_encrypted_to_a_short_key_or_one_that_is_not_rsa() {
        for (_, recipient) in unfit() {
            let result = encrypt(ELEMENT, &recipient);
            assert!(matches!(result, Err(CannotEncrypt::Key)), "{result:?}");
        }
    }

    #[test]
    fn the_element_says_how_it_was_encrypted_and_for_whom() {
        let reader = reader();
        let encrypted = encrypt(ELEMENT, reader.certificate()).expect("encrypted");
        let document = read(encrypted.as_bytes(), &Limits::default()).expect("XML");
        let root = document.root_element();
        assert!(root.has_tag_name((XENC, "EncryptedData")));
        assert_eq!(
            root.attribute("Type"),
            Some("http://www.w3.org/2001/04/xmlenc#Element")
        );
        let algorithms: Vec<_> = document
            .descendants()
            .filter_map(|node| node.attribute("Algorithm"))
            .collect();
        assert_eq!(
            algorithms,
            [
                "http://www.w3.org/2009/xmlenc11#aes256-gcm",
                "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
                "http://www.w3.org/2000/09/xmldsig#sha1",
            ]
        );
        let named = document
            .descendants()
            .find(|node| node.has_tag_name((DS, "X509Certificate")))
            .map(text_of);
        assert_eq!(named.as_deref(), Some(reader.certificate().base64()));
    }

    #[test]
    fn no_two_encryptions_are_alike() {
        let reader = reader();
        let encrypted = || encrypt(ELEMENT, reader.certificate()).expect("encrypted");
        assert_ne!(encrypted(), encrypted());
    }

    #[test]
    fn what_comes_out_is_canonical_and_can_be_signed_over() {
        let encrypted = encrypt(ELEMENT, reader().certificate()).expect("encrypted");
        let document = read(encrypted.as_bytes(), &Limits::default()).expect("XML");
        assert_eq!(canonicalize(document.root_element(), None, &[]), encrypted);
    }
}
