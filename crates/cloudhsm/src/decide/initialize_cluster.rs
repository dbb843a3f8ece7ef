use portcullis_api::{ClusterId, Exception};
use portcullis_clusters::ClusterState;

use super::{busy, existing, refuse};
use crate::certificate::check_pair;
use crate::record::{Cluster, ClusterCertificates, ScopeRecords};

/// InitializeCluster. Both certificates in PEM.
#[derive(Debug)]
pub(crate) struct InitializeCluster {
    pub(crate) cluster: ClusterId,
    pub(crate) signed_certificate: String,
    pub(crate) trust_anchor: String,
}

impl InitializeCluster {
    /// Decides: the cluster, its state, then the certificates.
    pub(crate) fn decide(&self, state: &ScopeRecords) -> Result<Cluster, Exception> {
        let cluster = existing(state, &self.cluster)?;
        let request = request_of(cluster)?;
        check_pair(request, &self.signed_certificate, &self.trust_anchor).map_err(refuse)?;
        Ok(Cluster {
            state: ClusterState::InitializeInProgress,
            certificates: ClusterCertificates::Issued {
                cluster: self.signed_certificate.clone(),
                trust_anchor: self.trust_anchor.clone(),
            },
            ..cluster.clone()
        })
    }
}

/// Rule CL-05: a cluster is initialised once, while it is UNINITIALIZED and its first HSM waits
/// for its request to be signed.
fn request_of(cluster: &Cluster) -> Result<&str, Exception> {
    let id = &cluster.id;
    match cluster.state {
        ClusterState::Uninitialized => match &cluster.certificates {
            ClusterCertificates::Requested { request, .. } => Ok(request),
            ClusterCertificates::Nothing | ClusterCertificates::Issued { .. } => {
                let first = if cluster.hsms.is_empty() {
                    "Run CreateHsm"
                } else {
                    "Run DescribeClusters until that HSM is ACTIVE"
                };
                Err(refuse(format!(
                    "The cluster {id} has no certificate signing request yet, because its first \
                     HSM makes it. {first}, sign the ClusterCsr of DescribeClusters, then try \
                     again."
                )))
            }
        },
        ClusterState::Initialized | ClusterState::Active | ClusterState::Degraded => {
            Err(refuse(format!(
                "The cluster {id} is {} and cannot be initialised again. A cluster made from a \
                 backup has the certificate of the backup; for another certificate create \
                 another cluster.",
                cluster.state.name()
            )))
        }
        ClusterState::CreateInProgress
        | ClusterState::InitializeInProgress
        | ClusterState::UpdateInProgress
        | ClusterState::ModifyInProgress
        | ClusterState::RollbackInProgress
        | ClusterState::DeleteInProgress
        | ClusterState::Deleted => Err(busy(cluster)),
    }
}
