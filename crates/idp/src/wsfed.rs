//! WS-Federation passive sign-on: may this person have a token for this app, and what is posted where?

use chrono::{DateTime, TimeDelta, Utc};
use protocol::wsfed::{self, Message, SignIn};
use store::{App, Issuer, Session, User};

use crate::audit::Entry;
use crate::claims;
use crate::error::{Error, Record, Refusal, Result};
use crate::issue::Grant;
use crate::parse::Upn;
use crate::sessions::{SessionToken, is_live};
use crate::{Idp, Origin};

/// What a sign-in request leads to.
pub enum SignOn {
    /// The token, in a form for the browser to post (WS-Fed 1.2 §13.2.2).
    Post(PostBack),
    /// The person has to sign in, or to sign in again, first.
    Authenticate,
}

/// A form that the browser posts to the app.
pub struct PostBack {
    pub app_label: String,
    pub action: String,
    pub fields: Vec<(&'static str, String)>,
}

/// What a request's `wauth` demands (WS-Fed 1.2 §13.2.2; the values are Entra's and SAML's).
#[derive(Debug, PartialEq, Eq)]
enum Demand {
    Nothing,
    /// Type the password now, even in a live session: how Entra translates `prompt=login`.
    PasswordNow,
    SeveralFactors,
    Other,
}

impl Idp {
    /// Reads a WS-Federation message from the query and the form; a bad one goes on record.
    pub async fn wsfed_message(
        &self,
        app_id: &str,
        query: &str,
        form: &[u8],
        origin: &Origin,
    ) -> Result<Message> {
        let read = crate::parse::app_id(app_id).and_then(|_| Ok(wsfed::parse(query, form)?));
        match read {
            Ok(message) => Ok(message),
            Err(refusal) => self.refuse_token(app_id, refusal, origin).await,
        }
    }

    /// Answers a sign-in request that was made at `asked_at`: now, or when the person was sent to sign in.
    pub async fn wsfed_sign_on(
        &self,
        app_id: &str,
        request: &SignIn,
        session: Option<&SessionToken>,
        asked_at: DateTime<Utc>,
        origin: &Origin,
    ) -> Result<SignOn> {
        match self
            .try_wsfed_sign_on(app_id, request, session, asked_at, origin)
            .await
        {
            Err(Error::Refused(refusal, _)) => self.refuse_token(app_id, refusal, origin).await,
            other => other,
        }
    }

    async fn try_wsfed_sign_on(
        &self,
        app_id: &str,
        request: &SignIn,
        session: Option<&SessionToken>,
        asked_at: DateTime<Utc>,
        origin: &Origin,
    ) -> Result<SignOn> {
        let found = match session {
            Some(token) => self.store.sign_on(&token.hash(), app_id).await?,
            None => None,
        };
        let Some(found) = found else {
            let app = self
                .store
                .read()
                .await?
                .app(app_id)
                .await?
                .ok_or(Refusal::UnknownApp)?;
            check_request(&app, request)?;
            return Ok(SignOn::Authenticate);
        };
        let app = found.app.ok_or(Refusal::UnknownApp)?;
        let reply = check_request(&app, request)?;
        let (user, session) = (found.user, found.session);
        if !is_live(&session, &user, self.now())
            || !is_fresh(request, &session, asked_at, self.now())
        {
            return Ok(SignOn::Authenticate);
        }
        if !found.granted {
            let (upn, label) = (user.upn, app.label);
            return Err(Refusal::NotGranted { upn, label }.into());
        }
        let issuer = issuer_for(&user, &app, &found.issuers)?;
        let groups = if claims::need_groups(&app) {
            self.store.read().await?.groups_of(user.id).await?
        } else {
            Vec::new()
        };
        let claims = claims::for_app(&user, &groups, &app)?;
        let key = found.signing_key.ok_or_else(|| {
            Error::broken(std::io::Error::other(
                "the application has no current signing key",
            ))
        })?;
        self.touch(&session).await?;
        let grant = Grant {
            user: &user,
            session: &session,
            app: &app,
            issuer,
            claims: &claims,
            key: &key,
        };
        let token = self.issue_saml11(&grant, origin).await?;

        let answer = wsfed::response(
            &token.assertion,
            &app.wsfed.realm,
            token.created,
            token.expires,
        )
        .map_err(Error::broken)?;
        let mut fields = vec![("wa", "wsignin1.0".to_owned()), ("wresult", answer)];
        fields.extend(request.context.clone().map(|context| ("wctx", context)));
        Ok(SignOn::Post(PostBack {
            action: reply,
            app_label: app.label,
            fields,
        }))
    }

    /// Where a sign-out may lead back to: only to a reply address of the app, compared exactly.
    pub async fn wsfed_sign_out_reply(
        &self,
        app_id: &str,
        reply: Option<&str>,
    ) -> Result<Option<String>> {
        let Some(reply) = reply else { return Ok(None) };
        let app = self.store.read().await?.app(app_id).await?;
        Ok(app.and_then(|app| app.wsfed.replies.into_iter().find(|stored| stored == reply)))
    }

    /// The label of an app, for the page on which the person signs in to it.
    pub async fn app_label(&self, app_id: &str) -> Result<Option<String>> {
        Ok(self
            .store
            .read()
            .await?
            .app(app_id)
            .await?
            .map(|app| app.label))
    }

    /// Writes the refusal of a token down and returns it.
    pub async fn refuse_token<T>(
        &self,
        app_id: &str,
        refusal: Refusal,
        origin: &Origin,
    ) -> Result<T> {
        let mut entry = Entry::new("token.refused", origin).with("reason", refusal.reason());
        // An id that cannot be one is not worth keeping, and may be anything.
        if let Ok(id) = crate::parse::app_id(app_id) {
            entry = entry.app(&id);
        }
        if let Refusal::NotGranted { upn, .. }
        | Refusal::OutsideDomain { upn, .. }
        | Refusal::NoIdentifier { upn, .. } = &refusal
        {
            entry = entry.user(upn);
        }
        if let Refusal::BadRequest(error) = &refusal {
            entry = entry.with("parameter", error.parameter());
        }
        self.record(entry).await?;
        Err(Error::Refused(refusal, Record::Written))
    }
}

/// Everything about a request that does not depend on the person; returns where the answer goes.
fn check_request(app: &App, request: &SignIn) -> Result<String, Refusal> {
    let label = || app.label.clone();
    if !app.enabled {
        return Err(Refusal::AppDisabled { label: label() });
    }
    if request.realm != app.wsfed.realm {
        return Err(Refusal::ForeignRealm { label: label() });
    }
    let reply = match &request.reply {
        None => app.wsfed.replies.first(),
        Some(asked) => app.wsfed.replies.iter().find(|stored| *stored == asked),
    };
    let reply = reply.ok_or_else(|| Refusal::ForeignReply { label: label() })?;
    match demand(request.authentication.as_deref()) {
        Demand::Nothing | Demand::PasswordNow => Ok(reply.clone()),
        Demand::SeveralFactors => Err(Refusal::MultiFactorRequested { label: label() }),
        Demand::Other => Err(Refusal::MethodRequested { label: label() }),
    }
}

fn demand(wauth: Option<&str>) -> Demand {
    let Some(wauth) = wauth else {
        return Demand::Nothing;
    };
    // Entra and AD FS write these with http or https.
    match wauth
        .strip_prefix("https://")
        .or_else(|| wauth.strip_prefix("http://"))
        .unwrap_or(wauth)
    {
        "schemas.microsoft.com/claims/multipleauthn"
        | "schemas.microsoft.com/claims/wiaormultiauthn" => Demand::SeveralFactors,
        "schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password"
        | "urn:oasis:names:tc:SAML:1.0:am:password" => Demand::PasswordNow,
        "urn:oasis:names:tc:SAML:1.0:am:unspecified"
        | "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
        | "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
        | "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport" => Demand::Nothing,
        _ => Demand::Other,
    }
}

/// Whether the person signed in recently enough for this request.
fn is_fresh(
    request: &SignIn,
    session: &Session,
    asked_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> bool {
    let signed_in_for_it = session.authenticated_at >= asked_at;
    let again = request.prompt_login
        || request.fresh == Some(0)
        || demand(request.authentication.as_deref()) == Demand::PasswordNow;
    match request.fresh {
        _ if signed_in_for_it => true,
        _ if again => false,
        None => true,
        Some(minutes) => {
            let most = i64::try_from(minutes)
                .ok()
                .and_then(TimeDelta::try_minutes)
                .unwrap_or(TimeDelta::MAX);
            now - session.authenticated_at <= most
        }
    }
}

/// The domain guard: Entra takes a token only from the domain that the user's UPN belongs to, so the UPN
/// picks the issuer. A generic app has one issuer for everybody.
fn issuer_for<'a>(user: &User, app: &App, issuers: &'a [Issuer]) -> Result<&'a str, Refusal> {
    let outside = || Refusal::OutsideDomain {
        upn: user.upn.clone(),
        label: app.label.clone(),
    };
    let upn = Upn::parse(&user.upn).map_err(|_| outside())?;
    issuers
        .iter()
        .filter(|issuer| {
            issuer
                .domain
                .as_deref()
                .is_none_or(|domain| upn.domain().is_within(domain))
        })
        .max_by_key(|issuer| issuer.domain.as_ref().map_or(0, String::len))
        .map(|issuer| issuer.issuer.as_str())
        .ok_or_else(outside)
}
