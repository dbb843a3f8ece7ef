use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{WorkClass, WorkPool};

/// Of which class a job is, and until when it is worth beginning.
#[derive(Debug, Clone, Copy)]
pub struct JobTerms {
    /// The class of work that the job belongs to, which has a queue of its own.
    pub class: WorkClass,
    /// When its caller stops waiting.
    pub deadline: Instant,
}

/// Why a job was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDone {
    /// As many jobs of its class wait as may.
    QueueFull {
        /// How many jobs of the class wait.
        waiting: usize,
    },
    /// It would not be begun before its deadline.
    TooLong {
        /// How long it would wait.
        expected: Duration,
    },
    /// Its deadline passed while it waited.
    Expired,
    /// The pool is closed: the process is about to end.
    Stopping,
    /// It panicked, which is a defect.
    Failed,
}

impl fmt::Display for NotDone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { waiting } => write!(formatter, "{waiting} calls wait already"),
            Self::TooLong { expected } => {
                let seconds = expected.as_secs_f64();
                write!(formatter, "what waits already takes some {seconds:.0} s")
            }
            Self::Expired => formatter.write_str("it waited until its time was over"),
            Self::Stopping => formatter.write_str("the process is stopping"),
            Self::Failed => formatter.write_str("it failed in a way that was not expected"),
        }
    }
}

impl std::error::Error for NotDone {}

/// What a job does.
pub trait PoolTask: Send {
    /// Whether its caller still waits for it.
    fn is_wanted(&self) -> bool {
        true
    }

    /// Takes it up: false when it is not wanted any more. Asked once, right before it is run.
    fn claim(&self) -> bool {
        self.is_wanted()
    }

    /// Carries it out.
    fn run(self: Box<Self>);

    /// Tells its caller that it is not carried out.
    fn refuse(self: Box<Self>, why: NotDone);
}

/// A piece of work that is too long for the thread that serves the network.
pub struct PoolJob {
    pub(super) terms: JobTerms,
    pub(super) task: Box<dyn PoolTask>,
}

/// A job that is given back, and why.
#[derive(Debug)]
pub struct RefusedJob {
    /// The job, which was not begun.
    pub job: PoolJob,
    /// Why it was not taken.
    pub why: NotDone,
}

impl PoolJob {
    /// A job that carries out `task` under these terms.
    #[must_use]
    pub fn new(terms: JobTerms, task: impl PoolTask + 'static) -> Self {
        Self {
            terms,
            task: Box::new(task),
        }
    }

    /// The class of work that the job belongs to.
    #[must_use]
    pub const fn class(&self) -> WorkClass {
        self.terms.class
    }

    /// Carries it out here and now, if it is wanted.
    pub fn run(self) {
        if self.task.claim() {
            self.task.run();
        }
    }

    /// Tells its caller that it is not carried out.
    pub fn refuse(self, why: NotDone) {
        self.task.refuse(why);
    }

    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.terms.deadline < now
    }
}

impl RefusedJob {
    /// Tells the job's caller.
    pub fn tell(self) {
        self.job.refuse(self.why);
    }
}

impl fmt::Debug for PoolJob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PoolJob({:?})", self.terms)
    }
}

/// Has `work` done by `pool`, and gives what comes of it.
///
/// Rule WORK-02: dropping the future takes the job back, unless it was begun.
///
/// Rule WORK-03: at the deadline a job that was not begun is taken back; one that was is waited for.
///
/// # Errors
/// Why `work` was not done.
pub async fn perform<T: Send + 'static>(
    pool: &dyn WorkPool,
    terms: JobTerms,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotDone> {
    let (done, mut outcome) = oneshot::channel();
    let ticket = Arc::new(Ticket::default());
    let awaited = AwaitedTask {
        work,
        done,
        ticket: Arc::clone(&ticket),
    };
    if let Err(refused) = pool.submit(PoolJob::new(terms, awaited)) {
        return Err(refused.why);
    }
    let told = match timeout_at(terms.deadline, &mut outcome).await {
        Ok(told) => told,
        Err(_elapsed) if ticket.take_back() => return Err(NotDone::Expired),
        Err(_elapsed) => outcome.await,
    };
    told.unwrap_or(Err(NotDone::Failed))
}

/// A job for which a future waits.
struct AwaitedTask<T, W> {
    work: W,
    done: oneshot::Sender<Result<T, NotDone>>,
    ticket: Arc<Ticket>,
}

impl<T: Send, W: FnOnce() -> T + Send> PoolTask for AwaitedTask<T, W> {
    fn is_wanted(&self) -> bool {
        !self.done.is_closed() && self.ticket.is_waiting()
    }

    fn claim(&self) -> bool {
        !self.done.is_closed() && self.ticket.begin()
    }

    fn run(self: Box<Self>) {
        let Self { work, done, .. } = *self;
        // The caller may have left meanwhile.
        let _unsent = done.send(Ok(work()));
    }

    fn refuse(self: Box<Self>, why: NotDone) {
        let _unsent = self.done.send(Err(why));
    }
}

/// Whether a job waits, was begun, or was taken back: the last two exclude each other.
#[derive(Debug, Default)]
struct Ticket(AtomicU8);

impl Ticket {
    const WAITING: u8 = 0;
    const BEGUN: u8 = 1;
    const TAKEN_BACK: u8 = 2;

    fn is_waiting(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::WAITING
    }

    fn begin(&self) -> bool {
        self.leave_for(Self::BEGUN)
    }

    fn take_back(&self) -> bool {
        self.leave_for(Self::TAKEN_BACK)
    }

    fn leave_for(&self, state: u8) -> bool {
        let (won, lost) = (Ordering::AcqRel, Ordering::Acquire);
        self.0
            .compare_exchange(Self::WAITING, state, won, lost)
            .is_ok()
    }
}
