//! How wrong passwords slow the next attempt down: pure rules over a stored count. An attempt during a
//! delay is refused without being counted, so going on does not make the delay longer.

use chrono::{DateTime, TimeDelta, Utc};
use store::Throttle;

/// How many failures are free, and how the delay grows after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) free: i64,
    first_delay: TimeDelta,
    longest_delay: TimeDelta,
    forget_after: TimeDelta,
}

/// One account from one source: five free, then 10 s, 20 s, 40 s … at most 15 minutes. Whoever guesses
/// holds up himself and those who share his address, and nobody elsewhere.
pub const ACCOUNT_AT_SOURCE: Policy = Policy {
    free: 5,
    first_delay: TimeDelta::seconds(10),
    longest_delay: TimeDelta::minutes(15),
    forget_after: TimeDelta::hours(12),
};

/// One account from all sources that it is not used from: bounds a guesser with many addresses, and
/// waits for a minute at most, so that he cannot keep the person out either.
pub const ACCOUNT: Policy = Policy {
    free: 50,
    first_delay: TimeDelta::seconds(1),
    longest_delay: TimeDelta::minutes(1),
    forget_after: TimeDelta::hours(12),
};

/// One source address: a whole office may sit behind it, so it takes more and waits less.
pub const SOURCE: Policy = Policy {
    free: 60,
    first_delay: TimeDelta::seconds(2),
    longest_delay: TimeDelta::minutes(2),
    forget_after: TimeDelta::minutes(15),
};

/// Until when this throttle refuses attempts, if it does.
pub fn locked_until(throttle: &Throttle, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    throttle.locked_until.filter(|until| *until > now)
}

/// The throttle after one more failure. A client that sends the very same `request` once more has made no
/// other attempt; one that goes on has, since each costs a hash.
#[must_use]
pub fn failed(
    throttle: &Throttle,
    policy: Policy,
    request: Option<&[u8]>,
    now: DateTime<Utc>,
) -> Throttle {
    if request.is_some() && throttle.last_request.as_deref() == request {
        return Throttle {
            last_request: None,
            ..throttle.clone()
        };
    }
    let old = now - throttle.last_failure_at > policy.forget_after;
    let failures = if old { 1 } else { throttle.failures + 1 };
    Throttle {
        key: throttle.key.clone(),
        failures,
        last_failure_at: now,
        locked_until: delay(policy, failures).map(|delay| now + delay),
        last_request: request.map(<[u8]>::to_vec),
    }
}

fn delay(policy: Policy, failures: i64) -> Option<TimeDelta> {
    let over = failures - policy.free;
    if over < 0 {
        return None;
    }
    let doublings = u32::try_from(over).unwrap_or(u32::MAX).min(20);
    Some((policy.first_delay * 2_i32.pow(doublings)).min(policy.longest_delay))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a valid instant")
    }

    fn empty() -> Throttle {
        Throttle {
            key: "account:alice".to_owned(),
            failures: 0,
            last_failure_at: start(),
            locked_until: None,
            last_request: None,
        }
    }

    #[test]
    fn delays_double_after_the_free_failures_and_stop_growing() {
        let mut throttle = empty();
        let delays: Vec<i64> = (0..14)
            .map(|_| {
                throttle = failed(&throttle, ACCOUNT_AT_SOURCE, None, start());
                throttle
                    .locked_until
                    .map_or(0, |until| (until - start()).num_seconds())
            })
            .collect();
        assert_eq!(
            delays,
            [0, 0, 0, 0, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]
        );
    }

    #[test]
    fn a_lock_ends_by_itself() {
        let throttle = Throttle {
            failures: 5,
            locked_until: Some(start() + TimeDelta::seconds(10)),
            ..empty()
        };
        assert!(locked_until(&throttle, start() + TimeDelta::seconds(9)).is_some());
        assert_eq!(
            locked_until(&throttle, start() + TimeDelta::seconds(10)),
            None
        );
    }

    #[test]
    fn old_failures_are_forgotten() {
        let throttle = Throttle {
            failures: 40,
            ..empty()
        };
        let next = failed(
            &throttle,
            ACCOUNT_AT_SOURCE,
            None,
            start() + TimeDelta::hours(13),
        );
        assert_eq!((next.failures, next.locked_until), (1, None));
    }

    #[test]
    fn a_request_that_comes_twice_counts_once_and_another_one_counts() {
        let mut throttle = empty();
        let counted: Vec<i64> = [
            Some("one"),
            Some("one"),
            Some("two"),
            None,
            None,
            Some("one"),
            Some("one"),
            Some("one"),
            Some("one"),
        ]
        .into_iter()
        .map(|request| {
            let request = request.map(str::as_bytes);
            throttle = failed(&throttle, ACCOUNT_AT_SOURCE, request, start());
            throttle.failures
        })
        .collect();
        assert_eq!(counted, [1, 1, 2, 3, 4, 5, 5, 6, 6]);
    }

    #[test]
    fn an_absurd_count_does_not_overflow() {
        let throttle = Throttle {
            failures: i64::MAX - 1,
            ..empty()
        };
        assert_eq!(
            failed(&throttle, SOURCE, None, start()).locked_until,
            Some(start() + TimeDelta::minutes(2))
        );
    }
}
