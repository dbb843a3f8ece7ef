use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::time::Instant;

use super::shed::{QueueLoad, mean_after};
use super::{NotDone, PoolJob, RefusedJob, WorkClass};

/// What a class has to do and has done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassFigures {
    /// The class of work that the figures are of.
    pub class: WorkClass,
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs that are being carried out.
    pub running: usize,
    /// Jobs that were begun.
    pub begun: u64,
    /// Jobs that were not begun because their callers had left.
    pub left: u64,
    /// Jobs that were not begun because their deadlines had passed.
    pub expired: u64,
    /// Jobs that were not taken, and those that were dropped when the pool was closed.
    pub refused: u64,
    /// What the jobs took together.
    pub busy: Duration,
}

/// The jobs of one class.
pub(super) struct ClassQueue {
    class: WorkClass,
    threads: NonZeroUsize,
    line: Mutex<Line>,
    ready: Condvar,
    tally: Tally,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<PoolJob>,
    running: usize,
    mean: Duration,
    closed: bool,
}

#[derive(Default)]
struct Tally {
    begun: AtomicU64,
    left: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
    busy_us: AtomicU64,
}

impl ClassQueue {
    pub(super) fn new(class: WorkClass, cores: NonZeroUsize) -> Self {
        Self {
            class,
            threads: class.threads(cores),
            line: Mutex::default(),
            ready: Condvar::new(),
            tally: Tally::default(),
        }
    }

    pub(super) const fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// Queues a job that will be begun in time.
    pub(super) fn submit(&self, job: PoolJob) -> Result<(), RefusedJob> {
        let now = Instant::now();
        let left = job.terms.deadline.saturating_duration_since(now);
        let mut useless = VecDeque::new();
        let mut line = self.line.lock();
        let mut admitted = line.admit(self.class, self.threads, left);
        if matches!(
            admitted,
            Err(NotDone::QueueFull { .. } | NotDone::TooLong { .. })
        ) {
            // Rule WORK-02: those who left take no place.
            useless = line.take_useless(now);
            admitted = line.admit(self.class, self.threads, left);
        }
        let refused = match admitted {
            Ok(()) => {
                line.jobs.push_back(job);
                None
            }
            Err(why) => Some(RefusedJob { job, why }),
        };
        drop(line);
        useless.into_iter().for_each(|job| self.skip(job, now));
        match refused {
            None => {
                let _woken = self.ready.notify_one();
                Ok(())
            }
            Some(refused) => {
                self.tally.refused.fetch_add(1, Ordering::Relaxed);
                Err(refused)
            }
        }
    }

    /// Carries out jobs until the queue is closed: the life of a worker.
    pub(super) fn serve(&self) {
        while let Some(job) = self.next() {
            let now = Instant::now();
            let claimed = !job.is_overdue(now) && job.task.claim();
            let took = if claimed {
                self.tally.begun.fetch_add(1, Ordering::Relaxed);
                self.carry_out(job, now)
            } else {
                self.skip(job, now);
                None
            };
            let mut line = self.line.lock();
            line.running -= 1;
            if let Some(took) = took {
                line.mean = mean_after(line.mean, took);
            }
        }
    }

    fn next(&self) -> Option<PoolJob> {
        let mut line = self.line.lock();
        loop {
            if let Some(job) = line.jobs.pop_front() {
                line.running += 1;
                return Some(job);
            }
            if line.closed {
                return None;
            }
            self.ready.wait(&mut line);
        }
    }

    /// Rule WORK-07: a job that panics fails its own caller and nothing else.
    fn carry_out(&self, job: PoolJob, began: Instant) -> Option<Duration> {
        // What the job shares with others is behind locks and atomics of its own.
        let outcome = catch_unwind(AssertUnwindSafe(|| job.task.run()));
        let took = began.elapsed();
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.tally.busy_us.fetch_add(took_us, Ordering::Relaxed);
        outcome.is_ok().then_some(took)
    }

    /// Lets a job fall that is overdue or not wanted.
    fn skip(&self, job: PoolJob, now: Instant) {
        if job.is_overdue(now) {
            self.tally.expired.fetch_add(1, Ordering::Relaxed);
            job.refuse(NotDone::Expired);
        } else {
            self.tally.left.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes no more jobs, and refuses those that wait.
    pub(super) fn close(&self) {
        let mut line = self.line.lock();
        line.closed = true;
        let waiting = std::mem::take(&mut line.jobs);
        drop(line);
        let _woken = self.ready.notify_all();
        for job in waiting {
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
            job.refuse(NotDone::Stopping);
        }
    }

    pub(super) fn figures(&self) -> ClassFigures {
        let line = self.line.lock();
        let (waiting, running) = (line.jobs.len(), line.running);
        drop(line);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ClassFigures {
            class: self.class,
            waiting,
            running,
            begun: read(&self.tally.begun),
            left: read(&self.tally.left),
            expired: read(&self.tally.expired),
            refused: read(&self.tally.refused),
            busy: Duration::from_micros(read(&self.tally.busy_us)),
        }
    }
}

impl Line {
    fn admit(
        &self,
        class: WorkClass,
        threads: NonZeroUsize,
        left: Duration,
    ) -> Result<(), NotDone> {
        if self.closed {
            return Err(NotDone::Stopping);
        }
        let load = QueueLoad {
            waiting: self.jobs.len(),
            running: self.running,
            threads,
            jobs_max: class.jobs_max(),
            mean: self.mean,
        };
        load.admit(left)
    }

    /// Takes out what would not be begun when its turn came.
    fn take_useless(&mut self, now: Instant) -> VecDeque<PoolJob> {
        let jobs = std::mem::take(&mut self.jobs);
        let is_useful = |job: &PoolJob| !job.is_overdue(now) && job.task.is_wanted();
        let (useful, useless) = jobs.into_iter().partition(is_useful);
        self.jobs = useful;
        useless
    }
}
