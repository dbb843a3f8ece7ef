use std::time::Duration;

use portcullis_api::{ClusterId, Exception};
use portcullis_clusters::ClusterState;

use super::create_cluster::{check_hsm_type, retention};
use super::{busy, existing, refuse};
use crate::record::{Cluster, HSM1, HSM2M, Rollback, ScopeRecords};

/// ModifyCluster.
#[derive(Debug)]
pub(crate) struct ModifyCluster {
    pub(crate) cluster: ClusterId,
    pub(crate) hsm_type: Option<String>,
    pub(crate) retention_days: Option<String>,
}

/// How long a migration to another HSM type can be rolled back (User Guide, "Migrating from
/// hsm1.medium to hsm2m.medium").
const ROLLBACK_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// A migration needs one more HSM than the cluster has, and a cluster has 28 at most (User Guide,
/// "Prerequisites for migrating").
const MIGRATED_HSMS_MAX: usize = 27;

impl ModifyCluster {
    /// Decides: the form of the members, the cluster, its state, then the change of type.
    pub(crate) fn decide(&self, state: &ScopeRecords, now: u64) -> Result<Cluster, Exception> {
        if self.hsm_type.is_none() && self.retention_days.is_none() {
            return Err(refuse(
                "ModifyCluster changes the HSM type or the retention, and the request names \
                 neither. Give HsmType or BackupRetentionPolicy.",
            ));
        }
        let days = self.retention_days.as_deref();
        let days = days.map(|days| retention(Some(days))).transpose()?;
        self.hsm_type
            .as_deref()
            .map(check_hsm_type)
            .transpose()
            .map(drop)?;
        let mut cluster = existing(state, &self.cluster)?.clone();
        check_exists(&cluster)?;
        // Rule MIG-01: the retention can be changed in every state of a cluster that stays.
        if let Some(days) = days {
            cluster.retention_days = days;
        }
        if let Some(wanted) = &self.hsm_type {
            change_type(&mut cluster, wanted, now)?;
        }
        Ok(cluster)
    }
}

fn check_exists(cluster: &Cluster) -> Result<(), Exception> {
    match cluster.state {
        ClusterState::DeleteInProgress | ClusterState::Deleted => Err(busy(cluster)),
        ClusterState::CreateInProgress
        | ClusterState::Uninitialized
        | ClusterState::InitializeInProgress
        | ClusterState::Initialized
        | ClusterState::Active
        | ClusterState::UpdateInProgress
        | ClusterState::ModifyInProgress
        | ClusterState::RollbackInProgress
        | ClusterState::Degraded => Ok(()),
    }
}

fn change_type(cluster: &mut Cluster, wanted: &str, now: u64) -> Result<(), Exception> {
    if cluster.hsm_type == wanted {
        return Err(refuse(format!(
            "The cluster {} has the HSM type {wanted} already. Give another HsmType.",
            cluster.id
        )));
    }
    if wanted == HSM2M {
        check_migration(cluster)?;
        let until = Duration::from_millis(now).saturating_add(ROLLBACK_WINDOW);
        let rollback = Rollback {
            hsm_type: cluster.hsm_type.clone(),
            until: u64::try_from(until.as_millis()).unwrap_or(u64::MAX),
        };
        cluster.change_type(wanted, ClusterState::ModifyInProgress);
        cluster.rollback = Some(rollback);
    } else {
        check_rollback(cluster, wanted, now)?;
        cluster.change_type(wanted, ClusterState::RollbackInProgress);
        cluster.rollback = None;
    }
    Ok(())
}

/// Rule MIG-02: an ACTIVE cluster with at most 27 HSMs is migrated from hsm1.medium to
/// hsm2m.medium.
fn check_migration(cluster: &Cluster) -> Result<(), Exception> {
    if cluster.state != ClusterState::Active {
        return Err(refuse(format!(
            "The cluster {} is {}, and only the HSM type of an ACTIVE cluster can be changed. \
             Run DescribeClusters until it is ACTIVE, then try again.",
            cluster.id,
            cluster.state.name()
        )));
    }
    if cluster.hsms.len() > MIGRATED_HSMS_MAX {
        return Err(refuse(format!(
            "The cluster {} has {} HSMs, and one with more than {MIGRATED_HSMS_MAX} has no room \
             for the replacements of a migration. Delete one first.",
            cluster.id,
            cluster.hsms.len()
        )));
    }
    Ok(())
}

/// Rule MIG-03: a migration can be rolled back for 24 hours from its beginning, also while it is
/// under way; there is no other way from hsm2m.medium to hsm1.medium.
fn check_rollback(cluster: &Cluster, wanted: &str, now: u64) -> Result<(), Exception> {
    let id = &cluster.id;
    let open = cluster
        .rollback
        .as_ref()
        .is_some_and(|rollback| rollback.hsm_type == wanted && now < rollback.until);
    if !open {
        return Err(refuse(format!(
            "The cluster {id} cannot go back to {wanted}: only a migration from {HSM1} can be \
             rolled back, for 24 hours (HsmTypeRollbackExpiration in DescribeClusters). Create a \
             cluster from a backup that was taken from {HSM1} instead."
        )));
    }
    match cluster.state {
        ClusterState::Active | ClusterState::ModifyInProgress => Ok(()),
        ClusterState::CreateInProgress
        | ClusterState::Uninitialized
        | ClusterState::InitializeInProgress
        | ClusterState::Initialized
        | ClusterState::UpdateInProgress
        | ClusterState::RollbackInProgress
        | ClusterState::DeleteInProgress
        | ClusterState::Deleted
        | ClusterState::Degraded => Err(busy(cluster)),
    }
}
