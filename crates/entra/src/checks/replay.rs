//! Check 35: an assertion signs in once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::outcome::{Checked, ensure};

/// The assertions that signed somebody in and are still valid.
#[derive(Debug, Default)]
pub struct Replay(HashMap<String, DateTime<Utc>>);

impl Replay {
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps an identifier for as long as its assertion could be shown again.
    pub(super) fn remember(&mut self, id: String, until: DateTime<Utc>, now: DateTime<Utc>) {
        self.0.retain(|_, until| *until > now);
        self.0.insert(id, until);
    }
}

pub(super) fn unused(assertion: Node, replay: &Replay) -> Checked<String> {
    // Check 27 made sure that there is one.
    let id = assertion.attribute("AssertionID").unwrap_or_default();
    ensure(!replay.0.contains_key(id), 50013, || {
        format!("the assertion {id} has signed somebody in before")
    })?;
    Ok(id.to_owned())
}
