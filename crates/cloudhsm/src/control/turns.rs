use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{BackupId, ClusterId, Scope};
use portcullis_seam::watch;
use portcullis_seam::{Timestamp, WallClock};
use portcullis_time::{Pacing, Turn, Verdict, sleep_or_ring};

use super::state_change::StateChange;

/// The passing states of clusters and backups. They are kept in memory: after a restart each begins anew.
#[derive(Debug)]
pub(crate) struct Turns {
    pacing: Arc<Pacing>,
    clock: Arc<dyn WallClock>,
    waiting: Mutex<BTreeMap<Of, (String, Arc<Turn>)>>,
}

/// Whose passing state.
type Of = (Scope, TurnSubject);

/// What is in a passing state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TurnSubject {
    Cluster(ClusterId),
    Backup(BackupId),
}

impl Turns {
    pub(crate) fn new(pacing: Arc<Pacing>, clock: Arc<dyn WallClock>) -> Self {
        Self {
            pacing,
            clock,
            waiting: Mutex::default(),
        }
    }

    /// Whether the step called `step` may be taken. When asked for the first time, its waiting
    /// begins; when it may be taken, that is over.
    pub(crate) fn may_take(
        &self,
        scope: &Scope,
        subject: TurnSubject,
        step: &str,
        change: StateChange,
    ) -> bool {
        let of = (scope.clone(), subject);
        let now = self.clock.now();
        let mut waiting = self.waiting.lock();
        let known = waiting.get(&of).filter(|(name, _)| name == step);
        let turn = known.map_or_else(
            || Turn::begin(change.aws_duration(), now),
            |(_, turn)| Arc::clone(turn),
        );
        if self.pacing.verdict(&turn, now) == Verdict::Now {
            waiting.remove(&of);
            return true;
        }
        if waiting.insert(of, (step.to_owned(), turn)).is_none() {
            self.pacing.ring();
        }
        false
    }

    /// Whether a change that begins at this moment has to wait for its end.
    pub(crate) fn takes_time(&self, change: StateChange) -> bool {
        let now = self.clock.now();
        self.pacing
            .pace()
            .verdict(change.aws_duration(), now, 0, now)
            != Verdict::Now
    }

    /// A description has shown these in their passing states.
    pub(crate) fn describe(&self, scope: &Scope, shown: impl Iterator<Item = TurnSubject>) {
        for subject in shown {
            let of = (scope.clone(), subject);
            let turn = self
                .waiting
                .lock()
                .get(&of)
                .map(|(_, turn)| Arc::clone(turn));
            if let Some(turn) = turn {
                self.pacing.describe(&turn);
            }
        }
    }

    /// What in `scope` has been described often enough in its passing state.
    pub(crate) fn described_enough(&self, scope: &Scope) -> Vec<TurnSubject> {
        let now = self.clock.now();
        let waiting = self.waiting.lock();
        let mine = waiting.iter().filter(|((of, _), _)| of == scope);
        mine.filter(|(_, (_, turn))| self.pacing.is_described_enough(turn, now))
            .map(|((_, subject), _)| subject.clone())
            .collect()
    }

    /// Waits until the turn of a subject has come, and says of which. Ends only then.
    pub(crate) async fn next(&self) -> Vec<Of> {
        let mut bell = self.pacing.bell();
        loop {
            bell.mark_unchanged();
            let now = self.clock.now();
            let (due, next) = self.look(now);
            if !due.is_empty() {
                return due;
            }
            self.rest(next, &mut bell).await;
        }
    }

    async fn rest(&self, next: Option<Timestamp>, bell: &mut watch::Receiver<u64>) {
        match next {
            Some(date) => sleep_or_ring(self.clock.real_until(date), bell).await,
            None => {
                let _ = bell.changed().await;
            }
        }
    }

    /// Whose turn has come, and when the next one's comes.
    fn look(&self, now: Timestamp) -> (Vec<Of>, Option<Timestamp>) {
        let (mut due, mut next) = (Vec::new(), None::<Timestamp>);
        for (of, (_, turn)) in self.waiting.lock().iter() {
            match self.pacing.verdict(turn, now) {
                Verdict::Now => due.push(of.clone()),
                Verdict::At(date) => next = Some(next.map_or(date, |next| next.min(date))),
                Verdict::AfterDescribes(_) => {}
            }
        }
        (due, next)
    }

    /// Forgets a turn that has come and was not taken, such as that of a cluster that is gone: it
    /// must not come again and again.
    pub(crate) fn drop_if_due(&self, scope: &Scope, subject: &TurnSubject) {
        let of = (scope.clone(), subject.clone());
        let now = self.clock.now();
        let mut waiting = self.waiting.lock();
        let due = |(_, turn): &(String, Arc<Turn>)| self.pacing.verdict(turn, now) == Verdict::Now;
        if waiting.get(&of).is_some_and(due) {
            waiting.remove(&of);
        }
    }

    /// Rests between two rounds of reconciling.
    pub(crate) async fn pause(&self, real: Duration, simulated: Duration) {
        self.pacing.pause(&*self.clock, real, simulated).await;
    }
}
