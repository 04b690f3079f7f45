//! Checks 11 and 35: an assertion signs in once, and a request is answered once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::outcome::{Checked, ensure};

/// What signed somebody in and could be shown again.
#[derive(Debug, Default)]
pub struct Replay(HashMap<Used, DateTime<Utc>>);

/// Identifiers of assertions and of requests come from different sides and may be equal.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Used {
    Assertion(String),
    Request(String),
}

impl Replay {
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps an identifier for as long as it could be shown again.
    pub(super) fn remember(&mut self, used: Used, until: DateTime<Utc>, now: DateTime<Utc>) {
        self.0.retain(|_, until| *until > now);
        self.0.insert(used, until);
    }
}

/// Check 35.
pub(super) fn unused(id: &str, replay: &Replay) -> Checked<()> {
    let used = replay.0.contains_key(&Used::Assertion(id.to_owned()));
    ensure(!used, 50013, || {
        format!("the assertion {id} has signed somebody in before")
    })
}

/// Check 11.
pub(super) fn unanswered(request_id: &str, replay: &Replay) -> Checked<()> {
    let answered = replay.0.contains_key(&Used::Request(request_id.to_owned()));
    ensure(!answered, 50013, || {
        format!("the request {request_id} was answered before")
    })
}
