use std::fmt::{self, Debug};
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::queue::ClassQueue;
use super::{ClassFigures, PoolJob, RefusedJob, WorkClass, WorkPool};

/// OS threads, some for each class of work.
///
/// A hand-off costs 50-95 µs when the workers sleep and 0.6 µs at depth 64, so only work that
/// takes longer than that belongs here.
///
/// Rule WORK-05: dropping the pool refuses what is queued and waits for nothing: a key that is being
/// made takes seconds, and its threads end with the process or with their jobs.
pub struct ThreadPool {
    control: Arc<ClassQueue>,
    batch: Arc<ClassQueue>,
    asymmetric: Arc<ClassQueue>,
    key_generation: Arc<ClassQueue>,
}

impl ThreadPool {
    /// A pool for a machine of so many cores.
    ///
    /// # Panics
    /// When the operating system refuses a thread, at start-up.
    #[must_use]
    pub fn new(cores: NonZeroUsize) -> Self {
        let [control, batch, asymmetric, key_generation] =
            WorkClass::ALL.map(|class| start(class, cores));
        Self {
            control,
            batch,
            asymmetric,
            key_generation,
        }
    }

    /// A pool for this machine.
    #[must_use]
    pub fn per_core() -> Self {
        Self::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    fn queue(&self, class: WorkClass) -> &ClassQueue {
        match class {
            WorkClass::Control => &self.control,
            WorkClass::Batch => &self.batch,
            WorkClass::Asymmetric => &self.asymmetric,
            WorkClass::KeyGeneration => &self.key_generation,
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "start-up: without threads nothing can be served"
)]
fn start(class: WorkClass, cores: NonZeroUsize) -> Arc<ClassQueue> {
    let queue = Arc::new(ClassQueue::new(class, cores));
    for index in 0..queue.threads().get() {
        let queue = Arc::clone(&queue);
        let work = move || {
            if class.gives_way() {
                give_way();
            }
            queue.serve();
        };
        // Nothing waits for its end: see `Drop`.
        let _thread = std::thread::Builder::new()
            .name(format!("{}-{index}", class.name()))
            .spawn(work)
            .expect("the operating system gives threads at start-up");
    }
    queue
}

/// Has the scheduler prefer every other thread to the one that calls this.
///
/// On Linux a nice value is a thread's own (sched(7)); elsewhere it is the process's, and stays.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        // It then competes as the others do.
        let _unheard = error;
    }
}

/// With 10 a thread that competes with one of 0 gets a tenth of a core, and the rest of it when the
/// other sleeps.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

impl WorkPool for ThreadPool {
    fn submit(&self, job: PoolJob) -> Result<(), RefusedJob> {
        self.queue(job.class()).submit(job)
    }

    fn figures(&self) -> Vec<ClassFigures> {
        let figures = WorkClass::ALL.map(|class| self.queue(class).figures());
        figures.into()
    }

    fn close(&self) {
        for class in WorkClass::ALL {
            if class.ends_when_closed() {
                self.queue(class).close();
            }
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        for class in WorkClass::ALL {
            self.queue(class).close();
        }
    }
}

impl Debug for ThreadPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_map();
        for class in WorkClass::ALL {
            shown.entry(&class.name(), &self.queue(class).threads());
        }
        shown.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::super::{JobTerms, NotDone, perform};
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn pool() -> ThreadPool {
        ThreadPool::new(NonZeroUsize::MIN)
    }

    fn terms(class: WorkClass, left: Duration) -> JobTerms {
        let deadline = Instant::now() + left;
        JobTerms { class, deadline }
    }

    fn of(pool: &ThreadPool, class: WorkClass) -> ClassFigures {
        pool.queue(class).figures()
    }

    /// A job of this class that runs until the sender is used or dropped.
    fn occupy(pool: &Arc<ThreadPool>, class: WorkClass) -> Sender<()> {
        let (release, gate): (Sender<()>, Receiver<()>) = channel();
        let (begun, has_begun) = channel();
        let pool = Arc::clone(pool);
        tokio::spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                let _released = gate.recv();
            };
            perform(&*pool, terms(class, LONG), work).await
        });
        tokio::task::block_in_place(|| has_begun.recv().unwrap());
        release
    }

    async fn until(what: impl Fn() -> bool) {
        while !what() {
            tokio::task::yield_now().await;
        }
    }

    /// Rule WORK-01.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_waits_for_none_of_another_class() {
        for busy in WorkClass::ALL {
            let pool = Arc::new(pool());
            let _release = occupy(&pool, busy);
            for class in WorkClass::ALL.into_iter().filter(|class| *class != busy) {
                let done = perform(&*pool, terms(class, LONG), move || class).await;
                assert_eq!(done, Ok(class), "beside {busy:?}");
            }
        }
    }

    /// Rule WORK-02.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_whose_caller_left_is_not_begun_and_takes_no_place() {
        let class = WorkClass::KeyGeneration;
        let pool = Arc::new(pool());
        let release = occupy(&pool, class);
        let ran = Arc::new(AtomicUsize::new(0));
        let call = || {
            let (pool, ran) = (Arc::clone(&pool), Arc::clone(&ran));
            tokio::spawn(async move {
                let count = move || ran.fetch_add(1, Ordering::Relaxed);
                perform(&*pool, terms(class, LONG), count).await
            })
        };
        let callers: Vec<_> = (0..class.jobs_max()).map(|_| call()).collect();
        until(|| of(&pool, class).waiting == class.jobs_max()).await;
        let waiting = class.jobs_max();
        assert_eq!(call().await.unwrap(), Err(NotDone::QueueFull { waiting }));
        callers.iter().for_each(tokio::task::JoinHandle::abort);
        for caller in callers {
            assert!(caller.await.unwrap_err().is_cancelled());
        }
        let stays = call();
        until(|| of(&pool, class).waiting == 1).await;
        drop(release);
        assert_eq!(stays.await.unwrap(), Ok(0));
        let figures = of(&pool, class);
        let left = u64::try_from(waiting).unwrap();
        assert_eq!((figures.begun, figures.left, figures.refused), (2, left, 1));
    }

    /// Rule WORK-03.
    #[tokio::test(flavor = "multi_thread")]
    async fn at_its_deadline_a_job_is_given_up_unless_it_was_begun() {
        let class = WorkClass::Asymmetric;
        let pool = Arc::new(pool());
        let release = occupy(&pool, class);
        let soon = Duration::from_millis(1);
        let late = perform(&*pool, terms(class, soon), || ()).await;
        assert_eq!(late, Err(NotDone::Expired));
        drop(release);
        until(|| of(&pool, class).expired == 1).await;
        // One that has begun is waited for. A busy machine may take long to begin it.
        for left in [soon * 50, soon * 500, soon * 5_000] {
            let terms = terms(class, left);
            let (release, gate): (Sender<()>, Receiver<()>) = channel();
            let slow = perform(&*pool, terms, move || gate.recv().is_err());
            let after = async {
                tokio::time::sleep_until(terms.deadline + soon).await;
                drop(release);
            };
            let (outcome, ()) = tokio::join!(slow, after);
            if outcome != Err(NotDone::Expired) {
                assert_eq!(outcome, Ok(true));
                return;
            }
        }
        panic!("a free worker did not begin a job within 5 s");
    }

    /// Rule WORK-04.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_would_wait_too_long_is_refused_at_once() {
        let class = WorkClass::KeyGeneration;
        let pool = Arc::new(pool());
        drop(occupy(&pool, class));
        until(|| of(&pool, class).running == 0).await;
        let _release = occupy(&pool, class);
        let refused = perform(&*pool, terms(class, Duration::ZERO), || ()).await;
        assert!(
            matches!(refused, Err(NotDone::TooLong { .. })),
            "{refused:?}"
        );
    }

    /// Rule WORK-05.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_closed_pool_refuses_what_takes_long_and_still_carries_commands_out() {
        let class = WorkClass::KeyGeneration;
        let pool = Arc::new(pool());
        let _release = occupy(&pool, class);
        let waits = {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { perform(&*pool, terms(class, LONG), || ()).await })
        };
        until(|| of(&pool, class).waiting == 1).await;
        pool.close();
        assert_eq!(waits.await.unwrap(), Err(NotDone::Stopping));
        let later = perform(&*pool, terms(class, LONG), || ()).await;
        assert_eq!(later, Err(NotDone::Stopping));
        let command = perform(&*pool, terms(WorkClass::Control, LONG), || 7).await;
        assert_eq!(command, Ok(7));
    }

    /// Rule WORK-05: the job that runs is not waited for.
    #[tokio::test(flavor = "multi_thread")]
    async fn dropping_the_pool_waits_for_nothing() {
        let class = WorkClass::KeyGeneration;
        let pool = Arc::new(pool());
        let (begun, has_begun) = channel();
        let (release, gate): (Sender<()>, Receiver<()>) = channel();
        let task = Blocking { begun, gate };
        let job = PoolJob::new(terms(class, LONG), task);
        pool.submit(job).unwrap();
        tokio::task::block_in_place(|| has_begun.recv().unwrap());
        drop(pool);
        drop(release);
    }

    struct Blocking {
        begun: Sender<()>,
        gate: Receiver<()>,
    }

    impl super::super::PoolTask for Blocking {
        fn run(self: Box<Self>) {
            self.begun.send(()).unwrap();
            let _released = self.gate.recv();
        }

        fn refuse(self: Box<Self>, _why: NotDone) {}
    }

    /// Rule WORK-07.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_that_panics_fails_its_caller_and_costs_no_thread() {
        let class = WorkClass::Asymmetric;
        let pool = Arc::new(pool());
        let failed: Result<(), _> =
            perform(&*pool, terms(class, LONG), || panic!("a defect")).await;
        assert_eq!(failed, Err(NotDone::Failed));
        assert_eq!(perform(&*pool, terms(class, LONG), || 1).await, Ok(1));
        until(|| of(&pool, class).running == 0).await;
    }
}
