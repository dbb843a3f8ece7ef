use std::time::Duration;

use portcullis_seam::{Timestamp, WallClock};
use tokio::time::Instant;

/// Where every world's calendar begins: 2026-01-01 00:00 UTC.
const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Dates that advance with tokio's clock, which a world holds.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    began: Instant,
    /// How long the calendar had been going when tokio's clock began.
    before: Duration,
}

impl SimClock {
    /// A calendar that begins at this instant of tokio's clock.
    #[must_use]
    pub fn start() -> Self {
        Self::resume(Duration::ZERO)
    }

    /// A calendar that has been going for `before` at this instant of tokio's clock.
    #[must_use]
    pub fn resume(before: Duration) -> Self {
        Self {
            began: Instant::now(),
            before,
        }
    }
}

impl WallClock for SimClock {
    fn now(&self) -> Timestamp {
        EPOCH.plus(self.before + self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_calendar_advances_with_the_held_clock_only() {
        let clock = SimClock::start();
        assert_eq!(clock.now(), EPOCH);
        tokio::time::sleep(Duration::from_hours(24)).await;
        assert_eq!(clock.now().since(EPOCH), Duration::from_hours(24));
        let later = SimClock::resume(Duration::from_hours(24));
        assert_eq!(later.now(), clock.now());
    }
}
