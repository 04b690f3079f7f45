//! Passwords that Windows and the MSAL libraries send.

mod answers;
mod changes;
mod idp;
mod metadata;
mod sign_in;

use entra::checks::windows::{Client, Outcome, Rule, Step};

/// A check, the code it is known by, and the change that must lead to it: this text becomes that.
type Change = (&'static str, &'static str, &'static str, &'static str);

/// Every check passes, and something comes of it.
#[track_caller]
fn passes<T>(client: Client, step: &Step<T>) {
    for check in &step.checks {
        let name = client.name();
        assert_eq!(
            check.outcome,
            Outcome::Passed,
            "{name}: {}",
            check.rule.number
        );
    }
    assert!(step.result.is_some());
}

/// The check fails for those clients that it trips, and is a warning for the others.
#[track_caller]
fn trips<T>(number: &str, code: &str, what: &str, client: Client, step: &Step<T>) {
    let at = step
        .checks
        .iter()
        .position(|check| check.rule.number == number)
        .unwrap_or_else(|| panic!("{number} is not in the list"));
    let rule = step.checks[at].rule;
    assert_eq!(rule.code, code, "{number}");
    let warns_only = number == "58.7";
    if !warns_only && (rule.trips.is_empty() || rule.trips.contains(&client)) {
        fails(rule, what, client, step);
        return;
    }
    let name = client.name();
    let outcome = &step.checks[at].outcome;
    assert!(
        matches!(outcome, Outcome::Warned(_)),
        "{name}: {number} {outcome:?}: {what}"
    );
    assert!(step.result.is_some(), "{name}: {what}: {:?}", step.failed());
}

#[track_caller]
fn fails<T>(rule: &Rule, what: &str, client: Client, step: &Step<T>) {
    let name = client.name();
    let (failed, why) = step
        .failed()
        .unwrap_or_else(|| panic!("{name} takes it: {what}"));
    assert_eq!(failed.number, rule.number, "{name}: {what}: {why}");
    assert!(!why.is_empty());
    assert!(step.result.is_none());
    let mut behind = step
        .checks
        .iter()
        .skip_while(|check| check.rule.number != rule.number)
        .skip(1);
    assert!(behind.all(|check| check.outcome == Outcome::NotReached));
}
