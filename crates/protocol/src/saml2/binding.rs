//! How messages travel in a browser: the HTTP-Redirect and HTTP-POST bindings (SAML bindings §3.4, §3.5).

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use url::form_urlencoded::byte_serialize;

use crate::names::binding::{DEFLATE, POST, REDIRECT};
use crate::urlencoded::{BadRequest, LARGEST_MESSAGE, decoded, pairs, split};
use crate::wsfed::{is_request_id, prefill};

/// A binding that browsers can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// In the query (§3.4).
    Redirect,
    /// In a form (§3.5).
    Post,
}

impl Binding {
    /// Its identifier.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Redirect => REDIRECT,
            Self::Post => POST,
        }
    }
}

/// What a browser brings to a SAML address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// No message: somebody opened the address.
    Bare {
        /// `username` or `login_hint`, fit for a form.
        username: Option<String>,
        /// `client-request-id`, if it looks like one.
        client_request_id: Option<String>,
    },
    /// A message, unread.
    Message(Envelope),
}

/// A message as it travelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// How.
    pub binding: Binding,
    /// Whether it came as `SAMLResponse`.
    pub answer: bool,
    /// The XML, unread.
    pub xml: Vec<u8>,
    /// `RelayState`, to be given back byte for byte.
    pub relay_state: Option<String>,
    /// The signature beside a message in the query.
    pub signature: Option<QuerySignature>,
    /// `username` or `login_hint`, fit for a form.
    pub username: Option<String>,
    /// `client-request-id`, if it looks like one.
    pub client_request_id: Option<String>,
}

/// The signature of the HTTP-Redirect binding (§3.4.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySignature {
    /// `SigAlg`.
    pub algorithm: String,
    /// `Signature`.
    pub value: Vec<u8>,
    /// What it covers: the raw parameters as they were sent, in the order of the standard.
    pub signed: Vec<u8>,
}

/// Reads a raw query and a raw form, of which only the method's own may carry a message.
pub fn arrived(query: &str, form: &[u8], posted: bool) -> Result<Arrived, BadRequest> {
    let from_query = Parameters::read(query.as_bytes(), true)?;
    let from_form = Parameters::read(form, false)?;
    let prefills = |name| from_form.plain(name).or_else(|| from_query.plain(name));
    let username = ["username", "login_hint", "LoginHint"]
        .into_iter()
        .find_map(|name| prefill(&prefills(name)?));
    let client_request_id = prefills("client-request-id").filter(|id| is_request_id(id));
    let (own, other) = if posted {
        (&from_form, &from_query)
    } else {
        (&from_query, &from_form)
    };
    if other.has_message() {
        return Err(BadRequest::SeveralMessages);
    }
    let (parameter, answer) = match (own.raw("SAMLRequest"), own.raw("SAMLResponse")) {
        (Some(_), Some(_)) => return Err(BadRequest::SeveralMessages),
        (Some(_), None) => ("SAMLRequest", false),
        (None, Some(_)) => ("SAMLResponse", true),
        (None, None) if own.is_signed() => {
            return Err(BadRequest::Missing {
                parameter: "SAMLRequest",
            });
        }
        (None, None) => {
            return Ok(Arrived::Bare {
                username,
                client_request_id,
            });
        }
    };
    let relay_state = own.text("RelayState", LONGEST_RELAY_STATE)?;
    let (xml, signature) = if posted {
        (own.base64(parameter, 2 * LARGEST_MESSAGE)?, None)
    } else {
        let encoding = own.text("SAMLEncoding", SHORT)?;
        if encoding.is_some_and(|encoding| encoding != DEFLATE) {
            return Err(BadRequest::Encoding);
        }
        let deflated = own.base64(parameter, 2 * LARGEST_MESSAGE)?;
        (inflate(parameter, &deflated)?, own.signature(parameter)?)
    };
    if xml.len() > LARGEST_MESSAGE {
        return Err(BadRequest::TooLarge);
    }
    Ok(Arrived::Message(Envelope {
        binding: if posted {
            Binding::Post
        } else {
            Binding::Redirect
        },
        answer,
        xml,
        relay_state,
        signature,
        username,
        client_request_id,
    }))
}

/// The query that carries a message (§3.4.4.1). With `algorithm` it is also what has to be signed; the
/// signature is then added by [`with_signature`].
pub fn redirect_query(
    answer: bool,
    xml: &str,
    relay_state: Option<&str>,
    algorithm: Option<&str>,
) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let deflated = encoder
        .write_all(xml.as_bytes())
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail");
    let name = if answer {
        "SAMLResponse"
    } else {
        "SAMLRequest"
    };
    let mut query = format!("{name}={}", escaped(&STANDARD.encode(deflated)));
    for (name, value) in [("RelayState", relay_state), ("SigAlg", algorithm)] {
        if let Some(value) = value {
            query.extend(["&", name, "=", &escaped(value)]);
        }
    }
    query
}

/// Appends the signature to the query that it covers.
pub fn with_signature(query: &str, signature: &[u8]) -> String {
    format!("{query}&Signature={}", escaped(&STANDARD.encode(signature)))
}

fn escaped(value: &str) -> String {
    byte_serialize(value.as_bytes()).collect()
}

/// The parameters of a SAML message: each may be there once.
const OF_SAML: [&str; 6] = [
    "SAMLRequest",
    "SAMLResponse",
    "RelayState",
    "SigAlg",
    "Signature",
    "SAMLEncoding",
];
/// Those that only help.
const HINTS: [&str; 4] = ["username", "login_hint", "LoginHint", "client-request-id"];
/// As for the context of WS-Federation: far more than any application sends.
const LONGEST_RELAY_STATE: usize = 256 << 10;
const SHORT: usize = 1 << 10;

/// The raw values of the parameters that we read.
struct Parameters<'a> {
    found: Vec<(&'static str, &'a [u8])>,
}

impl<'a> Parameters<'a> {
    /// `signable`: in a query, where what is signed are the raw octets, a name has only one spelling.
    fn read(text: &'a [u8], signable: bool) -> Result<Self, BadRequest> {
        let mut found: Vec<(&'static str, &[u8])> = Vec::new();
        for pair in pairs(text, b"")? {
            let (raw_name, raw_value) = split(pair);
            let Ok(name) = decoded(raw_name, || "".into()) else {
                continue;
            };
            let known =
                |names: &[&'static str]| names.iter().find(|known| **known == name).copied();
            if let Some(parameter) = known(&OF_SAML) {
                if signable && raw_name != name.as_bytes() {
                    return Err(BadRequest::EncodedName { parameter });
                }
                if found.iter().any(|(name, _)| *name == parameter) {
                    return Err(BadRequest::Doubled { parameter });
                }
                found.push((parameter, raw_value));
            } else if let Some(parameter) = known(&HINTS)
                && found.iter().all(|(name, _)| *name != parameter)
            {
                found.push((parameter, raw_value));
            }
        }
        Ok(Self { found })
    }

    fn raw(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.found.iter().find(|(found, _)| *found == name);
        found.map(|(_, value)| *value)
    }

    fn has_message(&self) -> bool {
        self.raw("SAMLRequest").is_some() || self.raw("SAMLResponse").is_some()
    }

    fn is_signed(&self) -> bool {
        self.raw("SigAlg").is_some() || self.raw("Signature").is_some()
    }

    /// A value that only helps: one that is not fit is as good as none.
    fn plain(&self, name: &'static str) -> Option<String> {
        self.text(name, SHORT).ok().flatten()
    }

    fn text(&self, parameter: &'static str, limit: usize) -> Result<Option<String>, BadRequest> {
        let Some(raw) = self.raw(parameter) else {
            return Ok(None);
        };
        // One byte takes at most three, so this much cannot fit and need not be decoded.
        let too_long = BadRequest::TooLong { parameter, limit };
        if raw.len() > 3 * limit {
            return Err(too_long);
        }
        let value = decoded(raw, || parameter.into())?;
        if value.len() > limit {
            return Err(too_long);
        }
        if value.contains('\0') {
            return Err(BadRequest::Nul { parameter });
        }
        Ok(Some(value))
    }

    fn base64(&self, parameter: &'static str, limit: usize) -> Result<Vec<u8>, BadRequest> {
        let text = self.text(parameter, limit)?;
        let text = text.ok_or(BadRequest::Missing { parameter })?;
        // RFC 2045 §6.8 lets lines break; a plus that nobody escaped has become a space.
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| !matches!(byte, b'\r' | b'\n' | b'\t'))
            .map(|byte| if byte == b' ' { b'+' } else { byte })
            .collect();
        if digits.is_empty() {
            return Err(BadRequest::Missing { parameter });
        }
        PADDED_OR_NOT
            .decode(digits)
            .map_err(|_| BadRequest::NotBase64 { parameter })
    }

    fn signature(&self, parameter: &'static str) -> Result<Option<QuerySignature>, BadRequest> {
        match (self.raw("SigAlg"), self.raw("Signature")) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {}
            _ => return Err(BadRequest::HalfSigned),
        }
        let mut signed = Vec::new();
        for name in [parameter, "RelayState", "SigAlg"] {
            if let Some(value) = self.raw(name) {
                if !signed.is_empty() {
                    signed.push(b'&');
                }
                signed.extend_from_slice(name.as_bytes());
                signed.push(b'=');
                signed.extend_from_slice(value);
            }
        }
        Ok(Some(QuerySignature {
            algorithm: self.text("SigAlg", SHORT)?.unwrap_or_default(),
            value: self.base64("Signature", SHORT * 4)?,
            signed,
        }))
    }
}

/// Some clients leave the padding out; it says nothing.
const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Inflates as much as a message may have, and not a byte more of memory than that.
fn inflate(parameter: &'static str, deflated: &[u8]) -> Result<Vec<u8>, BadRequest> {
    let mut inflater = DeflateDecoder::new(deflated);
    let mut xml = Vec::new();
    let limit = LARGEST_MESSAGE as u64 + 1;
    let read = inflater.by_ref().take(limit).read_to_end(&mut xml);
    if xml.len() > LARGEST_MESSAGE {
        return Err(BadRequest::TooLarge);
    }
    // What follows the stream was not looked at, and so must not be there.
    let whole = inflater.total_in() == deflated.len() as u64;
    match read {
        Ok(_) if whole => Ok(xml),
        _ => Err(BadRequest::NotDeflated { parameter }),
    }
}
