//! What a token needs whatever the protocol: who is asking, whether they may, and in whose name we speak.

use store::{App, Issuer, Session, SessionApp, SigningKey, User};

use crate::audit::Entry;
use crate::error::{Error, Record, Refusal, Result};
use crate::parse::Upn;
use crate::sessions::{SessionToken, is_live};
use crate::{Idp, Origin};

/// What a sign-in request leads to.
pub enum SignOn {
    /// The answer, in a form for the browser to post.
    Post(PostBack),
    /// The person has to sign in, or to sign in again, first.
    Authenticate,
}

/// A form that the browser posts to the app.
#[derive(Debug)]
pub struct PostBack {
    pub app_label: String,
    pub action: String,
    pub fields: Vec<(&'static str, String)>,
}

/// An app, and who stands before it.
pub(crate) struct Look {
    pub app: App,
    /// Nobody without a live session.
    pub person: Option<Person>,
}

/// Somebody with a live session, and what the app means to them.
pub(crate) struct Person {
    pub user: User,
    pub session: Session,
    pub granted: bool,
    pub issuers: Vec<Issuer>,
    pub signing_key: Option<SigningKey>,
    /// What this session was told this app before.
    pub known: Vec<SessionApp>,
    pub pairwise_id: Option<String>,
}

impl Idp {
    /// The app and the person behind the session, in one look at the database.
    pub(crate) async fn look(&self, app_id: &str, session: Option<&SessionToken>) -> Result<Look> {
        let found = match session {
            Some(token) => self.store.sign_on(&token.hash(), app_id).await?,
            None => None,
        };
        let Some(found) = found else {
            let app = self.store.read().await?.app(app_id).await?;
            let app = app.ok_or(Refusal::UnknownApp)?;
            return Ok(Look { app, person: None });
        };
        let app = found.app.ok_or(Refusal::UnknownApp)?;
        let live = is_live(&found.session, &found.user, self.now());
        let person = live.then_some(Person {
            user: found.user,
            session: found.session,
            granted: found.granted,
            issuers: found.issuers,
            signing_key: found.signing_key,
            known: found.known,
            pairwise_id: found.pairwise_id,
        });
        Ok(Look { app, person })
    }

    /// The label of an app, for the page on which the person signs in to it.
    pub async fn app_label(&self, app_id: &str) -> Result<Option<String>> {
        let app = self.store.read().await?.app(app_id).await?;
        Ok(app.map(|app| app.label))
    }

    /// Writes the refusal of a token down and returns it.
    pub async fn refuse_token<T>(
        &self,
        app_id: &str,
        refusal: Refusal,
        origin: &Origin,
    ) -> Result<T> {
        self.record_token_refusal(app_id, &refusal, origin).await?;
        Err(Error::Refused(refusal, Record::Written))
    }

    pub(crate) async fn record_token_refusal(
        &self,
        app_id: &str,
        refusal: &Refusal,
        origin: &Origin,
    ) -> Result<()> {
        let mut entry = Entry::new("token.refused", origin).with("reason", refusal.reason());
        // An id that cannot be one is not worth keeping, and may be anything.
        if let Ok(id) = crate::parse::app_id(app_id) {
            entry = entry.app(&id);
        }
        if let Refusal::NotGranted { upn, .. }
        | Refusal::OutsideDomain { upn, .. }
        | Refusal::OtherSubject { upn, .. }
        | Refusal::NoIdentifier { upn, .. }
        | Refusal::UserDisabled { upn } = refusal
        {
            entry = entry.user(upn);
        }
        if let Refusal::BadRequest(error) = refusal {
            entry = entry.with("parameter", error.parameter());
        }
        if let Refusal::BadSignature { why, .. } = refusal {
            entry = entry.with("why", why.as_str());
        }
        self.record(entry).await
    }
}

impl Person {
    /// The issuer in whose name this person gets a token, if they may have one.
    pub fn entitled(&self, app: &App) -> Result<&str, Refusal> {
        if !self.granted {
            return Err(Refusal::NotGranted {
                upn: self.user.upn.clone(),
                label: app.label.clone(),
            });
        }
        issuer_for(&self.user, app, &self.issuers)
    }

    /// The key that signs for the app.
    pub fn key(&self) -> Result<&SigningKey> {
        self.signing_key.as_ref().ok_or_else(no_key)
    }
}

/// Every app has a current key from the moment it exists.
pub(crate) fn no_key() -> Error {
    Error::broken(std::io::Error::other(
        "the application has no current signing key",
    ))
}

/// An app that is switched off answers nobody.
pub(crate) fn check_enabled(app: &App) -> Result<(), Refusal> {
    if app.enabled {
        return Ok(());
    }
    Err(Refusal::AppDisabled {
        label: app.label.clone(),
    })
}

/// The domain guard: Entra takes a token only from the domain that the user's UPN belongs to, so the UPN
/// picks the issuer. A generic app has one issuer for everybody.
pub(crate) fn issuer_for<'a>(
    user: &User,
    app: &App,
    issuers: &'a [Issuer],
) -> Result<&'a str, Refusal> {
    issuer_of(&user.upn, issuers)
        .map(|issuer| issuer.issuer.as_str())
        .ok_or_else(|| Refusal::OutsideDomain {
            upn: user.upn.clone(),
            label: app.label.clone(),
        })
}

/// The issuer of the domain that a UPN belongs to, or of the nearest one above it.
pub(crate) fn issuer_of<'a>(upn: &str, issuers: &'a [Issuer]) -> Option<&'a Issuer> {
    let upn = Upn::parse(upn).ok()?;
    issuers
        .iter()
        .filter(|issuer| {
            issuer
                .domain
                .as_deref()
                .is_none_or(|domain| upn.domain().is_within(domain))
        })
        .max_by_key(|issuer| issuer.domain.as_ref().map_or(0, String::len))
}

/// The issuer of a domain that a reader of metadata names; without one, the first.
pub(crate) fn issuer_named<'a>(issuers: &'a [Issuer], domain: Option<&str>) -> Result<&'a Issuer> {
    let Some(domain) = domain else {
        return issuers.first().ok_or_else(no_issuer);
    };
    let domain = domain.trim().to_ascii_lowercase();
    let named = issuers
        .iter()
        .find(|issuer| issuer.domain.as_deref() == Some(&*domain));
    named.ok_or_else(|| Refusal::UnknownDomain.into())
}

/// Every app has an issuer from the moment it exists.
pub(crate) fn no_issuer() -> Error {
    Error::broken(std::io::Error::other("the application has no issuer"))
}
