//! What the service does by itself, every few seconds.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_clusters::HsmState;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::turns::Turns;
use super::unfinished::Unfinished;
use crate::CloudHsm;
use crate::record::Cluster;

/// How often HSMs are brought in step. Our choice: the documentation says "periodically".
const TEND_EVERY: Duration = Duration::from_secs(10);

/// Rule TIME-04: what has a date is looked for every hour of the services' clock, if that passes
/// sooner.
const TEND_EVERY_SIMULATED: Duration = Duration::from_secs(60 * 60);

/// Tends `cloud` until it is dropped.
pub(crate) fn start(cloud: &Arc<CloudHsm>) -> AbortHandle {
    let (turns, unfinished) = (Arc::clone(&cloud.turns), Arc::clone(&cloud.unfinished));
    tokio::spawn(tend(Arc::downgrade(cloud), turns, unfinished)).abort_handle()
}

async fn tend(cloud: Weak<CloudHsm>, turns: Arc<Turns>, unfinished: Arc<Unfinished>) {
    loop {
        let rest = turns.pause(TEND_EVERY, TEND_EVERY_SIMULATED);
        tokio::pin!(rest);
        loop {
            tokio::select! {
                biased;
                () = &mut rest => break,
                due = turns.next() => {
                    let Some(cloud) = cloud.upgrade() else {
                        return;
                    };
                    for (scope, subject) in &due {
                        cloud.take_turn(scope, subject).await;
                        turns.drop_if_due(scope, subject);
                    }
                }
                (scope, cluster) = unfinished.next() => {
                    let Some(cloud) = cloud.upgrade() else {
                        return;
                    };
                    cloud.settle(&scope, &cluster).await;
                }
            }
        }
        let Some(cloud) = cloud.upgrade() else {
            return;
        };
        cloud.reconcile_once().await;
    }
}

impl CloudHsm {
    /// One round over every cluster: what is due by now is done. What fails is logged and tried
    /// again in the next round.
    pub async fn reconcile_once(&self) {
        let _one_at_a_time = self.control.lock().await;
        let clusters = self.ledger.clusters();
        for (scope, id) in &clusters {
            if let Err(error) = self.reconcile_cluster(scope, id).await {
                warn(id, &error);
            }
        }
        // A backup outlives its cluster, and a copy lies where no cluster may be.
        let mut scopes = self.ledger.scopes_with_backups();
        scopes.extend(clusters.into_iter().map(|(scope, _)| scope));
        scopes.sort();
        scopes.dedup();
        for scope in scopes {
            if let Err(error) = self.reconcile_backups(&scope).await {
                tracing::warn!(cause = error.cause, "backups wait for the next round");
            }
        }
    }

    /// Finishes what was begun with a cluster and brings its HSMs in step; the caller has the control
    /// lock. What fails is tried again.
    pub(crate) async fn carry_on_with(&self, scope: &Scope, id: &ClusterId) {
        if let Err(error) = self.reconcile_cluster(scope, id).await {
            warn(id, &error);
        }
    }

    async fn reconcile_cluster(&self, scope: &Scope, id: &ClusterId) -> Result<(), Exception> {
        if !self.finish(scope, id).await {
            return Ok(());
        }
        if let Some(cluster) = self.ledger.cluster(scope, id)? {
            for hsm in cluster.hsms.keys() {
                self.fleet.silence_if_down(hsm);
            }
            self.revive(&cluster).await;
            self.synchronise(&cluster, None).await?;
        }
        Ok(())
    }

    /// Rule ST-25: HSMs that went down for want of room start again by themselves.
    async fn revive(&self, cluster: &Cluster) {
        let hsms: Vec<HsmId> = cluster.hsms_in(HsmState::Active).cloned().collect();
        for hsm in hsms.iter().filter(|hsm| self.fleet.can_be_revived(hsm)) {
            if let Err(error) = self.fleet.restart(hsm, &hsms).await {
                tracing::warn!(%error, "an HSM stays down until the next round");
            }
        }
    }

    /// Finishes what was begun with a cluster, and says whether nothing is left of it; the caller
    /// has the control lock.
    ///
    /// Rule CL-27: a change that fails is tried again soon, without anybody asking.
    pub(crate) async fn finish(&self, scope: &Scope, id: &ClusterId) -> bool {
        let began = Instant::now();
        match self.carry_on(scope, id).await {
            Ok(()) => {
                self.unfinished.forget(scope, id);
                true
            }
            Err(error) => {
                if self.unfinished.note(scope, id, began) {
                    warn(id, &error);
                }
                false
            }
        }
    }
}

pub(crate) fn warn(cluster: &ClusterId, error: &Exception) {
    let cause = error.cause.as_deref().unwrap_or("unknown");
    tracing::warn!(%cluster, cause, "a change of the cluster waits and is tried again");
}
