//! Decides about a request for authentication (SAML core §3.4.1): pure.

use chrono::{DateTime, Utc};
use protocol::names;
use protocol::saml2::{AuthnRequest, Comparison, NameIdPolicy, RequestedContext};
use serde::{Deserialize, Serialize};
use store::{Acs, App, AppKind, NameIdRule, SamlSettings, Session, Source, User};

use crate::error::Refusal;

/// A verified request to sign somebody in, as it is kept while the person signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// None when the person started here (SAML profiles §4.1.5).
    pub(crate) authn: Option<AuthnRequest>,
    pub(crate) relay_state: Option<String>,
    pub(crate) username: Option<String>,
    /// It came by a form of another site, with which browsers send no session cookie.
    pub(crate) posted: bool,
}

/// What an acceptable request is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decided {
    pub acs: String,
    pub name_id: NameIdRule,
    pub context_class: &'static str,
}

/// A request that is refused; where it is safe to answer the service provider, to which address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Denied {
    pub refusal: Refusal,
    pub acs: Option<String>,
}

impl Request {
    /// The person opened the app's address or its tile.
    pub(crate) fn unsolicited(relay_state: Option<String>, username: Option<String>) -> Self {
        Self {
            authn: None,
            relay_state,
            username,
            posted: false,
        }
    }

    /// What the sign-in page is filled in with: what the person typed elsewhere, or whom the request is about.
    pub fn username(&self) -> Option<&str> {
        let subject = || Some(self.authn.as_ref()?.subject.as_ref()?.value.as_str());
        self.username
            .as_deref()
            .or_else(|| subject().filter(|value| value.contains('@')))
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.authn.as_ref().map(|authn| authn.id.as_str())
    }

    /// The person must not be asked anything (SAML core §3.4.1, IsPassive).
    pub(super) fn is_passive(&self) -> bool {
        self.authn.as_ref().is_some_and(|authn| authn.is_passive)
    }

    /// Whether the person signed in recently enough for this request, made at `asked_at`.
    pub(super) fn is_fresh(&self, session: &Session, asked_at: DateTime<Utc>) -> bool {
        let again = self.authn.as_ref().is_some_and(|authn| authn.force_authn);
        !again || session.authenticated_at >= asked_at
    }

    /// Whether the person is the one that the request names, if it names one (SAML core §3.4.1, Subject):
    /// by the identifier that the service provider gets, or by a name that people have.
    pub(super) fn is_about(&self, user: &User, name_id: &str) -> bool {
        let subject = self.authn.as_ref().and_then(|authn| authn.subject.as_ref());
        subject.is_none_or(|subject| {
            let asked = subject.value.as_str();
            let same = |name: &str| name.eq_ignore_ascii_case(asked);
            match subject.format.as_deref() {
                None | Some(names::name_id::UNSPECIFIED | names::name_id::EMAIL) => {
                    asked == name_id || same(&user.upn) || user.email.as_deref().is_some_and(same)
                }
                Some(_) => asked == name_id,
            }
        })
    }

    /// Everything about the request that does not depend on the person.
    pub(super) fn decide(&self, app: &App, settings: &SamlSettings) -> Result<Decided, Denied> {
        let acs = self
            .acs(app, settings)
            .map_err(|refusal| Denied { refusal, acs: None })?;
        let denied = |refusal| Denied {
            refusal,
            acs: Some(acs.clone()),
        };
        let Some(authn) = &self.authn else {
            return Ok(Decided {
                name_id: settings.name_id.clone(),
                context_class: names::context::PASSWORD_PROTECTED_TRANSPORT,
                acs,
            });
        };
        let label = || app.label.clone();
        let binding = authn.protocol_binding.as_deref();
        if binding.is_some_and(|binding| binding != names::binding::POST) {
            return Err(denied(Refusal::UnsupportedBinding { label: label() }));
        }
        let name_id = name_id(authn.name_id_policy.as_ref(), app, settings)
            .ok_or_else(|| denied(Refusal::NameIdPolicy { label: label() }))?;
        let context_class = context(authn.requested_context.as_ref())
            .ok_or_else(|| denied(context_refusal(authn, app)))?;
        Ok(Decided {
            acs,
            name_id,
            context_class,
        })
    }

    /// Where the answer goes: only to an address of the stored app, compared exactly.
    fn acs(&self, app: &App, settings: &SamlSettings) -> Result<String, Refusal> {
        let stored = &settings.acs;
        let first = || stored.iter().find(|acs| acs.is_default).or(stored.first());
        let asked = |authn: &AuthnRequest| -> Option<&Acs> {
            match (&authn.acs_url, authn.acs_index) {
                (Some(url), None) => stored.iter().find(|acs| acs.url == *url),
                (None, Some(index)) => stored.iter().find(|acs| acs.index == index),
                (Some(url), Some(index)) => stored
                    .iter()
                    .find(|acs| acs.url == *url && acs.index == index),
                (None, None) => first(),
            }
        };
        let acs = self.authn.as_ref().map_or_else(first, asked);
        acs.map(|acs| acs.url.clone())
            .ok_or_else(|| Refusal::ForeignAcs {
                label: app.label.clone(),
            })
    }
}

/// The identifier that the policy asks for, if the app may have it (SAML core §3.4.1.1). Generic apps may
/// always have one that tells nothing: a stored pairwise one, or another for each session. `AllowCreate` is not
/// looked at: widespread clients say false, or nothing, and mean none of it.
fn name_id(
    policy: Option<&NameIdPolicy>,
    app: &App,
    settings: &SamlSettings,
) -> Option<NameIdRule> {
    let rule = &settings.name_id;
    let Some(policy) = policy else {
        return Some(rule.clone());
    };
    let ours = |qualifier: &String| *qualifier == settings.entity_id;
    if !policy.sp_name_qualifier.as_ref().is_none_or(ours) {
        return None;
    }
    let built_in = |format: &str, source| {
        (app.kind == AppKind::Saml).then(|| NameIdRule {
            format: format.to_owned(),
            source,
        })
    };
    match policy.format.as_deref() {
        None | Some(names::name_id::UNSPECIFIED) => Some(rule.clone()),
        Some(format) if format == rule.format => Some(rule.clone()),
        Some(format @ names::name_id::PERSISTENT) => built_in(format, Source::Pairwise),
        Some(format @ names::name_id::TRANSIENT) => built_in(format, Source::Transient),
        Some(_) => None,
    }
}

/// How strong the classes are that a password can satisfy, weakest first (SAML authn context §3.4).
const CLASSES: [&str; 3] = [
    names::context::UNSPECIFIED,
    names::context::PASSWORD,
    names::context::PASSWORD_PROTECTED_TRANSPORT,
];
/// What we do here is the last of them: a password, over TLS.
const OURS: usize = 2;

/// The class that the assertion names, if what we do satisfies the request (SAML core §3.3.2.2.1).
fn context(requested: Option<&RequestedContext>) -> Option<&'static str> {
    let Some(requested) = requested else {
        return Some(CLASSES[OURS]);
    };
    if requested.declarations {
        return None;
    }
    let strength = |class: &String| CLASSES.iter().position(|known| known == class);
    let mut known = requested.classes.iter().map(strength);
    match requested.comparison {
        Comparison::Exact => known.flatten().next().map(|class| CLASSES[class]),
        Comparison::Minimum => known
            .flatten()
            .any(|class| class <= OURS)
            .then_some(CLASSES[OURS]),
        Comparison::Better => known
            .all(|class| class.is_some_and(|class| class < OURS))
            .then_some(CLASSES[OURS]),
        // As strong as possible without exceeding one of those named.
        Comparison::Maximum => known.flatten().max().map(|class| CLASSES[class.min(OURS)]),
    }
}

fn context_refusal(authn: &AuthnRequest, app: &App) -> Refusal {
    let label = app.label.clone();
    let several = |class: &String| {
        [
            names::method::MULTIPLE,
            names::context::REFEDS_MFA,
            names::context::TIME_SYNC_TOKEN,
        ]
        .contains(&class.as_str())
    };
    match &authn.requested_context {
        Some(requested) if requested.classes.iter().any(several) => {
            Refusal::MultiFactorRequested { label }
        }
        _ => Refusal::MethodRequested { label },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PPT: &str = names::context::PASSWORD_PROTECTED_TRANSPORT;
    const PASSWORD: &str = names::context::PASSWORD;
    const UNSPECIFIED: &str = names::context::UNSPECIFIED;
    const MFA: &str = names::method::MULTIPLE;

    #[test]
    fn a_context_is_compared_as_the_standard_says() {
        use Comparison::{Better, Exact, Maximum, Minimum};
        for (comparison, classes, answer) in [
            (Exact, &[PPT][..], Some(PPT)),
            (Exact, &[PASSWORD], Some(PASSWORD)),
            (Exact, &[MFA, PASSWORD, PPT], Some(PASSWORD)),
            (Exact, &[MFA], None),
            (Minimum, &[PASSWORD], Some(PPT)),
            (Minimum, &[MFA, PPT], Some(PPT)),
            (Minimum, &[MFA], None),
            (Better, &[PASSWORD, UNSPECIFIED], Some(PPT)),
            (Better, &[PPT], None),
            (Better, &[PASSWORD, MFA], None),
            (Maximum, &[PASSWORD], Some(PASSWORD)),
            (Maximum, &[UNSPECIFIED, PPT], Some(PPT)),
            (Maximum, &[MFA], None),
        ] {
            let requested = RequestedContext {
                comparison,
                classes: classes.iter().map(ToString::to_string).collect(),
                declarations: false,
            };
            assert_eq!(
                context(Some(&requested)),
                answer,
                "{comparison:?} {classes:?}"
            );
        }
        assert_eq!(context(None), Some(PPT));
        let declared = RequestedContext {
            comparison: Exact,
            classes: vec![PPT.to_owned()],
            declarations: true,
        };
        assert_eq!(context(Some(&declared)), None);
    }
}
