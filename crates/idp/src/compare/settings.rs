//! Each setting of a configuration, with what a difference does and how it is mended.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crypto::certificate::Certificate;
use serde_json::Value;
use store::{Protocol, Stage};
use url::Url;

use super::pasted::Configuration;
use super::{Finding, Known, Verdict, shortened};
use crate::federate::{Action, MfaBehavior, PromptLogin};

/// A verdict with what there is to say about it.
struct Judged {
    verdict: Verdict,
    why: Option<String>,
    mend: Vec<String>,
}

fn same() -> Judged {
    Judged {
        verdict: Verdict::Same,
        why: None,
        mend: Vec::new(),
    }
}

fn acceptable(why: impl Into<String>) -> Judged {
    Judged {
        verdict: Verdict::Acceptable,
        why: Some(why.into()),
        mend: Vec::new(),
    }
}

fn different(why: impl Into<String>, mend: impl Into<Vec<String>>) -> Judged {
    Judged {
        verdict: Verdict::Different,
        why: Some(why.into()),
        mend: mend.into(),
    }
}

/// Every setting that decides who gets in, in the order in which a sign-in meets them.
pub(super) fn all(known: &Known, theirs: &Configuration) -> Vec<Finding> {
    let ours = &known.federation;
    let text = |setting: &'static str, value: &str, judge: &dyn Fn(&str) -> Judged| {
        let judged = match theirs.get(setting) {
            None => different("Microsoft has none", [known.run_book(Action::Enable)]),
            Some(Value::String(theirs)) if theirs == value => same(),
            Some(Value::String(theirs)) => judge(theirs),
            Some(_) => different(
                "this is no text, so it is not what Microsoft has stored",
                [known.run_book(Action::Enable)],
            ),
        };
        finding(setting, Some(value.to_owned()), theirs, judged)
    };
    let address = |setting: &'static str, value: &str| {
        text(setting, value, &|theirs| {
            different(
                how(value, theirs).unwrap_or("people are sent somewhere else"),
                [known.run_book(Action::Enable)],
            )
        })
    };
    let active = |setting: &'static str, value: Option<&String>| match value {
        Some(value) => address(setting, value),
        None => finding(setting, None, theirs, unused(known, theirs.get(setting))),
    };
    vec![
        text("issuerUri", &ours.issuer, &|theirs| issuer(known, theirs)),
        text(
            "preferredAuthenticationProtocol",
            in_graph(ours.protocol),
            &|theirs| protocol(known, theirs),
        ),
        address("passiveSignInUri", &ours.passive_sign_in_url),
        address("signOutUri", &ours.sign_out_url),
        active("metadataExchangeUri", ours.metadata_exchange_url.as_ref()),
        active("activeSignInUri", ours.active_sign_in_url.as_ref()),
        signing(known, theirs),
        next(known, theirs),
        text(
            "federatedIdpMfaBehavior",
            ours.mfa_behavior.in_graph(),
            &|theirs| mfa(known, theirs),
        ),
        prompt(known, theirs),
        text("displayName", &ours.label, &|_| {
            acceptable("only a name; nothing depends on it")
        }),
        requests(theirs),
        reset(theirs),
    ]
}

fn finding(
    setting: &'static str,
    ours: Option<String>,
    theirs: &Configuration,
    judged: Judged,
) -> Finding {
    let theirs = theirs.get(setting).map(|value| match value {
        Value::String(text) => shortened(text),
        other => shortened(&other.to_string()),
    });
    with_theirs(setting, ours, theirs, judged)
}

fn with_theirs(
    setting: &'static str,
    ours: Option<String>,
    theirs: Option<String>,
    judged: Judged,
) -> Finding {
    Finding {
        setting,
        ours: ours.map(|ours| shortened(&ours)),
        theirs,
        verdict: judged.verdict,
        why: judged.why,
        mend: judged.mend,
    }
}

/// What tells two texts apart that look alike.
fn how(ours: &str, theirs: &str) -> Option<&'static str> {
    let bare = |text: &str| {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
    };
    let without_slashes = |text: &str| text.replace('/', "");
    let lower = |text: &str| text.to_ascii_lowercase();
    let secure = |text: &str| lower(text).replacen("http://", "https://", 1);
    Some(match theirs {
        _ if theirs.trim() == ours => "there is white space around it",
        _ if bare(theirs) == ours => "there is white space in it",
        _ if theirs.trim_end_matches('/') == ours => "there is a slash too many at its end",
        _ if ours.trim_end_matches('/') == theirs => "the slash at its end is missing",
        _ if without_slashes(theirs) == without_slashes(ours) => {
            "slashes got lost, as version 2.26.0 of Microsoft.Graph loses them: use another version, or the flavor rest"
        }
        _ if lower(theirs) == lower(ours) => "upper and lower case differ, which counts",
        _ if secure(theirs) == secure(ours) => "one has http and the other https",
        _ if !theirs.is_ascii() && ours.is_ascii() => {
            "it has letters that are not ASCII, and may only look like ours"
        }
        _ => return None,
    })
}

fn in_graph(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Wsfed => "wsFed",
        Protocol::Saml => "saml",
    }
}

fn issuer(known: &Known, theirs: &str) -> Judged {
    let ours = &known.federation;
    let mut mend = vec![known.run_book(Action::Enable)];
    let why = match how(&ours.issuer, theirs) {
        Some(how) => how.to_owned(),
        None => "tokens say another issuer, so Microsoft knows no domain for them (AADSTS50107)"
            .to_owned(),
    };
    // Only what a shell leaves alone is put into a command.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":/.-_~%".contains(&b);
    if theirs.bytes().all(plain) && crate::parse::uri("issuer", theirs).is_ok() {
        let of = if known.several {
            format!(" --domain {}", ours.domain)
        } else {
            String::new()
        };
        mend.push(format!(
            "countersign app set {} --issuer {theirs}{of}",
            ours.app_id
        ));
        return different(
            format!("{why}; the first command changes it at Microsoft, the second one here"),
            mend,
        );
    }
    different(why, mend)
}

fn protocol(known: &Known, theirs: &str) -> Judged {
    let ours = &known.federation;
    let enable = known.run_book(Action::Enable);
    let other = [Protocol::Wsfed, Protocol::Saml]
        .into_iter()
        .find(|protocol| in_graph(*protocol).eq_ignore_ascii_case(theirs));
    match other {
        Some(protocol) if protocol == ours.protocol => same(),
        Some(protocol) => different(
            "Microsoft speaks the other protocol with this domain; the first command changes it there, the second one what this server sets up",
            [
                enable,
                format!("countersign app set {} --protocol {protocol}", ours.app_id),
            ],
        ),
        None => different("Microsoft knows wsFed and saml", [enable]),
    }
}

/// An address of WS-Trust where the domain speaks SAML: nobody calls it, unless it is somebody else's.
fn unused(known: &Known, theirs: Option<&Value>) -> Judged {
    let Some(theirs) = theirs else { return same() };
    let origin = |url: &str| Some(Url::parse(url).ok()?.origin());
    let ours = origin(&known.federation.passive_sign_in_url);
    if ours.is_some() && theirs.as_str().and_then(origin) == ours {
        acceptable("an address of this server, which a domain that speaks SAML does not use")
    } else {
        different(
            "a domain that speaks SAML has none here, and this is not an address of this server",
            [known.run_book(Action::Enable)],
        )
    }
}

fn mfa(known: &Known, theirs: &str) -> Judged {
    let other = MfaBehavior::ALL
        .iter()
        .find(|one| one.in_graph().eq_ignore_ascii_case(theirs));
    let enable = [known.run_book(Action::Enable)];
    match other {
        Some(one) if *one == known.federation.mfa_behavior => same(),
        Some(MfaBehavior::Accept) => acceptable(
            "Microsoft takes a second factor that a token proves, and asks for its own otherwise",
        ),
        Some(MfaBehavior::Reject) => {
            acceptable("Microsoft asks for its own second factor, whatever a token proves")
        }
        Some(MfaBehavior::Enforce) => different(
            "Microsoft sends people here for a second factor, and whoever has none here cannot sign in",
            enable,
        ),
        None => different("Microsoft knows no such behavior", enable),
    }
}

fn prompt(known: &Known, theirs: &Configuration) -> Finding {
    const SETTING: &str = "promptLoginBehavior";
    let ours = known.federation.prompt_login;
    let enable = [known.run_book(Action::Enable)];
    let judged = match theirs.get(SETTING) {
        None => acceptable(
            "Microsoft then asks for a fresh sign-in as if it were translateToFreshPasswordAuthentication",
        ),
        Some(Value::String(text)) => {
            let other = PromptLogin::ALL
                .iter()
                .find(|one| one.in_graph().eq_ignore_ascii_case(text));
            match other {
                Some(one) if *one == ours => same(),
                Some(_) => acceptable("another way to ask for a fresh sign-in, which works too"),
                None => different("Microsoft knows no such behavior", enable),
            }
        }
        Some(_) => different(
            "this is no text, so it is not what Microsoft has stored",
            enable,
        ),
    };
    finding(SETTING, Some(ours.in_graph().to_owned()), theirs, judged)
}

fn requests(theirs: &Configuration) -> Finding {
    const SETTING: &str = "isSignedAuthenticationRequestRequired";
    let judged = match theirs.get(SETTING) {
        None | Some(Value::Bool(false)) => same(),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => same(),
        Some(_) => acceptable("Microsoft signs its requests, which this server does not need"),
    };
    finding(SETTING, Some("false".to_owned()), theirs, judged)
}

fn reset(theirs: &Configuration) -> Finding {
    const SETTING: &str = "passwordResetUri";
    let judged = match theirs.get(SETTING) {
        None => same(),
        Some(_) => acceptable(
            "people who have forgotten their password are sent there; make sure that it is yours",
        ),
    };
    finding(SETTING, None, theirs, judged)
}

/// What stands where a certificate belongs.
enum Stored {
    None,
    Certificate {
        certificate: Certificate,
        /// What is wrong with how it is written.
        flaw: Option<&'static str>,
    },
    Unreadable {
        shown: String,
        why: &'static str,
    },
}

fn stored(theirs: Option<&Value>) -> Stored {
    let Some(value) = theirs else {
        return Stored::None;
    };
    let Some(text) = value.as_str() else {
        return Stored::Unreadable {
            shown: shortened(&value.to_string()),
            why: "this is no text",
        };
    };
    let mut flaw = None;
    let mut bare = text.to_owned();
    if bare.contains("-----") {
        flaw = Some("the lines BEGIN CERTIFICATE and END CERTIFICATE stand around it");
        let end = "-----END CERTIFICATE-----";
        if bare.matches(end).count() > 1 {
            return Stored::Unreadable {
                shown: shortened(text),
                why: "these are several certificates",
            };
        }
        bare = bare
            .replace("-----BEGIN CERTIFICATE-----", "")
            .replace(end, "");
    }
    if bare.contains(char::is_whitespace) {
        flaw = flaw.or(Some("there is white space in it"));
        bare.retain(|c| !c.is_whitespace());
    }
    let Ok(der) = BASE64_STANDARD.decode(&bare) else {
        return Stored::Unreadable {
            shown: shortened(text),
            why: "this is no base64",
        };
    };
    match Certificate::from_der(&der) {
        Ok(certificate) => Stored::Certificate { certificate, flaw },
        Err(crypto::certificate::BadCertificate::NotDer) => Stored::Unreadable {
            shown: shortened(text),
            why: "something follows the certificate",
        },
        Err(_) => Stored::Unreadable {
            shown: shortened(text),
            why: "this is no certificate",
        },
    }
}

impl Stored {
    fn shown(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Certificate { certificate, .. } => Some(certificate.thumbprint()),
            Self::Unreadable { shown, .. } => Some(shown.clone()),
        }
    }
}

/// Whose certificate it is, or rather whose it was.
fn stage_of(known: &Known, certificate: &Certificate) -> Option<Stage> {
    let found = known
        .certificates
        .iter()
        .find(|known| known.base64 == certificate.base64());
    found.map(|known| known.stage)
}

const FOREIGN: &str = "no certificate of this application: whoever has its key can sign in to Microsoft as anybody of the domain";

fn signing(known: &Known, theirs: &Configuration) -> Finding {
    const SETTING: &str = "signingCertificate";
    let enable = || [known.run_book(Action::Enable)];
    let found = stored(theirs.get(SETTING));
    let fallback_is_current = matches!(
        stored(theirs.get("nextSigningCertificate")),
        Stored::Certificate { certificate, .. } if stage_of(known, &certificate) == Some(Stage::Current)
    );
    let judged = match &found {
        Stored::None => different("Microsoft has none, so it takes no token", enable()),
        Stored::Unreadable { why, .. } => different(*why, enable()),
        Stored::Certificate { certificate, flaw } => match (stage_of(known, certificate), flaw) {
            (Some(Stage::Current), None) => same(),
            (Some(Stage::Current), Some(flaw)) => different(
                format!("it is our certificate, but {flaw}, and Microsoft then may take no token"),
                enable(),
            ),
            (Some(Stage::Next), _) => different(
                "it is our next certificate, and tokens are still signed with the current one; the first command signs with it here, the second puts the current one back there",
                [
                    format!(
                        "countersign cert promote {} --evidence FILE",
                        known.federation.app_id
                    ),
                    known.run_book(Action::Enable),
                ],
            ),
            (Some(Stage::Retired), _) if fallback_is_current => different(
                "it is our old certificate; sign-in works meanwhile, because the current one is stored as the next one",
                [known.run_book(Action::Promote)],
            ),
            (Some(Stage::Retired), _) => different(
                "it is our old certificate, and no token is signed with that any more (AADSTS5000811)",
                enable(),
            ),
            (None, _) => different(FOREIGN, enable()),
        },
    };
    let ours = Some(known.federation.thumbprint.clone());
    with_theirs(SETTING, ours, found.shown(), judged)
}

fn next(known: &Known, theirs: &Configuration) -> Finding {
    const SETTING: &str = "nextSigningCertificate";
    let has_next = known.federation.next.is_some();
    let rotate = || [known.run_book(Action::Rotate)];
    let found = stored(theirs.get(SETTING));
    let judged = match &found {
        Stored::None if has_next => different(
            "Microsoft has not been given the next certificate yet",
            rotate(),
        ),
        Stored::None => same(),
        Stored::Unreadable { why, .. } => different(
            *why,
            [known.run_book(if has_next {
                Action::Rotate
            } else {
                Action::Promote
            })],
        ),
        Stored::Certificate { certificate, flaw } => match (stage_of(known, certificate), flaw) {
            (Some(Stage::Next), None) => same(),
            (Some(Stage::Next), Some(flaw)) => {
                different(format!("it is our next certificate, but {flaw}"), rotate())
            }
            (Some(Stage::Current), _) if has_next => different(
                "it is the current certificate; Microsoft has not been given the next one yet",
                rotate(),
            ),
            (Some(Stage::Current), _) => {
                acceptable("the current certificate in the second place too; there is no next one")
            }
            (Some(Stage::Retired), _) => different(
                "it is our old certificate: Microsoft still takes tokens that its key signs",
                [known.run_book(if has_next {
                    Action::Rotate
                } else {
                    Action::Promote
                })],
            ),
            (None, _) => different(FOREIGN, [known.run_book(Action::Enable)]),
        },
    };
    let ours = known.federation.next.as_ref();
    with_theirs(
        SETTING,
        ours.map(|next| next.thumbprint.clone()),
        found.shown(),
        judged,
    )
}
