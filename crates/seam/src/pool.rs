use std::fmt::{self, Debug};
use std::num::NonZeroUsize;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, TrySendError, bounded};

/// A piece of work that is too long for the thread that serves the network.
pub type Job = Box<dyn FnOnce() + Send>;

/// Where long pieces of work run.
pub trait WorkPool: Send + Sync + Debug {
    /// Runs `job` soon.
    ///
    /// # Errors
    /// Gives the job back when the queue is full: the caller answers "busy" or runs it itself.
    fn submit(&self, job: Job) -> Result<(), Job>;
}

/// Runs every job at once on the caller's thread: the seeded pool of the simulator.
#[derive(Debug, Clone, Copy, Default)]
pub struct InlinePool;

impl WorkPool for InlinePool {
    fn submit(&self, job: Job) -> Result<(), Job> {
        job();
        Ok(())
    }
}

/// OS threads that take jobs from one bounded crossbeam queue.
///
/// A hand-off costs 50-95 µs when the workers sleep and 0.6 µs at depth 64, so only work that
/// takes longer than that belongs here. Dropping the pool finishes what is queued.
pub struct ThreadPool {
    queue: Option<Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

/// Jobs that may wait: at 50 µs a job, this is 50 ms of work a thread of two.
const QUEUE_JOBS_MAX: usize = 2048;

impl ThreadPool {
    /// A pool of `threads` workers.
    ///
    /// # Panics
    /// When the operating system refuses a thread, at start-up.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "start-up: without threads nothing can be served"
    )]
    pub fn new(threads: NonZeroUsize) -> Self {
        let (queue, jobs) = bounded::<Job>(QUEUE_JOBS_MAX);
        let workers = (0..threads.get())
            .map(|index| {
                let jobs = jobs.clone();
                std::thread::Builder::new()
                    .name(format!("work-{index}"))
                    .spawn(move || jobs.iter().for_each(|job| job()))
                    .expect("the operating system gives threads at start-up")
            })
            .collect();
        Self {
            queue: Some(queue),
            workers,
        }
    }

    /// A pool with one worker per core.
    #[must_use]
    pub fn per_core() -> Self {
        Self::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

impl WorkPool for ThreadPool {
    fn submit(&self, job: Job) -> Result<(), Job> {
        let Some(queue) = &self.queue else {
            return Err(job);
        };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.queue = None;
        for worker in self.workers.drain(..) {
            // A worker that panicked has already reported itself on stderr.
            let _panicked = worker.join();
        }
    }
}

impl Debug for ThreadPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ThreadPool")
            .field("workers", &self.workers.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn dropping_the_pool_finishes_what_was_queued() {
        let done = Arc::new(AtomicUsize::new(0));
        let pool = ThreadPool::new(NonZeroUsize::new(2).unwrap());
        for _ in 0..100 {
            let done = Arc::clone(&done);
            pool.submit(Box::new(move || {
                done.fetch_add(1, Ordering::Relaxed);
            }))
            .map_err(|_| "full")
            .unwrap();
        }
        drop(pool);
        assert_eq!(done.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn a_full_queue_gives_the_job_back() {
        let pool = ThreadPool::new(NonZeroUsize::MIN);
        let (release, gate) = bounded::<()>(0);
        let blocked: Job = Box::new(move || {
            let _ended = gate.recv();
        });
        pool.submit(blocked).map_err(|_| "full").unwrap();
        let refused = (0..=QUEUE_JOBS_MAX + 1).any(|_| pool.submit(Box::new(|| ())).is_err());
        assert!(refused);
        drop(release);
    }
}
