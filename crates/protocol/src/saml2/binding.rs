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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const XML: &str = "<samlp:AuthnRequest/>";

    fn message(query: &str, form: &[u8], posted: bool) -> Envelope {
        match arrived(query, form, posted) {
            Ok(Arrived::Message(envelope)) => envelope,
            other => panic!("{other:?}"),
        }
    }

    fn refused(query: &str) -> BadRequest {
        arrived(query, b"", false).expect_err("it is not acceptable")
    }

    fn deflated(bytes: &[u8]) -> String {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        escaped(&STANDARD.encode(encoder.finish().expect("memory")))
    }

    #[test]
    fn a_query_that_we_write_is_read_back_with_what_its_signature_covers() {
        let query = redirect_query(false, XML, Some("a&b=c d"), Some("urn:alg"));
        let signed = with_signature(&query, b"\x01\x02");
        let envelope = message(&signed, b"", false);
        assert_eq!(envelope.xml, XML.as_bytes());
        assert_eq!(envelope.relay_state.as_deref(), Some("a&b=c d"));
        let signature = envelope.signature.expect("it is signed");
        assert_eq!(signature.signed, query.as_bytes());
        assert_eq!(
            (signature.algorithm.as_str(), &signature.value[..]),
            ("urn:alg", &[1, 2][..])
        );
        let answer = redirect_query(true, XML, None, None);
        assert!(message(&answer, b"", false).answer);
        assert_eq!(message(&answer, b"", false).signature, None);
    }

    #[test]
    fn the_signed_octets_are_the_senders_own_spelling_in_the_standards_order() {
        let value = deflated(XML.as_bytes());
        let raw =
            format!("Signature=AQI%3d&SigAlg=urn%3aalg&RelayState=a%2fb+c&x=y&SAMLRequest={value}");
        let signature = message(&raw, b"", false).signature.expect("it is signed");
        let expected = format!("SAMLRequest={value}&RelayState=a%2fb+c&SigAlg=urn%3aalg");
        assert_eq!(String::from_utf8(signature.signed), Ok(expected));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let value = deflated(XML.as_bytes());
        let request = format!("SAMLRequest={value}");
        let doubled = |parameter| BadRequest::Doubled { parameter };
        assert_eq!(
            refused(&format!("{request}&{request}")),
            doubled("SAMLRequest")
        );
        assert_eq!(
            refused(&format!("{request}&RelayState=a&RelayState=b")),
            doubled("RelayState")
        );
        let encoded = BadRequest::EncodedName {
            parameter: "SAMLRequest",
        };
        assert_eq!(refused(&format!("SAML%52equest={value}")), encoded);
        assert_eq!(
            refused(&format!("{request}&SAMLResponse={value}")),
            BadRequest::SeveralMessages
        );
        for half in ["SigAlg=x", "Signature=AAAA"] {
            assert_eq!(
                refused(&format!("{request}&{half}")),
                BadRequest::HalfSigned
            );
        }
        let both = arrived(&request, request.as_bytes(), true);
        assert_eq!(both, Err(BadRequest::SeveralMessages));
        let by_get = arrived("", request.as_bytes(), false);
        assert_eq!(by_get, Err(BadRequest::SeveralMessages));
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit_and_what_is_cut_or_continued_as_well() {
        let bomb = deflated(&vec![b' '; 50 << 20]);
        assert!(bomb.len() < 200 << 10, "{}", bomb.len());
        assert_eq!(
            refused(&format!("SAMLRequest={bomb}")),
            BadRequest::TooLarge
        );
        let not_deflated = BadRequest::NotDeflated {
            parameter: "SAMLRequest",
        };
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(XML.as_bytes()).expect("memory");
        let whole = encoder.finish().expect("memory");
        let query = |bytes: &[u8]| format!("SAMLRequest={}", escaped(&STANDARD.encode(bytes)));
        assert_eq!(message(&query(&whole), b"", false).xml, XML.as_bytes());
        let mut continued = whole.clone();
        continued.push(0);
        for bytes in [&whole[..whole.len() - 3], &continued, XML.as_bytes()] {
            assert_eq!(refused(&query(bytes)), not_deflated, "{bytes:?}");
        }
    }

    #[test]
    fn a_form_carries_base64_with_or_without_line_breaks_and_nothing_deflated() {
        let wrapped = "PHNhbWxwOkF1dGhu\r\nUmVxdWVzdC8%2B";
        let form = format!("RelayState=%0D%0Ax&username=alice%40contoso.com&SAMLRequest={wrapped}");
        let envelope = message("", form.replace("\r\n", "%0D%0A").as_bytes(), true);
        assert_eq!(envelope.xml, XML.as_bytes());
        assert_eq!(envelope.relay_state.as_deref(), Some("\r\nx"));
        assert_eq!(envelope.username.as_deref(), Some("alice@contoso.com"));
        assert_eq!(envelope.binding, Binding::Post);
    }

    #[test]
    fn an_address_that_somebody_opened_carries_no_message() {
        let bare = arrived("login_hint=alice%40contoso.com&utm=1&x=%zz", b"", false);
        let expected = Arrived::Bare {
            username: Some("alice@contoso.com".to_owned()),
            client_request_id: None,
        };
        assert_eq!(bare, Ok(expected));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(query: String, form: Vec<u8>, posted: bool) {
            let _ = arrived(&query, &form, posted);
        }

        #[test]
        fn every_relay_state_comes_back(state in "[^\0]*") {
            let query = redirect_query(false, XML, Some(&state), None);
            prop_assert_eq!(message(&query, b"", false).relay_state, Some(state));
        }
    }
}
