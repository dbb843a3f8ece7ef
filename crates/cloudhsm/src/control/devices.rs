//! Which device profile the HSMs of a cluster have.

use std::sync::Arc;

use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_fleet::Profile;

use crate::record::Cluster;
use crate::service_core::ServiceCore;

/// How fast the HSMs of clusters are, and what they hold at most.
#[derive(Debug)]
pub struct Devices {
    core: Arc<ServiceCore>,
}

impl Devices {
    pub(crate) const fn new(core: Arc<ServiceCore>) -> Self {
        Self { core }
    }

    /// Makes the HSMs of every cluster without a profile of its own as fast as `profile`; as fast as
    /// the machine without one. Until the next start.
    pub fn set_default(&self, profile: Option<Profile>) {
        self.core.fleet.set_default_device(profile);
    }

    /// Gives a cluster a device profile of its own, for its present HSMs and those to come; none is
    /// `raw`. Remembered across restarts.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn set(
        &self,
        scope: &Scope,
        cluster: &ClusterId,
        profile: Option<Profile>,
    ) -> Result<(), Exception> {
        let _one_at_a_time = self.core.control.lock().await;
        self.core
            .ledger
            .put_device(scope, cluster, profile.clone())
            .await?;
        let hsms = self.core.ledger.cluster(scope, cluster)?;
        for hsm in hsms.iter().flat_map(|cluster| cluster.hsms.keys()) {
            self.core.fleet.set_device(hsm, profile.clone());
        }
        Ok(())
    }

    /// Gives a new or starting HSM the device profile of its cluster and the limits of its type.
    ///
    /// Rule DEV-05: a cluster's own profile comes before the default one.
    pub(crate) fn equip(&self, scope: &Scope, cluster: &Cluster, hsm: &HsmId) {
        let hsm_type = cluster.hsms.get(hsm).map(|one| cluster.type_of(one));
        let limits = hsm_type.and_then(|hsm_type| self.core.quotas.limits(hsm_type));
        self.core.fleet.set_limits(hsm, limits);
        match self.core.ledger.device(scope, &cluster.id) {
            Ok(Some(own)) => self.core.fleet.set_device(hsm, own),
            Ok(None) => {}
            Err(error) => {
                let cause = error.cause.as_deref().unwrap_or("unknown");
                tracing::error!(%hsm, cause, "its device profile cannot be read; it has none");
            }
        }
    }
}
