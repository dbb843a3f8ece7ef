//! Log lines about connections, of which one client can cause thousands a second.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A kind of line is written when it happens first, and then at most this often, with a count:
/// often enough to see that it goes on, seldom enough for a log.
const EVERY: Duration = Duration::from_secs(10);

/// What is written about connections, of all cores together.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    pub(crate) closed_for_others: Notice,
    pub(crate) refused: Notice,
    pub(crate) not_read: Notice,
    pub(crate) not_accepted: Notice,
    pub(crate) no_bytes_left: Notice,
}

/// One kind of line.
#[derive(Debug, Default)]
pub(crate) struct Notice(Mutex<Since>);

#[derive(Debug, Default)]
struct Since {
    last: Option<Instant>,
    unsaid: u64,
}

impl Notice {
    /// It happened. Gives how often since the last line, when it is time for a line.
    pub(crate) fn due(&self) -> Option<u64> {
        self.0.lock().due(Instant::now())
    }
}

impl Since {
    fn due(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        let is_early = self.last.is_some_and(|last| now < last + EVERY);
        if is_early {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule WIRE-33.
    #[test]
    fn a_line_is_written_at_once_and_then_seldom_with_a_count() {
        let mut since = Since::default();
        let begin = Instant::now();
        assert_eq!(since.due(begin), Some(1));
        for millis in 0..500 {
            assert_eq!(since.due(begin + Duration::from_millis(millis)), None);
        }
        assert_eq!(since.due(begin + EVERY), Some(501));
        assert_eq!(since.due(begin + EVERY), None);
        assert_eq!(since.due(begin + 3 * EVERY), Some(2));
    }
}
