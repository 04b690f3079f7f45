//! Reads what a relying party asks by redirect or form post (WS-Fed 1.2 §13.2).

use super::parameters::Parameters;
use super::sign_in::SignIn;
use crate::urlencoded::{BadRequest, shown};

/// What a browser brings to a WS-Federation endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `wa=wsignin1.0` (WS-Fed 1.2 §13.2.2).
    SignIn(SignIn),
    /// `wa=wsignout1.0` (WS-Fed 1.2 §13.2.4): end the session here and elsewhere.
    SignOut {
        /// Where to go afterwards, unchecked.
        reply: Option<String>,
    },
    /// `wa=wsignoutcleanup1.0` (WS-Fed 1.2 §13.2.4): end the session here.
    SignOutCleanup {
        /// Where to go afterwards, unchecked.
        reply: Option<String>,
    },
    /// No `wa`: somebody opened the address, perhaps with a place to go afterwards.
    Bare {
        /// `wreply`, unchecked.
        reply: Option<String>,
    },
}

/// Reads a raw query and a raw urlencoded form as one message.
///
/// A parameter that we read may be there once, in one or the other; unknown ones are passed over.
pub fn parse(query: &str, form: &[u8]) -> Result<Message, BadRequest> {
    let mut parameters = Parameters::read(query, form)?;
    let Some(action) = parameters.take_filled("wa") else {
        return Ok(Message::Bare {
            reply: parameters.take_filled("wreply"),
        });
    };
    match action.as_str() {
        "wsignin1.0" => SignIn::read(&mut parameters).map(Message::SignIn),
        "wsignout1.0" => Ok(Message::SignOut {
            reply: parameters.take_filled("wreply"),
        }),
        "wsignoutcleanup1.0" => Ok(Message::SignOutCleanup {
            reply: parameters.take_filled("wreply"),
        }),
        other => Err(BadRequest::Action {
            value: shown(other),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sign_out_comes_with_and_without_a_reply() {
        let check = |query, expected| assert_eq!(parse(query, b""), Ok(expected), "{query}");
        let reply = Some("https://rp.example/".to_owned());
        check("wa=wsignout1.0", Message::SignOut { reply: None });
        check(
            "wa=wsignout1.0&wreply=https://rp.example/",
            Message::SignOut {
                reply: reply.clone(),
            },
        );
        check(
            "wa=wsignoutcleanup1.0&wreply=",
            Message::SignOutCleanup { reply: None },
        );
        check(
            "wreply=https://rp.example/&wa=wsignoutcleanup1.0",
            Message::SignOutCleanup { reply },
        );
    }

    #[test]
    fn a_request_without_an_action_is_bare() {
        for query in [
            "",
            "&&",
            "username=alice&utm_source=mail",
            "WA=wsignin1.0",
            "wtrealm=urn:x",
            "wa=&whr=contoso.com",
        ] {
            let bare = Message::Bare { reply: None };
            assert_eq!(parse(query, b""), Ok(bare), "{query}");
        }
        let reply = Some("https://rp.example/".to_owned());
        assert_eq!(
            parse("wreply=https://rp.example/", b""),
            Ok(Message::Bare { reply })
        );
    }

    #[test]
    fn what_is_required_is_named_when_it_is_missing() {
        let check = |query, parameter| {
            let missing = BadRequest::Missing { parameter };
            assert_eq!(missing.parameter(), Some(parameter));
            assert_eq!(parse(query, b""), Err(missing), "{query}");
        };
        check("wa=wsignin1.0", "wtrealm");
        check("wa=wsignin1.0&wtrealm=", "wtrealm");
    }

    #[test]
    fn another_action_is_refused_with_those_that_are_accepted() {
        for action in ["wattr1.0", "WSIGNIN1.0", "wsignin1.0%20", "wsignin1.1"] {
            let refused = parse(&format!("wa={action}&wtrealm=urn:x"), b"");
            assert!(
                matches!(refused, Err(BadRequest::Action { .. })),
                "{action}: {refused:?}"
            );
        }
        assert_eq!(
            parse("wa=wattr1.0", b"").map_err(|refused| refused.to_string()),
            Err(
                "The parameter wa is \"wattr1.0\"; accepted are wsignin1.0, wsignout1.0 and wsignoutcleanup1.0."
                    .to_owned()
            )
        );
    }

    #[test]
    fn an_error_shows_little_of_what_was_sent_and_no_control_characters() {
        let long = format!("wa=%1b%0d%0a{}", "x".repeat(4000));
        let refused = parse(&long, b"").expect_err("it is no action").to_string();
        assert!(refused.contains(&"x".repeat(76)), "{refused}");
        assert!(!refused.contains(&"x".repeat(77)), "{refused}");
        assert!(!refused.contains(char::is_control), "{refused:?}");
    }

    /// Queries that get further than noise does.
    fn any_query() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "wa=wsignin1.0",
            "wa=wsignout1.0",
            "wa",
            "wtrealm=urn%3ax",
            "wctx=",
            "wfresh=1",
            "username=",
            "prompt=login",
            "&",
            "&",
            "&",
            "=",
            "%",
            "%0",
            "%00",
            "%ff",
            "%c3%a9",
            "+",
            "\u{e9}",
            "x",
        ])
        .prop_map(str::to_owned);
        prop::collection::vec(prop_oneof![4 => piece, 1 => any::<String>()], 0..20)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_is_sent_gets_an_answer(query in any_query(), form in any::<Vec<u8>>()) {
            for message in [parse(&query, &form), parse("", &form), parse(&query, b"")] {
                match message {
                    Ok(Message::SignIn(read)) => {
                        prop_assert_eq!(parse(&read.encoded(), b""), Ok(Message::SignIn(read)));
                    }
                    Ok(_) => {}
                    Err(refused) => {
                        prop_assert!(!refused.to_string().contains(char::is_control));
                    }
                }
            }
        }
    }
}
