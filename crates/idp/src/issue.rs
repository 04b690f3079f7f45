//! A token: what is known about the user, written, signed with the app's key, and put on record.

use chrono::TimeDelta;
use protocol::names;
use protocol::saml11::{Assertion, Authentication, NameIdentifier};
use store::{App, Session, SigningKey, User};

use crate::audit::Entry;
use crate::claims::Claims;
use crate::error::{Error, Result};
use crate::{Idp, Origin};

/// For relying parties whose clock is slow.
const BEFORE: TimeDelta = TimeDelta::minutes(1);
/// As long as AD FS's tokens: many WS-Federation applications take it for the length of their session.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// Everything a token is made of, decided beforehand.
pub(crate) struct Grant<'a> {
    pub user: &'a User,
    pub session: &'a Session,
    pub app: &'a App,
    pub issuer: &'a str,
    pub claims: &'a Claims,
    pub key: &'a SigningKey,
}

/// A signed assertion and how long it holds.
pub(crate) struct Token {
    pub assertion: String,
    pub created: chrono::DateTime<chrono::Utc>,
    pub expires: chrono::DateTime<chrono::Utc>,
}

impl Idp {
    /// Signs a SAML 1.1 assertion. Its audit line is committed before the token is returned.
    pub(crate) async fn issue_saml11(&self, grant: &Grant<'_>, origin: &Origin) -> Result<Token> {
        let now = self.now();
        let id = crypto::random::xml_id();
        let unsigned = Assertion {
            id: &id,
            issuer: grant.issuer,
            issued_at: now,
            not_before: now - BEFORE,
            not_on_or_after: now + LIFETIME,
            audience: &grant.app.wsfed.realm,
            name_id: NameIdentifier {
                format: &grant.app.wsfed.name_id.format,
                value: &grant.claims.name_id,
            },
            attributes: &grant.claims.attributes,
            authentication: Authentication {
                method: names::method::PASSWORD,
                instant: grant.session.authenticated_at,
            },
        }
        .unsigned()
        .map_err(Error::broken)?;
        let key = self.open_key(grant.key)?;
        let assertion =
            crypto::xml_signature::sign(&unsigned.xml, &unsigned.id, unsigned.signature_at, &key)
                .map_err(Error::broken)?;
        let entry = Entry::new("token.issued", origin)
            .user(&grant.user.upn)
            .app(&grant.app.id)
            .with("immutable_id", grant.user.immutable_id.as_str())
            .with("audience", grant.app.wsfed.realm.as_str())
            .with("issuer", grant.issuer)
            .with("assertion_id", id)
            .with("certificate_thumbprint", key.certificate().thumbprint());
        self.record(entry).await?;
        tracing::info!(app.id = %grant.app.id, "Issued a token");
        Ok(Token {
            assertion,
            created: now,
            expires: now + LIFETIME,
        })
    }
}
