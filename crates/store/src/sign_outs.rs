//! Who has a token of a session, and sign-outs that visit all of them.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::apps::Protocol;
use crate::error::Result;
use crate::sessions::Session;
use crate::transaction::{Read, Write};

/// An application that got a token of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionApp {
    /// Which.
    pub app_id: String,
    /// By which protocol.
    pub protocol: Protocol,
    /// By which name it knows the user (SAML core §3.7.1).
    pub name_id: Option<StoredNameId>,
    /// By which index it knows the session (SAML core §2.7.2).
    pub session_index: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A name identifier that an application was told (SAML core §2.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredNameId {
    /// The URI of its format.
    pub format: String,
    /// The name.
    pub value: String,
}

/// A sign-out that visits several applications.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SignOut {
    /// The hash of the token in its URL.
    pub id_hash: Vec<u8>,
    /// What to do in the end, in the caller's own words.
    pub finish: String,
    /// Whose session it was.
    pub user_upn: String,
    /// What ties pages, logs and audit together.
    pub correlation_id: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it is too late.
    pub expires_at: DateTime<Utc>,
}

/// A visit to one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOutStep {
    /// The id of the message to the application, which its answer repeats.
    pub request_id: String,
    /// Its place among the steps.
    pub position: i64,
    /// Which application.
    pub app_id: String,
    /// By which protocol.
    pub protocol: Protocol,
    /// By which name it knows the user.
    pub name_id: Option<StoredNameId>,
    /// By which index it knows the session.
    pub session_index: Option<String>,
    /// How far it is.
    pub state: StepState,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum StepState {
    /// The application was not told yet.
    Waiting,
    /// It was told.
    Sent,
    /// It answered that the person is signed out.
    Done,
    /// It answered that somebody behind it could not be reached.
    Partial,
    /// It answered that it could not.
    Failed,
}

#[derive(FromRow)]
struct SessionAppRow {
    app_id: String,
    protocol: Protocol,
    name_id_format: Option<String>,
    name_id: Option<String>,
    session_index: Option<String>,
    since: DateTime<Utc>,
}

impl From<SessionAppRow> for SessionApp {
    fn from(row: SessionAppRow) -> Self {
        Self {
            app_id: row.app_id,
            protocol: row.protocol,
            name_id: StoredNameId::from_columns(row.name_id_format, row.name_id),
            session_index: row.session_index,
            since: row.since,
        }
    }
}

#[derive(FromRow)]
struct StepRow {
    request_id: String,
    position: i64,
    app_id: String,
    protocol: Protocol,
    name_id_format: Option<String>,
    name_id: Option<String>,
    session_index: Option<String>,
    state: StepState,
}

impl From<StepRow> for SignOutStep {
    fn from(row: StepRow) -> Self {
        Self {
            request_id: row.request_id,
            position: row.position,
            app_id: row.app_id,
            protocol: row.protocol,
            name_id: StoredNameId::from_columns(row.name_id_format, row.name_id),
            session_index: row.session_index,
            state: row.state,
        }
    }
}

impl StoredNameId {
    pub(crate) fn from_columns(format: Option<String>, value: Option<String>) -> Option<Self> {
        let (format, value) = format.zip(value)?;
        Some(Self { format, value })
    }

    fn columns(name_id: Option<&Self>) -> (Option<&str>, Option<&str>) {
        (
            name_id.map(|name_id| name_id.format.as_str()),
            name_id.map(|name_id| name_id.value.as_str()),
        )
    }
}

impl Read {
    /// The applications that got a token of a session, the first one first.
    pub async fn session_apps(&mut self, session_hash: &[u8]) -> Result<Vec<SessionApp>> {
        let rows: Vec<SessionAppRow> = fetch_all!(
            self,
            "SELECT app_id, protocol, name_id_format, name_id, session_index, since \
             FROM session_apps WHERE session_hash = $1 ORDER BY since, app_id, protocol",
            session_hash
        )?;
        Ok(rows.into_iter().map(SessionApp::from).collect())
    }

    /// The sessions of which an application got a token with this name; with indexes, only those.
    pub async fn sessions_of_subject(
        &mut self,
        app_id: &str,
        name_id: &str,
        session_indexes: &[String],
    ) -> Result<Vec<Session>> {
        let rows: Vec<IndexedSession> = fetch_all!(
            self,
            "SELECT s.id_hash, s.user_id, s.method, s.authenticated_at, s.created_at, \
                    s.last_seen_at, s.expires_at, s.source, p.session_index \
             FROM session_apps p JOIN sessions s ON s.id_hash = p.session_hash \
             WHERE p.app_id = $1 AND p.name_id = $2 ORDER BY s.created_at",
            app_id,
            name_id
        )?;
        let meant = |row: &IndexedSession| {
            session_indexes.is_empty()
                || row
                    .session_index
                    .as_ref()
                    .is_some_and(|index| session_indexes.contains(index))
        };
        let meant = rows.into_iter().filter(meant);
        Ok(meant.map(|row| row.session).collect())
    }

    /// The sign-out with this hash, expired or not.
    pub async fn sign_out(&mut self, id_hash: &[u8]) -> Result<Option<SignOut>> {
        fetch_optional!(
            self,
            "SELECT id_hash, finish, user_upn, correlation_id, created_at, expires_at \
             FROM sign_outs WHERE id_hash = $1",
            id_hash
        )
    }

    /// The steps of a sign-out in their order.
    pub async fn sign_out_steps(&mut self, id_hash: &[u8]) -> Result<Vec<SignOutStep>> {
        let rows: Vec<StepRow> = fetch_all!(
            self,
            "SELECT request_id, position, app_id, protocol, name_id_format, name_id, session_index, \
                    state \
             FROM sign_out_steps WHERE sign_out_hash = $1 ORDER BY position",
            id_hash
        )?;
        Ok(rows.into_iter().map(SignOutStep::from).collect())
    }

    /// The step whose message has this id, and its sign-out.
    pub async fn sign_out_step(
        &mut self,
        request_id: &str,
    ) -> Result<Option<(SignOut, SignOutStep)>> {
        let sign_out: Option<SignOut> = fetch_optional!(
            self,
            "SELECT o.id_hash, o.finish, o.user_upn, o.correlation_id, o.created_at, o.expires_at \
             FROM sign_outs o JOIN sign_out_steps s ON s.sign_out_hash = o.id_hash \
             WHERE s.request_id = $1",
            request_id
        )?;
        let Some(sign_out) = sign_out else {
            return Ok(None);
        };
        let steps = self.sign_out_steps(&sign_out.id_hash).await?;
        let step = steps.into_iter().find(|step| step.request_id == request_id);
        Ok(step.map(|step| (sign_out, step)))
    }
}

impl Write {
    /// Notes that an application got a token of a session; what it was told last is what counts.
    pub async fn note_session_app(&mut self, session_hash: &[u8], app: &SessionApp) -> Result<()> {
        let (name_id_format, name_id) = StoredNameId::columns(app.name_id.as_ref());
        // The session may have ended since: then there is nobody to sign out later.
        execute!(
            self,
            "INSERT INTO session_apps (session_hash, app_id, protocol, name_id_format, name_id, \
                                       session_index, since) \
             SELECT id_hash, $2, $3, $4, $5, $6, $7 FROM sessions WHERE id_hash = $1 \
             ON CONFLICT (session_hash, app_id, protocol) DO UPDATE \
             SET name_id_format = excluded.name_id_format, name_id = excluded.name_id, \
                 session_index = excluded.session_index",
            session_hash,
            &app.app_id,
            app.protocol,
            name_id_format,
            name_id,
            &app.session_index,
            app.since
        )?;
        Ok(())
    }

    /// Begins a sign-out.
    pub async fn add_sign_out(&mut self, sign_out: &SignOut, steps: &[SignOutStep]) -> Result<()> {
        execute!(
            self,
            "INSERT INTO sign_outs (id_hash, finish, user_upn, correlation_id, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &sign_out.id_hash,
            &sign_out.finish,
            &sign_out.user_upn,
            &sign_out.correlation_id,
            sign_out.created_at,
            sign_out.expires_at
        )?;
        for step in steps {
            let (name_id_format, name_id) = StoredNameId::columns(step.name_id.as_ref());
            execute!(
                self,
                "INSERT INTO sign_out_steps (request_id, sign_out_hash, position, app_id, protocol, \
                                             name_id_format, name_id, session_index, state) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                &step.request_id,
                &sign_out.id_hash,
                step.position,
                &step.app_id,
                step.protocol,
                name_id_format,
                name_id,
                &step.session_index,
                step.state
            )?;
        }
        Ok(())
    }

    /// Moves a step on; false when it was not where the caller thought, as when an answer comes twice.
    pub async fn advance_sign_out_step(
        &mut self,
        request_id: &str,
        from: StepState,
        to: StepState,
    ) -> Result<bool> {
        let moved = execute!(
            self,
            "UPDATE sign_out_steps SET state = $3 WHERE request_id = $1 AND state = $2",
            request_id,
            from,
            to
        )?;
        Ok(moved == 1)
    }
}

#[derive(FromRow)]
struct IndexedSession {
    #[sqlx(flatten)]
    session: Session,
    session_index: Option<String>,
}
