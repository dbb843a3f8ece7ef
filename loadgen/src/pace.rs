//! When calls are meant to be sent, and the queue of those that are late.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::quantity::Rate;

/// Call *n* is meant to be sent at *n* / rate after the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    start: Instant,
    rate: Rate,
    calls: u64,
}

impl Schedule {
    pub(crate) fn new(start: Instant, rate: Rate, duration: Duration) -> Self {
        let calls = whole((duration.as_secs_f64() * rate.per_second()).ceil());
        Self { start, rate, calls }
    }

    /// How many calls are due at `now`.
    fn due(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        // A microsecond of grace absorbs rounding: a call is never a whole wake-up late by it.
        whole(((elapsed + 1e-6) * self.rate.per_second()).floor())
            .saturating_add(1)
            .min(self.calls)
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 calls")]
    fn intended(&self, call: u64) -> Instant {
        self.start + Duration::from_secs_f64(call as f64 / self.rate.per_second())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and `as` saturates"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}

/// Late arrivals that wait for a connection at most: one MiB, half a minute at 2,000 calls/s. In
/// an open loop the world outside does not wait either; more is dropped, and counted.
pub(crate) const LATE_ARRIVALS_MAX: usize = 65_536;

/// The calls that are due, handed to a worker that has a free connection.
#[derive(Debug)]
pub(crate) struct Arrivals {
    due: RefCell<VecDeque<Instant>>,
    /// How many may wait; `None` when a call is due whenever a connection is free.
    late_max: Option<usize>,
    more: Notify,
    ended: Cell<bool>,
}

/// What became of the calls that were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Released {
    pub(crate) arrived: u64,
    pub(crate) shed: u64,
    /// How many wait, from before too.
    pub(crate) late: u64,
    /// How many fell due unnoticed before the end, and are never sent.
    pub(crate) abandoned: u64,
}

impl Arrivals {
    /// Calls come when they are due, and at most `late_max` wait.
    pub(crate) fn scheduled(late_max: usize) -> Self {
        Self {
            due: RefCell::new(VecDeque::new()),
            late_max: Some(late_max),
            more: Notify::new(),
            ended: Cell::new(false),
        }
    }

    /// A call is due whenever a connection is free.
    pub(crate) fn unlimited() -> Self {
        Self {
            late_max: None,
            ..Self::scheduled(0)
        }
    }

    const fn is_unlimited(&self) -> bool {
        self.late_max.is_none()
    }

    /// The intended send time of the next call, as soon as it is due; `None` after the end.
    pub(crate) async fn next(&self) -> Option<Instant> {
        loop {
            if self.ended.get() {
                return None;
            }
            // Rule LG-04: without a schedule, the next worker that is free sends a call.
            if self.is_unlimited() {
                return Some(Instant::now());
            }
            // One thread: nothing comes between this look and the registration of the wait.
            let next = self.due.borrow_mut().pop_front();
            if next.is_some() {
                return next;
            }
            self.more.notified().await;
        }
    }

    /// Ends the run. Gives the number of late calls that are never sent.
    pub(crate) fn end(&self) -> u64 {
        self.ended.set(true);
        self.more.notify_waiters();
        let abandoned = std::mem::take(&mut *self.due.borrow_mut()).len();
        u64::try_from(abandoned).unwrap_or(u64::MAX)
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Hands out the calls from number `from` to those that are due at `now`, and tells `lag` how
    /// late each is.
    fn release(
        &self,
        schedule: &Schedule,
        from: u64,
        now: Instant,
        mut lag: impl FnMut(Duration),
    ) -> Released {
        let late_max = self.late_max.unwrap_or_default();
        let mut due = self.due.borrow_mut();
        let mut released = Released {
            arrived: 0,
            shed: 0,
            late: 0,
            abandoned: 0,
        };
        for call in from..schedule.due(now) {
            released.arrived += 1;
            // Rule LG-02: what does not fit is dropped and counted, never quietly skipped.
            if due.len() >= late_max {
                released.shed += 1;
                continue;
            }
            let intended = schedule.intended(call);
            lag(now.saturating_duration_since(intended));
            due.push_back(intended);
            self.more.notify_one();
        }
        released.late = u64::try_from(due.len()).unwrap_or(u64::MAX);
        released
    }
}

/// Releases calls as they fall due, until [`Arrivals::end`]. `note` hears of each release.
pub(crate) async fn pace(
    arrivals: &Arrivals,
    schedule: Schedule,
    mut note: impl FnMut(Released),
    mut lag: impl FnMut(Duration),
) {
    let ticker = Ticker::start(schedule);
    let mut next = 0;
    while !arrivals.has_ended() && next < schedule.calls {
        let released = arrivals.release(&schedule, next, Instant::now(), &mut lag);
        next += released.arrived;
        note(released);
        ticker.tick.notified().await;
    }
    let unnoticed = schedule.due(Instant::now()).saturating_sub(next);
    note(Released {
        arrived: unnoticed,
        shed: 0,
        late: 0,
        abandoned: unnoticed,
    });
}

/// Wakes the pacing task when a call falls due.
///
/// `tokio::time` wakes up to a millisecond late, more than many calls take; a thread that sleeps
/// for exactly as long is some 60 µs late.
#[derive(Debug)]
struct Ticker {
    tick: Arc<Notify>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Closer calls are released together: below it, waking up costs more than it gains.
const TICK_MIN: Duration = Duration::from_micros(50);

/// How soon a pacing task notices the end of the run between two distant calls.
const TICK_MAX: Duration = Duration::from_millis(50);

impl Ticker {
    fn start(schedule: Schedule) -> Self {
        let tick = Arc::new(Notify::new());
        let stop = Arc::new(AtomicBool::new(false));
        let (ticking, stopped) = (Arc::clone(&tick), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("loadgen-ticker".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    let now = Instant::now();
                    let next = schedule.intended(schedule.due(now));
                    std::thread::park_timeout(
                        next.saturating_duration_since(now)
                            .clamp(TICK_MIN, TICK_MAX),
                    );
                    ticking.notify_one();
                }
            });
        Self {
            tick,
            stop,
            thread: thread.ok(),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends by itself; its result carries nothing.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: &str) -> Schedule {
        Schedule::new(
            Instant::now(),
            rate.parse().unwrap(),
            Duration::from_secs(2),
        )
    }

    #[test]
    fn calls_fall_due_at_their_intended_times() {
        let schedule = schedule("1000/s");
        for (micros, due) in [(0, 1), (500, 1), (1000, 2), (10_500, 11), (5_000_000, 2000)] {
            let now = schedule.start + Duration::from_micros(micros);
            assert_eq!(schedule.due(now), due, "{micros} µs");
        }
        for call in [0, 1, 7, 1999] {
            assert_eq!(schedule.due(schedule.intended(call)), call + 1, "{call}");
        }
    }

    /// Rule LG-02.
    #[test]
    fn arrivals_that_do_not_fit_are_counted() {
        let schedule = schedule("1000/s");
        let arrivals = Arrivals::scheduled(100);
        let now = schedule.start + Duration::from_secs(1);
        let released = arrivals.release(&schedule, 0, now, |_| {});
        assert_eq!(
            released,
            Released {
                arrived: 1001,
                shed: 901,
                late: 100,
                abandoned: 0
            }
        );
        assert_eq!(arrivals.end(), 100);
    }

    #[tokio::test]
    async fn a_late_call_keeps_its_intended_time() {
        let schedule = schedule("1000/s");
        let arrivals = Arrivals::scheduled(100);
        let now = schedule.start + Duration::from_millis(50);
        arrivals.release(&schedule, 0, now, |_| {});
        for call in 0..51 {
            assert_eq!(arrivals.next().await, Some(schedule.intended(call)));
        }
        arrivals.end();
        assert_eq!(arrivals.next().await, None);
    }
}
