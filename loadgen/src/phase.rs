use std::time::Duration;

use portcullis_admin::{EditKind, LoadPhase, LoadSpan};

use crate::quantity::micros;

/// The phases of a run, without gaps.
#[derive(Debug)]
pub(crate) struct Phases {
    ended: Vec<LoadSpan>,
    present: LoadSpan,
}

impl Phases {
    /// Begins with a connected key store.
    pub(crate) const fn new() -> Self {
        Self {
            ended: Vec::new(),
            present: LoadSpan {
                cycle: 0,
                phase: LoadPhase::Connected,
                edit: None,
                start_us: 0,
                end_us: 0,
            },
        }
    }

    pub(crate) const fn present(&self) -> LoadPhase {
        self.present.phase
    }

    /// Ends the present phase at `at`, where the next begins. Gives the span that ended.
    // Rule LG-11: a phase ends where the next begins, to the microsecond.
    pub(crate) fn enter(
        &mut self,
        phase: LoadPhase,
        cycle: u32,
        edit: Option<EditKind>,
        at: Duration,
    ) -> LoadSpan {
        let at = micros(at);
        let next = LoadSpan {
            cycle,
            phase,
            edit,
            start_us: at,
            end_us: at,
        };
        let mut span = std::mem::replace(&mut self.present, next);
        span.end_us = at;
        self.ended.push(span.clone());
        span
    }

    /// Every phase, the present one as if it ended at `at`.
    pub(crate) fn until(mut self, at: Duration) -> (Vec<LoadSpan>, LoadSpan) {
        self.present.end_us = micros(at).max(self.present.start_us);
        self.ended.push(self.present.clone());
        (self.ended, self.present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule LG-11.
    #[test]
    fn phases_follow_each_other_without_gaps() {
        let mut phases = Phases::new();
        let at = Duration::from_micros;
        phases.enter(LoadPhase::Disconnecting, 1, Some(EditKind::Name), at(100));
        phases.enter(LoadPhase::Disconnected, 1, Some(EditKind::Name), at(130));
        assert_eq!(phases.present(), LoadPhase::Disconnected);
        let (spans, last) = phases.until(at(200));
        let times: Vec<(LoadPhase, u64, u64)> = spans
            .iter()
            .map(|span| (span.phase, span.start_us, span.end_us))
            .collect();
        assert_eq!(
            times,
            [
                (LoadPhase::Connected, 0, 100),
                (LoadPhase::Disconnecting, 100, 130),
                (LoadPhase::Disconnected, 130, 200)
            ]
        );
        assert_eq!(last.cycle, 1);
    }
}
