//! Password hashing on a fixed number of threads with a bounded queue: a flood of attempts costs what
//! these threads cost and no more, and people who are signed in do not wait behind it.

use std::sync::{Arc, Mutex, mpsc};

use crypto::password::Hasher;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

type Job = Box<dyn FnOnce(&mut Hasher) + Send>;

/// Threads that hash, each with its own block of memory (19 MiB) that it keeps.
#[derive(Clone)]
pub struct PasswordPool {
    jobs: mpsc::Sender<Job>,
    places: Arc<Semaphore>,
}

/// A place in the queue. Taken before anything is written, so that a flood is turned away at the door.
pub struct Place {
    pool: PasswordPool,
    permit: OwnedSemaphorePermit,
}

/// How many attempts may wait for each thread: about half a second of work.
const WAITING_PER_THREAD: usize = 32;

impl PasswordPool {
    /// A pool of `threads` threads, which end when the last clone of it is dropped.
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || {
                    let mut hasher = Hasher::new();
                    loop {
                        let job = queue.lock().expect("jobs run outside the lock").recv();
                        let Ok(job) = job else { return };
                        job(&mut hasher);
                    }
                })
                .expect("a process that cannot start a thread at its start cannot serve");
        }
        Self {
            jobs,
            places: Arc::new(Semaphore::new(threads * (1 + WAITING_PER_THREAD))),
        }
    }

    /// One thread less than the machine has cores, so that a core stays free for everybody else.
    pub fn for_this_machine() -> Self {
        Self::new(
            std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)),
        )
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
        pool.jobs
            .send(job)
            .map_err(|_| Error::Unavailable("the server is stopping".to_owned()))?;
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
