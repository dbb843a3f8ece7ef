use std::net::Ipv4Addr;

use portcullis_api::{ClusterId, Exception, HsmId};
use portcullis_clusters::{ClusterState, HsmState};

use super::{busy, existing, not_found, refuse};
use crate::record::{Cluster, HsmRecord, ScopeRecords};

/// DeleteHsm.
#[derive(Debug)]
pub(crate) struct DeleteHsm {
    pub(crate) cluster: ClusterId,
    pub(crate) hsm: HsmSelector,
}

/// The members of DeleteHsm that name an HSM.
#[derive(Debug, Default)]
pub(crate) struct HsmSelector {
    pub(crate) id: Option<HsmId>,
    pub(crate) eni: Option<String>,
    pub(crate) ip: Option<Ipv4Addr>,
}

impl DeleteHsm {
    /// Decides: the form, the cluster and its state, then the HSM. Also gives the HSM's id.
    pub(crate) fn decide(&self, state: &ScopeRecords) -> Result<(Cluster, HsmId), Exception> {
        self.hsm.check()?;
        let cluster = existing(state, &self.cluster)?;
        let next = check_state(cluster)?;
        let found = cluster
            .hsms
            .iter()
            .find(|(id, hsm)| self.hsm.matches(id, hsm));
        let Some((id, hsm)) = found else {
            return Err(not_found(format!(
                "The cluster {} has no such HSM. Run DescribeClusters to see its HSMs.",
                cluster.id
            )));
        };
        if hsm.state == HsmState::DeleteInProgress {
            return Err(refuse(format!(
                "The HSM {id} is being deleted already. Run DescribeClusters until it is gone."
            )));
        }
        let id = id.clone();
        let mut cluster = cluster.clone();
        cluster.state = next;
        if let Some(hsm) = cluster.hsms.get_mut(&id) {
            hsm.state = HsmState::DeleteInProgress;
        }
        Ok((cluster, id))
    }
}

impl HsmSelector {
    /// Rule CL-08: an HSM is deleted by exactly one of its ID, its ENI's ID and its ENI's address.
    fn check(&self) -> Result<(), Exception> {
        let given = [self.id.is_some(), self.eni.is_some(), self.ip.is_some()];
        if given.iter().filter(|given| **given).count() == 1 {
            return Ok(());
        }
        Err(refuse(
            "An HSM is deleted by exactly one identifier. Give HsmId, EniId or EniIp.",
        ))
    }

    fn matches(&self, id: &HsmId, hsm: &HsmRecord) -> bool {
        self.id.as_ref() == Some(id)
            || self.eni.as_deref() == Some(hsm.eni.as_str())
            || self.ip == Some(hsm.ip)
    }
}

fn check_state(cluster: &Cluster) -> Result<ClusterState, Exception> {
    match cluster.state {
        ClusterState::Active => Ok(ClusterState::UpdateInProgress),
        same @ (ClusterState::Uninitialized
        | ClusterState::Initialized
        | ClusterState::Degraded) => Ok(same),
        ClusterState::CreateInProgress
        | ClusterState::InitializeInProgress
        | ClusterState::UpdateInProgress
        | ClusterState::ModifyInProgress
        | ClusterState::RollbackInProgress
        | ClusterState::DeleteInProgress
        | ClusterState::Deleted => Err(busy(cluster)),
    }
}
