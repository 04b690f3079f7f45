//! What a request asks for and carries, whatever the protocol words it in.

use serde::Deserialize;

pub const MULTI_FACTOR: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// What Entra ID can ask for besides "who is this?".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    #[default]
    SignIn,
    /// `prompt=login`, when the domain's promptLoginBehavior is nativeSupport.
    PromptLogin,
    /// `wfresh=0` and a password, what prompt=login is translated to by default.
    FreshPassword,
    /// `wfresh=0` alone, when promptLoginBehavior is disabled.
    Fresh,
    /// `wauth` for multi-factor authentication, when a policy wants it from the identity provider.
    MultiFactor,
}

impl Ask {
    pub fn fresh(self) -> bool {
        matches!(self, Self::PromptLogin | Self::FreshPassword | Self::Fresh)
    }
}

/// How to word a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begin<'a> {
    pub username: Option<&'a str>,
    pub ask: Ask,
    pub long_context: bool,
    /// WS-Federation: name the address of the answer.
    pub with_reply: bool,
    pub saml: Variant,
}

/// How to word a request in SAML 2.0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variant {
    pub binding: Binding,
    /// `AssertionConsumerServiceIndex`.
    pub index: Option<u16>,
    pub is_passive: bool,
    pub signed: bool,
    /// How a later wish of the domain for sign-out is answered.
    pub sign_out_answer: SignOutAnswer,
}

/// How a message travels to the identity provider (SAML bindings §3.4 and §3.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    #[default]
    Post,
    Redirect,
}

/// Sign-out messages go by Redirect, unless somebody wants to see the other way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignOutAnswer {
    #[default]
    Redirect,
    Post,
}

/// `LoginOptions`, `estsredirect` and a blob that only the sender can read.
pub fn context(blob: &str, long: bool) -> String {
    let context = format!("LoginOptions=3&estsredirect=2&estsrequest={blob}");
    if !long {
        return context;
    }
    // No line breaks: a browser turns each into CR LF when it posts the form.
    let strange = "\"quoted\" 'single' <b>&amp;</b> 100%25 %3d a+b c\\d;e,f?g#h/i:j@k[l]{m}|n^o`p~q ärger 日本 😀\t";
    format!("{context}&bk=1700000000&strange={}", strange.repeat(48))
}

/// The blob in a context that came back.
pub fn blob(context: &str) -> Option<&str> {
    context
        .split('&')
        .find_map(|part| part.strip_prefix("estsrequest="))
}

/// Adds a query to an address that may have one already.
pub fn with_query(address: &str, query: &str) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{query}")
}

pub fn lower_hex(value: &str) -> String {
    let mut text = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            _ => {
                let [high, low] = [byte >> 4, byte & 15].map(|half| HEX[usize::from(half)]);
                text.extend(['%', high, low]);
            }
        }
    }
    text
}

const HEX: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
];
