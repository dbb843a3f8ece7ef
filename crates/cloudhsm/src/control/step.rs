//! What a cluster waits for next: a decision over its record and its HSMs.

use portcullis_api::HsmId;
use portcullis_clusters::{ClusterState, HsmState};
use portcullis_fleet::Fleet;
use portcullis_seam::plant::{Bug, planted};

use super::state_change::StateChange;
use crate::record::{Cluster, HsmRecord};

/// What has to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ControlStep {
    /// Nothing but the change of state.
    Settle(ClusterState),
    /// Give every HSM the signed certificate.
    Install,
    /// Make an HSM that the record asks for.
    MakeHsm(HsmId),
    /// Remove an HSM with its disk.
    RemoveHsm(HsmId),
    /// Make an HSM of the cluster's type that takes this one's place.
    Replace(HsmId),
    /// Let an HSM go whose replacement is there.
    Retire(HsmId),
    /// Make the cluster ACTIVE: the first admin has set a password on this HSM.
    Activate(HsmId),
    /// Remove the record of a deleted cluster.
    Forget,
}

impl ControlStep {
    /// The passing state that it ends; none when it only follows from the step before.
    pub(super) fn ends(&self, cluster: &Cluster) -> Option<StateChange> {
        match self {
            Self::Settle(_) if cluster.state == ClusterState::CreateInProgress => {
                Some(StateChange::CreateCluster)
            }
            // The replacements of a migration are made and removed like any other HSM.
            Self::Settle(_) | Self::Replace(_) | Self::Retire(_) => None,
            Self::Install => Some(StateChange::InitializeCluster),
            Self::MakeHsm(_) => Some(StateChange::CreateHsm),
            Self::RemoveHsm(_) => Some(StateChange::DeleteHsm),
            // Of an earlier release, which made restored clusters ACTIVE with their first HSM.
            Self::Activate(_) if cluster.source_backup.is_some() => None,
            Self::Activate(_) => Some(StateChange::ActivateCluster),
            Self::Forget => Some(StateChange::DeleteCluster),
        }
    }
}

/// The next step of a cluster. `activated` says whether an HSM has an admin.
pub(super) fn next_step(
    cluster: &Cluster,
    activated: impl Fn(&HsmId) -> bool,
) -> Option<ControlStep> {
    match cluster.state {
        // Rule CL-02: who waits for it finds it ACTIVE, though it has no HSM yet.
        ClusterState::CreateInProgress if cluster.source_backup.is_some() => {
            Some(ControlStep::Settle(ClusterState::Active))
        }
        ClusterState::CreateInProgress => Some(ControlStep::Settle(ClusterState::Uninitialized)),
        ClusterState::InitializeInProgress => Some(ControlStep::Install),
        ClusterState::DeleteInProgress | ClusterState::Deleted => Some(ControlStep::Forget),
        ClusterState::Uninitialized
        | ClusterState::Initialized
        | ClusterState::Active
        | ClusterState::UpdateInProgress
        | ClusterState::ModifyInProgress
        | ClusterState::RollbackInProgress
        | ClusterState::Degraded => {
            let first = |state| cluster.hsms_in(state).next().cloned();
            if let Some(hsm) = first(HsmState::CreateInProgress) {
                Some(ControlStep::MakeHsm(hsm))
            } else if let Some(hsm) = first(HsmState::DeleteInProgress) {
                Some(ControlStep::RemoveHsm(hsm))
            } else if cluster.state == ClusterState::UpdateInProgress {
                Some(ControlStep::Settle(ClusterState::Active))
            } else if cluster.migrating() {
                Some(next_replacement(cluster))
            } else if cluster.state == ClusterState::Initialized {
                let mut active = cluster.hsms_in(HsmState::Active);
                active
                    .find(|hsm| activated(hsm))
                    .cloned()
                    .map(ControlStep::Activate)
            } else {
                None
            }
        }
    }
}

/// Rule MIG-04: HSMs of the old type are replaced one at a time, each by one that has its zone,
/// subnet and address.
fn next_replacement(cluster: &Cluster) -> ControlStep {
    let is_old = |hsm: &HsmRecord| cluster.type_of(hsm) != cluster.hsm_type;
    let mut old = cluster.hsms.iter().filter(|(_, hsm)| is_old(hsm));
    let Some((id, found)) = old.next() else {
        return ControlStep::Settle(ClusterState::Active);
    };
    let mut others = cluster.hsms.values();
    if others.any(|other| other.ip == found.ip && !is_old(other)) {
        ControlStep::Retire(id.clone())
    } else {
        ControlStep::Replace(id.clone())
    }
}

/// The HSM that is backed up in the course of a step; none when the step takes no backup.
pub(super) fn source_of_backup<'a>(
    fleet: &Fleet,
    cluster: &'a Cluster,
    step: &'a ControlStep,
) -> Option<&'a HsmId> {
    match step {
        // Rule BK-07: an HSM is added to others, an HSM goes, a cluster is activated.
        ControlStep::MakeHsm(_) if cluster.issued().is_some() => {
            let mut present = cluster.hsms_in(HsmState::Active);
            present.find(|hsm| fleet.is_up(hsm))
        }
        ControlStep::RemoveHsm(hsm) if cluster.in_service() => {
            source_of_last_backup(fleet, cluster, hsm)
        }
        ControlStep::Activate(hsm) if cluster.source_backup.is_none() => Some(hsm),
        ControlStep::Settle(_)
        | ControlStep::Install
        | ControlStep::MakeHsm(_)
        | ControlStep::RemoveHsm(_)
        | ControlStep::Replace(_)
        | ControlStep::Retire(_)
        | ControlStep::Activate(_)
        | ControlStep::Forget => None,
    }
}

/// Whether the cluster waits for the end of a change that takes a backup.
pub(super) fn awaits_backup(fleet: &Fleet, cluster: &Cluster) -> bool {
    let next = next_step(cluster, |hsm| fleet.is_activated(hsm));
    next.is_some_and(|step| {
        step.ends(cluster).is_some() && source_of_backup(fleet, cluster, &step).is_some()
    })
}

pub(super) fn source_of_last_backup<'a>(
    fleet: &Fleet,
    cluster: &'a Cluster,
    hsm: &'a HsmId,
) -> Option<&'a HsmId> {
    if fleet.can_be_read(hsm) || planted(Bug::RemovalNotRepeatable) {
        return Some(hsm);
    }
    let mut others = cluster.hsms_in(HsmState::Active);
    others.find(|other| *other != hsm && fleet.is_up(other))
}
