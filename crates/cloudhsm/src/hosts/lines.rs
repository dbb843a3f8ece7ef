//! The lines to hosts, which HSM is on which, and on which a new one is made. A host gets an HSM only
//! where that was asked for: it then has the keys.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_clusters::HsmState;
use portcullis_fleet::HostLine;

use super::placement::DefaultPlacement;
use crate::decide::{HsmPlacement, HsmsOn, PLACEMENT_TAG, refuse};
use crate::record::Cluster;
use crate::service_core::ServiceCore;

/// The lines to hosts, by the hosts' numbers.
pub(crate) struct HostLines {
    core: Arc<ServiceCore>,
    lines: Mutex<BTreeMap<u64, Arc<HostLine>>>,
    pub(super) placement: DefaultPlacement,
}

/// An HSM that a cluster's record places on a host.
pub(super) struct Placed {
    pub(super) scope: Scope,
    pub(super) cluster: ClusterId,
    pub(super) hsm: HsmId,
    pub(super) state: HsmState,
}

impl HostLines {
    pub(crate) fn new(core: Arc<ServiceCore>) -> Self {
        Self {
            core,
            lines: Mutex::default(),
            placement: DefaultPlacement::default(),
        }
    }

    pub(super) fn line(&self, number: u64) -> Option<Arc<HostLine>> {
        self.lines.lock().get(&number).cloned()
    }

    /// The line to a host, made when it is first needed.
    pub(crate) fn line_to(&self, number: u64, zone: &str) -> Arc<HostLine> {
        let mut lines = self.lines.lock();
        let clock = Arc::clone(&self.core.clock);
        let line = lines
            .entry(number)
            .or_insert_with(|| Arc::new(HostLine::new(number, zone.to_owned(), clock)));
        Arc::clone(line)
    }

    /// A connected host of this zone that has no HSM: the one with the lowest number.
    ///
    /// Rule HOST-05: an HSM that is made on a host is made on this one.
    pub(crate) fn idle_host(&self, zone: &str) -> Option<u64> {
        let ready: Vec<u64> = {
            let lines = self.lines.lock();
            let ready = lines
                .values()
                .filter(|line| line.zone() == zone && line.is_ready());
            ready.map(|line| line.number()).collect()
        };
        if ready.is_empty() {
            return None;
        }
        let placements = self.placements();
        ready
            .into_iter()
            .find(|number| placements.iter().all(|(other, _)| other != number))
    }

    /// Whether a host is connected.
    pub(crate) fn is_host_there(&self, number: u64) -> bool {
        let line = self.line(number);
        line.is_some_and(|line| line.is_connected())
    }

    /// Which HSM is on which host, as the records have it.
    pub(super) fn placements(&self) -> Vec<(u64, Placed)> {
        let mut placements = Vec::new();
        for (scope, cluster) in self.core.ledger.clusters() {
            let Ok(Some(record)) = self.core.ledger.cluster(&scope, &cluster) else {
                continue;
            };
            for (hsm, found) in &record.hsms {
                if let Some(number) = found.host {
                    let placed = Placed {
                        scope: scope.clone(),
                        cluster: cluster.clone(),
                        hsm: hsm.clone(),
                        state: found.state,
                    };
                    placements.push((number, placed));
                }
            }
        }
        placements
    }

    /// The HSM that a host has, and where.
    pub(crate) fn hsm_of_host(&self, number: u64) -> Option<(Scope, ClusterId, HsmId)> {
        let mut placements = self.placements().into_iter();
        let (_, placed) = placements.find(|(host, _)| *host == number)?;
        Some((placed.scope, placed.cluster, placed.hsm))
    }

    /// The HSM of each host that has one.
    pub(crate) fn hsms_by_host(&self) -> BTreeMap<u64, (HsmId, ClusterId)> {
        let placements = self.placements().into_iter();
        placements
            .map(|(number, placed)| (number, (placed.hsm, placed.cluster)))
            .collect()
    }

    /// Says where HSMs are made of clusters that have no tag for it. Until the next start.
    pub(crate) fn set_default_placement(&self, place: HsmsOn) {
        self.placement.set(place);
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
        match HsmPlacement::of(cluster, self.placement.get()) {
            HsmPlacement::Process => Ok(None),
            HsmPlacement::HostIfIdle => Ok(self.idle_host(zone)),
            HsmPlacement::HostOnly => match self.idle_host(zone) {
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
        match HsmPlacement::of(cluster, self.placement.get()) {
            HsmPlacement::Process => None,
            HsmPlacement::HostIfIdle | HsmPlacement::HostOnly => self.idle_host(zone),
        }
    }
}

impl fmt::Debug for HostLines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HostLines({})", self.lines.lock().len())
    }
}
