//! On which host a new HSM is made. A host gets one only where that was asked for: it then has the
//! keys.

use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_api::Exception;

use crate::CloudHsm;
use crate::decide::{HsmsOn, PLACEMENT_TAG, Placement, refuse};
use crate::record::Cluster;

/// Where HSMs are made of clusters that do not say it.
#[derive(Debug, Default)]
pub(super) struct DefaultPlacement(AtomicBool);

impl DefaultPlacement {
    fn get(&self) -> HsmsOn {
        if self.0.load(Ordering::Relaxed) {
            HsmsOn::Hosts
        } else {
            HsmsOn::Process
        }
    }
}

impl CloudHsm {
    /// Says where HSMs are made of clusters that have no tag for it. Until the next start.
    pub fn set_default_placement(&self, place: HsmsOn) {
        let on_hosts = place == HsmsOn::Hosts;
        self.hosts.placement.0.store(on_hosts, Ordering::Relaxed);
    }

    /// The host on which CreateHsm makes an HSM of `cluster` in `zone`; none for the control plane's
    /// process.
    ///
    /// Rule HOST-16: where a cluster's tag asks for hosts and none waits in the zone, it is refused.
    pub(crate) fn host_for_new(
        &self,
        cluster: &Cluster,
        zone: &str,
    ) -> Result<Option<u64>, Exception> {
        match Placement::of(cluster, self.hosts.placement.get()) {
            Placement::Process => Ok(None),
            Placement::HostIfIdle => Ok(self.idle_host(zone)),
            Placement::HostOnly => match self.idle_host(zone) {
                Some(host) => Ok(Some(host)),
                None => Err(refuse(format!(
                    "The tag {PLACEMENT_TAG} of the cluster {} asks for hosts, and none waits in \
                     {zone}. Invite one with `portcullis hsm enrol --availability-zone {zone}`, or \
                     set the tag to \"process\".",
                    cluster.id
                ))),
            },
        }
    }

    /// The host on which the HSM is made that replaces one of `cluster` in `zone`. The change of a
    /// cluster goes on where no host waits.
    pub(crate) fn host_for_replacement(&self, cluster: &Cluster, zone: &str) -> Option<u64> {
        match Placement::of(cluster, self.hosts.placement.get()) {
            Placement::Process => None,
            Placement::HostIfIdle | Placement::HostOnly => self.idle_host(zone),
        }
    }
}
