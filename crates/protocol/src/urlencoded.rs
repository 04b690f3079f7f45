//! Reads urlencoded requests strictly, and says in a sentence what is wrong with one.

use std::borrow::Cow;

/// Why a request is not a message that we can answer: a sentence for an administrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// A `wa` that is none of those we answer.
    #[error(
        "The parameter wa is {value:?}; accepted are wsignin1.0, wsignout1.0 and wsignoutcleanup1.0."
    )]
    Action {
        /// What was sent, shortened.
        value: String,
    },
    /// A parameter that says two things at once.
    #[error("The parameter {parameter} is there more than once.")]
    Doubled {
        /// Which.
        parameter: &'static str,
    },
    /// A broken percent escape.
    #[error("The parameter {parameter} has a % that two hexadecimal digits do not follow.")]
    Escape {
        /// Which, shortened when it is not one of ours.
        parameter: Cow<'static, str>,
    },
    /// A required parameter is absent or empty.
    #[error("The parameter {parameter} is missing.")]
    Missing {
        /// Which.
        parameter: &'static str,
    },
    /// A number that is not one.
    #[error("The parameter {parameter} is {value:?}, not a whole number.")]
    NotANumber {
        /// Which.
        parameter: &'static str,
        /// What was sent, shortened.
        value: String,
    },
    /// Bytes that are not UTF-8.
    #[error("The parameter {parameter} is not UTF-8.")]
    NotUtf8 {
        /// Which, shortened when it is not one of ours.
        parameter: Cow<'static, str>,
    },
    /// The character U+0000, which no HTML form can carry back.
    #[error("The parameter {parameter} contains the character NUL.")]
    Nul {
        /// Which.
        parameter: &'static str,
    },
    /// A value over the limit.
    #[error("The parameter {parameter} is longer than {limit} bytes.")]
    TooLong {
        /// Which.
        parameter: &'static str,
        /// How long it may be.
        limit: usize,
    },
    /// More parameters than any honest request has.
    #[error("The request has more than {MOST_PARAMETERS} parameters.")]
    TooMany,
    /// A SAML message in base64 that is not base64.
    #[error("The parameter {parameter} is not base64.")]
    NotBase64 {
        /// Which.
        parameter: &'static str,
    },
    /// A message of the HTTP-Redirect binding that is not compressed as the binding wants it.
    #[error("The parameter {parameter} does not hold a DEFLATE stream (RFC 1951).")]
    NotDeflated {
        /// Which.
        parameter: &'static str,
    },
    /// A message that would be too large, however small it travelled.
    #[error("The SAML message is larger than {LARGEST_MESSAGE} bytes.")]
    TooLarge,
    /// Two messages, or one in the query of a form post.
    #[error("The request carries a SAML message in more than one place.")]
    SeveralMessages,
    /// A parameter of a signed query whose name is spelled with percent escapes (SAML bindings §3.4.4.1).
    #[error("The name of the parameter {parameter} is percent-encoded.")]
    EncodedName {
        /// Which.
        parameter: &'static str,
    },
    /// `SigAlg` and `Signature` come together or not at all (SAML bindings §3.4.4.1).
    #[error("The request has one of SigAlg and Signature without the other.")]
    HalfSigned,
    /// A message in a query is signed beside it, never inside (SAML bindings §3.4.4.1).
    #[error("The message in the query carries a signature inside, where the binding forbids it.")]
    SignatureInQueryMessage,
    /// `SAMLEncoding` is not DEFLATE (SAML bindings §3.4.4).
    #[error("The parameter SAMLEncoding names another encoding than DEFLATE.")]
    Encoding,
    /// Not XML that we read.
    #[error("The message cannot be read: {why}.")]
    NotXml {
        /// What the reader says.
        why: String,
    },
    /// Not one of the messages that we answer.
    #[error("The message is {name:?}, which is not answered here.")]
    Unanswered {
        /// Its element, shortened.
        name: String,
    },
    /// Not a SOAP 1.2 message by its media type (RFC 3902).
    #[error("The message is not sent as application/soap+xml in UTF-8.")]
    MediaType,
    /// SOAP 1.1, which is told apart to be refused in words.
    #[error("The message is SOAP 1.1; this address takes SOAP 1.2.")]
    OldSoap,
    /// A SOAP message that would be too large.
    #[error("The message is larger than {limit} bytes.")]
    EnvelopeTooLarge {
        /// How large it may be.
        limit: usize,
    },
    /// A SOAP header with `mustUnderstand` that is not (SOAP 1.2 part 1 §2.4).
    #[error("The header {name:?} must be understood, and is not known here.")]
    NotUnderstood {
        /// Its element, shortened.
        name: String,
    },
    /// `SAMLRequest` holds an answer, or `SAMLResponse` a request.
    #[error(
        "The SAML message is in the wrong parameter: requests travel as SAMLRequest, answers as SAMLResponse."
    )]
    Misplaced,
    /// A part of the message that the standard requires, or that is there twice, or not as it says.
    #[error("In the message, {part} is {fault}.")]
    Part {
        /// Which element or attribute.
        part: &'static str,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is required.
    #[error("missing")]
    Missing,
    /// It may be there once.
    #[error("there more than once")]
    Doubled,
    /// Not in the form of its type.
    #[error("not of the form that the schema asks for")]
    Malformed,
    /// Longer than any honest one.
    #[error("too long")]
    TooLong,
    /// Not 2.0.
    #[error("not 2.0")]
    Version,
    /// Encrypted, and nobody has a key of ours.
    #[error("encrypted, although this server publishes no key for that")]
    Encrypted,
    /// A kind of value that is not supported.
    #[error("of a kind that is not supported here")]
    Unsupported,
}

impl BadRequest {
    /// A message that the XML reader refused.
    pub fn not_xml(why: impl std::fmt::Display) -> Self {
        Self::NotXml {
            why: shown(&why.to_string()),
        }
    }

    /// The parameter or part at fault, if it is a single one; shortened when it is not one of ours.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::Action { .. } => Some("wa"),
            Self::Doubled { parameter }
            | Self::Missing { parameter }
            | Self::NotANumber { parameter, .. }
            | Self::Nul { parameter }
            | Self::TooLong { parameter, .. }
            | Self::NotBase64 { parameter }
            | Self::NotDeflated { parameter }
            | Self::EncodedName { parameter } => Some(parameter),
            Self::Escape { parameter } | Self::NotUtf8 { parameter } => Some(parameter),
            Self::HalfSigned => Some("SigAlg"),
            Self::Encoding => Some("SAMLEncoding"),
            Self::Part { part, .. } => Some(part),
            Self::TooMany
            | Self::TooLarge
            | Self::SeveralMessages
            | Self::SignatureInQueryMessage
            | Self::NotXml { .. }
            | Self::Unanswered { .. }
            | Self::NotUnderstood { .. }
            | Self::MediaType
            | Self::OldSoap
            | Self::EnvelopeTooLarge { .. }
            | Self::Misplaced => None,
        }
    }
}

/// Far more than any message of either protocol brings.
pub(crate) const MOST_PARAMETERS: usize = 200;
/// The largest SAML message, as XML.
pub(crate) const LARGEST_MESSAGE: usize = 256 << 10;

/// The raw parameters of a query and a form, one after the other.
pub(crate) fn pairs<'a>(query: &'a [u8], form: &'a [u8]) -> Result<Vec<&'a [u8]>, BadRequest> {
    let pairs: Vec<&[u8]> = [query, form]
        .into_iter()
        .flat_map(|text| text.split(|byte| *byte == b'&'))
        .filter(|pair| !pair.is_empty())
        .take(MOST_PARAMETERS + 1)
        .collect();
    if pairs.len() > MOST_PARAMETERS {
        return Err(BadRequest::TooMany);
    }
    Ok(pairs)
}

/// The raw name and the raw value of a parameter.
pub(crate) fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &pair[pair.len()..]),
    }
}

/// URL Standard §5.1, but a broken escape or broken UTF-8 is an error instead of a guess.
pub(crate) fn decoded(
    raw: &[u8],
    parameter: impl Fn() -> Cow<'static, str>,
) -> Result<String, BadRequest> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => {
                    return Err(BadRequest::Escape {
                        parameter: parameter(),
                    });
                }
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| BadRequest::NotUtf8 {
        parameter: parameter(),
    })
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// A value from outside, short enough for a sentence and without control characters.
pub(crate) fn shown(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(MOST_SHOWN)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if value.chars().nth(MOST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

const MOST_SHOWN: usize = 79;
