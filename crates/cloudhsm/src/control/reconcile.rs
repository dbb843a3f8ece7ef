//! What the service does by itself, every few seconds.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_clusters::HsmState;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::backups::Backups;
use super::provisioning::Provisioning;
use super::turns::{TurnSubject, Turns};
use super::unfinished::Unfinished;
use crate::hosts::HostLines;
use crate::record::{Cluster, ScopeRecords};
use crate::service_core::{ServiceCore, warn};

/// How often HSMs are brought in step. Our choice: the documentation says "periodically".
const RECONCILE_EVERY: Duration = Duration::from_secs(10);

/// Rule TIME-04: what has a date is looked for every hour of the services' clock, if that passes
/// sooner.
const RECONCILE_EVERY_SIMULATED: Duration = Duration::from_secs(60 * 60);

/// Brings clusters, their HSMs and their backups to what the records say.
pub(crate) struct Reconciler {
    pub(super) core: Arc<ServiceCore>,
    pub(super) backups: Arc<Backups>,
    pub(super) provisioning: Arc<Provisioning>,
    pub(super) lines: Arc<HostLines>,
    unfinished: Arc<Unfinished>,
    running: Mutex<Option<AbortHandle>>,
}

impl Reconciler {
    pub(crate) fn new(
        core: Arc<ServiceCore>,
        backups: Arc<Backups>,
        provisioning: Arc<Provisioning>,
        lines: Arc<HostLines>,
    ) -> Self {
        Self {
            core,
            backups,
            provisioning,
            lines,
            unfinished: Arc::default(),
            running: Mutex::default(),
        }
    }

    /// Reconciles by itself until it is dropped.
    pub(crate) fn start(self: &Arc<Self>) {
        let (turns, unfinished) = (Arc::clone(&self.core.turns), Arc::clone(&self.unfinished));
        let task = reconcile_forever(Arc::downgrade(self), turns, unfinished);
        *self.running.lock() = Some(tokio::spawn(task).abort_handle());
    }

    /// One round over every cluster: what is due by now is done. What fails is logged and tried
    /// again in the next round.
    pub(crate) async fn reconcile_once(&self) {
        let _one_at_a_time = self.core.control.lock().await;
        let clusters = self.core.ledger.clusters();
        for (scope, id) in &clusters {
            if let Err(error) = self.reconcile_cluster(scope, id).await {
                warn(id, &error);
            }
        }
        // A backup outlives its cluster, and a copy lies where no cluster may be.
        let mut scopes = self.core.ledger.scopes_with_backups();
        scopes.extend(clusters.into_iter().map(|(scope, _)| scope));
        scopes.sort();
        scopes.dedup();
        for scope in scopes {
            if let Err(error) = self.backups.reconcile_backups(&scope).await {
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
        if let Some(cluster) = self.core.ledger.cluster(scope, id)? {
            for hsm in cluster.hsms.keys() {
                self.core.fleet.silence_if_down(hsm);
            }
            self.revive(&cluster).await;
            self.core.synchronise(&cluster, None).await?;
        }
        Ok(())
    }

    /// Rule ST-25: HSMs that went down for want of room start again by themselves.
    async fn revive(&self, cluster: &Cluster) {
        let hsms: Vec<HsmId> = cluster.hsms_in(HsmState::Active).cloned().collect();
        for hsm in hsms
            .iter()
            .filter(|hsm| self.core.fleet.can_be_revived(hsm))
        {
            if let Err(error) = self.core.fleet.restart(hsm, &hsms).await {
                tracing::warn!(%error, "an HSM stays down until the next round");
            }
        }
    }

    /// Decides, commits, and carries the cluster on to its next lasting state.
    ///
    /// The answer shows the cluster as it was committed, in its passing state. When carrying on
    /// fails, the change stays accepted, and the service tries again by itself.
    pub(crate) async fn change<T>(
        &self,
        scope: &Scope,
        id: &ClusterId,
        decide: impl Fn(&ScopeRecords) -> Result<(Cluster, T), Exception>,
    ) -> Result<(Cluster, T), Exception> {
        let _one_at_a_time = self.core.control.lock().await;
        // The caller that began a change may have stopped waiting for its end.
        self.finish(scope, id).await;
        let decided = self.core.ledger.decide(scope, decide).await?;
        self.core.refresh(scope, id);
        self.finish(scope, id).await;
        Ok(decided)
    }

    /// Carries a cluster on after something happened on its HSMs that concerns it.
    pub(crate) async fn settle(&self, scope: &Scope, id: &ClusterId) {
        let _one_at_a_time = self.core.control.lock().await;
        self.finish(scope, id).await;
    }

    /// Ends a passing state whose turn has come.
    pub(crate) async fn take_turn(&self, scope: &Scope, subject: &TurnSubject) {
        match subject {
            TurnSubject::Cluster(cluster) => self.settle(scope, cluster).await,
            TurnSubject::Backup(backup) => self.backups.settle_backup(scope, backup).await,
        }
    }

    /// Rule TIME-06: what was described often enough is over before it is described again.
    pub(crate) async fn end_what_was_described(&self, scope: &Scope) {
        for subject in self.core.turns.described_enough(scope) {
            self.take_turn(scope, &subject).await;
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

impl Drop for Reconciler {
    fn drop(&mut self) {
        if let Some(task) = self.running.lock().take() {
            task.abort();
        }
    }
}

async fn reconcile_forever(
    reconciler: Weak<Reconciler>,
    turns: Arc<Turns>,
    unfinished: Arc<Unfinished>,
) {
    loop {
        let rest = turns.pause(RECONCILE_EVERY, RECONCILE_EVERY_SIMULATED);
        tokio::pin!(rest);
        loop {
            tokio::select! {
                biased;
                () = &mut rest => break,
                due = turns.next() => {
                    let Some(reconciler) = reconciler.upgrade() else {
                        return;
                    };
                    for (scope, subject) in &due {
                        reconciler.take_turn(scope, subject).await;
                        turns.drop_if_due(scope, subject);
                    }
                }
                (scope, cluster) = unfinished.next() => {
                    let Some(reconciler) = reconciler.upgrade() else {
                        return;
                    };
                    reconciler.settle(&scope, &cluster).await;
                }
            }
        }
        let Some(reconciler) = reconciler.upgrade() else {
            return;
        };
        reconciler.reconcile_once().await;
    }
}
