//! Controls for tests and chaos: what the real service does to its users without being asked.

use std::sync::Arc;

use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::{HsmState, NetworkTrouble};

use super::FaultError;
use crate::network::Networks;
use crate::record::Cluster;
use crate::service_core::{ServiceCore, warn};
use crate::{Addresses, NetworkChange};

/// What the real service does to its users without being asked, done on request.
#[derive(Debug)]
pub struct Controls {
    core: Arc<ServiceCore>,
    networks: Arc<Networks>,
}

impl Controls {
    pub(crate) const fn new(core: Arc<ServiceCore>, networks: Arc<Networks>) -> Self {
        Self { core, networks }
    }

    /// Takes an HSM down as a power cut does: connections, sessions and memory are lost, the disk
    /// stays. Its state in descriptions does not change: that an HSM is gone is for its clients
    /// to find out.
    ///
    /// # Errors
    /// When no cluster has it.
    pub fn crash(&self, hsm: &HsmId) -> Result<(), FaultError> {
        self.core.owner(hsm)?;
        self.core.fleet.crash(hsm);
        Ok(())
    }

    /// Starts an HSM from its disk, on the address it had, after it has caught up with the other
    /// HSMs of its cluster. One that is up loses its connections and sessions.
    ///
    /// # Errors
    /// When no cluster has it, or it does not start.
    pub async fn restart(&self, hsm: &HsmId) -> Result<(), FaultError> {
        self.start_again(hsm).await?;
        self.core.faults.strike_crashes(hsm).await
    }

    pub(crate) async fn start_again(&self, hsm: &HsmId) -> Result<(), FaultError> {
        let _one_at_a_time = self.core.control.lock().await;
        let (scope, cluster) = self.core.owner(hsm)?;
        let peers: Vec<HsmId> = cluster.hsms.keys().cloned().collect();
        self.core
            .fleet
            .restart(hsm, &peers)
            .await
            .map_err(|error| FaultError::Failed(error.to_string()))?;
        if let Err(error) = self.core.synchronise(&cluster, None).await {
            warn(&cluster.id, &error);
        }
        self.core.refresh(&scope, &cluster.id);
        Ok(())
    }

    /// Makes a cluster show an HSM in another state, such as DEGRADED.
    ///
    /// # Errors
    /// When no cluster has it, or the change cannot be stored.
    pub async fn set_hsm_state(&self, hsm: &HsmId, state: HsmState) -> Result<(), FaultError> {
        let (scope, cluster) = self.core.owner(hsm)?;
        self.amend(&scope, &cluster.id, |one| {
            if let Some(record) = one.hsms.get_mut(hsm) {
                record.state = state;
            }
        })
        .await
    }

    /// Breaks or mends the network that a key store's connection needs, by a change of the VPC
    /// model: [`Networks::change`] has them all. What was broken before in the network of
    /// this cluster is mended first.
    ///
    /// # Errors
    /// When there is no such cluster, or the change cannot be stored.
    pub async fn set_network_trouble(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        trouble: Option<NetworkTrouble>,
    ) -> Result<(), FaultError> {
        let Ok(Some(found)) = self.core.ledger.cluster(scope, cluster) else {
            return Err(FaultError::NoSuchCluster(cluster.clone()));
        };
        for change in breaking(&found, trouble.as_ref()) {
            let changed = self.networks.change(scope, change).await;
            changed.map_err(|error| FaultError::Failed(error.cause.unwrap_or(error.message)))?;
        }
        Ok(())
    }

    /// Makes a cluster vanish with its HSMs, without a last backup. Its earlier backups stay.
    ///
    /// # Errors
    /// When there is no such cluster, or its disks or records cannot be removed.
    pub async fn destroy_cluster(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
    ) -> Result<(), FaultError> {
        let _one_at_a_time = self.core.control.lock().await;
        let Ok(Some(found)) = self.core.ledger.cluster(scope, cluster) else {
            return Err(FaultError::NoSuchCluster(cluster.clone()));
        };
        for hsm in found.hsms.keys() {
            let removed = self.core.fleet.remove(hsm).await;
            removed.map_err(|error| FaultError::Failed(error.to_string()))?;
        }
        let forgotten = self.core.ledger.forget(scope, cluster).await;
        forgotten.map_err(|error| FaultError::Failed(error.cause.unwrap_or(error.message)))?;
        self.core.refresh(scope, cluster);
        Ok(())
    }

    async fn amend(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        amend: impl Fn(&mut Cluster),
    ) -> Result<(), FaultError> {
        let _one_at_a_time = self.core.control.lock().await;
        self.core
            .ledger
            .amend(scope, cluster, amend)
            .await
            .map_err(|error| FaultError::Failed(error.cause.unwrap_or(error.message)))?;
        self.core.refresh(scope, cluster);
        Ok(())
    }
}

/// Mends the network of a cluster, then breaks it as told. A subnet that is none of the cluster
/// stands for its first one.
fn breaking(cluster: &Cluster, trouble: Option<&NetworkTrouble>) -> Vec<NetworkChange> {
    let group = cluster.security_group.clone();
    let mut changes = vec![NetworkChange::RestoreRules(group.clone())];
    for id in cluster.subnets.values() {
        changes.push(NetworkChange::RestoreSubnet(id.clone()));
        changes.push(NetworkChange::TakeAddresses(
            id.clone(),
            Addresses::Count(0),
        ));
    }
    let own = |named: &String| {
        let mut subnets = cluster.subnets.values();
        let found = subnets.clone().find(|id| *id == named);
        found.or_else(|| subnets.next()).cloned()
    };
    changes.extend(match trouble {
        Some(NetworkTrouble::SubnetNotFound(named)) => own(named).map(NetworkChange::DeleteSubnet),
        Some(NetworkTrouble::NoFreeAddress(named)) => {
            own(named).map(|id| NetworkChange::TakeAddresses(id, Addresses::All))
        }
        Some(NetworkTrouble::SecurityGroupChanged) => {
            Some(NetworkChange::SetRules(group, Vec::new()))
        }
        None => None,
    });
    changes
}
