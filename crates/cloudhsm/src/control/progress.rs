//! From a state that ends in `_IN_PROGRESS` to the state after it.
//!
//! ```text
//! CREATE_IN_PROGRESS ───────────────────▶ UNINITIALIZED, or INITIALIZED from a backup
//! INITIALIZE_IN_PROGRESS ─ install ─────▶ INITIALIZED ─ activation, backup ─▶ ACTIVE
//! UPDATE_IN_PROGRESS ─ make or remove ──▶ ACTIVE
//! MODIFY_IN_PROGRESS ─ replace one by one ▶ ACTIVE
//!        └─ a replacement fails ─▶ ROLLBACK_IN_PROGRESS ─ replace back ─▶ ACTIVE
//! DELETE_IN_PROGRESS ───────────────────▶ no record
//! ```
//!
//! A step can be repeated: when the process ends, or the caller stops waiting, between a step
//! and its commit, the next start or the next call takes the same step again.

use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_clusters::{ClusterState, HsmState};
use portcullis_seam::draw;

use super::reconcile::Reconciler;
use super::step::{ControlStep, next_step, source_of_backup};
use super::turns::TurnSubject;
use crate::record::{Cluster, HsmRecord};
use crate::service_core::warn;

impl Reconciler {
    /// Takes every step that a cluster waits for.
    ///
    /// Rule CL-16: what was begun is finished, also after a restart. While a step fails the cluster
    /// is there as it is.
    pub(super) async fn carry_on(&self, scope: &Scope, id: &ClusterId) -> Result<(), Exception> {
        self.core.refresh(scope, id);
        while let Some(cluster) = self.core.ledger.cluster(scope, id)? {
            if cluster.state == ClusterState::Initialized {
                for hsm in cluster.hsms_in(HsmState::Active) {
                    self.core.fleet.look(hsm).await;
                }
            }
            let Some(step) = next_step(&cluster, |hsm| self.core.fleet.is_activated(hsm)) else {
                break;
            };
            if !self.may_take(scope, &cluster, &step) {
                if let Some(hsm) = source_of_backup(&self.core.fleet, &cluster, &step) {
                    self.backups.begin_backup(scope, &cluster, hsm).await?;
                }
                break;
            }
            tracing::debug!(cluster = %id, ?step, "next step");
            if let Err(error) = self.take(scope, &cluster, &step).await {
                let can_go_back = cluster.rollback.is_some();
                if cluster.state != ClusterState::ModifyInProgress || !can_go_back {
                    return Err(error);
                }
                // Rule MIG-05: a migration that meets an error is rolled back by the service.
                warn(id, &error);
                self.core.ledger.amend(scope, id, roll_back).await?;
            }
            self.core.refresh(scope, id);
        }
        self.core.refresh(scope, id);
        Ok(())
    }

    /// Rule TIME-05: a step that ends a passing state waits for the pace.
    fn may_take(&self, scope: &Scope, cluster: &Cluster, step: &ControlStep) -> bool {
        step.ends(cluster).is_none_or(|change| {
            let name = format!("{step:?}");
            let subject = TurnSubject::Cluster(cluster.id.clone());
            self.core.turns.may_take(scope, subject, &name, change)
        })
    }

    async fn take(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        step: &ControlStep,
    ) -> Result<(), Exception> {
        let id = &cluster.id;
        match step {
            ControlStep::Settle(state) => {
                let state = *state;
                self.core
                    .ledger
                    .amend(scope, id, |one| one.state = state)
                    .await
            }
            ControlStep::Install => self.provisioning.install(scope, cluster).await,
            ControlStep::MakeHsm(hsm) => self.provisioning.make_hsm(scope, cluster, hsm).await,
            ControlStep::RemoveHsm(hsm) => self.provisioning.remove_hsm(scope, cluster, hsm).await,
            ControlStep::Replace(hsm) => {
                let fresh = HsmId::from_random(draw(&*self.core.entropy));
                let zone = cluster.hsms.get(hsm).map(|old| old.zone.as_str());
                let host = zone.and_then(|zone| self.lines.host_for_replacement(cluster, zone));
                let begin = |one: &mut Cluster| add_replacement(one, hsm, &fresh, host);
                self.core.ledger.amend(scope, id, begin).await
            }
            ControlStep::Retire(hsm) => {
                let retire = |one: &mut Cluster| {
                    if let Some(old) = one.hsms.get_mut(hsm) {
                        old.state = HsmState::DeleteInProgress;
                    }
                };
                self.core.ledger.amend(scope, id, retire).await
            }
            ControlStep::Activate(hsm) => {
                // Rule CL-07: activation makes the cluster ACTIVE, and a backup is taken. In a
                // cluster made from a backup the HSM brings its admin along.
                if cluster.source_backup.is_none() {
                    self.backups.take_backup(scope, cluster, hsm).await?;
                }
                let activate = |one: &mut Cluster| one.state = ClusterState::Active;
                self.core.ledger.amend(scope, id, activate).await
            }
            ControlStep::Forget => self.core.ledger.forget(scope, id).await,
        }
    }
}

fn add_replacement(cluster: &mut Cluster, old: &HsmId, fresh: &HsmId, host: Option<u64>) {
    let Some(found) = cluster.hsms.get(old) else {
        return;
    };
    let replacement = HsmRecord {
        state: HsmState::CreateInProgress,
        // Rule MIG-04: it takes over the network interface, by which Terraform finds it.
        hsm_type: Some(cluster.hsm_type.clone()),
        host,
        lost_host: None,
        ..found.clone()
    };
    cluster.hsms.insert(fresh.clone(), replacement);
}

fn roll_back(cluster: &mut Cluster) {
    if let Some(rollback) = cluster.rollback.take() {
        cluster.change_type(&rollback.hsm_type, ClusterState::RollbackInProgress);
    }
}
