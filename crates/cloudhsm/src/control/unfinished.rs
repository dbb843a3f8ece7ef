use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, Scope};
use portcullis_seam::plant::{Bug, planted};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How soon a change that failed is tried again. Our choice: people wait for it.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// An attempt holds up changes of other clusters: of the time from its beginning to that of the next
/// one it takes at most one part in this many.
const ATTEMPT_SHARE: u32 = 5;

/// Clusters with a change that was begun and could not be finished.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    /// With the time of the next attempt.
    clusters: Mutex<BTreeMap<(Scope, ClusterId), Instant>>,
    bell: Notify,
}

impl Unfinished {
    /// An attempt that began at `began` has failed just now. Says whether it was the first one.
    pub(crate) fn note(&self, scope: &Scope, cluster: &ClusterId, began: Instant) -> bool {
        if planted(Bug::ChangeTriedAgainLate) {
            return true;
        }
        let at = next_attempt(began, Instant::now());
        let mut clusters = self.clusters.lock();
        let first = clusters
            .insert((scope.clone(), cluster.clone()), at)
            .is_none();
        self.bell.notify_one();
        first
    }

    pub(crate) fn forget(&self, scope: &Scope, cluster: &ClusterId) {
        let mut clusters = self.clusters.lock();
        if !clusters.is_empty() {
            clusters.remove(&(scope.clone(), cluster.clone()));
        }
    }

    /// Waits until a change is to be tried again, and says of which cluster.
    pub(crate) async fn next(&self) -> (Scope, ClusterId) {
        loop {
            let first = {
                let clusters = self.clusters.lock();
                let first = clusters.iter().min_by_key(|(_, at)| **at);
                first.map(|(of, at)| (of.clone(), *at))
            };
            match first {
                Some((of, at)) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => return of,
                        () = self.bell.notified() => {}
                    }
                }
                None => self.bell.notified().await,
            }
        }
    }
}

fn next_attempt(began: Instant, ended: Instant) -> Instant {
    ended + AGAIN_AFTER.max((ended - began) * (ATTEMPT_SHARE - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_slow_attempt_when_it_fails_then_the_next_waits_longer() {
        let began = Instant::now();
        let (quick, slow) = (Duration::from_millis(3), Duration::from_secs(2));
        assert_eq!(
            next_attempt(began, began + quick),
            began + quick + AGAIN_AFTER
        );
        assert_eq!(
            next_attempt(began, began + slow),
            began + slow * ATTEMPT_SHARE
        );
    }
}
