//! What was called, and calls that go wrong because a test wants it.

use std::collections::VecDeque;

/// More than any script calls.
const LONGEST: usize = 10_000;

/// A call as it came, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: String,
    /// What follows `/v1.0` in the address, with its query, as it was sent.
    pub path: String,
    pub body: Option<String>,
    pub status: u16,
    /// Graph's word for what was wrong.
    pub code: Option<&'static str>,
}

impl Call {
    /// It asked for a change, whether one came of it or not.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }
}

/// A call that will fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which one of those that come, counted from 1.
    pub call: usize,
    pub moment: Moment,
    /// Nothing can be reached after it: every later call fails with 503 and has no effect.
    pub lasting: bool,
}

/// How and when a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// With 503, without an effect.
    Before,
    /// With 503, after its effect, of which the caller does not hear.
    After,
    /// With 429, without an effect, because there were too many; the caller may come back at once.
    Throttled,
}

#[derive(Default)]
pub struct Journal {
    calls: VecDeque<Call>,
    count: usize,
    faults: Vec<Fault>,
}

impl Journal {
    /// Counts a call; says whether it is to fail.
    pub fn fault(&mut self) -> Option<Moment> {
        self.count += 1;
        let exact = self.faults.iter().find(|fault| fault.call == self.count);
        let cut = |fault: &&Fault| fault.lasting && fault.call < self.count;
        exact
            .map(|fault| fault.moment)
            .or_else(|| self.faults.iter().find(cut).map(|_| Moment::Before))
    }

    pub fn fail(&mut self, fault: Fault) {
        self.faults.push(Fault {
            call: self.count + fault.call,
            ..fault
        });
    }

    pub fn mend(&mut self) {
        self.faults.clear();
    }

    pub fn write(&mut self, call: Call) {
        if self.calls.len() == LONGEST {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub fn forget(&mut self) {
        self.calls.clear();
    }
}
