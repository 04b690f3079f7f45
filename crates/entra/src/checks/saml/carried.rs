//! How a sign-out message travels: posted, or in the query of an address (SAML bindings §3.4 and §3.5).

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::DeflateDecoder;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::sign::Verifier;
use openssl::x509::X509;
use roxmltree::Node;

use crate::checks::form::Form;
use crate::checks::outcome::{Checked, OrRaise, ensure, failure};
use crate::checks::{Failure, names, signature as xmldsig};
use crate::tenant::Federation;

/// What an inflated message may grow to: more than the reader of XML takes, so that it refuses the rest.
const LIMIT: u64 = 512 * 1024;

/// A message as it came, and what came beside it.
#[derive(Clone, Debug)]
pub struct Carried {
    pub xml: String,
    pub relay_state: Option<String>,
    query: Option<QuerySignature>,
}

/// The signature of the Redirect binding (SAML bindings §3.4.4.1).
#[derive(Clone, Debug)]
struct QuerySignature {
    /// The octets that were signed, as they were sent.
    signed: String,
    algorithm: String,
    value: Vec<u8>,
}

impl Carried {
    /// The message in this field, `SAMLRequest` or `SAMLResponse`, of a posted form.
    pub(super) fn posted(body: &[u8], field: &'static str) -> Checked<Self> {
        let form = Form::read(body);
        let message = form.once(field).or_raise(75001)?;
        let message = message.ok_or_else(|| missing(field))?;
        Ok(Self {
            xml: text(field, decoded(field, message)?)?,
            relay_state: relay_state(&form)?,
            query: None,
        })
    }

    /// The message in this parameter of a query.
    pub(super) fn in_query(query: &str, field: &'static str) -> Checked<Self> {
        let form = Form::read(query.as_bytes());
        let message = form.once(field).or_raise(75001)?;
        let message = message.ok_or_else(|| missing(field))?;
        let mut inflated = Vec::new();
        DeflateDecoder::new(decoded(field, message)?.as_slice())
            .take(LIMIT)
            .read_to_end(&mut inflated)
            .map_err(|error| failure(75001, format!("{field} is not compressed: {error}")))?;
        Ok(Self {
            xml: text(field, inflated)?,
            relay_state: relay_state(&form)?,
            query: QuerySignature::read(query, &form, field)?,
        })
    }

    /// Refuses a message that the domain did not sign.
    pub(super) fn verify(&self, message: Node, federation: &Federation) -> Checked<()> {
        if let Some(signature) = &self.query {
            return signature.verify(federation);
        }
        let signature = xmldsig::of_message(message, None)?
            .ok_or_else(|| failure(50008, "the message is not signed"))?;
        xmldsig::trusted(message, signature, federation).map(drop)
    }
}

impl QuerySignature {
    fn read(query: &str, form: &Form, field: &'static str) -> Checked<Option<Self>> {
        let once = |name| {
            let value = form.once(name).or_raise(75001)?;
            Ok(value.map(String::from_utf8_lossy))
        };
        let (algorithm, value) = match (once("SigAlg")?, once("Signature")?) {
            (None, None) => return Ok(None),
            (Some(algorithm), Some(value)) => (algorithm, value),
            _ => return Err(failure(75001, "SigAlg and Signature are there together")),
        };
        // Whoever escapes differently would sign other octets, so they are taken as they were sent.
        let sent = |name: &str| {
            query
                .split('&')
                .find(|part| part.split('=').next() == Some(name))
        };
        let signed: Vec<_> = [field, "RelayState", "SigAlg"]
            .into_iter()
            .filter_map(sent)
            .collect();
        Ok(Some(Self {
            signed: signed.join("&"),
            algorithm: algorithm.into_owned(),
            value: decoded("Signature", value.as_bytes())?,
        }))
    }

    fn verify(&self, federation: &Federation) -> Checked<()> {
        ensure(self.algorithm == names::RSA_SHA256, 50008, || {
            format!("the signature method is {}", self.algorithm)
        })?;
        let made_by = |der: &[u8]| -> Result<bool, ErrorStack> {
            let key = X509::from_der(der)?.public_key()?;
            let mut verifier = Verifier::new(MessageDigest::sha256(), &key)?;
            verifier.verify_oneshot(&self.value, self.signed.as_bytes())
        };
        let verified = xmldsig::registered(federation)?
            .iter()
            .any(|certificate| made_by(certificate.der()).unwrap_or(false));
        ensure(verified, 50006, || {
            "the signature of the query does not verify".to_owned()
        })
    }
}

fn missing(field: &str) -> Failure {
    failure(750_054, format!("the required field {field} is missing"))
}

fn decoded(field: &str, base64: &[u8]) -> Checked<Vec<u8>> {
    BASE64
        .decode(base64)
        .map_err(|error| failure(75001, format!("{field} is not base64: {error}")))
}

fn text(field: &str, bytes: Vec<u8>) -> Checked<String> {
    String::from_utf8(bytes).map_err(|_| failure(75001, format!("{field} is not UTF-8 text")))
}

fn relay_state(form: &Form) -> Checked<Option<String>> {
    let value = form.once("RelayState").or_raise(75001)?;
    value
        .map(|value| text("RelayState", value.to_vec()))
        .transpose()
}
