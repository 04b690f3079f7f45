//! Who is signed in, and what that allows at an application.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::anchors::AnchorSource;
use crate::apps::{App, AppKind, Issuer, Protocol, WsFedSettings};
use crate::error::Result;
use crate::saml::{MaybeSaml, SamlSettings};
use crate::sign_outs::{SessionApp, StoredNameId};
use crate::signing_keys::{SigningKey, Stage};
use crate::transaction::{Read, Write};
use crate::users::User;

/// Somebody is signed in. Whether that still holds is the caller's to judge by the times.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Session {
    /// The hash of what the cookie holds.
    pub id_hash: Vec<u8>,
    /// Who.
    pub user_id: Uuid,
    /// How, as a URI of the standard.
    pub method: String,
    /// When the password was given.
    pub authenticated_at: DateTime<Utc>,
    /// When the session began.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends in any case.
    pub expires_at: DateTime<Utc>,
    /// The address it began from.
    pub source: String,
}

/// All that a token over a session needs, in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOn {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
    /// Whether some group of the user may use the application.
    pub granted: bool,
    /// The application, if there is such a one.
    pub app: Option<App>,
    /// The issuers of the application in their alphabetical order.
    pub issuers: Vec<Issuer>,
    /// The key that signs for the application, if it has one.
    pub signing_key: Option<SigningKey>,
    /// What the application was told of the session before, by protocol.
    pub known: Vec<SessionApp>,
    /// The identifier by which the application knows the user, if it ever got one.
    pub pairwise_id: Option<String>,
}

impl Read {
    /// The session with this hash.
    pub async fn session(&mut self, id_hash: &[u8]) -> Result<Option<Session>> {
        fetch_optional!(
            self,
            "SELECT id_hash, user_id, method, authenticated_at, created_at, last_seen_at, \
                    expires_at, source \
             FROM sessions WHERE id_hash = $1",
            id_hash
        )
    }

    /// The session with this hash and what it allows at an application; `None` without a session.
    pub async fn sign_on(&mut self, id_hash: &[u8], app_id: &str) -> Result<Option<SignOn>> {
        let rows: Vec<SignOnRow> = fetch_all!(
            self,
            "SELECT s.id_hash, s.method, s.authenticated_at, s.created_at AS session_created_at, \
                    s.last_seen_at, s.expires_at, s.source, \
                    u.id AS user_id, u.upn, u.upn_key, u.display_name, u.email, u.given_name, \
                    u.family_name, u.immutable_id, u.anchor_source, u.anchor_used_at, \
                    u.password_hash, u.admin, \
                    u.enabled AS user_enabled, u.created_at AS user_created_at, \
                    a.id AS app_id, a.kind, a.label, a.enabled AS app_enabled, a.protocol, a.slug, a.wsfed, \
                    a.saml, a.cloud, a.entra_url, a.created_at AS app_created_at, \
                    k.id AS key_id, k.stage, k.certificate, k.sealed_private_key, \
                    k.created_at AS key_created_at, k.known_at, k.known_by, k.replaced_at, k.withdrawn_at, \
                    i.issuer, i.domain, \
                    p.protocol AS told_protocol, p.name_id_format, p.name_id, p.session_index, p.since, \
                    d.value AS pairwise_id, \
                    EXISTS (SELECT 1 FROM app_grants g JOIN memberships m ON m.group_id = g.group_id \
                            WHERE g.app_id = $2 AND m.user_id = s.user_id) AS granted \
             FROM sessions s \
             JOIN users u ON u.id = s.user_id \
             LEFT JOIN apps a ON a.id = $2 \
             LEFT JOIN signing_keys k ON k.app_id = a.id AND k.stage = 'current' \
             LEFT JOIN issuers i ON i.app_id = a.id \
             LEFT JOIN session_apps p ON p.session_hash = s.id_hash AND p.app_id = a.id \
             LEFT JOIN pairwise_ids d ON d.user_id = s.user_id AND d.app_id = a.id \
             WHERE s.id_hash = $1 ORDER BY i.issuer",
            id_hash,
            app_id
        )?;
        // One row for each issuer with each protocol that the application was told by, or one.
        let mut rows = rows.into_iter();
        let mut sign_on = rows.next().map(SignOn::from);
        if let Some(sign_on) = &mut sign_on {
            for row in rows {
                let known = row.told.found(app_id);
                sign_on
                    .known
                    .extend(known.filter(|known| !sign_on.known.contains(known)));
                let issuer = row.issuer.found();
                sign_on
                    .issuers
                    .extend(issuer.filter(|issuer| !sign_on.issuers.contains(issuer)));
            }
        }
        Ok(sign_on)
    }
}

impl Write {
    /// Begins a session.
    pub async fn add_session(&mut self, session: &Session) -> Result<()> {
        execute!(
            self,
            "INSERT INTO sessions (id_hash, user_id, method, authenticated_at, created_at, \
                                   last_seen_at, expires_at, source) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &session.id_hash,
            session.user_id,
            &session.method,
            session.authenticated_at,
            session.created_at,
            session.last_seen_at,
            session.expires_at,
            &session.source
        )?;
        Ok(())
    }

    /// Notes that a session is in use; false when there is no such session.
    pub async fn touch_session(&mut self, id_hash: &[u8], now: DateTime<Utc>) -> Result<bool> {
        let touched = execute!(
            self,
            "UPDATE sessions SET last_seen_at = $2 WHERE id_hash = $1",
            id_hash,
            now
        )?;
        Ok(touched == 1)
    }

    /// Ends a session; false when there is no such session.
    pub async fn end_session(&mut self, id_hash: &[u8]) -> Result<bool> {
        let ended = execute!(self, "DELETE FROM sessions WHERE id_hash = $1", id_hash)?;
        Ok(ended == 1)
    }

    /// Ends all sessions of a user and says how many.
    pub async fn end_sessions_of(&mut self, user_id: Uuid) -> Result<u64> {
        execute!(self, "DELETE FROM sessions WHERE user_id = $1", user_id)
    }
}

/// The columns of `sign_on` as they come; what a LEFT JOIN may not find is optional.
#[derive(FromRow)]
struct SignOnRow {
    id_hash: Vec<u8>,
    method: String,
    authenticated_at: DateTime<Utc>,
    session_created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    source: String,
    user_id: Uuid,
    upn: String,
    upn_key: String,
    display_name: String,
    email: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    immutable_id: String,
    anchor_source: AnchorSource,
    anchor_used_at: Option<DateTime<Utc>>,
    password_hash: String,
    admin: bool,
    user_enabled: bool,
    user_created_at: DateTime<Utc>,
    #[sqlx(flatten)]
    app: AppColumns,
    #[sqlx(flatten)]
    key: KeyColumns,
    #[sqlx(flatten)]
    issuer: IssuerColumns,
    #[sqlx(flatten)]
    told: ToldColumns,
    pairwise_id: Option<String>,
    granted: bool,
}

#[derive(FromRow)]
struct AppColumns {
    app_id: Option<String>,
    kind: Option<AppKind>,
    label: Option<String>,
    app_enabled: Option<bool>,
    protocol: Option<Protocol>,
    slug: Option<String>,
    #[sqlx(json(nullable))]
    wsfed: Option<WsFedSettings>,
    #[sqlx(try_from = "MaybeSaml")]
    saml: Option<SamlSettings>,
    cloud: Option<String>,
    entra_url: Option<String>,
    app_created_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct KeyColumns {
    key_id: Option<Uuid>,
    stage: Option<Stage>,
    certificate: Option<Vec<u8>>,
    sealed_private_key: Option<Vec<u8>>,
    key_created_at: Option<DateTime<Utc>>,
    known_at: Option<DateTime<Utc>>,
    known_by: Option<String>,
    replaced_at: Option<DateTime<Utc>>,
    withdrawn_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct ToldColumns {
    told_protocol: Option<Protocol>,
    name_id_format: Option<String>,
    name_id: Option<String>,
    session_index: Option<String>,
    since: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct IssuerColumns {
    #[sqlx(rename = "app_id")]
    issuer_app_id: Option<String>,
    issuer: Option<String>,
    domain: Option<String>,
}

impl From<SignOnRow> for SignOn {
    fn from(row: SignOnRow) -> Self {
        let app = row.app.found();
        let signing_key = app.as_ref().and_then(|app| row.key.found(&app.id));
        let known = app.as_ref().and_then(|app| row.told.found(&app.id));
        let known = known.into_iter().collect();
        Self {
            session: Session {
                id_hash: row.id_hash,
                user_id: row.user_id,
                method: row.method,
                authenticated_at: row.authenticated_at,
                created_at: row.session_created_at,
                last_seen_at: row.last_seen_at,
                expires_at: row.expires_at,
                source: row.source,
            },
            user: User {
                id: row.user_id,
                upn: row.upn,
                upn_key: row.upn_key,
                display_name: row.display_name,
                email: row.email,
                given_name: row.given_name,
                family_name: row.family_name,
                immutable_id: row.immutable_id,
                anchor_source: row.anchor_source,
                anchor_used_at: row.anchor_used_at,
                password_hash: row.password_hash,
                admin: row.admin,
                enabled: row.user_enabled,
                created_at: row.user_created_at,
            },
            granted: row.granted,
            app,
            issuers: row.issuer.found().into_iter().collect(),
            known,
            pairwise_id: row.pairwise_id,
            signing_key,
        }
    }
}

impl AppColumns {
    fn found(self) -> Option<App> {
        Some(App {
            id: self.app_id?,
            kind: self.kind?,
            label: self.label?,
            enabled: self.app_enabled?,
            protocol: self.protocol?,
            slug: self.slug,
            wsfed: self.wsfed,
            saml: self.saml,
            cloud: self.cloud,
            entra_url: self.entra_url,
            created_at: self.app_created_at?,
        })
    }
}

impl KeyColumns {
    fn found(self, app_id: &str) -> Option<SigningKey> {
        Some(SigningKey {
            id: self.key_id?,
            app_id: app_id.to_owned(),
            stage: self.stage?,
            certificate: self.certificate?,
            sealed_private_key: self.sealed_private_key?,
            created_at: self.key_created_at?,
            known_at: self.known_at,
            known_by: self.known_by,
            replaced_at: self.replaced_at,
            withdrawn_at: self.withdrawn_at,
        })
    }
}

impl ToldColumns {
    fn found(self, app_id: &str) -> Option<SessionApp> {
        Some(SessionApp {
            app_id: app_id.to_owned(),
            protocol: self.told_protocol?,
            name_id: StoredNameId::from_columns(self.name_id_format, self.name_id),
            session_index: self.session_index,
            since: self.since?,
        })
    }
}

impl IssuerColumns {
    fn found(self) -> Option<Issuer> {
        Some(Issuer {
            issuer: self.issuer?,
            app_id: self.issuer_app_id?,
            domain: self.domain,
        })
    }
}
