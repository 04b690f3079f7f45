//! Reads urlencoded parameters strictly: each that we know at most once, within its limit, in UTF-8.

use crate::urlencoded::{BadRequest, decoded, pairs, shown, split};

/// Every parameter that we read, and so insist on reading only once.
pub(super) const READ: [&str; 13] = [
    "wa",
    "wtrealm",
    "wreply",
    "wctx",
    "wfresh",
    "wauth",
    "username",
    "login_hint",
    "prompt",
    "mfa_max_age",
    "client-request-id",
    "ui_locales",
    "mkt",
];

const LONGEST_VALUE: usize = 4 << 10;
/// Entra's own context is a few KiB; a form post carries far more.
const LONGEST_CONTEXT: usize = 256 << 10;

/// The parameters of one request, from its query and its form together.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    values: [Option<String>; READ.len()],
}

impl Parameters {
    /// Reads both; the values of parameters that we do not know are not even decoded.
    pub(super) fn read(query: &str, form: &[u8]) -> Result<Self, BadRequest> {
        let mut parameters = Self::default();
        for pair in pairs(query.as_bytes(), form)? {
            parameters.add(pair)?;
        }
        Ok(parameters)
    }

    /// Takes a value out; the name is one of [`READ`].
    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        self.values[index(name)?].take()
    }

    /// Takes a value out in which empty means absent.
    pub(super) fn take_filled(&mut self, name: &'static str) -> Option<String> {
        self.take(name).filter(|value| !value.is_empty())
    }

    /// Takes a value out that has to be there.
    pub(super) fn require(&mut self, parameter: &'static str) -> Result<String, BadRequest> {
        self.take_filled(parameter)
            .ok_or(BadRequest::Missing { parameter })
    }

    fn add(&mut self, pair: &[u8]) -> Result<(), BadRequest> {
        let (raw_name, raw_value) = split(pair);
        let name = decoded(raw_name, || {
            shown(&String::from_utf8_lossy(raw_name)).into()
        })?;
        let Some(index) = index(&name) else {
            return Ok(());
        };
        let parameter = READ[index];
        if self.values[index].is_some() {
            return Err(BadRequest::Doubled { parameter });
        }
        self.values[index] = Some(value(parameter, raw_value)?);
        Ok(())
    }
}

fn index(name: &str) -> Option<usize> {
    READ.iter().position(|known| *known == name)
}

fn value(parameter: &'static str, raw: &[u8]) -> Result<String, BadRequest> {
    let limit = match parameter {
        "wctx" => LONGEST_CONTEXT,
        _ => LONGEST_VALUE,
    };
    let too_long = BadRequest::TooLong { parameter, limit };
    // One byte takes at most three, so this much cannot fit and need not be decoded.
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
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Parameters, BadRequest> {
        Parameters::read(query, b"")
    }

    fn refused(query: &str, form: &[u8]) -> BadRequest {
        Parameters::read(query, form).expect_err("it is not acceptable")
    }

    #[test]
    fn a_known_parameter_may_be_there_once() {
        for parameter in READ {
            let doubled = BadRequest::Doubled { parameter };
            let pair = format!("{parameter}=a");
            assert_eq!(refused(&format!("{pair}&{pair}"), b""), doubled);
            assert_eq!(refused(&pair, pair.as_bytes()), doubled);
            assert_eq!(refused(&pair, parameter.as_bytes()), doubled);
        }
        let doubled = BadRequest::Doubled { parameter: "wa" };
        assert_eq!(refused("wa=1&%77%61=2", b""), doubled);
    }

    #[test]
    fn unknown_parameters_may_be_anything() {
        assert!(read("x=1&x=2&id=%&id=%zz&rver=%ff&cbcxt=%00&=&=x").is_ok());
    }

    #[test]
    fn a_value_may_reach_its_limit_and_not_pass_it() {
        for parameter in READ {
            let limit = if parameter == "wctx" {
                256 << 10
            } else {
                4 << 10
            };
            let too_long = BadRequest::TooLong { parameter, limit };
            for one in ["a", "%61"] {
                let at_limit = format!("{parameter}={}", one.repeat(limit));
                assert!(read(&at_limit).is_ok(), "{parameter}");
                assert_eq!(refused(&format!("{at_limit}{one}"), b""), too_long);
                assert_eq!(refused("", format!("{at_limit}{one}").as_bytes()), too_long);
            }
        }
        assert!(read(&format!("x={}", "a".repeat(1 << 20))).is_ok());
    }

    #[test]
    fn two_hundred_parameters_are_enough() {
        assert!(read(&"x=1&".repeat(200)).is_ok());
        assert_eq!(refused(&"x=1&".repeat(201), b""), BadRequest::TooMany);
        assert_eq!(
            refused(&"x&".repeat(100), "x&".repeat(101).as_bytes()),
            BadRequest::TooMany
        );
        assert_eq!(BadRequest::TooMany.parameter(), None);
    }

    #[test]
    fn escapes_are_read_strictly() {
        for value in ["%", "a%", "%4", "%4g", "%g4", "%%41", "%+1", "% 1"] {
            let broken = BadRequest::Escape {
                parameter: "wctx".into(),
            };
            assert_eq!(refused(&format!("wctx={value}"), b""), broken, "{value}");
        }
        let value = read("wctx=%3a%3A+%2B%25")
            .expect("it is in order")
            .take("wctx");
        assert_eq!(value.as_deref(), Some(":: +%"));
    }

    #[test]
    fn text_is_utf_8() {
        for form in [
            &b"wctx=%ff"[..],
            b"wctx=\xff",
            b"wctx=%c0%80",
            b"wctx=%ed%a0%80",
            b"wctx=%c3",
        ] {
            let not_utf8 = BadRequest::NotUtf8 {
                parameter: "wctx".into(),
            };
            assert_eq!(refused("", form), not_utf8, "{form:?}");
        }
    }

    #[test]
    fn nul_is_refused_wherever_we_would_read_it() {
        for parameter in READ {
            let query = format!("{parameter}=a%00b");
            assert_eq!(refused(&query, b""), BadRequest::Nul { parameter });
        }
    }

    #[test]
    fn a_name_that_cannot_be_read_is_refused_and_shown_in_short() {
        let name = format!("w%zz\u{1}{}", "n".repeat(500));
        let error = refused(&name, b"");
        let shown = error.parameter().expect("it names the parameter");
        assert!(shown.starts_with("w%zz\u{fffd}nnn"), "{shown}");
        assert_eq!(shown.chars().count(), 80);
        assert!(matches!(refused("%ff=1", b""), BadRequest::NotUtf8 { .. }));
    }
}
