use std::time::Duration;

/// A device that does one thing after the other, in virtual time: it knows when it will be free,
/// and nothing else. Instants are spans since an origin of the caller's.
///
/// ```text
///   now        free_at
///    │ backlog    │ cost │
/// ───┴────────────┴──────┴──▶ through
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DeviceQueue {
    free_at: Duration,
}

impl DeviceQueue {
    /// When an operation that arrives at `now` and takes `cost` is through; none when more than
    /// `backlog_max` waits before it.
    ///
    /// Rule DEV-02: work is done in the order of its arrival, one thing at a time, so that no span
    /// of time has more in it than the rate says.
    /// Rule DEV-03: what waits is bounded; beyond it an operation is refused and costs nothing.
    pub(crate) fn admit(
        &mut self,
        now: Duration,
        cost: Duration,
        backlog_max: Duration,
    ) -> Option<Duration> {
        let start = self.free_at.max(now);
        if start - now > backlog_max {
            return None;
        }
        self.free_at = start.saturating_add(cost);
        Some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Duration = Duration::from_millis(1);
    const BACKLOG: Duration = Duration::from_millis(10);

    /// A small generator of numbers: the tests need many, not unpredictable ones.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % bound
        }
    }

    /// Rule DEV-02.
    #[test]
    fn whatever_arrives_when_no_span_has_more_in_it_than_the_rate_says() {
        for seed in 0..200 {
            let (mut numbers, mut queue) = (Numbers(seed), DeviceQueue::default());
            let (mut now, mut done) = (Duration::ZERO, Vec::new());
            for _ in 0..500 {
                now += Duration::from_micros(numbers.below(1500));
                if let Some(through) = queue.admit(now, COST, BACKLOG) {
                    assert!(through >= now + COST, "no work takes less than its cost");
                    assert!(
                        through - now <= BACKLOG + COST,
                        "nor waits beyond the bound"
                    );
                    done.push(through);
                }
            }
            let apart = |pair: &[Duration]| pair[1] - pair[0] >= COST;
            assert!(done.windows(2).all(apart), "seed {seed}");
        }
    }

    /// Rule DEV-03.
    #[test]
    fn beyond_the_bound_of_what_waits_operations_are_refused_and_cost_nothing() {
        let mut queue = DeviceQueue::default();
        let admitted = (0..100)
            .filter(|_| queue.admit(Duration::ZERO, COST, BACKLOG).is_some())
            .count();
        assert_eq!(admitted, 11, "ten wait behind the one at work");
        let refused = queue;
        assert_eq!(queue.admit(Duration::ZERO, COST, BACKLOG), None);
        assert_eq!(queue, refused);
        assert_eq!(queue.admit(COST, COST, BACKLOG), Some(COST * 12));
    }

    #[test]
    fn an_idle_device_begins_at_once() {
        let mut queue = DeviceQueue::default();
        let late = Duration::from_secs(100);
        assert_eq!(queue.admit(late, COST, BACKLOG), Some(late + COST));
    }
}
