//! I11: how long after the last fault everything works again.

use super::{Invariant, Violation};
use crate::history::{Event, History, Moment};

/// In simulated time.
const RECOVERED_WITHIN_MS: u64 = 5_000;

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let mut healed: Option<Moment> = None;
    for event in &history.events {
        match event {
            Event::Healed { at } => healed = Some(*at),
            Event::Well { at } => {
                let took = healed
                    .take()
                    .map(|since| at.millis.saturating_sub(since.millis));
                if let Some(took) = took.filter(|took| *took > RECOVERED_WITHIN_MS) {
                    let what = format!("all was well only {took} ms after healing");
                    found.push(Violation::new(Invariant::I11, *at, what));
                }
            }
            Event::Call(_)
            | Event::Seen { .. }
            | Event::Uses { .. }
            | Event::Holds { .. }
            | Event::FaultBegins { .. }
            | Event::Calm { .. }
            | Event::Placed { .. }
            | Event::Asked { .. }
            | Event::Sealed { .. }
            | Event::Login { .. }
            | Event::Deleted { .. }
            | Event::Happens { .. }
            | Event::Stored { .. }
            | Event::Counted { .. }
            | Event::Guessed { .. }
            | Event::Probed { .. }
            | Event::Baffled { .. }
            | Event::Restarted { .. }
            | Event::Leaked { .. }
            | Event::Made { .. }
            | Event::Member { .. } => (),
        }
    }
    if let Some(at) = healed {
        let what = "it never was well again after healing";
        found.push(Violation::new(Invariant::I11, at, what));
    }
}
