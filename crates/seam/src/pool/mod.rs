//! Where pieces of work run that are too long for a thread that serves the network.
//!
//! Work has classes, each with threads and a bounded queue of its own: a password check of
//! milliseconds never waits for the making of an RSA key, which takes seconds. Between the classes
//! the operating system's scheduler shares the cores.
//!
//! A job has a deadline and a caller. It is not begun when the deadline has passed or the caller has
//! left, and it is not queued when what waits already would take longer than the caller waits.

mod class;
mod job;
mod queue;
mod shed;
mod threads;

pub use class::WorkClass;
pub use job::{JobTerms, NotDone, PoolJob, PoolTask, RefusedJob, perform};
pub use queue::ClassFigures;
pub use threads::ThreadPool;

use std::fmt::Debug;

/// Where long pieces of work run.
pub trait WorkPool: Send + Sync + Debug {
    /// Runs `job` soon, unless its deadline passes or its caller leaves before it is begun.
    ///
    /// # Errors
    /// Gives the job back, with the reason, when it would not be begun in time.
    fn submit(&self, job: PoolJob) -> Result<(), RefusedJob>;

    /// What each class has to do and has done, in the order of [`WorkClass::ALL`]; nothing where
    /// that is not counted.
    fn figures(&self) -> Vec<ClassFigures> {
        Vec::new()
    }

    /// Begins no more of what may take seconds, and refuses what waits of it. Commands and frames,
    /// which take milliseconds, are carried out until the process ends: what is under way needs them.
    fn close(&self) {}
}

/// Runs every job at once on the caller's thread: the seeded pool of the simulator.
#[derive(Debug, Clone, Copy, Default)]
pub struct InlinePool;

impl WorkPool for InlinePool {
    fn submit(&self, job: PoolJob) -> Result<(), RefusedJob> {
        job.run();
        Ok(())
    }
}
