//! What one service may know of another's clusters: whether they are there, in which state, and where
//! their HSMs listen.
//!
//! CloudHSM shows its clusters as [`Clusters`]; KMS connects its key stores by what it sees there, and
//! depends on nothing else of CloudHSM.
//!
//! ```
//! use portcullis_clusters::ClusterState;
//!
//! assert_eq!(ClusterState::Active.name(), "ACTIVE");
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_seam::watch;

/// The crypto user as which KMS logs in to the HSMs of a cluster (KMS Developer Guide, "Create a
/// CloudHSM key store").
pub const KMSUSER: &str = "kmsuser";

/// The clusters of a CloudHSM.
pub trait Clusters: Send + Sync + Debug {
    /// The cluster, unless it does not exist or is deleted.
    fn cluster(&self, scope: &Scope, id: &ClusterId) -> Option<Arc<ClusterView>>;

    /// The tags of a cluster or backup; none when there is no such resource.
    fn tags(&self, scope: &Scope, id: &str) -> Vec<(String, String)>;

    /// Changes whenever any cluster does.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// A cluster at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterView {
    /// The ID of the cluster.
    pub id: ClusterId,
    /// The state that DescribeClusters shows.
    pub state: ClusterState,
    /// The signed cluster certificate (PEM as given to InitializeCluster), once initialised.
    /// Equal in all clusters that share a backup history.
    pub certificate: Option<String>,
    /// The trust anchor (PEM) given to InitializeCluster.
    pub trust_anchor: Option<String>,
    /// Subnets by Availability Zone.
    pub subnets: BTreeMap<String, String>,
    /// Its HSMs in the order of their IDs.
    pub hsms: Vec<HsmView>,
    /// What is wrong with the network that a connection needs, if anything.
    pub network_trouble: Option<NetworkTrouble>,
}

/// Trouble in the VPC of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum NetworkTrouble {
    /// A subnet was deleted.
    SubnetNotFound(String),
    /// A subnet has no free address.
    NoFreeAddress(String),
    /// The cluster's security group lost its rules for TCP 2223-2225.
    SecurityGroupChanged,
}

/// An HSM at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HsmView {
    /// The ID of the HSM.
    pub id: HsmId,
    /// Its Availability Zone.
    pub availability_zone: String,
    /// The state that DescribeClusters shows.
    pub state: HsmState,
    /// Where it listens for QUIC; none before the cluster is initialised.
    pub address: Option<SocketAddr>,
}

/// `ClusterState` of the service model, as far as it is produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClusterState {
    /// It is being created.
    CreateInProgress,
    /// Waits for its first HSM and for InitializeCluster.
    Uninitialized,
    /// The signed certificate is being installed.
    InitializeInProgress,
    /// Waits for activation.
    Initialized,
    /// It is in service.
    Active,
    /// HSMs are being added or removed.
    UpdateInProgress,
    /// Its HSMs are being replaced by those of another type.
    ModifyInProgress,
    /// A change of the HSM type is being undone.
    RollbackInProgress,
    /// It is being deleted.
    DeleteInProgress,
    /// It is deleted, and shown no more.
    Deleted,
    /// It does not work as it should.
    Degraded,
}

/// `HsmState` of the service model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HsmState {
    /// It is being created.
    CreateInProgress,
    /// It is in service.
    Active,
    /// It does not work as it should.
    Degraded,
    /// It is being deleted.
    DeleteInProgress,
    /// It is deleted.
    Deleted,
}

impl ClusterState {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateInProgress => "CREATE_IN_PROGRESS",
            Self::Uninitialized => "UNINITIALIZED",
            Self::InitializeInProgress => "INITIALIZE_IN_PROGRESS",
            Self::Initialized => "INITIALIZED",
            Self::Active => "ACTIVE",
            Self::UpdateInProgress => "UPDATE_IN_PROGRESS",
            Self::ModifyInProgress => "MODIFY_IN_PROGRESS",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::DeleteInProgress => "DELETE_IN_PROGRESS",
            Self::Deleted => "DELETED",
            Self::Degraded => "DEGRADED",
        }
    }
}

impl HsmState {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateInProgress => "CREATE_IN_PROGRESS",
            Self::Active => "ACTIVE",
            Self::Degraded => "DEGRADED",
            Self::DeleteInProgress => "DELETE_IN_PROGRESS",
            Self::Deleted => "DELETED",
        }
    }
}

impl ClusterView {
    /// The HSMs in service.
    pub fn active_hsms(&self) -> impl Iterator<Item = &HsmView> {
        self.hsms.iter().filter(|hsm| hsm.state == HsmState::Active)
    }

    /// In how many Availability Zones there is an HSM in service.
    #[must_use]
    pub fn active_zones(&self) -> usize {
        let zones: std::collections::BTreeSet<&str> = self
            .active_hsms()
            .map(|hsm| hsm.availability_zone.as_str())
            .collect();
        zones.len()
    }
}
