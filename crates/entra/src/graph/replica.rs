//! What is seen of a directory: a change shows when it has spread.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::Directory;
use crate::tenant::Tenant;

/// How a change spreads to where it is read, by Graph's own answers and by sign-ins alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    #[default]
    AtOnce,
    /// After this many reads that show what was.
    AfterReads(usize),
    /// After this time by the stand-in's clock.
    After(TimeDelta),
}

/// A state of the directory, with the part of it that sign-ins need.
pub struct View {
    pub directory: Directory,
    pub tenant: Arc<Tenant>,
}

enum Due {
    AfterReads(usize),
    At(DateTime<Utc>),
}

/// The state that is seen, and those that will be.
pub struct Replica {
    seen: Arc<View>,
    coming: VecDeque<(Due, Arc<View>)>,
}

impl Replica {
    pub fn new(directory: Directory) -> Self {
        Self {
            seen: View::of(directory),
            coming: VecDeque::new(),
        }
    }

    /// As it was written last, whoever sees it yet.
    pub fn newest(&self) -> &Directory {
        let newest = self.coming.back().map_or(&self.seen, |(_, view)| view);
        &newest.directory
    }

    /// As it is seen now.
    pub fn seen(&mut self, now: DateTime<Utc>) -> Arc<View> {
        while let Some((due, _)) = self.coming.front() {
            let is_due = match due {
                Due::AfterReads(reads) => *reads == 0,
                Due::At(time) => now >= *time,
            };
            if !is_due {
                break;
            }
            if let Some((_, view)) = self.coming.pop_front() {
                self.seen = view;
            }
        }
        Arc::clone(&self.seen)
    }

    /// As a read sees it, which brings the next state nearer.
    pub fn read(&mut self, now: DateTime<Utc>) -> Arc<View> {
        let seen = self.seen(now);
        for (due, _) in &mut self.coming {
            if let Due::AfterReads(reads) = due {
                *reads = reads.saturating_sub(1);
            }
        }
        seen
    }

    pub fn write(&mut self, directory: Directory, propagation: Propagation, now: DateTime<Utc>) {
        let due = match propagation {
            Propagation::AtOnce => {
                *self = Self::new(directory);
                return;
            }
            Propagation::AfterReads(reads) => Due::AfterReads(reads),
            Propagation::After(time) => Due::At(now + time),
        };
        self.coming.push_back((due, View::of(directory)));
    }
}

impl View {
    fn of(directory: Directory) -> Arc<Self> {
        Arc::new(Self {
            tenant: Arc::new(directory.tenant()),
            directory,
        })
    }
}
