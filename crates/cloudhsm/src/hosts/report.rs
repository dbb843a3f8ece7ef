//! Which hosts there are.

use portcullis_admin::{Host, HostState};
use portcullis_api::HsmId;
use portcullis_clusters::HsmState;
use portcullis_store::Store;

use super::accept::Hosts;
use super::record::{self, HostStanding};
use crate::record::{Cluster, HsmRecord, decode, layout};

impl Hosts {
    /// Every host that was invited, by number.
    #[must_use]
    pub fn list(&self) -> Vec<Host> {
        let hsms = self.lines.hsms_by_host();
        let now = self.core.clock.now().millis();
        let report = |host: record::HostRecord| {
            let line = self.lines.line(host.number);
            let connected = line.as_ref().is_some_and(|line| line.is_connected());
            let (hsm, cluster) = hsms.get(&host.number).cloned().unzip();
            let up = hsm.as_ref().is_some_and(|hsm| self.core.fleet.is_up(hsm));
            let state = match (&host.standing, connected, &hsm) {
                (HostStanding::Revoked, ..) => HostState::Revoked,
                (HostStanding::Invited { expires, .. }, ..) if *expires <= now => {
                    HostState::Expired
                }
                (HostStanding::Invited { .. }, ..) => HostState::Invited,
                (HostStanding::Enrolled { .. }, false, _) => HostState::Lost,
                (HostStanding::Enrolled { .. }, true, None) => HostState::Idle,
                (HostStanding::Enrolled { .. }, true, Some(_)) if up => HostState::Serving,
                (HostStanding::Enrolled { .. }, true, Some(_)) => HostState::Down,
            };
            Host {
                host: host.number,
                availability_zone: host.zone,
                state,
                calls_from: line.and_then(|line| line.address()),
                address: hsm.as_ref().and_then(|hsm| self.core.fleet.address(hsm)),
                hsm: hsm.map(|hsm| hsm.to_string()),
                cluster: cluster.map(|cluster| cluster.to_string()),
            }
        };
        let hosts = record::all(&self.core.ledger.store);
        hosts.into_iter().map(report).collect()
    }
}

/// The HSMs of a control plane's store whose disks are on other hosts.
///
/// Rule HOST-11: what is taken of the store alone is not whole when there are some.
#[must_use]
pub fn hsms_on_hosts(store: &Store) -> Vec<HsmId> {
    let is_there = |hsm: &HsmRecord| hsm.host.is_some();
    hsms_of(store, is_there)
}

/// The HSMs of a control plane's store that are in service and have their disks beside it.
#[must_use]
pub fn hsms_here(store: &Store) -> Vec<HsmId> {
    let is_here = |hsm: &HsmRecord| hsm.host.is_none() && hsm.state == HsmState::Active;
    hsms_of(store, is_here)
}

fn hsms_of(store: &Store, wanted: impl Fn(&HsmRecord) -> bool) -> Vec<HsmId> {
    let found = store.scan(layout::all_clusters(), None, usize::MAX);
    let clusters = found
        .iter()
        .filter_map(|(_, record)| decode::<Cluster>(&record.value).ok());
    let hsms = clusters.flat_map(|cluster| cluster.hsms);
    hsms.filter(|(_, hsm)| wanted(hsm))
        .map(|(id, _)| id)
        .collect()
}
