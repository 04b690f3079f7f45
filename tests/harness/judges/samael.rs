//! The samael crate, in the part of somebody who reads our metadata.

use openssl::x509::X509;
use samael::crypto::{CertificateDer, Crypto, CryptoProvider as _, ReduceMode};
use samael::metadata::EntityDescriptor;

use super::Verdict;

/// Verifies the metadata's signature and reads from what it covers who speaks and with which keys.
pub fn judge(metadata: &str, certificate_pem: &str) -> Verdict {
    let trusted = [certificate(certificate_pem)];
    let covered = Crypto::reduce_xml_to_signed(metadata, &trusted, ReduceMode::default())
        .map_err(|error| error.to_string())?;
    let read: EntityDescriptor = covered.parse().map_err(|error| format!("{error}"))?;
    if read.entity_id.is_none_or(|id| id.is_empty()) {
        return Err("the metadata names no entity".to_owned());
    }
    let services = read.role_descriptors.unwrap_or_default();
    let providers = read.idp_sso_descriptors.unwrap_or_default();
    if services.iter().all(|role| role.key_descriptors.is_empty())
        && providers.iter().all(|role| role.key_descriptors.is_empty())
    {
        return Err("the metadata gives no role a key".to_owned());
    }
    Ok(())
}

fn certificate(pem: &str) -> CertificateDer {
    let certificate = X509::from_pem(pem.as_bytes()).and_then(|certificate| certificate.to_der());
    CertificateDer::from(certificate.expect("a test trusts a well-formed certificate"))
}
