//! The samael crate, in the part of a service provider.

use openssl::x509::X509;
use samael::crypto::{
    AllowedSignatureAlgorithm, CertificateDer, Crypto, CryptoProvider as _, ReduceMode,
};
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

/// Somebody who may be signed in to, and who trusts one identity provider.
#[derive(Clone, Debug)]
pub struct ServiceProvider {
    pub idp_metadata: String,
    pub entity_id: String,
    pub assertion_consumer_service: String,
}

impl ServiceProvider {
    /// The name identifier of whom a response to this request signs in; it decrypts nothing.
    pub fn name_id(&self, response: &str, request: &str) -> Result<String, String> {
        let provider = samael::service_provider::ServiceProvider {
            entity_id: Some(self.entity_id.clone()),
            acs_url: Some(self.assertion_consumer_service.clone()),
            idp_metadata: self
                .idp_metadata
                .parse()
                .map_err(|error| format!("the metadata: {error}"))?,
            allowed_signature_algorithms: Some(vec![
                AllowedSignatureAlgorithm::RsaSha256,
                AllowedSignatureAlgorithm::RsaSha384,
                AllowedSignatureAlgorithm::RsaSha512,
            ]),
            ..Default::default()
        };
        // Without a key to trust it would verify nothing.
        if !matches!(provider.idp_signing_certs(), Ok(Some(_))) {
            return Err("the metadata has no signing key".to_owned());
        }
        let assertion = provider
            .parse_xml_response(response, Some(&[request]))
            .map_err(|error| error.to_string())?;
        let name_id = assertion.subject.and_then(|subject| subject.name_id);
        let name_id = name_id.ok_or("the assertion has no name identifier")?;
        Ok(name_id.value)
    }
}

fn certificate(pem: &str) -> CertificateDer {
    let certificate = X509::from_pem(pem.as_bytes()).and_then(|certificate| certificate.to_der());
    CertificateDer::from(certificate.expect("a test trusts a well-formed certificate"))
}

#[cfg(test)]
mod tests {
    use super::super::Signed;
    use super::super::samples::saml2::{self, Answer};
    use super::super::samples::{Key, key, other_key, sign};
    use super::*;

    const SP: &str = "https://sp.example/";

    fn name_id(response: &str) -> Result<String, String> {
        let provider = ServiceProvider {
            idp_metadata: saml2::unsigned(&saml2::metadata(key())),
            entity_id: SP.to_owned(),
            assertion_consumer_service: SP.to_owned(),
        };
        provider.name_id(response, "_request")
    }

    fn signed(answer: &Answer, key: &Key) -> String {
        let assertion = sign(&answer.assertion(), Signed::Assertion2, key);
        sign(&answer.response(&assertion), Signed::Response, key)
    }

    #[test]
    fn it_believes_a_response_that_is_signed_in_any_of_three_ways() {
        for bits in ["256", "384", "512"] {
            let mut answer = Answer::to("_request", SP, SP);
            answer.bits = bits;
            let both = signed(&answer, key());
            let assertion_only = saml2::unsigned(&both);
            let response_only = answer.response(&saml2::unsigned(&answer.assertion()));
            let response_only = sign(&response_only, Signed::Response, key());
            for response in [both, assertion_only, response_only] {
                assert_eq!(name_id(&response).as_deref(), Ok("a1"), "{bits}");
            }
        }
    }

    #[test]
    fn it_refuses_a_response_that_is_wrong_in_anything() {
        let good = Answer::to("_request", SP, SP);
        let changed = |change: fn(&mut Answer)| {
            let mut answer = good.clone();
            change(&mut answer);
            signed(&answer, key())
        };
        for (case, response) in [
            ("changed", signed(&good, key()).replace(">a1<", ">a2<")),
            ("by another key", signed(&good, other_key())),
            (
                "unsigned",
                saml2::unsigned(&good.response(&saml2::unsigned(&good.assertion()))),
            ),
            (
                "for somebody else",
                changed(|answer| answer.audience.push('x')),
            ),
            (
                "sent elsewhere",
                changed(|answer| answer.recipient.push('x')),
            ),
            (
                "to another request",
                changed(|answer| answer.in_response_to.push('x')),
            ),
            (
                "too late",
                changed(|answer| "-10 minutes".clone_into(&mut answer.until)),
            ),
            ("by a stranger", changed(|answer| answer.issuer.push('x'))),
        ] {
            assert!(name_id(&response).is_err(), "accepted one {case}");
        }
    }
}
