//! What a world needs beyond the operations of the API: acting as the owner of a cluster, and a
//! backup at a moment of its choice.

use std::sync::Arc;

use portcullis_api::cloudhsm::InitializeClusterRequest;
use portcullis_api::{BackupId, ClusterId, Exception, Scope};
use portcullis_clusters::HsmState;

use crate::CloudHsm;
use crate::certificate::CustomerAuthority;
use crate::decide::{not_found, refuse};
use crate::record::{Cluster, ClusterCertificates, internal};

impl CloudHsm {
    /// Initialises a cluster as its owner does with openssl: makes a root certificate, signs the
    /// cluster's request and calls InitializeCluster. All clusters initialised so in one run share
    /// the root certificate.
    ///
    /// # Errors
    /// As [`CloudHsm::initialize_cluster`].
    pub async fn issue_certificates(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
    ) -> Result<(), Exception> {
        let authority = self.customer_authority()?;
        let found = self.existing(scope, cluster)?;
        let ClusterCertificates::Requested { request, .. } = &found.certificates else {
            return Err(refuse(format!(
                "The cluster {cluster} is {} and has no certificate signing request. Give it \
                 its first HSM, before it is initialised.",
                found.state.name()
            )));
        };
        let signed_cert = authority.sign(request).map_err(uncertified)?;
        let request = InitializeClusterRequest {
            cluster_id: cluster.to_string(),
            signed_cert,
            trust_anchor: authority.trust_anchor().to_owned(),
        };
        self.initialize_cluster(scope, request).await.map(drop)
    }

    /// Takes a backup of a cluster in service, as happens once a day.
    ///
    /// # Errors
    /// When there is no such cluster, or it has no HSM in service.
    pub async fn back_up(&self, scope: &Scope, cluster: &ClusterId) -> Result<BackupId, Exception> {
        let _one_at_a_time = self.core.control.lock().await;
        let found = self.existing(scope, cluster)?;
        let mut active = found.hsms_in(HsmState::Active);
        let up = active.find(|hsm| self.core.fleet.is_up(hsm));
        let Some(hsm) = up.filter(|_| found.in_service()) else {
            return Err(refuse(format!(
                "The cluster {cluster} has no HSM in service to back up. Activate it first."
            )));
        };
        self.backups
            .take_backup(scope, &found, hsm)
            .await
            .map(|(id, _)| id)
    }

    fn existing(&self, scope: &Scope, id: &ClusterId) -> Result<Arc<Cluster>, Exception> {
        self.core.ledger.cluster(scope, id)?.ok_or_else(|| {
            not_found(format!(
                "There is no cluster {id} in this account and Region. Run DescribeClusters to \
                 see which there are."
            ))
        })
    }

    fn customer_authority(&self) -> Result<Arc<CustomerAuthority>, Exception> {
        let mut shared = self.customer.lock();
        if let Some(authority) = &*shared {
            return Ok(Arc::clone(authority));
        }
        let made = CustomerAuthority::generate(&*self.core.entropy, self.core.clock.now());
        let authority = Arc::new(made.map_err(uncertified)?);
        *shared = Some(Arc::clone(&authority));
        Ok(authority)
    }
}

fn uncertified(error: impl std::fmt::Display) -> Exception {
    internal("The certificates could not be made.").because(error)
}
