//! What happened; only ever added to.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::Result;
use crate::transaction::{Read, Write};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
pub struct AuditLine {
    /// Its own name, a UUID of version 7 (RFC 9562 §5.7).
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// What, in the caller's own words.
    pub event: String,
    /// Whose user principal name it is about.
    pub user_upn: Option<String>,
    /// Which application it is about.
    pub app_id: Option<String>,
    /// The address that it came from.
    pub source: Option<String>,
    /// What ties pages, logs and audit together.
    pub correlation_id: Option<String>,
    /// Whatever else is worth knowing.
    #[sqlx(json)]
    pub details: Map<String, Value>,
}

impl Read {
    /// The newest lines, or the newest before the line with this time and id.
    pub async fn audit(
        &mut self,
        limit: u32,
        before: Option<(DateTime<Utc>, Uuid)>,
    ) -> Result<Vec<AuditLine>> {
        let Some((at, id)) = before else {
            return fetch_all!(
                self,
                "SELECT id, at, event, user_upn, app_id, source, correlation_id, details \
                 FROM audit ORDER BY at DESC, id DESC LIMIT $1",
                i64::from(limit)
            );
        };
        fetch_all!(
            self,
            "SELECT id, at, event, user_upn, app_id, source, correlation_id, details \
             FROM audit WHERE (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $1",
            i64::from(limit),
            at,
            id
        )
    }
}

impl Write {
    /// Appends a line, as part of the change that it tells about; once, even if asked again.
    ///
    /// NUL, which PostgreSQL refuses in text, becomes U+FFFD: nobody escapes the audit by typing it.
    pub async fn append_audit(&mut self, line: &AuditLine) -> Result<()> {
        execute!(
            self,
            "INSERT INTO audit (id, at, event, user_upn, app_id, source, correlation_id, details) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (id) DO NOTHING",
            line.id,
            line.at,
            without_nul(&line.event),
            line.user_upn.as_deref().map(without_nul),
            line.app_id.as_deref().map(without_nul),
            line.source.as_deref().map(without_nul),
            line.correlation_id.as_deref().map(without_nul),
            Json(object_without_nul(&line.details))
        )?;
        Ok(())
    }
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn object_without_nul(object: &Map<String, Value>) -> Map<String, Value> {
    let pairs = object.iter();
    pairs
        .map(|(name, value)| (without_nul(name).into_owned(), value_without_nul(value)))
        .collect()
}

fn value_without_nul(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(text).into_owned()),
        Value::Array(values) => values.iter().map(value_without_nul).collect(),
        Value::Object(object) => Value::Object(object_without_nul(object)),
        value => value.clone(),
    }
}
