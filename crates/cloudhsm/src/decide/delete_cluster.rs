use portcullis_api::{ClusterId, Exception};
use portcullis_clusters::ClusterState;

use super::{busy, existing, refuse};
use crate::record::{Cluster, ScopeRecords};

/// DeleteCluster.
#[derive(Debug)]
pub(crate) struct DeleteCluster {
    pub(crate) cluster: ClusterId,
}

impl DeleteCluster {
    /// Decides: the cluster, its state, then its HSMs.
    pub(crate) fn decide(&self, state: &ScopeRecords) -> Result<Cluster, Exception> {
        let cluster = existing(state, &self.cluster)?;
        check_state(cluster)?;
        // Rule CL-09: only a cluster without HSMs can be deleted.
        if !cluster.hsms.is_empty() {
            return Err(refuse(format!(
                "The cluster {} has {}, and only a cluster without HSMs can be deleted. Run \
                 DeleteHsm for each, then try again.",
                cluster.id,
                match cluster.hsms.len() {
                    1 => "an HSM".to_owned(),
                    count => format!("{count} HSMs"),
                }
            )));
        }
        Ok(Cluster {
            state: ClusterState::DeleteInProgress,
            ..cluster.clone()
        })
    }
}

fn check_state(cluster: &Cluster) -> Result<(), Exception> {
    match cluster.state {
        ClusterState::Uninitialized
        | ClusterState::Initialized
        | ClusterState::Active
        | ClusterState::Degraded => Ok(()),
        ClusterState::CreateInProgress
        | ClusterState::InitializeInProgress
        | ClusterState::UpdateInProgress
        | ClusterState::ModifyInProgress
        | ClusterState::RollbackInProgress
        | ClusterState::DeleteInProgress
        | ClusterState::Deleted => Err(busy(cluster)),
    }
}
