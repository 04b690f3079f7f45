//! The record: what happened, to whom, from where. Committed before anything is acknowledged.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use store::AuditLine;
use uuid::{Builder, Uuid};

use crate::error::{Refusal, Result};
use crate::{Idp, Origin};

/// One line in the making: `Entry::new("token.issued", &origin).user(..).app(..).with("audience", ..)`.
#[must_use]
pub struct Entry {
    event: &'static str,
    origin: Origin,
    user_upn: Option<String>,
    app_id: Option<String>,
    details: Map<String, Value>,
}

impl Entry {
    pub fn new(event: &'static str, origin: &Origin) -> Self {
        let entry = Self {
            event,
            origin: origin.clone(),
            user_upn: None,
            app_id: None,
            details: Map::new(),
        };
        match origin.via {
            Some(via) => entry.with("via", via),
            None => entry,
        }
    }

    pub fn user(mut self, upn: &str) -> Self {
        self.user_upn = Some(upn.to_owned());
        self
    }

    pub fn app(mut self, id: &str) -> Self {
        self.app_id = Some(id.to_owned());
        self
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The line as it is stored; its id sorts by time.
    pub fn at(self, now: DateTime<Utc>) -> AuditLine {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        AuditLine {
            id: Builder::from_unix_timestamp_millis(millis, &crypto::random::bytes()).into_uuid(),
            at: now,
            event: self.event.to_owned(),
            user_upn: self.user_upn,
            app_id: self.app_id,
            source: Some(self.origin.source),
            correlation_id: Some(self.origin.correlation_id),
            details: self.details,
        }
    }
}

impl Idp {
    /// Commits a line of its own, together with those of other callers at this moment.
    pub(crate) async fn record(&self, entry: Entry) -> Result<()> {
        Ok(self.store.record(entry.at(self.now())).await?)
    }

    /// Writes down a refusal that no verb has written down.
    pub async fn record_refusal(&self, refusal: &Refusal, origin: &Origin) -> Result<()> {
        let mut entry = Entry::new("request.refused", origin).with("reason", refusal.reason());
        if let Refusal::NotAdmin { upn } = refusal {
            entry = entry.user(upn);
        }
        self.record(entry).await
    }

    /// Writes down a request that no verb was asked about, because it could not be read.
    pub async fn record_refused_request(&self, reason: &str, origin: &Origin) -> Result<()> {
        self.record(Entry::new("request.refused", origin).with("reason", reason))
            .await
    }

    /// The newest lines first; `before` continues where a page ended.
    pub async fn audit(
        &self,
        limit: u32,
        before: Option<(DateTime<Utc>, Uuid)>,
    ) -> Result<Vec<AuditLine>> {
        Ok(self.store.read().await?.audit(limit, before).await?)
    }
}
