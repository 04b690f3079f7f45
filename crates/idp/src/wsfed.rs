//! WS-Federation passive sign-on: may this person have a token for this app, and what is posted where?

use chrono::{DateTime, TimeDelta, Utc};
use protocol::wsfed::{self, Message, SignIn};
use protocol::wstrust;
use store::{App, Session, WsFedSettings};

use crate::claims;
use crate::error::{Error, Refusal, Result};
use crate::issue::Grant;
use crate::sessions::SessionToken;
use crate::sign_on::{Look, PostBack, SignOn, check_enabled};
use crate::{Idp, Origin};

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
        let Look { app, person } = self.look(app_id, session).await?;
        let settings = settings(&app)?;
        let reply = check_request(&app, settings, request)?;
        let Some(person) =
            person.filter(|person| is_fresh(request, &person.session, asked_at, self.now()))
        else {
            return Ok(SignOn::Authenticate);
        };
        let issuer = person.entitled(&app)?;
        let sources = claims::sources_of_wsfed(settings);
        let about = self.about(&person, &app, sources).await?;
        self.touch(&person.session).await?;
        let grant = Grant {
            person: &person,
            app: &app,
            issuer,
            about: &about,
        };
        let token = self.issue_saml11(&grant, settings, origin).await?;

        let told = token.issued(&settings.realm);
        let answer =
            wstrust::token_response(wstrust::Version::Feb2005, &told).map_err(Error::broken)?;
        let mut fields = vec![("wa", "wsignin1.0".to_owned()), ("wresult", answer)];
        fields.extend(request.context.clone().map(|context| ("wctx", context)));
        Ok(SignOn::Post(PostBack {
            action: reply,
            app_label: app.label,
            fields,
        }))
    }
}

/// How an app speaks WS-Federation, if it does.
pub(crate) fn settings(app: &App) -> Result<&WsFedSettings, Refusal> {
    app.wsfed.as_ref().ok_or_else(|| Refusal::OtherProtocol {
        label: app.label.clone(),
    })
}

/// Everything about a request that does not depend on the person; returns where the answer goes.
fn check_request(app: &App, settings: &WsFedSettings, request: &SignIn) -> Result<String, Refusal> {
    let label = || app.label.clone();
    check_enabled(app)?;
    if request.realm != settings.realm {
        return Err(Refusal::ForeignRealm { label: label() });
    }
    let reply = match &request.reply {
        None => settings.replies.first(),
        Some(asked) => settings.replies.iter().find(|stored| *stored == asked),
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
