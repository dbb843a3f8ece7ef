use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use portcullis_api::{AccountId, BackupId, ClusterId, HsmId, Scope};
use portcullis_clusters::{ClusterState, HsmState};
use serde::{Deserialize, Serialize};

use super::{DecidedRecord, layout};

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
    /// Whose the source backup is, when another account shared it.
    #[serde(default)]
    pub(crate) source_owner: Option<AccountId>,
    /// Subnets by Availability Zone.
    pub(crate) subnets: BTreeMap<String, String>,
    pub(crate) vpc: String,
    pub(crate) security_group: String,
    pub(crate) certificates: ClusterCertificates,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) hsms: BTreeMap<HsmId, HsmRecord>,
    /// Until when which change of the HSM type can be undone.
    #[serde(default)]
    pub(crate) rollback: Option<Rollback>,
}

/// The certificates of a cluster, which differ by phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ClusterCertificates {
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

/// The way back from a change of the HSM type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rollback {
    /// The type before the change.
    pub(crate) hsm_type: String,
    /// `HsmTypeRollbackExpiration`, in milliseconds since 1970-01-01 UTC.
    pub(crate) until: u64,
}

/// An HSM of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HsmRecord {
    pub(crate) state: HsmState,
    pub(crate) zone: String,
    pub(crate) subnet: String,
    pub(crate) eni: String,
    pub(crate) ip: Ipv4Addr,
    /// Its type, where that may differ from its cluster's: since a change of the type began.
    #[serde(default)]
    pub(crate) hsm_type: Option<String>,
    /// The number of the host that it runs on; none for the control plane's own process.
    #[serde(default)]
    pub(crate) host: Option<u64>,
    /// The host that it was meant for, when that was lost before it was made; or the host that it
    /// runs on, when that was revoked.
    #[serde(default)]
    pub(crate) lost_host: Option<u64>,
}

impl HsmRecord {
    /// Whether the host that it runs on was revoked: it can only be deleted.
    pub(crate) fn is_forsaken(&self) -> bool {
        self.host.is_some() && self.host == self.lost_host
    }
}

impl DecidedRecord for Cluster {
    fn key(&self, scope: &Scope) -> String {
        layout::cluster(scope, &self.id)
    }
}

impl Cluster {
    /// Where the backup lies that it was made from.
    pub(crate) fn source_scope(&self, own: &Scope) -> Scope {
        Scope {
            account: self.source_owner.as_ref().unwrap_or(&own.account).clone(),
            region: own.region.clone(),
        }
    }

    /// The signed cluster certificate and its trust anchor, once there are.
    pub(crate) fn issued(&self) -> Option<(&str, &str)> {
        match &self.certificates {
            ClusterCertificates::Nothing | ClusterCertificates::Requested { .. } => None,
            ClusterCertificates::Issued {
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

    /// Whether HSMs of one type take the place of those of another.
    pub(crate) const fn migrating(&self) -> bool {
        matches!(
            self.state,
            ClusterState::ModifyInProgress | ClusterState::RollbackInProgress
        )
    }

    /// The type of one of its HSMs.
    pub(crate) fn type_of<'a>(&'a self, hsm: &'a HsmRecord) -> &'a str {
        hsm.hsm_type.as_ref().unwrap_or(&self.hsm_type)
    }

    /// Makes `hsm_type` the type that its HSMs shall have. Those that are there remember theirs;
    /// a replacement that is being made of another type is given up.
    pub(crate) fn change_type(&mut self, hsm_type: &str, state: ClusterState) {
        for hsm in self.hsms.values_mut() {
            let own = hsm.hsm_type.get_or_insert_with(|| self.hsm_type.clone());
            if hsm.state == HsmState::CreateInProgress && own.as_str() != hsm_type {
                hsm.state = HsmState::DeleteInProgress;
            }
        }
        hsm_type.clone_into(&mut self.hsm_type);
        self.state = state;
    }

    pub(crate) fn hsms_in(&self, state: HsmState) -> impl Iterator<Item = &HsmId> {
        self.hsms
            .iter()
            .filter(move |(_, hsm)| hsm.state == state)
            .map(|(id, _)| id)
    }
}
