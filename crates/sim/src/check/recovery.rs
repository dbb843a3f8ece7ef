//! I11: how long after the last fault everything works again.

use super::{Invariant, Violation};
use crate::history::{History, HistoryEvent, Moment};

/// In simulated time.
const RECOVERED_WITHIN_MS: u64 = 5_000;

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let mut healed: Option<Moment> = None;
    for event in &history.events {
        match event {
            HistoryEvent::Healed { at } => healed = Some(*at),
            HistoryEvent::Well { at } => {
                let took = healed
                    .take()
                    .map(|since| at.millis.saturating_sub(since.millis));
                if let Some(took) = took.filter(|took| *took > RECOVERED_WITHIN_MS) {
                    let what = format!("all was well only {took} ms after healing");
                    found.push(Violation::new(Invariant::I11, *at, what));
                }
            }
            HistoryEvent::Call(_)
            | HistoryEvent::Seen { .. }
            | HistoryEvent::Uses { .. }
            | HistoryEvent::Holds { .. }
            | HistoryEvent::FaultBegins { .. }
            | HistoryEvent::Calm { .. }
            | HistoryEvent::Placed { .. }
            | HistoryEvent::Asked { .. }
            | HistoryEvent::Sealed { .. }
            | HistoryEvent::Login { .. }
            | HistoryEvent::Deleted { .. }
            | HistoryEvent::Happens { .. }
            | HistoryEvent::Stored { .. }
            | HistoryEvent::Counted { .. }
            | HistoryEvent::Guessed { .. }
            | HistoryEvent::Probed { .. }
            | HistoryEvent::Baffled { .. }
            | HistoryEvent::Restarted { .. }
            | HistoryEvent::Leaked { .. }
            | HistoryEvent::Made { .. }
            | HistoryEvent::Member { .. } => (),
        }
    }
    if let Some(at) = healed {
        let what = "it never was well again after healing";
        found.push(Violation::new(Invariant::I11, at, what));
    }
}
