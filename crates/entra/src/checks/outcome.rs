//! What became of each check, and of all together.

use std::fmt;

use super::{Rule, SignedIn};

/// Every check with its outcome, and the person when none failed.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub checks: Vec<Check>,
    pub signed_in: Option<SignedIn>,
}

impl Verdict {
    /// The check that failed.
    pub fn failed(&self) -> Option<(&Check, Aadsts, &str)> {
        self.checks.iter().find_map(|check| match &check.outcome {
            Outcome::Failed { code, why } => Some((check, *code, why.as_str())),
            _ => None,
        })
    }

    /// The error code that Entra ID shows, when it refuses.
    pub fn code(&self) -> Option<u32> {
        self.failed().map(|(_, code, _)| code.0)
    }

    /// The outcome of the check with this number.
    pub fn outcome(&self, number: u8) -> Option<&Outcome> {
        self.checks
            .iter()
            .find(|check| check.number == number)
            .map(|check| &check.outcome)
    }
}

/// One check and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub number: u8,
    pub title: &'static str,
    /// The codes that its failure can have; none when it can only warn.
    pub raises: &'static [u32],
    pub outcome: Outcome,
}

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// Entra ID lets this pass, but somebody should look at it.
    Warned(String),
    Failed {
        code: Aadsts,
        why: String,
    },
    /// An earlier check failed.
    NotReached,
}

/// An error code of Entra ID's token service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aadsts(pub u32);

impl fmt::Display for Aadsts {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "AADSTS{}", self.0)
    }
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: Aadsts,
    pub why: String,
}

pub(super) type Checked<T> = Result<T, Failure>;

pub(super) fn failure(code: u32, why: impl Into<String>) -> Failure {
    Failure {
        code: Aadsts(code),
        why: why.into(),
    }
}

pub(super) fn ensure(holds: bool, code: u32, why: impl FnOnce() -> String) -> Checked<()> {
    if holds {
        Ok(())
    } else {
        Err(failure(code, why()))
    }
}

/// Says the code for a reader's complaint: `xml::only(…).or_raise(50008)?`.
pub(super) trait OrRaise<T> {
    fn or_raise(self, code: u32) -> Checked<T>;
}

impl<T> OrRaise<T> for Result<T, String> {
    fn or_raise(self, code: u32) -> Checked<T> {
        self.map_err(|why| failure(code, why))
    }
}

/// The list of checks, filled in as the story proceeds.
pub(super) struct Ledger(Vec<Check>);

impl Ledger {
    pub fn new(rules: &[Rule]) -> Self {
        let not_reached = |rule: &Rule| Check {
            number: rule.number,
            title: rule.title,
            raises: rule.raises,
            outcome: Outcome::NotReached,
        };
        Self(rules.iter().map(not_reached).collect())
    }

    /// Writes down a check that can fail; `None` ends the story.
    pub fn note<T>(&mut self, number: u8, result: Checked<T>) -> Option<T> {
        let (outcome, value) = match result {
            Ok(value) => (Outcome::Passed, Some(value)),
            Err(Failure { code, why }) => (Outcome::Failed { code, why }, None),
        };
        self.write(number, outcome);
        value
    }

    /// Writes down a check that can only warn.
    pub fn remark(&mut self, number: u8, warning: Option<String>) {
        self.write(number, warning.map_or(Outcome::Passed, Outcome::Warned));
    }

    pub fn verdict(self, signed_in: Option<SignedIn>) -> Verdict {
        Verdict {
            checks: self.0,
            signed_in,
        }
    }

    fn write(&mut self, number: u8, outcome: Outcome) {
        let check = self.0.iter_mut().find(|check| check.number == number);
        check.expect("every check is in the list of rules").outcome = outcome;
    }
}
