//! The request to sign somebody in (WS-Fed 1.2 §13.2.2).

use url::form_urlencoded::Serializer;

use super::parameters::Parameters;
use crate::urlencoded::{BadRequest, shown};

/// A request to sign somebody in (WS-Fed 1.2 §13.2.2).
///
/// `wreq`, `wreqptr`, `wct`, `whr`, `wp` and everything unknown are passed over: a relying party gets
/// the token that it is registered for, and no address that a request names is ever fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// `wtrealm`: who asks.
    pub realm: String,
    /// `wreply`: where the answer is wanted, unchecked.
    pub reply: Option<String>,
    /// `wctx`: goes back as it came.
    pub context: Option<String>,
    /// `username` or `login_hint`: who may be about to sign in, good for filling in a form.
    pub username: Option<String>,
    /// `wfresh`: the authentication may be this many minutes old; 0 asks for a new one.
    pub fresh: Option<u64>,
    /// `prompt` contains `login`: authenticate again.
    pub prompt_login: bool,
    /// `wauth`: how to authenticate, as a URI.
    pub authentication: Option<String>,
    /// `mfa_max_age`: the second factor may be this many seconds old.
    pub mfa_max_age: Option<u64>,
    /// `client-request-id`: Microsoft's correlation id, if it looks like one.
    pub client_request_id: Option<String>,
    /// `ui_locales` or `mkt`: a language tag for the pages, if it looks like one.
    pub ui_locale: Option<String>,
}

impl SignIn {
    pub(super) fn read(parameters: &mut Parameters) -> Result<Self, BadRequest> {
        Ok(Self {
            realm: parameters.require("wtrealm")?,
            reply: parameters.take_filled("wreply"),
            context: parameters.take("wctx"),
            username: ["username", "login_hint"]
                .into_iter()
                .find_map(|name| parameters.take(name).as_deref().and_then(prefill)),
            fresh: number(parameters, "wfresh")?,
            prompt_login: parameters
                .take("prompt")
                .is_some_and(|prompt| prompt.split_ascii_whitespace().any(|one| one == "login")),
            authentication: parameters.take_filled("wauth"),
            mfa_max_age: number(parameters, "mfa_max_age")?,
            client_request_id: parameters
                .take("client-request-id")
                .filter(|id| is_request_id(id)),
            ui_locale: ["ui_locales", "mkt"]
                .into_iter()
                .find_map(|name| parameters.take(name).as_deref().and_then(first_language)),
        })
    }

    /// Writes the request as urlencoded text that [`parse`](super::parse) reads back to the same request.
    pub fn encoded(&self) -> String {
        let mut text = Serializer::new(String::new());
        text.append_pair("wa", "wsignin1.0");
        text.append_pair("wtrealm", &self.realm);
        if self.prompt_login {
            text.append_pair("prompt", "login");
        }
        for (name, value) in [
            ("wreply", &self.reply),
            ("wctx", &self.context),
            ("username", &self.username),
            ("wauth", &self.authentication),
            ("client-request-id", &self.client_request_id),
            ("ui_locales", &self.ui_locale),
        ] {
            if let Some(value) = value {
                text.append_pair(name, value);
            }
        }
        for (name, value) in [("wfresh", self.fresh), ("mfa_max_age", self.mfa_max_age)] {
            if let Some(value) = value {
                text.append_pair(name, &value.to_string());
            }
        }
        text.finish()
    }
}

fn number(parameters: &mut Parameters, parameter: &'static str) -> Result<Option<u64>, BadRequest> {
    let Some(value) = parameters.take_filled(parameter) else {
        return Ok(None);
    };
    // `u64::from_str` would also take a plus sign.
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(number) if digits => Ok(Some(number)),
        _ => Err(BadRequest::NotANumber {
            parameter,
            value: shown(&value),
        }),
    }
}

/// A user name fit to be filled into a form, cut to the length of the longest mail address.
pub(crate) fn prefill(username: &str) -> Option<String> {
    if username.chars().any(char::is_control) {
        return None;
    }
    let cut: String = username.trim().chars().take(LONGEST_USERNAME).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

const LONGEST_USERNAME: usize = 320;

/// The first language tag (RFC 5646) of a list separated by spaces.
fn first_language(list: &str) -> Option<String> {
    let first = list.split_ascii_whitespace().next()?;
    is_token(first, 2..=35, "-").then(|| first.to_owned())
}

/// Whether a `client-request-id` looks like one; anything else is nobody's id.
pub fn is_request_id(text: &str) -> bool {
    is_token(text, 1..=64, "-_")
}

fn is_token(text: &str, length: std::ops::RangeInclusive<usize>, also: &str) -> bool {
    length.contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Message, parse};
    use super::*;

    const MFA: &str = "http://schemas.microsoft.com/claims/multipleauthn";

    fn plain() -> SignIn {
        SignIn {
            realm: "urn:federation:MicrosoftOnline".to_owned(),
            reply: None,
            context: None,
            username: None,
            fresh: None,
            prompt_login: false,
            authentication: None,
            mfa_max_age: None,
            client_request_id: None,
            ui_locale: None,
        }
    }

    /// A sign-in for Microsoft 365 with more parameters.
    fn sign_in(more: &str) -> Result<SignIn, BadRequest> {
        let query = format!("wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline&{more}");
        parse(&query, b"").map(|message| match message {
            Message::SignIn(sign_in) => sign_in,
            other => panic!("{other:?} is not a sign-in"),
        })
    }

    #[test]
    fn what_entra_sends_is_read_in_full() {
        let read = sign_in(concat!(
            "client-request-id=6b5e0f9a-0000-4000-8000-00155d01c9a1&username=user%40contoso.com",
            "&wauth=http%3a%2f%2fschemas.microsoft.com%2fclaims%2fmultipleauthn&mfa_max_age=259200",
            "&wfresh=0&prompt=login&ui_locales=de-DE+en&cbcxt=&popupui=&id=&lc=1031",
            "&wctx=LoginOptions%3D3%26estsredirect%3d2%26estsrequest%3dabc%2b%2f%3d",
            "&wreply=https%3a%2f%2flogin.microsoftonline.com%2flogin.srf",
        ));
        let expected = SignIn {
            reply: Some("https://login.microsoftonline.com/login.srf".to_owned()),
            context: Some("LoginOptions=3&estsredirect=2&estsrequest=abc+/=".to_owned()),
            username: Some("user@contoso.com".to_owned()),
            fresh: Some(0),
            prompt_login: true,
            authentication: Some(MFA.to_owned()),
            mfa_max_age: Some(259_200),
            client_request_id: Some("6b5e0f9a-0000-4000-8000-00155d01c9a1".to_owned()),
            ui_locale: Some("de-DE".to_owned()),
            ..plain()
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn query_and_form_are_one_message() {
        let message = parse(
            "wa=wsignin1.0",
            b"wtrealm=urn%3Afederation%3AMicrosoftOnline&wctx=a+b",
        );
        let expected = SignIn {
            context: Some("a b".to_owned()),
            ..plain()
        };
        assert_eq!(message, Ok(Message::SignIn(expected)));
    }

    #[test]
    fn optional_parameters_may_be_empty_and_only_an_empty_context_counts() {
        let read = sign_in(
            "wreply=&wfresh=&wauth=&prompt=&mfa_max_age=&username=&login_hint=&client-request-id=&ui_locales=&mkt=&wctx=",
        );
        let expected = SignIn {
            context: Some(String::new()),
            ..plain()
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn ages_are_whole_numbers() {
        let check = |value: &str, expected: Option<u64>| {
            let fresh = sign_in(&format!("wfresh={value}")).map(|read| read.fresh);
            let age = sign_in(&format!("mfa_max_age={value}")).map(|read| read.mfa_max_age);
            if let Some(number) = expected {
                assert_eq!(fresh, Ok(Some(number)), "{value}");
                assert_eq!(age, Ok(Some(number)), "{value}");
            } else {
                let fault =
                    |refused: Result<_, BadRequest>| refused.err()?.parameter().map(str::to_owned);
                assert_eq!(fault(fresh).as_deref(), Some("wfresh"), "{value}");
                assert_eq!(fault(age).as_deref(), Some("mfa_max_age"), "{value}");
            }
        };
        check("0", Some(0));
        check("0060", Some(60));
        check("18446744073709551615", Some(u64::MAX));
        for bad in [
            "18446744073709551616",
            "-1",
            "%2b1",
            "1.5",
            "+1",
            "0x1",
            "abc",
            "%d9%a1",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn prompt_is_a_list() {
        let prompts =
            |value: &str| sign_in(&format!("prompt={value}")).map(|read| read.prompt_login);
        assert_eq!(prompts("login"), Ok(true));
        assert_eq!(prompts("select_account+login"), Ok(true));
        assert_eq!(prompts("none"), Ok(false));
        assert_eq!(prompts("relogin"), Ok(false));
    }

    #[test]
    fn the_prefill_is_a_usable_name_or_nothing() {
        let prefill = |query: &str| sign_in(query).map(|read| read.username);
        let some = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(prefill("username=alice&login_hint=bob"), some("alice"));
        assert_eq!(prefill("login_hint=bob&username="), some("bob"));
        assert_eq!(prefill("username=a%0ab&login_hint=bob"), some("bob"));
        assert_eq!(prefill("username=+alice+"), some("alice"));
        assert_eq!(prefill("username=%1b[31m"), Ok(None));
        assert_eq!(prefill("username=+"), Ok(None));
        let long = "\u{e9}".repeat(LONGEST_USERNAME);
        assert_eq!(prefill(&format!("username={long}tail")), some(&long));
    }

    #[test]
    fn hints_that_do_not_look_like_one_are_dropped() {
        for id in ["", "a%20b", "%3Cscript%3E", "a%0d%0ab", &"a".repeat(65)] {
            let read = sign_in(&format!("client-request-id={id}"));
            assert_eq!(read.map(|read| read.client_request_id), Ok(None), "{id}");
        }
        for tag in ["x", "de_DE", "..%2fetc", &"a".repeat(36)] {
            let read = sign_in(&format!("ui_locales={tag}"));
            assert_eq!(read.map(|read| read.ui_locale), Ok(None), "{tag}");
        }
        let market = sign_in("mkt=fr-FR").map(|read| read.ui_locale);
        assert_eq!(market, Ok(Some("fr-FR".to_owned())));
    }

    #[test]
    fn the_context_comes_through_whatever_it_holds() {
        let context = "\"'<>&%+=; \t\r\n\u{1}\u{7f}\u{2028}\u{10ffff}".repeat(4000);
        assert!(context.len() > 64 << 10);
        let wanted = SignIn {
            context: Some(context),
            ..plain()
        };
        let read = parse("", wanted.encoded().as_bytes());
        assert_eq!(read, Ok(Message::SignIn(wanted)));
    }

    fn any_sign_in() -> impl Strategy<Value = SignIn> {
        let text = || any::<String>().prop_map(|text| text.replace('\0', ""));
        let filled = || text().prop_filter("empty means absent", |text| !text.is_empty());
        let optional = || prop::option::of(filled());
        (
            (filled(), optional(), prop::option::of(text()), optional()),
            (
                any::<Option<u64>>(),
                any::<bool>(),
                optional(),
                any::<Option<u64>>(),
            ),
            prop::option::of("[A-Za-z0-9_-]{1,64}"),
            prop::option::of("[A-Za-z0-9-]{2,35}"),
        )
            .prop_map(|(first, second, client_request_id, ui_locale)| {
                let (realm, reply, context, username) = first;
                let (fresh, prompt_login, authentication, mfa_max_age) = second;
                SignIn {
                    realm,
                    reply,
                    context,
                    username: username.as_deref().and_then(prefill),
                    fresh,
                    prompt_login,
                    authentication,
                    mfa_max_age,
                    client_request_id,
                    ui_locale,
                }
            })
    }

    proptest! {
        #[test]
        fn a_sign_in_reads_back_as_it_was_encoded(sign_in in any_sign_in()) {
            let encoded = sign_in.encoded();
            prop_assert_eq!(parse(&encoded, b""), Ok(Message::SignIn(sign_in.clone())));
            prop_assert_eq!(parse("", encoded.as_bytes()), Ok(Message::SignIn(sign_in)));
        }
    }
}
