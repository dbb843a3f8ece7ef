//! What others see of clusters.

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_clusters::{ClusterView, Clusters, HsmView, NetworkTrouble};
use tokio::sync::watch;

use crate::CloudHsm;
use crate::record::{Cluster, HsmRecord};

impl CloudHsm {
    /// Every cluster, in the order of account, Region and ID.
    #[must_use]
    pub fn clusters(&self) -> Vec<(Scope, Arc<ClusterView>)> {
        let views = self.views.read();
        views
            .iter()
            .map(|((scope, _), view)| (scope.clone(), Arc::clone(view)))
            .collect()
    }

    /// Shows a cluster as it is; tells those who watch when that is a change.
    pub(crate) fn refresh(&self, scope: &Scope, id: &ClusterId) {
        let key = (scope.clone(), id.clone());
        let view = match self.ledger.cluster(scope, id) {
            Ok(cluster) => cluster.map(|cluster| {
                let trouble = self.network_trouble(scope, &cluster);
                Arc::new(self.view(&cluster, trouble))
            }),
            // Unreadable: whatever is shown stays until the record is repaired.
            Err(_) => return,
        };
        let changed = {
            let mut views = self.views.write();
            let before = match &view {
                Some(view) => views.insert(key, Arc::clone(view)),
                None => views.remove(&key),
            };
            before != view
        };
        if changed {
            if self.has_faults() {
                self.apply_faults();
            }
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// The record of a cluster, with what its view leaves out.
    pub(crate) fn record_of(
        &self,
        scope: &Scope,
        id: &ClusterId,
    ) -> Result<Option<Arc<Cluster>>, Exception> {
        self.ledger.cluster(scope, id)
    }

    /// The HSMs of a cluster, for one of them to catch up with.
    pub(crate) fn peers_of(&self, scope: &Scope, id: &ClusterId) -> Vec<HsmId> {
        let found = self.ledger.cluster(scope, id).ok().flatten();
        found.map_or_else(Vec::new, |cluster| cluster.hsms.keys().cloned().collect())
    }

    /// Where an HSM listens.
    pub(crate) fn address_of(&self, hsm: &HsmId) -> Option<SocketAddr> {
        self.fleet.address(hsm)
    }

    fn view(&self, cluster: &Cluster, network_trouble: Option<NetworkTrouble>) -> ClusterView {
        let issued = cluster.issued();
        let hsm = |(id, hsm): (&HsmId, &HsmRecord)| HsmView {
            id: id.clone(),
            availability_zone: hsm.zone.clone(),
            state: hsm.state,
            address: self.fleet.address(id),
        };
        ClusterView {
            state: cluster.state,
            certificate: issued.map(|(certificate, _)| certificate.to_owned()),
            trust_anchor: issued.map(|(_, anchor)| anchor.to_owned()),
            hsms: cluster.hsms.iter().map(hsm).collect(),
            id: cluster.id.clone(),
            subnets: cluster.subnets.clone(),
            network_trouble,
        }
    }
}

impl Clusters for CloudHsm {
    fn cluster(&self, scope: &Scope, id: &ClusterId) -> Option<Arc<ClusterView>> {
        let key = (scope.clone(), id.clone());
        self.views.read().get(&key).cloned()
    }

    fn tags(&self, scope: &Scope, id: &str) -> Vec<(String, String)> {
        // What cannot be read has no tags that anybody could be sure of.
        let tags = self.ledger.tags(scope, id).unwrap_or_default();
        tags.into_iter().collect()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
