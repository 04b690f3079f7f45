//! What became of each check of a step.

use super::{Client, Rule};

/// One check and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub rule: &'static Rule,
    pub outcome: Outcome,
}

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// Another client would fail here, or somebody should look at it.
    Warned(String),
    Failed(String),
    /// An earlier check failed.
    NotReached,
}

/// The checks of a step, and what it led to when none failed.
#[derive(Clone, Debug)]
pub struct Step<T> {
    pub checks: Vec<Check>,
    pub result: Option<T>,
}

impl<T> Step<T> {
    /// The check that failed, and why.
    pub fn failed(&self) -> Option<(&'static Rule, &str)> {
        self.checks.iter().find_map(|check| match &check.outcome {
            Outcome::Failed(why) => Some((check.rule, why.as_str())),
            _ => None,
        })
    }
}

/// The list of checks, filled in as the story proceeds.
pub struct Tally {
    checks: Vec<Check>,
    client: Client,
}

impl Tally {
    pub fn new(rules: &'static [Rule], client: Client) -> Self {
        let not_reached = |rule| Check {
            rule,
            outcome: Outcome::NotReached,
        };
        Self {
            checks: rules.iter().map(not_reached).collect(),
            client,
        }
    }

    /// Writes down a check; `None` ends the story.
    pub fn note<T>(&mut self, number: &str, result: Result<T, String>) -> Option<T> {
        let (outcome, value) = match result {
            Ok(value) => (Outcome::Passed, Some(value)),
            Err(why) => (Outcome::Failed(why), None),
        };
        self.check(number).outcome = outcome;
        value
    }

    /// Writes down a check about the habits of some clients; `None` ends the story of one of those.
    pub fn mind(&mut self, number: &str, result: Result<(), String>) -> Option<()> {
        let client = self.client;
        let check = self.check(number);
        let (outcome, goes_on) = match result {
            Ok(()) => (Outcome::Passed, Some(())),
            Err(why) if check.rule.trips.contains(&client) => (Outcome::Failed(why), None),
            Err(why) => (Outcome::Warned(check.rule.warning(&why)), Some(())),
        };
        check.outcome = outcome;
        goes_on
    }

    pub fn step<T>(self, result: Option<T>) -> Step<T> {
        Step {
            checks: self.checks,
            result,
        }
    }

    fn check(&mut self, number: &str) -> &mut Check {
        let check = self
            .checks
            .iter_mut()
            .find(|check| check.rule.number == number);
        check.expect("every check is in the list of rules")
    }
}

/// `Err` says in words what is wrong.
pub fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
