use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_seam::watch;
use portcullis_seam::{Timestamp, WallClock};

use crate::{Pace, Verdict};

/// What waits for the pace: the present policy, and a bell that rings when it or the clock is set.
#[derive(Debug)]
pub struct Pacing {
    pace: Mutex<Pace>,
    bell: watch::Sender<u64>,
}

/// A passing state that waits for its end.
#[derive(Debug)]
pub struct Turn {
    on_aws: Duration,
    began: Timestamp,
    described: AtomicU32,
    finished: watch::Sender<bool>,
}

/// Loops that follow the services' clock rest at least this long, however fast it runs.
const PAUSE_MIN: Duration = Duration::from_millis(100);

impl Pacing {
    /// State changes at `pace`.
    #[must_use]
    pub fn new(pace: Pace) -> Arc<Self> {
        let (bell, _) = watch::channel(0);
        Arc::new(Self {
            pace: Mutex::new(pace),
            bell,
        })
    }

    /// The present policy.
    #[must_use]
    pub fn pace(&self) -> Pace {
        *self.pace.lock()
    }

    /// Sets the policy, also for those who wait already; gives the one before.
    pub fn set_pace(&self, pace: Pace) -> Pace {
        let before = std::mem::replace(&mut *self.pace.lock(), pace);
        self.ring();
        before
    }

    /// Makes everybody who waits look again.
    pub fn ring(&self) {
        self.bell.send_modify(|count| *count += 1);
    }

    /// Changes when it rings.
    #[must_use]
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// Whether the step of `turn` may be taken.
    #[must_use]
    pub fn verdict(&self, turn: &Turn, now: Timestamp) -> Verdict {
        let described = turn.described.load(Ordering::Acquire);
        self.pace().verdict(turn.on_aws, turn.began, described, now)
    }

    /// A description has shown the passing state.
    pub fn describe(&self, turn: &Turn) {
        // Saturates: a count that wrapped would begin again.
        let count = |described: u32| described.checked_add(1);
        let _at_its_end = turn
            .described
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, count);
        self.ring();
    }

    /// Whether descriptions alone have brought the turn's end: the next description must not see
    /// the passing state again.
    #[must_use]
    pub fn is_described_enough(&self, turn: &Turn, now: Timestamp) -> bool {
        matches!(self.pace(), Pace::Describes(_)) && self.verdict(turn, now) == Verdict::Now
    }

    /// Waits until the step of `turn` may be taken.
    ///
    /// Rule TIME-02: it looks again whenever the clock or the pace is set.
    pub async fn wait(&self, turn: &Turn, clock: &dyn WallClock) {
        let mut bell = self.bell();
        loop {
            bell.mark_unchanged();
            match self.verdict(turn, clock.now()) {
                Verdict::Now => return,
                Verdict::At(date) => sleep_or_ring(clock.real_until(date), &mut bell).await,
                Verdict::AfterDescribes(_) => {
                    let _ = bell.changed().await;
                }
            }
        }
    }

    /// Rests for `real`, or until the services' clock has gone on by `simulated` if that is sooner.
    pub async fn pause(&self, clock: &dyn WallClock, real: Duration, simulated: Duration) {
        let soon = clock.real_until(clock.now().plus(simulated));
        tokio::time::sleep(soon.max(PAUSE_MIN).min(real)).await;
    }
}

/// Sleeps, a millisecond longer than asked: dates have whole milliseconds, and waking just before
/// one is due would only mean to sleep again.
pub async fn sleep_or_ring(real: Duration, bell: &mut watch::Receiver<u64>) {
    tokio::select! {
        biased;
        _rung = bell.changed() => {}
        () = tokio::time::sleep(real + Duration::from_millis(1)) => {}
    }
}

impl Turn {
    /// A passing state that begins at `now` and lasts as long as `on_aws` on AWS.
    #[must_use]
    pub fn begin(on_aws: Duration, now: Timestamp) -> Arc<Self> {
        let (finished, _) = watch::channel(false);
        Arc::new(Self {
            on_aws,
            began: now,
            described: AtomicU32::new(0),
            finished,
        })
    }

    /// The passing state is over.
    pub fn finish(&self) {
        self.finished.send_replace(true);
    }

    /// Waits until the passing state is over.
    pub async fn over(&self) {
        let mut finished = self.finished.subscribe();
        // It fails only when the turn is gone, which the caller that waits here holds.
        let _finished = finished.wait_for(|finished| *finished).await;
    }

    /// Waits until the passing state is over, but not longer than `patience`.
    pub async fn finished(&self, patience: Duration) {
        let _in_time = tokio::time::timeout(patience, self.over()).await;
    }
}

#[cfg(test)]
mod tests {
    use portcullis_seam::{Course, SimulatedClock, TimeScale};

    use super::*;

    /// As long as a key store connects.
    const ON_AWS: Duration = Duration::from_secs(20 * 60);

    /// A real clock that follows tokio's, which the tests hold.
    #[derive(Debug)]
    struct Held(tokio::time::Instant);

    impl WallClock for Held {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_000_000).plus(self.0.elapsed())
        }
    }

    fn clock(scale: u32) -> SimulatedClock {
        let real = Arc::new(Held(tokio::time::Instant::now()));
        let course = Course::from(real.now(), TimeScale::new(scale).unwrap());
        SimulatedClock::new(real, course)
    }

    async fn passes(pace: &str, clock: &SimulatedClock) -> Duration {
        let pacing = Pacing::new(pace.parse().unwrap());
        let turn = Turn::begin(ON_AWS, clock.now());
        let began = tokio::time::Instant::now();
        pacing.wait(&turn, clock).await;
        began.elapsed()
    }

    /// Rules TIME-02 and TIME-05.
    #[tokio::test(start_paused = true)]
    async fn awss_durations_run_under_the_time_scale() {
        assert_eq!(passes("immediate", &clock(1)).await, Duration::ZERO);
        let slow = passes("aws", &clock(1)).await;
        assert!((1200..1202).contains(&slow.as_secs()), "{slow:?}");
        let fast = passes("aws", &clock(1200)).await;
        assert!((1000..1100).contains(&fast.as_millis()), "{fast:?}");
    }

    /// Rule TIME-02.
    #[tokio::test(start_paused = true)]
    async fn whoever_waits_hears_of_a_clock_that_is_put_forward() {
        let clock = Arc::new(clock(1));
        let pacing = Pacing::new("after:3600".parse().unwrap());
        let turn = Turn::begin(ON_AWS, clock.now());
        let began = tokio::time::Instant::now();
        let setting = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let course = clock.course();
            clock.follow(course.advanced(clock.real_now(), Duration::from_secs(3600)));
            pacing.ring();
        };
        tokio::join!(setting, pacing.wait(&turn, &*clock));
        assert!(began.elapsed() < Duration::from_secs(2));
    }

    /// Rule TIME-06.
    #[tokio::test(start_paused = true)]
    async fn so_many_descriptions_end_a_passing_state() {
        let clock = clock(1);
        let pacing = Pacing::new("describes:2".parse().unwrap());
        let turn = Turn::begin(ON_AWS, clock.now());
        for shown in 0..2 {
            assert!(!pacing.is_described_enough(&turn, clock.now()), "{shown}");
            pacing.describe(&turn);
        }
        assert!(pacing.is_described_enough(&turn, clock.now()));
        pacing.wait(&turn, &clock).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_that_is_set_counts_for_those_who_wait_already() {
        let clock = clock(1);
        let pacing = Pacing::new(Pace::Aws);
        let turn = Turn::begin(ON_AWS, clock.now());
        let began = tokio::time::Instant::now();
        let setting = async { pacing.set_pace(Pace::Immediate) };
        let (before, ()) = tokio::join!(setting, pacing.wait(&turn, &clock));
        assert_eq!(before, Pace::Aws);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
