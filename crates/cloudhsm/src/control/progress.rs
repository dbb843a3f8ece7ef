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
//! A step can be repeated: when the process ends, or whoever asked stops waiting, between a step
//! and its commit, the next start or the next call takes the same step again.

use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_clusters::{ClusterState, HsmState};
use portcullis_fleet::{FleetError, KeptIdentity};
use portcullis_seam::draw;
use portcullis_seam::plant::{Bug, planted};

use super::state_change::StateChange;
use super::turns::Subject;
use crate::CloudHsm;
use crate::certificate::give_birth;
use crate::network::hex_id;
use crate::record::{Certificates, Cluster, HsmRecord, internal};

/// What has to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing but the change of state.
    Settle(ClusterState),
    /// Give every HSM the signed certificate.
    Install,
    MakeHsm(HsmId),
    RemoveHsm(HsmId),
    /// Make an HSM of the cluster's type that takes this one's place.
    Replace(HsmId),
    /// The replacement is there.
    Retire(HsmId),
    /// The first admin has set a password.
    Activate(HsmId),
    Forget,
}

impl Step {
    /// The passing state that it ends; none when it only follows from the step before.
    fn ends(&self, cluster: &Cluster) -> Option<StateChange> {
        match self {
            Self::Settle(_) if cluster.state == ClusterState::CreateInProgress => {
                Some(StateChange::CreateCluster)
            }
            // The replacements of a migration are made and removed like any other HSM.
            Self::Settle(_) | Self::Replace(_) | Self::Retire(_) => None,
            Self::Install => Some(StateChange::InitializeCluster),
            Self::MakeHsm(_) => Some(StateChange::CreateHsm),
            Self::RemoveHsm(_) => Some(StateChange::DeleteHsm),
            // Restored clusters are ACTIVE with their first HSM.
            Self::Activate(_) if cluster.source_backup.is_some() => None,
            Self::Activate(_) => Some(StateChange::ActivateCluster),
            Self::Forget => Some(StateChange::DeleteCluster),
        }
    }
}

/// The next step of a cluster. `activated` says whether an HSM has an admin.
fn next_step(cluster: &Cluster, activated: impl Fn(&HsmId) -> bool) -> Option<Step> {
    match cluster.state {
        ClusterState::CreateInProgress if cluster.source_backup.is_some() => {
            Some(Step::Settle(ClusterState::Initialized))
        }
        ClusterState::CreateInProgress => Some(Step::Settle(ClusterState::Uninitialized)),
        ClusterState::InitializeInProgress => Some(Step::Install),
        ClusterState::DeleteInProgress | ClusterState::Deleted => Some(Step::Forget),
        ClusterState::Uninitialized
        | ClusterState::Initialized
        | ClusterState::Active
        | ClusterState::UpdateInProgress
        | ClusterState::ModifyInProgress
        | ClusterState::RollbackInProgress
        | ClusterState::Degraded => {
            let first = |state| cluster.hsms_in(state).next().cloned();
            if let Some(hsm) = first(HsmState::CreateInProgress) {
                Some(Step::MakeHsm(hsm))
            } else if let Some(hsm) = first(HsmState::DeleteInProgress) {
                Some(Step::RemoveHsm(hsm))
            } else if cluster.state == ClusterState::UpdateInProgress {
                Some(Step::Settle(ClusterState::Active))
            } else if cluster.migrating() {
                Some(next_replacement(cluster))
            } else if cluster.state == ClusterState::Initialized {
                let mut active = cluster.hsms_in(HsmState::Active);
                active
                    .find(|hsm| activated(hsm))
                    .cloned()
                    .map(Step::Activate)
            } else {
                None
            }
        }
    }
}

/// Rule MIG-04: HSMs of the old type are replaced one at a time, each by one that has its zone,
/// subnet and address.
fn next_replacement(cluster: &Cluster) -> Step {
    let is_old = |hsm: &HsmRecord| cluster.type_of(hsm) != cluster.hsm_type;
    let mut old = cluster.hsms.iter().filter(|(_, hsm)| is_old(hsm));
    let Some((id, found)) = old.next() else {
        return Step::Settle(ClusterState::Active);
    };
    let mut others = cluster.hsms.values();
    if others.any(|other| other.ip == found.ip && !is_old(other)) {
        Step::Retire(id.clone())
    } else {
        Step::Replace(id.clone())
    }
}

impl CloudHsm {
    /// Takes every step that a cluster waits for.
    ///
    /// Rule CL-16: what was begun is finished, also after a restart. While a step fails the cluster
    /// is there as it is.
    pub(crate) async fn carry_on(&self, scope: &Scope, id: &ClusterId) -> Result<(), Exception> {
        self.refresh(scope, id);
        while let Some(cluster) = self.ledger.cluster(scope, id)? {
            if cluster.state == ClusterState::Initialized {
                for hsm in cluster.hsms_in(HsmState::Active) {
                    self.fleet.look(hsm).await;
                }
            }
            let Some(step) = next_step(&cluster, |hsm| self.fleet.is_activated(hsm)) else {
                break;
            };
            if !self.may_take(scope, &cluster, &step) {
                if let Some(hsm) = self.source_of_backup(&cluster, &step) {
                    self.begin_backup(scope, &cluster, hsm).await?;
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
                super::reconcile::warn(id, &error);
                self.ledger.amend(scope, id, roll_back).await?;
            }
            self.refresh(scope, id);
        }
        self.refresh(scope, id);
        Ok(())
    }

    /// Rule TIME-05: a step that ends a passing state waits for the pace.
    fn may_take(&self, scope: &Scope, cluster: &Cluster, step: &Step) -> bool {
        step.ends(cluster).is_none_or(|change| {
            let name = format!("{step:?}");
            let subject = Subject::Cluster(cluster.id.clone());
            self.turns.may_take(scope, subject, &name, change)
        })
    }

    /// The HSM that is backed up in the course of a step; none when the step takes no backup.
    fn source_of_backup<'a>(&self, cluster: &'a Cluster, step: &'a Step) -> Option<&'a HsmId> {
        match step {
            // Rule BK-07: an HSM is added to others, an HSM goes, a cluster is activated.
            Step::MakeHsm(_) if cluster.issued().is_some() => {
                let mut present = cluster.hsms_in(HsmState::Active);
                present.find(|hsm| self.fleet.is_up(hsm))
            }
            Step::RemoveHsm(hsm) if cluster.in_service() => {
                self.source_of_last_backup(cluster, hsm)
            }
            Step::Activate(hsm) if cluster.source_backup.is_none() => Some(hsm),
            Step::Settle(_)
            | Step::Install
            | Step::MakeHsm(_)
            | Step::RemoveHsm(_)
            | Step::Replace(_)
            | Step::Retire(_)
            | Step::Activate(_)
            | Step::Forget => None,
        }
    }

    /// Whether the cluster waits for the end of a change that takes a backup.
    pub(crate) fn awaits_backup(&self, cluster: &Cluster) -> bool {
        let next = next_step(cluster, |hsm| self.fleet.is_activated(hsm));
        next.is_some_and(|step| {
            step.ends(cluster).is_some() && self.source_of_backup(cluster, &step).is_some()
        })
    }

    async fn take(&self, scope: &Scope, cluster: &Cluster, step: &Step) -> Result<(), Exception> {
        let id = &cluster.id;
        match step {
            Step::Settle(state) => {
                let state = *state;
                self.ledger.amend(scope, id, |one| one.state = state).await
            }
            Step::Install => self.install(scope, cluster).await,
            Step::MakeHsm(hsm) => self.make_hsm(scope, cluster, hsm).await,
            Step::RemoveHsm(hsm) => self.remove_hsm(scope, cluster, hsm).await,
            Step::Replace(hsm) => {
                let fresh = HsmId::from_random(draw(&*self.entropy));
                let zone = cluster.hsms.get(hsm).map(|old| old.zone.as_str());
                let host = zone.and_then(|zone| self.host_for_replacement(cluster, zone));
                let begin = |one: &mut Cluster| add_replacement(one, hsm, &fresh, host);
                self.ledger.amend(scope, id, begin).await
            }
            Step::Retire(hsm) => {
                let retire = |one: &mut Cluster| {
                    if let Some(old) = one.hsms.get_mut(hsm) {
                        old.state = HsmState::DeleteInProgress;
                    }
                };
                self.ledger.amend(scope, id, retire).await
            }
            Step::Activate(hsm) => {
                // Rule CL-07: activation makes the cluster ACTIVE, and a backup is taken. In a
                // cluster made from a backup the HSM brings its admin along.
                if cluster.source_backup.is_none() {
                    self.take_backup(scope, cluster, hsm).await?;
                }
                let activate = |one: &mut Cluster| one.state = ClusterState::Active;
                self.ledger.amend(scope, id, activate).await
            }
            Step::Forget => self.ledger.forget(scope, id).await,
        }
    }

    async fn install(&self, scope: &Scope, cluster: &Cluster) -> Result<(), Exception> {
        if let Some((certificate, _)) = cluster.issued() {
            for hsm in cluster.hsms_in(HsmState::Active) {
                self.fleet.install(hsm, certificate).await.map_err(failed)?;
            }
        }
        let initialized = |one: &mut Cluster| one.state = ClusterState::Initialized;
        self.ledger.amend(scope, &cluster.id, initialized).await
    }

    async fn make_hsm(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<(), Exception> {
        let host = cluster.hsms.get(hsm).and_then(|record| record.host);
        if let Some(number) = host {
            if !self.is_host_there(number) {
                return self.make_here(scope, cluster, hsm, number).await;
            }
            self.place_hsms(cluster);
        }
        let mut certificates = None;
        let made = if cluster.issued().is_none() {
            let (fresh, made) = self.make_first_hsm(hsm).await?;
            certificates = Some(fresh);
            made
        } else {
            let capture = self.content_for_new_hsm(scope, cluster).await?;
            self.fleet.create_from(hsm, capture).await
        };
        match (made, host) {
            (Ok(()), _) => {}
            (Err(error), Some(number)) => {
                tracing::warn!(%error, "an HSM is not made on its host");
                return self.make_here(scope, cluster, hsm, number).await;
            }
            (Err(error), None) => return Err(failed(error)),
        }
        self.equip(scope, cluster, hsm);
        let made = |one: &mut Cluster| {
            if let Some(record) = one.hsms.get_mut(hsm) {
                record.state = HsmState::Active;
            }
            if let Some(certificates) = &certificates {
                one.certificates = certificates.clone();
            }
        };
        self.ledger.amend(scope, &cluster.id, made).await?;
        // What the others got while this one was being filled.
        self.synchronise(cluster, Some(hsm)).await
    }

    /// An HSM that was to be made on a host that is lost will be made in this process.
    ///
    /// Rule HOST-08: the loss of a host leaves no HSM that is never made. The host wipes what it has
    /// of it when it comes back.
    async fn make_here(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
        lost: u64,
    ) -> Result<(), Exception> {
        tracing::warn!(%hsm, host = lost, "an HSM is made here, since its host is lost");
        if self.fleet.is_placed(hsm) {
            let _gone_or_wiped_later = self.fleet.remove(hsm).await;
            self.fleet.displace(hsm);
        }
        let here = |one: &mut Cluster| {
            if let Some(record) = one.hsms.get_mut(hsm) {
                record.host = None;
                record.lost_host = Some(lost);
            }
        };
        self.ledger.amend(scope, &cluster.id, here).await
    }

    /// The first HSM makes the cluster's key pair and asks for a certificate. Gives the certificates,
    /// and whether the HSM was made.
    async fn make_first_hsm(
        &self,
        hsm: &HsmId,
    ) -> Result<(Certificates, Result<(), FleetError>), Exception> {
        let now = self.clock.now();
        let birth = give_birth(&self.makers, hsm, &*self.entropy, now).map_err(|error| {
            internal("The HSM's certificates could not be made.").because(error)
        })?;
        let identity = KeptIdentity::unsigned(birth.key.pkcs8().clone());
        let made = self.fleet.create_blank(hsm, &identity).await;
        let certificates = Certificates::Requested {
            request: birth.request,
            hsm: birth.hsm,
            aws_hardware: birth.aws_hardware,
            manufacturer_hardware: birth.manufacturer_hardware,
        };
        Ok((certificates, made))
    }

    async fn remove_hsm(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<(), Exception> {
        // An attempt that was cut short after it had destroyed the HSM has taken the backup.
        let repeats = planted(Bug::RemovalNotRepeatable);
        let is_there = repeats || self.fleet.capture(hsm).await.is_ok();
        if cluster.migrating() {
            // What came to the old one while its replacement was filled.
            self.synchronise(cluster, Some(hsm)).await?;
        } else if cluster.in_service() && is_there {
            // This also brings the HSMs in step: the keys that only this one has must survive it.
            self.take_last_backup(scope, cluster, hsm).await?;
        }
        self.fleet.remove(hsm).await.map_err(failed)?;
        let removed = |one: &mut Cluster| {
            one.hsms.remove(hsm);
            // The private key of the request went with the HSM.
            if one.state == ClusterState::Uninitialized {
                one.certificates = Certificates::Nothing;
            }
        };
        self.ledger.amend(scope, &cluster.id, removed).await
    }

    /// A backup of an HSM that is about to go: when its disk cannot be read, one of another HSM,
    /// and when there is no other, none. A broken HSM can always be removed.
    async fn take_last_backup(
        &self,
        scope: &Scope,
        cluster: &Cluster,
        hsm: &HsmId,
    ) -> Result<(), Exception> {
        match self.source_of_last_backup(cluster, hsm) {
            Some(source) => self.take_backup(scope, cluster, source).await.map(drop),
            None => Ok(()),
        }
    }

    fn source_of_last_backup<'a>(&self, cluster: &'a Cluster, hsm: &'a HsmId) -> Option<&'a HsmId> {
        if self.fleet.can_be_read(hsm) || planted(Bug::RemovalNotRepeatable) {
            return Some(hsm);
        }
        let mut others = cluster.hsms_in(HsmState::Active);
        others.find(|other| *other != hsm && self.fleet.is_up(other))
    }

    /// Brings the HSMs of a cluster in step, `also` one that is not in service.
    pub(crate) async fn synchronise(
        &self,
        cluster: &Cluster,
        also: Option<&HsmId>,
    ) -> Result<(), Exception> {
        let mut hsms: Vec<HsmId> = cluster.hsms_in(HsmState::Active).cloned().collect();
        hsms.extend(also.filter(|hsm| !hsms.contains(hsm)).cloned());
        let copied = self.fleet.synchronise(&hsms).await.map_err(failed)?;
        if copied > 0 {
            tracing::info!(cluster = %cluster.id, copied, "copied keys to HSMs that lacked them");
        }
        Ok(())
    }
}

fn add_replacement(cluster: &mut Cluster, old: &HsmId, fresh: &HsmId, host: Option<u64>) {
    let Some(found) = cluster.hsms.get(old) else {
        return;
    };
    let replacement = HsmRecord {
        state: HsmState::CreateInProgress,
        eni: hex_id("eni", fresh.as_str()),
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

/// What an operation answers with when the fleet fails.
pub(crate) fn failed(error: FleetError) -> Exception {
    internal("An HSM of the cluster failed. The service tries again by itself.").because(error)
}
