//! A token: what is known about the user, written, signed with the app's key, and put on record.

use chrono::{DateTime, TimeDelta, Utc};
use crypto::xml_signature::Algorithm;
use protocol::{names, saml2, saml11, wstrust};
use store::{
    AnchorIssued, App, NameIdRule, Protocol, SamlSettings, SessionApp, Signed, Source,
    StoredNameId, WsFedSettings,
};

use crate::audit::Entry;
use crate::claims::{self, About};
use crate::error::{Error, Result};
use crate::sign_on::Person;
use crate::{Idp, Origin};

/// For relying parties whose clock is slow.
const BEFORE: TimeDelta = TimeDelta::minutes(1);
/// As long as AD FS's tokens: many WS-Federation applications take it for the length of their session.
const WSFED_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// When the last token of a key that has stopped signing is over: no other kind lives longer.
pub(crate) const LONGEST_LIFETIME: TimeDelta = WSFED_LIFETIME;
/// A SAML 2.0 assertion only has to reach the service provider (SAML profiles §4.1.4.2).
const SAML_LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// Everything a token is made of, decided beforehand.
pub(crate) struct Grant<'a> {
    pub person: &'a Person,
    pub app: &'a App,
    pub issuer: &'a str,
    pub about: &'a About,
}

impl Grant<'_> {
    /// The user's ImmutableID, when a token with these sources is the first that carries it.
    pub fn anchor_issued<'a>(
        &self,
        mut sources: impl Iterator<Item = &'a Source>,
        at: DateTime<Utc>,
    ) -> Option<AnchorIssued> {
        let user = &self.person.user;
        let carried = sources.any(|source| *source == Source::ImmutableId);
        (carried && user.anchor_used_at.is_none()).then(|| AnchorIssued {
            user_id: user.id,
            immutable_id: user.immutable_id.clone(),
            at,
        })
    }
}

/// A signed SAML 1.1 assertion and how long it holds.
pub(crate) struct Token {
    pub assertion: String,
    pub created: DateTime<Utc>,
    pub expires: DateTime<Utc>,
}

impl Token {
    /// As WS-Trust writes it down.
    pub fn issued<'a>(&'a self, realm: &'a str) -> wstrust::Issued<'a> {
        wstrust::Issued {
            assertion: &self.assertion,
            realm,
            created: self.created,
            expires: self.expires,
        }
    }
}

/// How a SAML 2.0 response answers a request, decided beforehand.
pub(crate) struct Answer<'a> {
    pub acs: &'a str,
    pub in_response_to: Option<&'a str>,
    pub name_id: &'a NameIdRule,
    pub context_class: &'a str,
}

impl Idp {
    /// Signs a SAML 1.1 assertion over a session. Its audit line is committed before the token is returned.
    pub(crate) async fn issue_saml11(
        &self,
        grant: &Grant<'_>,
        settings: &WsFedSettings,
        origin: &Origin,
    ) -> Result<Token> {
        let (token, entry) = self.sign_saml11(grant, settings, origin)?;
        let told = SessionApp {
            app_id: grant.app.id.clone(),
            protocol: Protocol::Wsfed,
            name_id: None,
            session_index: None,
            since: token.created,
        };
        let anchor = grant.anchor_issued(claims::sources_of_wsfed(settings), token.created);
        self.record_issued(grant, entry, told, anchor).await?;
        Ok(token)
    }

    /// The same without a session to remember it; the caller commits the audit line before the token leaves.
    pub(crate) fn sign_saml11(
        &self,
        grant: &Grant<'_>,
        settings: &WsFedSettings,
        origin: &Origin,
    ) -> Result<(Token, Entry)> {
        let now = self.now();
        let id = crypto::random::xml_id();
        let unsigned = saml11::Assertion {
            id: &id,
            issuer: grant.issuer,
            issued_at: now,
            not_before: now - BEFORE,
            not_on_or_after: now + WSFED_LIFETIME,
            audience: &settings.realm,
            name_id: saml11::NameIdentifier {
                format: &settings.name_id.format,
                value: &grant.about.name_id(&settings.name_id, grant.app)?,
            },
            attributes: &grant.about.wsfed_attributes(settings)?,
            authentication: saml11::Authentication {
                method: names::method::PASSWORD,
                instant: grant.person.session.authenticated_at,
            },
        }
        .unsigned()
        .map_err(Error::broken)?;
        let key = self.open_key(grant.person.key()?)?;
        let assertion = sign(&unsigned, &key, Algorithm::RsaSha256)?;
        let token = Token {
            assertion,
            created: now,
            expires: now + WSFED_LIFETIME,
        };
        Ok((token, issued(grant, &id, &settings.realm, &key, origin)))
    }

    /// Signs a SAML 2.0 response with an assertion in it (SAML core §3.3.3), encrypted when the app wants
    /// that. Its audit line is committed before the response is returned.
    pub(crate) async fn issue_saml20(
        &self,
        grant: &Grant<'_>,
        settings: &SamlSettings,
        answer: &Answer<'_>,
        origin: &Origin,
    ) -> Result<String> {
        let now = self.now();
        let id = crypto::random::xml_id();
        let name_id = grant.about.name_id(answer.name_id, grant.app)?;
        let session = &grant.person.session;
        let session_index = self.code("session-index", session, grant.app);
        let assertion = saml2::Assertion {
            id: &id,
            issuer: grant.issuer,
            issued_at: now,
            not_before: now - BEFORE,
            not_on_or_after: now + SAML_LIFETIME,
            audience: &settings.entity_id,
            name_id: saml2::NameIdentifier {
                format: &answer.name_id.format,
                value: &name_id,
            },
            recipient: answer.acs,
            in_response_to: answer.in_response_to,
            confirm_until: now + SAML_LIFETIME,
            attributes: &grant.about.saml_attributes(settings),
            authentication: saml2::Authentication {
                instant: session.authenticated_at,
                context_class: answer.context_class,
                session_index: &session_index,
            },
        }
        .unsigned()
        .map_err(Error::broken)?;
        let key = self.open_key(grant.person.key()?)?;
        let algorithm = algorithm(settings)?;
        let mut assertion = match settings.sign {
            Signed::Assertion | Signed::Both => sign(&assertion, &key, algorithm)?,
            Signed::Response => assertion.xml,
        };
        if settings.encrypt {
            let recipient = settings.encryption_certificate.as_deref().ok_or_else(|| {
                Error::broken(std::io::Error::other("there is no key to encrypt to"))
            })?;
            let recipient = crate::saml::certificate(recipient)?;
            let data =
                crypto::xml_encryption::encrypt(&assertion, &recipient).map_err(Error::broken)?;
            assertion = saml2::encrypted_assertion(&data);
        }
        let response = saml2::Response {
            id: &crypto::random::xml_id(),
            issued_at: now,
            destination: answer.acs,
            in_response_to: answer.in_response_to,
            issuer: grant.issuer,
            status: saml2::Status::Success,
            assertion: Some(&assertion),
        }
        .unsigned()
        .map_err(Error::broken)?;
        let response = match settings.sign {
            Signed::Response | Signed::Both => sign(&response, &key, algorithm)?,
            Signed::Assertion => response.xml,
        };
        let told = SessionApp {
            app_id: grant.app.id.clone(),
            protocol: Protocol::Saml,
            name_id: Some(StoredNameId {
                format: answer.name_id.format.clone(),
                value: name_id.clone(),
            }),
            session_index: Some(session_index),
            since: now,
        };
        let entry = issued(grant, &id, &settings.entity_id, &key, origin)
            .with("name_id", name_id)
            .with("in_response_to", answer.in_response_to);
        let sources = claims::sources_of_saml(settings, answer.name_id);
        let anchor = grant.anchor_issued(sources, now);
        self.record_issued(grant, entry, told, anchor).await?;
        Ok(response)
    }

    /// Commits the audit line, and which app now knows this session unless that is stored already.
    async fn record_issued(
        &self,
        grant: &Grant<'_>,
        entry: Entry,
        told: SessionApp,
        anchor: Option<AnchorIssued>,
    ) -> Result<()> {
        let person = grant.person;
        let known = person.known.iter().any(|known| {
            known.protocol == told.protocol
                && known.name_id == told.name_id
                && known.session_index == told.session_index
        });
        let participant = (!known).then(|| (person.session.id_hash.clone(), told));
        let line = entry.at(self.now());
        // On the heap: all the futures above would carry it.
        Box::pin(self.store.record_token(line, participant, anchor)).await?;
        tracing::info!(app.id = %grant.app.id, "Issued a token");
        Ok(())
    }
}

/// The algorithm that the app's responses are signed with.
pub(crate) fn algorithm(settings: &SamlSettings) -> Result<Algorithm> {
    settings.signature_algorithm.parse().map_err(Error::broken)
}

pub(crate) fn sign(
    unsigned: &protocol::Unsigned,
    key: &crypto::certificate::SigningKey,
    algorithm: Algorithm,
) -> Result<String> {
    crypto::xml_signature::sign(
        &unsigned.xml,
        &unsigned.id,
        unsigned.signature_at,
        key,
        algorithm,
    )
    .map_err(Error::broken)
}

fn issued(
    grant: &Grant<'_>,
    assertion_id: &str,
    audience: &str,
    key: &crypto::certificate::SigningKey,
    origin: &Origin,
) -> Entry {
    let user = &grant.person.user;
    Entry::new("token.issued", origin)
        .user(&user.upn)
        .app(&grant.app.id)
        .with("immutable_id", user.immutable_id.as_str())
        .with("audience", audience)
        .with("issuer", grant.issuer)
        .with("assertion_id", assertion_id)
        .with("certificate_thumbprint", key.certificate().thumbprint())
}
