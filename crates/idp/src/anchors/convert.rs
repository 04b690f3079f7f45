//! One GUID in the three forms in which directories show it.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use serde::Serialize;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::parse::shown;

/// What a value can mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conversion {
    /// One, or two when the value can be read in two ways.
    pub readings: Vec<Reading>,
    /// What there is to say about a value that can be read in two ways.
    pub remark: Option<&'static str>,
}

/// A GUID, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    pub read_as: Form,
    /// As Windows writes it, in lower case.
    pub guid: String,
    /// Its 16 bytes as Active Directory keeps them (`objectGUID`, `mS-DS-ConsistencyGuid`), in base64: the
    /// ImmutableID of users whom Entra Connect synchronises.
    pub base64: String,
    /// The same bytes in hexadecimal.
    pub hex: String,
}

/// How a GUID is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Guid,
    Base64,
    Hex,
}

impl Form {
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Guid => "GUID",
            Self::Base64 => "base64 of the bytes",
            Self::Hex => "bytes in hexadecimal",
        }
    }
}

const TWO_WAYS: &str = "32 hexadecimal digits can be the bytes as Active Directory keeps them, or a GUID without its hyphens: compare with where the value came from. An ImmutableID that Countersign made looks like this too; it is no GUID, and is used as it stands.";

/// Reads a GUID in any of its forms.
pub fn convert(value: &str) -> Result<Conversion> {
    let text = value.trim();
    if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        return match guid(inner).or_else(|| bare_hex(inner).map(Uuid::from_bytes)) {
            Some(guid) => Ok(one(Form::Guid, guid)),
            None => refused(
                value,
                "between braces belongs a GUID, 32 hexadecimal digits in groups of 8-4-4-4-12",
            ),
        };
    }
    if let Some(guid) = guid(text) {
        return Ok(one(Form::Guid, guid));
    }
    if let Some(bytes) = bare_hex(text) {
        return Ok(Conversion {
            readings: vec![
                reading(Form::Hex, Uuid::from_bytes_le(bytes)),
                reading(Form::Guid, Uuid::from_bytes(bytes)),
            ],
            remark: Some(TWO_WAYS),
        });
    }
    if let Some(bytes) = marked_hex(text) {
        return Ok(one(Form::Hex, Uuid::from_bytes_le(bytes)));
    }
    match BASE64_STANDARD.decode(text) {
        Ok(bytes) => match <[u8; 16]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Ok(one(Form::Base64, Uuid::from_bytes_le(bytes))),
            Err(_) => refused(value, &lengths(text, Some(bytes.len()))),
        },
        Err(_) => refused(value, &lengths(text, None)),
    }
}

/// The GUID, if the value can be read in one way only.
pub(super) fn only_guid(value: &str) -> Option<String> {
    match &convert(value).ok()?.readings[..] {
        [reading] => Some(reading.guid.clone()),
        _ => None,
    }
}

/// Whether this is the base64 of 16 bytes.
pub(super) fn is_base64_of_guid(text: &str) -> bool {
    BASE64_STANDARD.decode(text).is_ok_and(|b| b.len() == 16)
}

fn guid(text: &str) -> Option<Uuid> {
    // The library also takes other spellings of it.
    let hyphenated = text.len() == 36;
    Uuid::try_parse(text).ok().filter(|_| hyphenated)
}

fn bare_hex(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits
        .then(|| Uuid::try_parse(text).ok())?
        .map(Uuid::into_bytes)
}

/// Hexadecimal that says so: `0x…`, or pairs of digits with something between them.
fn marked_hex(text: &str) -> Option<[u8; 16]> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return bare_hex(digits);
    }
    [' ', '-', ':', '\\'].into_iter().find_map(|separator| {
        // A filter of LDAP begins with its separator.
        let pairs = text.strip_prefix('\\').filter(|_| separator == '\\');
        let pairs: Vec<&str> = pairs.unwrap_or(text).split(separator).collect();
        let sixteen = pairs.len() == 16 && pairs.iter().all(|pair| pair.len() == 2);
        sixteen.then(|| bare_hex(&pairs.concat())).flatten()
    })
}

fn one(form: Form, guid: Uuid) -> Conversion {
    Conversion {
        readings: vec![reading(form, guid)],
        remark: None,
    }
}

fn reading(read_as: Form, guid: Uuid) -> Reading {
    let bytes = guid.to_bytes_le();
    Reading {
        read_as,
        guid: guid.hyphenated().to_string(),
        base64: BASE64_STANDARD.encode(bytes),
        hex: Uuid::from_bytes(bytes).simple().to_string(),
    }
}

fn refused(value: &str, why: &str) -> Result<Conversion> {
    Err(Error::Invalid(format!(
        "“{}” is no GUID in any of its forms: {why}",
        shown(value.trim())
    )))
}

fn lengths(text: &str, decoded: Option<usize>) -> String {
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    match decoded {
        _ if text.is_empty() => "it is empty".to_owned(),
        _ if digits => format!(
            "it has {} hexadecimal digits, a GUID has 32 of them (or 24 characters of base64)",
            text.len()
        ),
        Some(bytes) => format!("it is base64 of {bytes} bytes, and a GUID has 16"),
        None if BASE64_STANDARD_NO_PAD
            .decode(text)
            .is_ok_and(|b| b.len() == 16) =>
        {
            "it is base64 whose end is missing; append ==".to_owned()
        }
        None if BASE64_URL_SAFE
            .decode(text)
            .is_ok_and(|b| b.len() == 16) =>
        {
            "it is base64 for URLs; write + for - and / for _".to_owned()
        }
        None => "give a GUID such as 0f8fad5b-d9cb-469f-a165-70867728950e, the base64 of its 16 bytes, or these bytes in hexadecimal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_in_the_order_of_active_directory() {
        let expected = Reading {
            read_as: Form::Guid,
            guid: "00112233-4455-6677-8899-aabbccddeeff".to_owned(),
            base64: "MyIRAFVEd2aImaq7zN3u/w==".to_owned(),
            hex: "33221100554477668899aabbccddeeff".to_owned(),
        };
        for spelled in [
            "00112233-4455-6677-8899-aabbccddeeff",
            " {00112233-4455-6677-8899-AABBCCDDEEFF} ",
            "{00112233445566778899aabbccddeeff}",
        ] {
            let converted = convert(spelled).expect(spelled);
            assert_eq!(
                &converted.readings[..],
                std::slice::from_ref(&expected),
                "{spelled}"
            );
            assert_eq!(converted.remark, None);
        }
        for (spelled, read_as) in [
            ("MyIRAFVEd2aImaq7zN3u/w==", Form::Base64),
            ("0x33221100554477668899AABBCCDDEEFF", Form::Hex),
            ("33 22 11 00 55 44 77 66 88 99 aa bb cc dd ee ff", Form::Hex),
            ("33-22-11-00-55-44-77-66-88-99-AA-BB-CC-DD-EE-FF", Form::Hex),
            (
                r"\33\22\11\00\55\44\77\66\88\99\aa\bb\cc\dd\ee\ff",
                Form::Hex,
            ),
        ] {
            let read = Reading {
                read_as,
                ..expected.clone()
            };
            assert_eq!(convert(spelled).expect(spelled).readings, [read]);
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_said_to_be_so() {
        let converted = convert("33221100554477668899aabbccddeeff").expect("hex");
        assert!(converted.remark.is_some());
        let guids = converted.readings.iter().map(|reading| &*reading.guid);
        assert_eq!(
            guids.collect::<Vec<_>>(),
            [
                "00112233-4455-6677-8899-aabbccddeeff",
                "33221100-5544-7766-8899-aabbccddeeff"
            ]
        );
    }

    #[test]
    fn what_is_no_guid_is_refused_with_the_reason() {
        for (value, reason) in [
            ("", "empty"),
            ("0123456789abcdef", "16 hexadecimal digits"),
            (&"a".repeat(33), "33 hexadecimal digits"),
            ("Zm9vYmFy", "base64 of 6 bytes"),
            ("MyIRAFVEd2aImaq7zN3u/w", "append =="),
            ("MyIRAFVEd2aImaq7zN3u_w==", "write + for -"),
            ("{00112233-4455-6677-8899}", "between braces"),
            ("alice@contoso.com", "give a GUID"),
            // Bits beyond the sixteenth byte.
            ("MyIRAFVEd2aImaq7zN3u/x==", "give a GUID"),
            (
                "urn:uuid:00112233-4455-6677-8899-aabbccddeeff",
                "give a GUID",
            ),
        ] {
            let refused = convert(value).expect_err(value).to_string();
            assert!(refused.contains(reason), "{value}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn each_form_leads_back_to_the_others(bytes: [u8; 16]) {
            let guid = Uuid::from_bytes(bytes);
            let all = reading(Form::Guid, guid);
            for spelled in [all.guid.clone(), all.guid.to_uppercase(), format!("{{{}}}", all.guid), all.base64.clone()] {
                let converted = convert(&spelled).expect("a GUID");
                prop_assert_eq!(converted.readings.len(), 1);
                prop_assert_eq!(&converted.readings[0].guid, &all.guid);
                prop_assert_eq!(&converted.readings[0].base64, &all.base64);
                prop_assert_eq!(&converted.readings[0].hex, &all.hex);
            }
            for spelled in [all.hex.clone(), all.hex.to_uppercase()] {
                let converted = convert(&spelled).expect("a GUID");
                prop_assert_eq!(&converted.readings[0].guid, &all.guid);
                prop_assert_eq!(&converted.readings[1].guid, &Uuid::try_parse(&all.hex).expect("32 digits").to_string());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            if let Ok(converted) = convert(&text) {
                prop_assert!(!converted.readings.is_empty());
            }
        }
    }
}
