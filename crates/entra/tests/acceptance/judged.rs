//! What a test says about a verdict.

use entra::Verdict;
use entra::checks::Outcome;

/// Check `number` fails with `code`, those before it do not fail, and those behind it are not reached.
#[track_caller]
pub fn refuses(number: u8, code: u32, what: &str, verdict: &Verdict) {
    let (check, found, why) = verdict
        .failed()
        .unwrap_or_else(|| panic!("accepted: {what}"));
    assert_eq!((check.number, found.0), (number, code), "{what}: {why}");
    assert_eq!(verdict.code(), Some(code));
    assert!(
        check.raises.contains(&code),
        "the list does not say that {number} raises {code}"
    );
    assert!(verdict.signed_in.is_none());
    let at = verdict
        .checks
        .iter()
        .position(|check| check.number == number)
        .expect("it is in the list");
    assert!(
        verdict.checks[at + 1..]
            .iter()
            .all(|check| check.outcome == Outcome::NotReached)
    );
    assert!(
        verdict.checks[..at]
            .iter()
            .all(|check| matches!(check.outcome, Outcome::Passed | Outcome::Warned(_))),
        "{what}"
    );
}

/// Check `number` warns, all others pass, and the person is signed in.
#[track_caller]
pub fn warns(number: u8, verdict: &Verdict) {
    assert!(verdict.signed_in.is_some(), "{:?}", verdict.failed());
    for check in &verdict.checks {
        let warned = matches!(check.outcome, Outcome::Warned(_));
        assert_eq!(
            warned,
            check.number == number,
            "{}: {:?}",
            check.number,
            check.outcome
        );
    }
}
