use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, Scope};
use portcullis_seam::{Timestamp, WallClock};
use tokio::sync::watch;

use super::pacing::sleep_or_ring;
use super::{Pacing, StateChange, Turn, Verdict};

/// The passing states of clusters. They are kept in memory: after a restart each begins anew.
#[derive(Debug)]
pub(crate) struct Turns {
    pacing: Arc<Pacing>,
    clock: Arc<dyn WallClock>,
    waiting: Mutex<BTreeMap<Of, (String, Arc<Turn>)>>,
}

/// Whose passing state.
type Of = (Scope, ClusterId);

impl Turns {
    pub(crate) fn new(pacing: Arc<Pacing>, clock: Arc<dyn WallClock>) -> Self {
        Self {
            pacing,
            clock,
            waiting: Mutex::default(),
        }
    }

    /// Whether the step called `step` may be taken on a cluster. When asked for the first time, its
    /// waiting begins; when it may be taken, that is over.
    pub(crate) fn may_take(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        step: &str,
        change: StateChange,
    ) -> bool {
        let of = (scope.clone(), cluster.clone());
        let now = self.clock.now();
        let mut waiting = self.waiting.lock();
        let known = waiting.get(&of).filter(|(name, _)| name == step);
        let turn = known.map_or_else(|| Turn::begin(change, now), |(_, turn)| Arc::clone(turn));
        if self.pacing.verdict(&turn, now) == Verdict::Now {
            waiting.remove(&of);
            return true;
        }
        if waiting.insert(of, (step.to_owned(), turn)).is_none() {
            self.pacing.ring();
        }
        false
    }

    /// A description has shown these clusters.
    pub(crate) fn describe<'a>(&self, scope: &Scope, shown: impl Iterator<Item = &'a ClusterId>) {
        for cluster in shown {
            let of = (scope.clone(), cluster.clone());
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

    /// The clusters of `scope` whose passing state has been described often enough.
    pub(crate) fn described_enough(&self, scope: &Scope) -> Vec<ClusterId> {
        let now = self.clock.now();
        let waiting = self.waiting.lock();
        let mine = waiting.iter().filter(|((of, _), _)| of == scope);
        mine.filter(|(_, (_, turn))| self.pacing.is_described_enough(turn, now))
            .map(|((_, cluster), _)| cluster.clone())
            .collect()
    }

    /// Waits until the turn of a cluster has come, and says of which. Ends only then.
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
    pub(crate) fn drop_if_due(&self, scope: &Scope, cluster: &ClusterId) {
        let of = (scope.clone(), cluster.clone());
        let now = self.clock.now();
        let mut waiting = self.waiting.lock();
        let due = |(_, turn): &(String, Arc<Turn>)| self.pacing.verdict(turn, now) == Verdict::Now;
        if waiting.get(&of).is_some_and(due) {
            waiting.remove(&of);
        }
    }

    /// Rests between two rounds of tending.
    pub(crate) async fn pause(&self, real: Duration, simulated: Duration) {
        self.pacing.pause(&*self.clock, real, simulated).await;
    }
}
