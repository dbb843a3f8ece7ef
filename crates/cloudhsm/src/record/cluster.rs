use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use portcullis_api::{BackupId, ClusterId, HsmId};
use serde::{Deserialize, Serialize};

use crate::{ClusterState, HsmState, NetworkTrouble};

/// A cluster and its HSMs: one record, so that an HSM and its cluster never disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) id: ClusterId,
    pub(crate) state: ClusterState,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) created: u64,
    pub(crate) hsm_type: String,
    pub(crate) mode: String,
    pub(crate) network_type: String,
    /// How long its backups are kept.
    pub(crate) retention_days: u16,
    pub(crate) source_backup: Option<BackupId>,
    /// Subnets by Availability Zone.
    pub(crate) subnets: BTreeMap<String, String>,
    pub(crate) vpc: String,
    pub(crate) security_group: String,
    pub(crate) certificates: Certificates,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) hsms: BTreeMap<HsmId, HsmRecord>,
    pub(crate) network_trouble: Option<NetworkTrouble>,
}

/// The certificates of a cluster, which differ by phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Certificates {
    /// Before the first HSM is up.
    Nothing,
    /// The first HSM waits for its request to be signed. All PEM.
    Requested {
        request: String,
        hsm: String,
        aws_hardware: String,
        manufacturer_hardware: String,
    },
    /// Initialised, or made from a backup of an initialised cluster. All PEM.
    Issued {
        cluster: String,
        trust_anchor: String,
    },
}

/// An HSM of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HsmRecord {
    pub(crate) state: HsmState,
    pub(crate) zone: String,
    pub(crate) subnet: String,
    pub(crate) eni: String,
    pub(crate) ip: Ipv4Addr,
}

impl Cluster {
    /// The signed cluster certificate and its trust anchor, once there are.
    pub(crate) fn issued(&self) -> Option<(&str, &str)> {
        match &self.certificates {
            Certificates::Nothing | Certificates::Requested { .. } => None,
            Certificates::Issued {
                cluster,
                trust_anchor,
            } => Some((cluster, trust_anchor)),
        }
    }

    /// Whether backups are taken of it, and HSMs may be added: its users and keys are in use.
    pub(crate) const fn in_service(&self) -> bool {
        matches!(
            self.state,
            ClusterState::Active | ClusterState::Degraded | ClusterState::UpdateInProgress
        )
    }

    pub(crate) fn hsms_in(&self, state: HsmState) -> impl Iterator<Item = &HsmId> {
        self.hsms
            .iter()
            .filter(move |(_, hsm)| hsm.state == state)
            .map(|(id, _)| id)
    }
}
