//! The time, handed in: tests move it, and only [`Clock::system`] asks the machine.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// A source of the current time, in whole microseconds because PostgreSQL stores no finer.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that asks the machine for the time"
        )]
        Self(Arc::new(Utc::now))
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)().trunc_subsecs(6)
    }
}

/// A clock that stands still until it is told to go on.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<DateTime<Utc>>>);

impl ManualClock {
    /// Stands at `start`.
    pub fn at(start: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// Moves on by `by`.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().expect("no holder of this lock can panic") += by;
    }

    /// The clock to hand to whoever must follow this one.
    pub fn clock(&self) -> Clock {
        let time = self.0.clone();
        Clock(Arc::new(move || {
            *time.lock().expect("no holder of this lock can panic")
        }))
    }
}
