use std::num::NonZeroUsize;
use std::time::Duration;

use super::NotDone;

/// What a class has to do at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueLoad {
    pub(super) waiting: usize,
    pub(super) running: usize,
    pub(super) threads: NonZeroUsize,
    pub(super) jobs_max: usize,
    /// How long a job of the class takes, as far as that was measured; zero before the first.
    pub(super) mean: Duration,
}

impl QueueLoad {
    /// Whether a job is taken whose caller waits for `left`.
    ///
    /// Rule WORK-04: what would not be begun in time is refused at once, so that the caller can do
    /// something else and those who wait are served in time.
    pub(super) fn admit(&self, left: Duration) -> Result<(), NotDone> {
        if self.waiting >= self.jobs_max {
            return Err(NotDone::QueueFull {
                waiting: self.waiting,
            });
        }
        let expected = self.expected_wait();
        if expected > left {
            return Err(NotDone::TooLong { expected });
        }
        Ok(())
    }

    /// How long a job that comes now waits until it is begun.
    ///
    /// What a running job still needs counts as a whole one: the search for a prime has no memory.
    fn expected_wait(&self) -> Duration {
        let threads = self.threads.get();
        // Jobs that must end before a thread is free for this one.
        let before = (self.waiting + self.running + 1).saturating_sub(threads);
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let threads = u32::try_from(threads).unwrap_or(u32::MAX);
        self.mean.saturating_mul(before) / threads
    }
}

/// The mean of a class after a job that took `took`: the last eight or so count.
pub(super) fn mean_after(mean: Duration, took: Duration) -> Duration {
    let took = took.min(SAMPLE_MAX);
    if mean.is_zero() {
        return took;
    }
    (mean * 7 + took) / 8
}

/// What takes longer was held up, for instance by a debugger, and says nothing of the next one.
const SAMPLE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn load(waiting: usize, running: usize, mean_ms: u64) -> QueueLoad {
        QueueLoad {
            waiting,
            running,
            threads: NonZeroUsize::new(2).unwrap(),
            jobs_max: 100,
            mean: Duration::from_millis(mean_ms),
        }
    }

    /// Rule WORK-04.
    #[test]
    fn what_would_wait_longer_than_its_caller_is_refused() {
        let too_long = |ms| {
            Err(NotDone::TooLong {
                expected: Duration::from_millis(ms),
            })
        };
        for (waiting, running, mean_ms, outcome) in [
            // A thread is free, however long a job takes.
            (0, 0, 60_000, Ok(())),
            (0, 1, 60_000, Ok(())),
            // Both are busy: half a job's time until one of them is free.
            (0, 2, 20_000, Ok(())),
            (0, 2, 20_002, too_long(10_001)),
            (18, 2, 1_000, Ok(())),
            (20, 2, 1_000, too_long(10_500)),
            // Nothing was measured: the bound alone decides.
            (99, 2, 0, Ok(())),
            (100, 2, 0, Err(NotDone::QueueFull { waiting: 100 })),
        ] {
            let admitted = load(waiting, running, mean_ms).admit(Duration::from_secs(10));
            assert_eq!(
                admitted, outcome,
                "{waiting} wait, {running} run, {mean_ms} ms"
            );
        }
    }

    #[test]
    fn the_mean_follows_what_jobs_take_and_not_what_held_one_up() {
        let second = Duration::from_secs(1);
        assert_eq!(mean_after(Duration::ZERO, second), second);
        assert_eq!(mean_after(second, second * 9), second * 2);
        let day = Duration::from_secs(86_400);
        let mut mean = mean_after(second, day);
        assert!(mean < second * 5, "{mean:?}");
        for _ in 0..32 {
            mean = mean_after(mean, second);
        }
        assert!(mean < Duration::from_millis(1_100), "{mean:?}");
    }
}
