//! The pages that people see: one typed struct per page, and the files that they load.

use std::{fmt, sync::LazyLock};

use askama::{Template, filters::HtmlSafe};
use idp::troubleshooting::Facts;

/// A file that pages load from `/assets/`.
#[derive(Debug)]
pub struct Asset {
    pub path: &'static str,
    pub content_type: &'static str,
    pub bytes: &'static [u8],
}

/// Everything below `/assets/`.
pub const ASSETS: &[Asset] = &[
    Asset {
        path: "style.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../assets/style.css"),
    },
    Asset {
        path: "post.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/post.js"),
    },
    Asset {
        path: "sign_out.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/sign_out.js"),
    },
    Asset {
        path: "copy.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/copy.js"),
    },
    Asset {
        path: "backdrop.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../assets/backdrop.svg"),
    },
    Asset {
        path: "mark.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../assets/mark.svg"),
    },
];

/// Changes whenever a file of [`ASSETS`] does, so that browsers may keep them for ever.
pub fn asset_version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| format!("{:016x}", fingerprint(ASSETS)));
    &VERSION
}

/// Asks a person for name and password.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    /// Where the person is going; `None` when the portal itself asks.
    pub app_label: Option<String>,
    pub action: String,
    pub form_token: String,
    pub username: String,
    /// Why the last attempt was refused.
    pub message: Option<String>,
    /// Says on the page that this is a demonstration.
    pub demo: bool,
}

/// Tells a person that the session has ended.
#[derive(Debug, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut {
    pub continue_to: Option<Link>,
}

/// Tells a person what went wrong, why, and who can help.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub struct Problem {
    /// The HTTP status that the page is answered with.
    pub status: u16,
    pub title: String,
    pub what: String,
    pub why: String,
    pub what_to_do: String,
    pub correlation_id: String,
    /// When it happened, as text for people and logs alike.
    pub time: String,
    pub link: Option<Link>,
}

/// Shows a signed-in person where they can go.
#[derive(Debug, Template)]
#[template(path = "portal.html")]
pub struct Portal {
    pub display_name: String,
    pub upn: String,
    pub tiles: Vec<Tile>,
    /// Both empty for everybody who is not an administrator.
    pub expiring: Vec<Expiring>,
    pub admin_apps: Vec<AdminApp>,
    pub form_token: String,
    pub sign_out_action: String,
}

/// Carries a message to an application in the person's browser (WS-Fed 1.2 §13.2.2, SAML bindings §3.5).
#[derive(Debug, Template)]
#[template(path = "post_back.html")]
pub struct PostBack {
    /// What is happening, as a heading.
    pub doing: &'static str,
    pub app_label: String,
    pub action: String,
    pub fields: Vec<Field>,
}

/// Tells every application that a session has ended, each in a frame of its own.
#[derive(Debug, Template)]
#[template(path = "sign_out_round.html")]
pub struct SignOutRound {
    pub steps: Vec<SignOutFrame>,
    pub result_href: String,
    /// After how many seconds the page goes on by itself.
    pub seconds: u32,
}

/// An application on [`SignOutRound`].
#[derive(Debug)]
pub struct SignOutFrame {
    pub label: String,
    pub state: SignOutState,
    /// The step's address; `None` when there is nothing to tell, or no more.
    pub href: Option<String>,
    /// Whether it will answer.
    pub answers: bool,
}

/// How far an application is with signing a person out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOutState {
    /// Nobody has told it yet.
    Waiting,
    /// It is being told at this moment.
    Telling,
    /// It has been told, and knows no answer.
    Told,
    Done,
    /// It is done, but not everything behind it is.
    Partial,
    /// It was told and has not answered.
    NoAnswer,
    /// It has answered that it could not.
    Failed,
    /// It has no address to tell it at.
    Unreachable,
}

impl SignOutState {
    /// The state in words that follow the application's name.
    fn words(self) -> &'static str {
        match self {
            Self::Waiting => "has not been told",
            Self::Telling => "is being told",
            Self::Told => "has been told",
            Self::Done => "has signed you out",
            Self::Partial => "has signed you out, but not everywhere behind it",
            Self::NoAnswer => "has not answered",
            Self::Failed => "could not sign you out",
            Self::Unreachable => "cannot be told; close the browser to end its session",
        }
    }

    /// Its colour, as a class of the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Waiting | Self::Telling => "pending",
            Self::Told | Self::Done => "well",
            Self::Partial | Self::NoAnswer | Self::Failed | Self::Unreachable => "open",
        }
    }

    /// Its sign, drawn in a circle: the `d` of an SVG path on 16 by 16.
    fn sign(self) -> &'static str {
        match self {
            Self::Waiting | Self::Telling => "M8 4.5V8l2.25 1.5",
            Self::Told => "M4.75 8h6.5M8.75 5.5L11.25 8l-2.5 2.5",
            Self::Done => "M4.75 8.25l2.25 2.25 4.25-4.75",
            Self::Partial | Self::Unreachable => "M8 4.25v4.5M8 11.25v.01",
            Self::NoAnswer => "M6.1 6.1a1.9 1.9 0 1 1 2.7 1.75c-.5.25-.8.6-.8 1.15M8 11.5v.01",
            Self::Failed => "M5.5 5.5l5 5M10.5 5.5l-5 5",
        }
    }
}

/// Tells a person how signing out everywhere went, and leads back to whoever asked for it.
#[derive(Debug, Template)]
#[template(path = "sign_out_result.html")]
pub struct SignOutResult {
    pub steps: Vec<SignOutOutcome>,
    pub complete: bool,
    pub form: Option<PostBack>,
    pub link: Option<Link>,
}

/// An application on [`SignOutResult`].
#[derive(Debug)]
pub struct SignOutOutcome {
    pub label: String,
    pub state: SignOutState,
    /// Where to try again by hand.
    pub href: Option<String>,
}

/// Ends the visit of one application; mostly nobody sees it.
#[derive(Debug, Template)]
#[template(path = "sign_out_step.html")]
pub struct SignOutStep {
    pub title: String,
    pub result_href: String,
}

/// The run-book: gives an administrator the script of one action, in one flavor.
#[derive(Debug, Template)]
#[template(path = "commands.html")]
pub struct Commands {
    pub expiring: Vec<Expiring>,
    pub app_label: String,
    pub domain: String,
    /// Why the last form was refused.
    pub message: Option<String>,
    pub actions: Vec<Alternative>,
    pub flavors: Vec<Alternative>,
    /// What the configuration can be, for the actions that it matters to.
    pub settings: Vec<Setting>,
    pub form_action: String,
    /// The domain that the query has to name.
    pub named_domain: Option<String>,
    /// What is chosen, and what it changes.
    pub action: &'static str,
    pub flavor: &'static str,
    pub flavor_title: &'static str,
    pub changes: &'static str,
    pub needs: Vec<Need>,
    pub people: idp::federate::People,
    /// What the domain is to speak, and what it could speak instead.
    pub protocol: &'static str,
    pub other_protocol: &'static str,
    /// What people of the domain cannot do with this protocol.
    pub limits: &'static [&'static str],
    /// Changes over to the other protocol.
    pub switch_command: String,
    pub cloud: &'static str,
    pub cloud_command: String,
    pub script: Script,
    pub rescue: Rescue,
    pub download_href: String,
    pub back_href: String,
    /// What the script sets: name and value, in the order shown.
    pub facts: Vec<(&'static str, String)>,
    /// Whether a password alone opens it, and where that is decided.
    pub password_alone: bool,
    pub windows_href: String,
    /// Where it is compared with what Microsoft has stored.
    pub compare_href: String,
}

/// Asks an administrator which of an application's domains is meant.
#[derive(Debug, Template)]
#[template(path = "domains.html")]
pub struct Domains {
    /// What is asked for.
    pub title: &'static str,
    pub app_label: String,
    pub choices: Vec<Choice>,
}

/// A domain on [`Domains`].
#[derive(Debug)]
pub struct Choice {
    pub domain: String,
    /// As people write it, where it is an internationalised name.
    pub unicode: Option<String>,
    pub issuer: String,
    pub href: String,
}

/// Compares what Microsoft has stored about a domain with what it should be.
#[derive(Debug, Template)]
#[template(path = "compare.html")]
pub struct Compare {
    pub app_label: String,
    pub domain: String,
    /// What prints the text that is asked for.
    pub command: String,
    pub commands_href: String,
    pub action: String,
    pub form_token: String,
    /// What was pasted, if that cannot be compared.
    pub pasted: String,
    /// Why it cannot.
    pub message: Option<String>,
    pub result: Option<Compared>,
}

/// What came out on [`Compare`].
#[derive(Debug)]
pub struct Compared {
    pub differs: bool,
    /// What needs to be looked at, the worst first.
    pub findings: Vec<Finding>,
    /// The settings that are the same.
    pub same: Vec<&'static str>,
}

/// A setting on [`Compare`].
#[derive(Debug)]
pub struct Finding {
    pub setting: &'static str,
    pub differs: bool,
    pub ours: Option<String>,
    pub theirs: Option<String>,
    pub why: Option<String>,
    pub mend: Vec<String>,
}

/// What stands where the script would.
#[derive(Debug)]
pub enum Script {
    Text(String),
    /// It names too many users for a page.
    TooLong {
        users: usize,
    },
    /// The rescue pack comes first.
    Gated,
    /// Nothing to rotate to; what makes it.
    NoNext {
        command: String,
    },
}

/// An action or a flavor on [`Commands`].
#[derive(Debug)]
pub struct Alternative {
    pub name: &'static str,
    pub about: &'static str,
    pub effect: &'static str,
    pub href: String,
    pub current: bool,
}

/// A setting at Microsoft on [`Commands`].
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub title: &'static str,
    pub choices: Vec<SettingChoice>,
}

/// A value of a [`Setting`], and its consequences.
#[derive(Debug)]
pub struct SettingChoice {
    pub word: &'static str,
    pub in_graph: &'static str,
    pub about: &'static str,
    pub checked: bool,
}

/// Something to have at hand, on [`Commands`].
#[derive(Debug)]
pub struct Need {
    pub name: &'static str,
    pub text: &'static str,
    /// Empty when there is nothing to type.
    pub code: String,
}

/// The rescue pack, on [`Commands`].
#[derive(Debug)]
pub struct Rescue {
    pub version: String,
    pub stored: Option<StoredRescue>,
    pub up_to_date: bool,
    /// Where it is downloaded, and where somebody says that they have it.
    pub href: String,
    pub command: String,
    pub form_token: String,
    /// What was asked for, to come back to.
    pub query: String,
}

/// The rescue pack that somebody has.
#[derive(Debug)]
pub struct StoredRescue {
    pub version: String,
    pub at: String,
    pub by: String,
}

/// Lets an administrator decide whether a password alone opens an application.
#[derive(Debug, Template)]
#[template(path = "windows.html")]
pub struct Windows {
    pub app_label: String,
    /// None when the application is no Microsoft 365 domain.
    pub domain: Option<String>,
    pub enabled: bool,
    pub back: Link,
    /// Why the last attempt was refused.
    pub message: Option<String>,
    /// Changes a domain over that speaks SAML, for which it cannot be turned on.
    pub switch_command: Option<String>,
    /// As it is now.
    pub on: bool,
    pub networks: Vec<String>,
    /// As the form shows it: one in each line, and whether 500 is chosen.
    pub typed_networks: String,
    pub as_adfs: bool,
    /// The administrator's own address.
    pub from_here: String,
    pub addresses: Vec<Address>,
    pub action: String,
    pub form_token: String,
}

impl Windows {
    /// What people know it by.
    fn name(&self) -> &str {
        self.domain.as_ref().unwrap_or(&self.app_label)
    }
}

/// An address to copy.
#[derive(Debug)]
pub struct Address {
    /// Tells it from the others on the page.
    pub id: &'static str,
    pub name: &'static str,
    pub url: String,
}

/// Explains one of Microsoft's codes.
#[derive(Debug, Template)]
#[template(path = "help.html")]
pub struct Help {
    /// As Microsoft writes it.
    pub code: String,
    pub title: Option<&'static str>,
    /// The codes that the explanation is about, if it is not about this very one.
    pub coarser: Option<String>,
    /// What codes of its kind are about, when nothing better is known.
    pub class: Option<&'static str>,
    pub texts: Option<HelpTexts>,
    /// Where Microsoft explains it; a text and no link.
    pub microsofts: Option<String>,
    /// What is so on this server; only for administrators.
    pub here: Option<Vec<Facts>>,
    /// Where a person is asked for, whom the code is about.
    pub form: Option<String>,
    pub asked: String,
    /// Whether somebody was asked for who does not exist.
    pub nobody: bool,
}

/// The three texts of [`Help`].
#[derive(Debug)]
pub struct HelpTexts {
    pub means: Marked,
    pub cause: Marked,
    pub look: Marked,
}

/// Lists all codes that are explained.
#[derive(Debug, Template)]
#[template(path = "help_index.html")]
pub struct HelpIndex {
    pub sections: Vec<HelpSection>,
}

/// Codes of [`HelpIndex`] that belong together.
#[derive(Debug)]
pub struct HelpSection {
    pub title: &'static str,
    pub entries: Vec<HelpLine>,
}

/// Codes that mean the same.
#[derive(Debug)]
pub struct HelpLine {
    pub codes: Vec<Link>,
    pub means: Marked,
}

/// A text in which code stands between backticks.
#[derive(Clone, Copy, Debug)]
pub struct Marked(pub &'static str);

impl Marked {
    /// The parts, and whether each is code.
    fn parts(&self) -> Vec<(bool, &'static str)> {
        let parts = self.0.split('`').enumerate();
        parts.map(|(at, part)| (at % 2 == 1, part)).collect()
    }
}

/// A signing certificate that comes to its end, for administrators.
#[derive(Debug)]
pub struct Expiring {
    pub sentence: String,
    pub what_to_do: String,
    pub urgent: bool,
}

/// Asks for the first administrator.
#[derive(Debug, Template)]
#[template(path = "setup.html")]
pub struct Setup {
    pub action: String,
    pub form_token: String,
    pub upn: String,
    pub display_name: String,
    /// Why the last attempt was refused.
    pub message: Option<String>,
}

/// A way on from a page.
#[derive(Debug)]
pub struct Link {
    pub label: String,
    pub href: String,
}

/// An application that the person may open.
#[derive(Debug)]
pub struct Tile {
    pub label: String,
    pub detail: String,
    pub href: String,
}

/// An application that the person administers.
#[derive(Debug)]
pub struct AdminApp {
    pub label: String,
    pub kind: String,
    /// Empty when the application has no domain.
    pub domain: String,
    pub commands_href: Option<String>,
    pub windows_href: Option<String>,
    pub metadata_href: Option<String>,
    pub saml_metadata_href: Option<String>,
}

/// A hidden field of [`PostBack`].
#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub value: String,
}

impl Field {
    /// The value as it must be written between double quotes.
    fn value_in_quotes(&self) -> InQuotes<'_> {
        InQuotes(&self.value)
    }
}

/// Escapes white space too: an HTML parser turns a literal CR into LF (HTML §13.2.3.5).
struct InQuotes<'a>(&'a str);

impl HtmlSafe for InQuotes<'_> {}

impl fmt::Display for InQuotes<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plain = 0;
        for (at, byte) in self.0.bytes().enumerate() {
            let reference = match byte {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&#34;",
                b'\'' => "&#39;",
                b'\r' => "&#13;",
                b'\n' => "&#10;",
                b'\t' => "&#9;",
                _ => continue,
            };
            out.write_str(&self.0[plain..at])?;
            out.write_str(reference)?;
            plain = at + 1;
        }
        out.write_str(&self.0[plain..])
    }
}

/// One or two letters that stand for an application: "Contoso Payroll" is `CP`.
fn monogram(label: &str) -> String {
    let initials: String = label
        .split_whitespace()
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()))
        .take(2)
        .flat_map(char::to_uppercase)
        .collect();
    if initials.is_empty() {
        "·".to_owned()
    } else {
        initials
    }
}

/// FNV-1a: a fingerprint to tell builds apart, not a defence.
fn fingerprint(assets: &[Asset]) -> u64 {
    assets
        .iter()
        .flat_map(|asset| asset.bytes)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks out of text, of either kind of quotes, and of a line.
    const HOSTILE: &str = "\"><script>alert('x')</script>\n&amp; '\"";

    impl SignIn {
        fn sample(text: &str) -> Self {
            Self {
                app_label: Some(text.to_owned()),
                action: format!("/sign-in/{text}"),
                form_token: text.to_owned(),
                username: text.to_owned(),
                message: Some(text.to_owned()),
                demo: true,
            }
        }
    }

    impl SignedOut {
        fn sample(text: &str) -> Self {
            Self {
                continue_to: Some(Link::sample(text)),
            }
        }
    }

    impl Problem {
        fn sample(text: &str) -> Self {
            Self {
                status: 403,
                title: text.to_owned(),
                what: text.to_owned(),
                why: text.to_owned(),
                what_to_do: text.to_owned(),
                correlation_id: text.to_owned(),
                time: text.to_owned(),
                link: Some(Link::sample(text)),
            }
        }
    }

    impl Portal {
        fn sample(text: &str) -> Self {
            Self {
                display_name: text.to_owned(),
                upn: text.to_owned(),
                tiles: vec![Tile {
                    label: text.to_owned(),
                    detail: text.to_owned(),
                    href: format!("/wsfed/{text}"),
                }],
                expiring: vec![Expiring::sample(text)],
                admin_apps: vec![AdminApp {
                    label: text.to_owned(),
                    kind: text.to_owned(),
                    domain: text.to_owned(),
                    commands_href: Some(format!("/wsfed/{text}/commands")),
                    windows_href: Some(format!("/wsfed/{text}/windows")),
                    metadata_href: Some(format!("/wsfed/{text}/metadata")),
                    saml_metadata_href: Some(format!("/saml2/{text}/metadata")),
                }],
                form_token: text.to_owned(),
                sign_out_action: format!("/sign-out?{text}"),
            }
        }
    }

    impl SignOutRound {
        fn sample(text: &str) -> Self {
            Self {
                steps: vec![SignOutFrame {
                    label: text.to_owned(),
                    state: SignOutState::Telling,
                    href: Some(format!("/sign-out/{text}/0")),
                    answers: true,
                }],
                result_href: format!("/sign-out/{text}/result"),
                seconds: 5,
            }
        }
    }

    impl SignOutResult {
        fn sample(text: &str) -> Self {
            Self {
                steps: vec![SignOutOutcome {
                    label: text.to_owned(),
                    state: SignOutState::NoAnswer,
                    href: Some(format!("/sign-out/{text}/0")),
                }],
                complete: false,
                form: Some(PostBack::sample(text)),
                link: Some(Link::sample(text)),
            }
        }
    }

    impl SignOutStep {
        fn sample(text: &str) -> Self {
            Self {
                title: text.to_owned(),
                result_href: format!("/sign-out/{text}/result"),
            }
        }
    }

    impl PostBack {
        fn sample(text: &str) -> Self {
            Self {
                doing: "Signing you in",
                app_label: text.to_owned(),
                action: format!("https://app.example/{text}"),
                fields: vec![Field {
                    name: text.to_owned(),
                    value: text.to_owned(),
                }],
            }
        }
    }

    impl Commands {
        fn sample(text: &str) -> Self {
            let choice = |current| Alternative {
                name: "Check",
                about: "Looks.",
                effect: "changes nothing",
                href: format!("/wsfed/{text}/commands"),
                current,
            };
            Self {
                expiring: vec![Expiring::sample(text)],
                app_label: text.to_owned(),
                domain: text.to_owned(),
                message: Some(text.to_owned()),
                actions: vec![choice(true), choice(false)],
                flavors: vec![choice(false), choice(true)],
                settings: vec![Setting {
                    name: "mfa",
                    title: "Second factor",
                    choices: vec![SettingChoice {
                        word: "accept",
                        in_graph: "acceptIfMfaDoneByFederatedIdp",
                        about: "Nobody is locked out.",
                        checked: true,
                    }],
                }],
                form_action: format!("/wsfed/{text}/commands"),
                named_domain: Some(text.to_owned()),
                action: "check",
                flavor: "graph",
                flavor_title: "PowerShell",
                changes: "changes nothing",
                needs: vec![Need {
                    name: "Tools",
                    text: "Whatever.",
                    code: text.to_owned(),
                }],
                people: idp::federate::People {
                    granted: 2,
                    others: 1,
                },
                protocol: "SAML 2.0",
                other_protocol: "WS-Federation",
                limits: &["Join devices."],
                switch_command: text.to_owned(),
                cloud: "the worldwide cloud",
                cloud_command: text.to_owned(),
                script: Script::Text(text.to_owned()),
                rescue: Rescue {
                    version: text.to_owned(),
                    stored: Some(StoredRescue {
                        version: text.to_owned(),
                        at: text.to_owned(),
                        by: text.to_owned(),
                    }),
                    up_to_date: false,
                    href: format!("/wsfed/{text}/rescue"),
                    command: text.to_owned(),
                    form_token: text.to_owned(),
                    query: text.to_owned(),
                },
                download_href: format!("?{text}"),
                back_href: format!("/?{text}"),
                facts: vec![("Issuer", text.to_owned())],
                password_alone: true,
                windows_href: format!("/wsfed/{text}/windows"),
                compare_href: format!("/wsfed/{text}/compare"),
            }
        }

        fn without_script(text: &str, script: Script) -> Self {
            Self {
                script,
                ..Self::sample(text)
            }
        }
    }

    impl Domains {
        fn sample(text: &str) -> Self {
            Self {
                title: "Federation commands",
                app_label: text.to_owned(),
                choices: vec![Choice {
                    domain: text.to_owned(),
                    unicode: Some(text.to_owned()),
                    issuer: text.to_owned(),
                    href: format!("/wsfed/{text}/commands"),
                }],
            }
        }
    }

    impl Compare {
        fn sample(text: &str) -> Self {
            let some = || Some(text.to_owned());
            Self {
                app_label: text.to_owned(),
                domain: text.to_owned(),
                command: text.to_owned(),
                commands_href: format!("/wsfed/{text}/commands"),
                action: format!("/wsfed/{text}/compare"),
                form_token: text.to_owned(),
                pasted: text.to_owned(),
                message: some(),
                result: Some(Compared {
                    differs: true,
                    findings: vec![Finding {
                        setting: "issuerUri",
                        differs: true,
                        ours: some(),
                        theirs: some(),
                        why: some(),
                        mend: vec![text.to_owned()],
                    }],
                    same: vec!["displayName"],
                }),
            }
        }
    }

    impl Windows {
        fn sample(text: &str) -> Self {
            Self {
                app_label: text.to_owned(),
                domain: Some(text.to_owned()),
                enabled: false,
                back: Link::sample(text),
                message: Some(text.to_owned()),
                switch_command: None,
                on: true,
                networks: vec![text.to_owned()],
                typed_networks: text.to_owned(),
                as_adfs: true,
                from_here: text.to_owned(),
                addresses: vec![Address {
                    id: "mex",
                    name: "Metadata exchange",
                    url: text.to_owned(),
                }],
                action: format!("/wsfed/{text}/windows"),
                form_token: text.to_owned(),
            }
        }

        fn by_saml(text: &str) -> Self {
            Self {
                switch_command: Some(text.to_owned()),
                ..Self::sample(text)
            }
        }
    }

    impl Help {
        fn sample(text: &str) -> Self {
            let facts = || Facts {
                title: text.to_owned(),
                facts: vec![(text.to_owned(), text.to_owned())],
                command: Some(text.to_owned()),
            };
            Self {
                code: text.to_owned(),
                title: Some("Nobody has this ImmutableID"),
                coarser: Some(text.to_owned()),
                class: Some("Codes like this."),
                texts: Some(HelpTexts {
                    means: Marked("`code` and text."),
                    cause: Marked("Text."),
                    look: Marked("Text and `code`."),
                }),
                microsofts: Some(text.to_owned()),
                here: Some(vec![facts(), facts()]),
                form: Some(format!("/help/aadsts/{text}")),
                asked: text.to_owned(),
                nobody: true,
            }
        }
    }

    impl HelpIndex {
        fn sample(text: &str) -> Self {
            Self {
                sections: vec![HelpSection {
                    title: "The person",
                    entries: vec![HelpLine {
                        codes: vec![Link::sample(text), Link::sample(text)],
                        means: Marked("Text and `code`."),
                    }],
                }],
            }
        }
    }

    impl Expiring {
        fn sample(text: &str) -> Self {
            Self {
                sentence: text.to_owned(),
                what_to_do: text.to_owned(),
                urgent: true,
            }
        }
    }

    impl Setup {
        fn sample(text: &str) -> Self {
            Self {
                action: format!("/setup/{text}"),
                form_token: text.to_owned(),
                upn: text.to_owned(),
                display_name: text.to_owned(),
                message: Some(text.to_owned()),
            }
        }
    }

    impl Link {
        fn sample(text: &str) -> Self {
            Self {
                label: text.to_owned(),
                href: format!("/?{text}"),
            }
        }
    }

    fn every_page(text: &str) -> Vec<(&'static str, String)> {
        fn page(name: &'static str, template: &impl Template) -> (&'static str, String) {
            (name, template.render().expect("samples render"))
        }
        vec![
            page("sign-in", &SignIn::sample(text)),
            page("signed-out", &SignedOut::sample(text)),
            page("problem", &Problem::sample(text)),
            page("portal", &Portal::sample(text)),
            page("post-back", &PostBack::sample(text)),
            page("sign-out-round", &SignOutRound::sample(text)),
            page("sign-out-result", &SignOutResult::sample(text)),
            page("sign-out-step", &SignOutStep::sample(text)),
            page("commands", &Commands::sample(text)),
            page("domains", &Domains::sample(text)),
            page("compare", &Compare::sample(text)),
            page(
                "commands-gated",
                &Commands::without_script(text, Script::Gated),
            ),
            page(
                "commands-no-next",
                &Commands::without_script(
                    text,
                    Script::NoNext {
                        command: text.to_owned(),
                    },
                ),
            ),
            page(
                "commands-too-long",
                &Commands::without_script(text, Script::TooLong { users: 100_000 }),
            ),
            page("windows", &Windows::sample(text)),
            page("windows-by-saml", &Windows::by_saml(text)),
            page("setup", &Setup::sample(text)),
            page("help", &Help::sample(text)),
            page("help-index", &HelpIndex::sample(text)),
        ]
    }

    /// The start tags of a page as (name, attributes), read as a browser reads them.
    fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
        let mut tags = Vec::new();
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            rest = &rest[at + 1..];
            if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                continue;
            }
            let end = rest.find([' ', '\n', '>']).expect("a tag ends");
            let name = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
            let mut attributes = Vec::new();
            loop {
                rest = rest.trim_start();
                if let Some(after) = rest.strip_prefix('>') {
                    rest = after;
                    break;
                }
                let end = rest.find([' ', '\n', '=', '>']).expect("an attribute ends");
                let attribute = rest[..end].to_ascii_lowercase();
                rest = &rest[end..];
                let value = match rest.strip_prefix('=') {
                    None => "",
                    Some(quoted) => {
                        let open = quoted.strip_prefix('"').expect("values stand in quotes");
                        let (value, after) = open.split_once('"').expect("quotes are closed");
                        rest = after;
                        value
                    }
                };
                attributes.push((attribute, unescaped(value)));
            }
            tags.push((name, attributes));
        }
        tags
    }

    fn unescaped(html: &str) -> String {
        let html = html.replace("\r\n", "\n").replace('\r', "\n"); // as the parser's input is
        let mut text = String::new();
        let mut parts = html.split('&');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (reference, after) = part.split_once(';').expect("references are closed");
            text.push(match reference {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                number => {
                    let number = number
                        .strip_prefix('#')
                        .expect("other references are numbers");
                    let number = number.parse().expect("in decimal");
                    char::from_u32(number).expect("of a character")
                }
            });
            text.push_str(after);
        }
        text
    }

    #[test]
    fn pages_need_no_inline_code_and_nothing_from_elsewhere() {
        for (page, html) in every_page("Contoso") {
            for (tag, attributes) in tags(&html) {
                assert_ne!(tag, "style", "{page}");
                let loads = attributes
                    .iter()
                    .filter(|(name, _)| name == "src" || (tag == "link" && name == "href"))
                    .inspect(|(_, url)| assert!(url.starts_with('/'), "{page}: {url}"))
                    .count();
                assert!(tag != "script" || loads == 1, "{page} has an inline script");
                for (name, _) in attributes {
                    assert!(name != "style" && !name.starts_with("on"), "{page}: {name}");
                }
            }
        }
    }

    #[test]
    fn pages_of_a_device_s_set_up_open_no_window_download_nothing_and_lead_nowhere_else() {
        for (page, html) in every_page("Contoso") {
            if page.starts_with("commands") {
                continue;
            }
            for (tag, attributes) in tags(&html) {
                for (name, value) in attributes {
                    assert!(
                        !["target", "download", "ping"].contains(&name.as_str()),
                        "{page}: {tag} {name}"
                    );
                    assert!(name != "href" || value.starts_with('/'), "{page}: {value}");
                }
            }
        }
    }

    #[test]
    fn assets_ask_for_nothing_that_the_engines_of_2018_do_not_know() {
        let later = [
            ("style.css", " gap:"),
            ("style.css", "inset:"),
            ("style.css", ":has("),
            ("style.css", ":is("),
            ("style.css", "color-mix("),
            ("style.css", "dvh"),
            ("style.css", "&"),
            (".js", "?."),
            (".js", "=>"),
            (".js", "const "),
            (".js", "`"),
        ];
        for asset in ASSETS {
            let text = str::from_utf8(asset.bytes).expect("assets are text");
            for (kind, word) in later {
                let found = asset.path.ends_with(kind) && text.contains(word);
                assert!(!found, "{}: {word}", asset.path);
            }
        }
    }

    #[test]
    fn hostile_values_add_no_tag_and_no_attribute() {
        fn shape(html: &str) -> Vec<(String, Vec<String>)> {
            tags(html)
                .into_iter()
                .map(|(tag, attributes)| {
                    (tag, attributes.into_iter().map(|(name, _)| name).collect())
                })
                .collect()
        }
        for ((page, calm), (_, hostile)) in every_page("calm").iter().zip(every_page(HOSTILE)) {
            assert_eq!(shape(calm), shape(&hostile), "{page}");
        }
    }

    #[test]
    fn every_asset_that_a_page_loads_exists() {
        for (page, html) in every_page("Contoso") {
            for url in tags(&html)
                .iter()
                .flat_map(|(_, a)| a)
                .map(|(_, value)| value)
            {
                let Some(asset) = url.strip_prefix("/assets/") else {
                    continue;
                };
                let (path, version) = asset.split_once("?v=").expect("assets carry a version");
                assert!(
                    ASSETS.iter().any(|asset| asset.path == path),
                    "{page}: {path}"
                );
                assert_eq!(version, asset_version());
            }
        }
    }

    #[test]
    fn the_version_follows_the_bytes() {
        let style = |bytes| Asset {
            path: "style.css",
            content_type: "text/css",
            bytes,
        };
        assert_ne!(fingerprint(&[style(b"a")]), fingerprint(&[style(b"b")]));
    }

    #[test]
    fn posted_values_survive_byte_for_byte() {
        let values = [
            String::new(),
            HOSTILE.to_owned(),
            "\r\n\r \n\t é 漢 \u{2028} &#10; &lt;".to_owned(),
            "\n<'\">&\r\t%0A+".repeat(64 * 1024 / 11),
        ];
        for value in values {
            let page = PostBack {
                fields: vec![Field {
                    name: "wctx".to_owned(),
                    value: value.clone(),
                }],
                ..PostBack::sample("Contoso")
            };
            let html = page.render().expect("samples render");
            let (_, posted) = tags(&html)
                .into_iter()
                .find(|(tag, _)| tag == "input")
                .expect("the page has the field");
            assert!(posted.contains(&("value".to_owned(), value)));
        }
    }

    #[test]
    fn a_script_keeps_its_first_line() {
        let page = Commands {
            script: Script::Text("\n# first".to_owned()),
            ..Commands::sample("Contoso")
        };
        // A parser drops one line break after <pre>; that one must be ours.
        assert!(
            page.render()
                .expect("samples render")
                .contains("\">\n\n# first</pre>")
        );
    }

    #[test]
    fn the_cursor_waits_in_the_first_empty_field() {
        let focused = |username: &str| {
            let page = SignIn {
                username: username.to_owned(),
                ..SignIn::sample("Contoso")
            };
            let html = page.render().expect("samples render");
            tags(&html)
                .into_iter()
                .filter(|(_, attributes)| attributes.iter().any(|(name, _)| name == "autofocus"))
                .flat_map(|(_, attributes)| attributes)
                .find_map(|(name, value)| (name == "name").then_some(value))
        };
        assert_eq!(focused("").as_deref(), Some("username"));
        assert_eq!(
            focused("alice@contoso.example").as_deref(),
            Some("password")
        );
    }

    #[test]
    fn optional_parts_are_left_out() {
        let sign_in = SignIn {
            app_label: None,
            message: None,
            demo: false,
            ..SignIn::sample("Contoso")
        };
        let html = sign_in.render().expect("samples render");
        assert!(!html.contains("Demonstration") && !html.contains("role=\"alert\""));

        let portal = Portal {
            tiles: Vec::new(),
            expiring: Vec::new(),
            admin_apps: Vec::new(),
            ..Portal::sample("Contoso")
        };
        let html = portal.render().expect("samples render");
        assert!(html.contains("No applications yet.") && !html.contains("you administer"));
    }

    #[test]
    fn code_in_a_text_is_shown_as_code() {
        let html = Help::sample("Contoso").render().expect("samples render");
        assert!(
            html.contains("<dd><code>code</code> and text.</dd>"),
            "{html}"
        );
        assert!(
            html.contains("<dd>Text and <code>code</code>.</dd>"),
            "{html}"
        );
    }

    #[test]
    fn a_monogram_is_made_of_initials() {
        for (label, expected) in [
            ("Contoso Microsoft 365", "CM"),
            ("payroll", "P"),
            ("(Ärzte) & Pflege", "ÄP"),
            ("  ", "·"),
        ] {
            assert_eq!(monogram(label), expected, "{label}");
        }
    }
}
