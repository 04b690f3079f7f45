//! The run-book: what an administrator pastes to federate a Microsoft 365 domain with one of our apps, to
//! look after it, and to go back.

pub mod bash;
pub mod manual;
mod powershell;
mod run_book;

pub use run_book::{Choices, People, RunBook};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use store::Protocol;

use crate::cloud::Cloud;
use crate::error::Error;

/// Everything the federation commands carry; one source for the script, its page and `app show`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federation {
    /// The app's id, 24 lower-case hex digits.
    pub app_id: String,
    /// What people call the app; Microsoft keeps it as the federation's display name.
    pub label: String,
    /// The domain to federate.
    pub domain: String,
    /// The `issuerUri`, byte for byte as tokens carry it.
    pub issuer: String,
    /// Which protocol the domain is to speak.
    pub protocol: Protocol,
    /// The `passiveSignInUri`.
    pub passive_sign_in_url: String,
    /// The `signOutUri`.
    pub sign_out_url: String,
    /// The `metadataExchangeUri`, of a domain that speaks WS-Federation.
    pub metadata_exchange_url: Option<String>,
    /// The `activeSignInUri`, likewise.
    pub active_sign_in_url: Option<String>,
    /// The certificate that verifies tokens: DER as base64 on one line.
    pub signing_certificate: String,
    /// The certificate's SHA-1 thumbprint, upper-case hex, as Windows and Entra show it.
    pub thumbprint: String,
    /// The certificate that will sign after the next rotation, if there is one.
    pub next: Option<NextCertificate>,
    /// Who proves a second factor.
    pub mfa_behavior: MfaBehavior,
    /// How Entra asks for a fresh sign-in.
    pub prompt_login: PromptLogin,
    /// The cloud that holds the domain.
    pub cloud: Cloud,
    /// Where these commands can be fetched again.
    pub commands_url: String,
}

/// A certificate that is announced, and does not sign yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextCertificate {
    /// DER as base64 on one line.
    pub certificate: String,
    /// Its SHA-1 thumbprint, as Windows and Entra show it.
    pub thumbprint: String,
}

/// `federatedIdpMfaBehavior`: who proves a second factor when Entra wants one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MfaBehavior {
    /// We, if the token says so; otherwise Entra.
    #[default]
    Accept,
    /// We: Entra sends people back here.
    Enforce,
    /// Entra, whatever the token says.
    Reject,
}

/// `promptLoginBehavior`: what Entra sends when somebody must sign in afresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptLogin {
    /// `prompt=login`, which we understand.
    #[default]
    Native,
    /// `wfresh=0` and a `wauth` that asks for a password.
    Translate,
    /// `wfresh=0` alone.
    Disabled,
}

/// What a script of the run-book does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Looks, and changes nothing.
    Check,
    /// Creates or updates the federation, then makes the domain Federated.
    Enable,
    /// Shows what Entra has stored.
    Show,
    /// Gives Entra the next certificate beside the current one.
    Rotate,
    /// Makes the new certificate Entra's first one.
    Promote,
    /// Makes the domain Managed.
    Disable,
    /// Puts a saved configuration back.
    Restore,
    /// Writes the ImmutableIDs of our users to theirs in Entra.
    Users,
}

/// How a script is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// PowerShell with the cmdlets of Microsoft.Graph.
    Graph,
    /// PowerShell with `Invoke-MgGraphRequest` alone, whatever the cmdlets of the day do.
    Rest,
    /// bash with curl, jq and a token.
    Curl,
    /// The values to be typed by hand, and the classic cmdlets as history.
    Manual,
}

/// A user of ours, as the action `users` writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub upn: String,
    pub immutable_id: String,
}

/// The script of the run-book for one action.
///
/// `anchors` are our users with their ImmutableIDs; `check` compares them, `users` writes them.
pub fn script(
    federation: &Federation,
    anchors: &[Anchor],
    action: Action,
    flavor: Flavor,
) -> String {
    match flavor {
        Flavor::Graph => powershell::script(federation, anchors, action, true),
        Flavor::Rest => powershell::script(federation, anchors, action, false),
        Flavor::Curl => bash::script(federation, anchors, action),
        Flavor::Manual => manual::script(federation, anchors, action),
    }
}

impl Federation {
    /// What people of the domain cannot do with its protocol, each as a sentence without its subject.
    pub fn limits(&self) -> &'static [&'static str] {
        match self.protocol {
            Protocol::Wsfed => &[],
            Protocol::Saml => &[
                "Join Windows devices to Microsoft Entra, neither during their setup nor in Settings: Entra takes only WS-Federation for that.",
                "Sign in to Windows with a password at the logon screen: Windows asks for it by WS-Trust. Web sign-in works, on a Windows 11 device that has joined already and is online.",
            ],
        }
    }

    /// The settings of the federation configuration by their names in Graph; those that are to be absent have no value.
    pub(crate) fn settings(&self) -> [(&'static str, Option<&str>); 11] {
        [
            ("displayName", Some(self.label.as_str())),
            ("issuerUri", Some(&self.issuer)),
            ("passiveSignInUri", Some(&self.passive_sign_in_url)),
            ("signOutUri", Some(&self.sign_out_url)),
            ("activeSignInUri", self.active_sign_in_url.as_deref()),
            ("metadataExchangeUri", self.metadata_exchange_url.as_deref()),
            ("passwordResetUri", None),
            ("signingCertificate", Some(&self.signing_certificate)),
            (
                "preferredAuthenticationProtocol",
                Some(self.protocol_in_graph()),
            ),
            ("promptLoginBehavior", Some(self.prompt_login.in_graph())),
            (
                "federatedIdpMfaBehavior",
                Some(self.mfa_behavior.in_graph()),
            ),
        ]
    }

    /// The protocol as Graph spells it.
    fn protocol_in_graph(&self) -> &'static str {
        match self.protocol {
            Protocol::Wsfed => "wsFed",
            Protocol::Saml => "saml",
        }
    }
}

/// A word of the command line and of queries for each value.
macro_rules! words {
    ($type:ident, $what:literal: $($variant:ident = $word:literal),+) => {
        impl $type {
            /// All of them, in the order in which people meet them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(word: &str) -> Result<Self, Error> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|one| one.as_str()).collect();
                    Error::Invalid(format!(concat!("the ", $what, " is one of {}"), words.join(", ")))
                })
            }
        }
    };
}

words!(Action, "action": Check = "check", Enable = "enable", Show = "show", Rotate = "rotate",
    Promote = "promote", Disable = "disable", Restore = "restore", Users = "users");
words!(Flavor, "flavor": Graph = "graph", Rest = "rest", Curl = "curl", Manual = "manual");
words!(MfaBehavior, "MFA behavior": Accept = "accept", Enforce = "enforce", Reject = "reject");
words!(PromptLogin, "prompt for a fresh sign-in": Native = "native", Translate = "translate",
    Disabled = "disabled");

impl MfaBehavior {
    /// As Graph spells it.
    pub fn in_graph(self) -> &'static str {
        match self {
            Self::Accept => "acceptIfMfaDoneByFederatedIdp",
            Self::Enforce => "enforceMfaByFederatedIdp",
            Self::Reject => "rejectMfaByFederatedIdp",
        }
    }
}

impl PromptLogin {
    /// As Graph spells it.
    pub fn in_graph(self) -> &'static str {
        match self {
            Self::Native => "nativeSupport",
            Self::Translate => "translateToFreshPasswordAuthentication",
            Self::Disabled => "disabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The values by which one app's script differs from another's.
    pub(super) type Values = [String; 10];

    pub(super) fn contoso() -> Federation {
        let base = "https://id.contoso.com/wsfed/663a8fb979aa83c58df6081e";
        federation(&[
            "Contoso".into(),
            "contoso.com".into(),
            base.into(),
            base.into(),
            format!("{base}/signout"),
            "MIIC+zCCAeOgAwIBAgIQ".into(),
            "0123456789ABCDEF0123456789ABCDEF01234567".into(),
            format!("{base}/commands"),
            format!("{base}/trust/mex"),
            format!("{base}/trust/2005/usernamemixed"),
        ])
    }

    pub(super) fn federation(values: &Values) -> Federation {
        let [
            label,
            domain,
            issuer,
            passive,
            sign_out,
            certificate,
            thumbprint,
            commands,
            metadata_exchange,
            active,
        ] = values.clone();
        Federation {
            app_id: "663a8fb979aa83c58df6081e".into(),
            label,
            domain,
            issuer,
            protocol: Protocol::Wsfed,
            passive_sign_in_url: passive,
            sign_out_url: sign_out,
            metadata_exchange_url: Some(metadata_exchange),
            active_sign_in_url: Some(active),
            signing_certificate: certificate,
            thumbprint,
            next: None,
            mfa_behavior: MfaBehavior::default(),
            prompt_login: PromptLogin::default(),
            cloud: Cloud::Worldwide,
            commands_url: commands,
        }
    }

    /// The same app, whose domain is to speak SAML.
    pub(super) fn by_saml() -> Federation {
        Federation {
            protocol: Protocol::Saml,
            metadata_exchange_url: None,
            active_sign_in_url: None,
            ..contoso()
        }
    }

    /// Any text, and texts made of what means something to a shell, to JSON, to an address or to an eye.
    pub(super) fn hostile() -> impl Strategy<Value = String> {
        let telling = "'\"`$(){}[]<>#;|&*?!~^%=\\ \t\n\r\0\u{7f}\u{1b}\u{85}\u{a0}\u{2018}\u{2019}\u{200b}\u{2028}\u{202e}ax027\u{e9}\u{441}\u{1f511}";
        let piece = prop_oneof![
            9 => prop::sample::select(telling.chars().collect::<Vec<_>>()).prop_map(String::from),
            1 => prop::sample::select(vec!["$(touch x)", "`id`", "';x;'", "\nCOUNTERSIGN\n", "\nANCHORS\n", r"\u0027", "xn--bcher-kva", "!!"])
                .prop_map(String::from),
        ];
        let of_pieces = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
        let of_chars = prop::collection::vec(any::<char>(), 0..24)
            .prop_map(|chars| chars.into_iter().collect::<String>());
        prop_oneof![of_pieces, of_chars, "[ -~]{0,24}"]
    }
}
