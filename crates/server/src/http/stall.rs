//! How long a client may leave a reply unread.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Patience;

/// A time in which there was always something left to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stall {
    began: Instant,
    progressed: Instant,
    bytes: u64,
}

impl Stall {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            began: now,
            progressed: now,
            bytes: 0,
        }
    }

    /// The client took some bytes.
    pub(super) const fn progress(&mut self, now: Instant, bytes: usize) {
        self.progressed = now;
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// When the client is given up unless it takes more.
    ///
    /// Rule WIRE-25: it takes a byte within a bound, and from then on so many a second on average:
    /// a slow reader of a large reply gets it, one that takes a byte now and then is not waited for.
    pub(super) fn deadline(&self, patience: &Patience) -> Instant {
        let rate = u64::from(patience.write_bytes_per_second_min.max(1));
        let earned = Duration::from_millis(self.bytes.saturating_mul(1000) / rate);
        let by_rate = self.began + patience.write + earned;
        by_rate.min(self.progressed + patience.write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::ZERO,
        body: Duration::ZERO,
        write: Duration::from_secs(30),
        write_bytes_per_second_min: 4096,
    };

    /// The second in which a client is given up that takes `bytes` every `every` seconds.
    fn given_up(every: u64, bytes: usize) -> Option<u64> {
        let began = Instant::now();
        let mut stall = Stall::new(began);
        (1..100_000).find(|second| {
            let now = began + Duration::from_secs(*second);
            if now >= stall.deadline(&PATIENCE) {
                return true;
            }
            if second % every == 0 {
                stall.progress(now, bytes);
            }
            false
        })
    }

    /// Rule WIRE-25.
    #[test]
    fn who_takes_nothing_or_too_little_is_given_up_and_a_slow_reader_is_not() {
        // Every so many seconds so many bytes: given up after so many seconds.
        let cases = [
            (100_000, 0, Some(30)),
            (29, 1, Some(30)),
            (29, 116 * 1024, None),
            (29, 100 * 1024, Some(55)),
            (1, 1024, Some(40)),
            (1, 4095, None),
            (1, 5000, None),
            (31, 1 << 30, Some(30)),
        ];
        for (every, bytes, expected) in cases {
            assert_eq!(given_up(every, bytes), expected, "{bytes} every {every} s");
        }
    }
}
