//! Password hashing on a fixed number of threads with a bounded queue: a flood of attempts costs what
//! these threads cost and no more, and people who are signed in do not wait behind it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crypto::password::Hasher;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

type Job = Box<dyn FnOnce(&mut Hasher) + Send>;

/// Threads that hash, each with a block of memory (19 MiB) of its own while there is work.
#[derive(Clone)]
pub struct PasswordPool {
    queue: Arc<Queue>,
    places: Arc<Semaphore>,
}

/// A place in the queue. Taken before anything is written, so that a flood is turned away at the door.
pub struct Place {
    pool: PasswordPool,
    permit: OwnedSemaphorePermit,
}

/// Jobs that wait for a thread; its threads live as long as the process.
#[derive(Default)]
struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    arrival: Condvar,
}

/// How many attempts may wait for each thread: about half a second of work.
const WAITING_PER_THREAD: usize = 32;
/// How long a thread keeps its memory for the next password.
const KEEP_MEMORY: Duration = Duration::from_secs(2);

impl PasswordPool {
    /// A pool of `threads` threads.
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let queue = Arc::new(Queue::default());
        for number in 0..threads {
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || queue.work())
                .expect("a process that cannot start a thread at its start cannot serve");
        }
        Self {
            queue,
            places: Arc::new(Semaphore::new(threads * (1 + WAITING_PER_THREAD))),
        }
    }

    /// Half of the machine's cores, so that the others are free for everybody who is signed in.
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2))
    }

    /// A place in the queue, or at once an error when all are taken.
    pub fn place(&self) -> Result<Place> {
        let permit = self.places.clone().try_acquire_owned().map_err(|_| {
            Error::Unavailable("too many people are signing in at this moment".to_owned())
        })?;
        Ok(Place {
            pool: self.clone(),
            permit,
        })
    }
}

impl Queue {
    fn push(&self, job: Job) {
        let mut jobs = self.jobs.lock().expect("jobs run outside the lock");
        jobs.push_back(job);
        self.arrival.notify_one();
    }

    fn work(&self) {
        let mut memory: Option<Hasher> = None;
        loop {
            match self.next(memory.is_some()) {
                Some(job) => job(memory.get_or_insert_with(Hasher::new)),
                None => memory = None,
            }
        }
    }

    /// The next job. A thread that holds memory does not wait for long, and gets none then.
    fn next(&self, holds_memory: bool) -> Option<Job> {
        let poisoned = "jobs run outside the lock";
        let jobs = self.jobs.lock().expect(poisoned);
        let nothing = |jobs: &mut VecDeque<Job>| jobs.is_empty();
        let mut jobs = if holds_memory {
            let (jobs, _) = self
                .arrival
                .wait_timeout_while(jobs, KEEP_MEMORY, nothing)
                .expect(poisoned);
            jobs
        } else {
            self.arrival.wait_while(jobs, nothing).expect(poisoned)
        };
        jobs.pop_front()
    }
}

impl Place {
    /// Hashes a new password.
    pub async fn hash(self, password: Zeroizing<String>) -> Result<String> {
        self.run(move |hasher| hasher.hash(password.as_bytes()))
            .await
    }

    /// Compares a password; `None` for an unknown user costs the same and is always false.
    pub async fn verify(self, password: Zeroizing<String>, hash: Option<String>) -> Result<bool> {
        self.run(move |hasher| hasher.verify(password.as_bytes(), hash.as_deref()))
            .await
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T> {
        let Self { pool, permit } = self;
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |hasher| {
            // Nobody waits any more when the request was dropped: then the place is free at once.
            if !answer.is_closed() {
                let _ = answer.send(work(hasher));
            }
            drop(permit);
        });
        pool.queue.push(job);
        result
            .await
            .map_err(|_| Error::Unavailable("the server is stopping".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_is_refused_at_once_and_free_again_afterwards() {
        let pool = PasswordPool::new(1);
        let places: Vec<Place> = (0..=WAITING_PER_THREAD)
            .map(|_| pool.place().expect("a free place"))
            .collect();
        assert!(matches!(pool.place(), Err(Error::Unavailable(_))));
        drop(places);
        let hash = pool
            .place()
            .expect("free again")
            .hash(Zeroizing::new("secret".to_owned()))
            .await
            .expect("hashed");
        let right = pool
            .place()
            .expect("free")
            .verify(Zeroizing::new("secret".to_owned()), Some(hash))
            .await;
        assert!(right.expect("verified"));
    }
}
