use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Key stores, clusters and HSMs of every account and Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status {
    /// The key stores.
    pub key_stores: Vec<KeyStoreStatus>,
    /// The clusters.
    pub clusters: Vec<ClusterStatus>,
    /// The subnets of the default VPC by Region and Availability Zone, of the default Region and of
    /// every one that has a cluster.
    pub subnets: BTreeMap<String, BTreeMap<String, String>>,
    /// What a call is about that names no account or no Region.
    pub defaults: Defaults,
}

/// The account and Region of calls that name none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Defaults {
    /// The account, twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
}

/// A key store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyStoreStatus {
    /// Its ID.
    pub id: String,
    /// The name of the key store.
    pub name: String,
    /// The `ConnectionState` that DescribeCustomKeyStores shows.
    pub state: String,
    /// Its `ConnectionErrorCode`, when the state is FAILED.
    pub error_code: Option<String>,
    /// The ID of its cluster.
    pub cluster_id: String,
    /// The account that it belongs to.
    pub account: String,
    /// The Region that it is in.
    pub region: String,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClusterStatus {
    /// Its ID.
    pub id: String,
    /// Its state, as DescribeClusters shows it.
    pub state: String,
    /// The account that it belongs to.
    pub account: String,
    /// The Region that it is in.
    pub region: String,
    /// Its HSMs in the order of their IDs.
    pub hsms: Vec<HsmStatus>,
}

/// An HSM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HsmStatus {
    /// Its ID.
    pub id: String,
    /// Its Availability Zone.
    pub availability_zone: String,
    /// Its state, as DescribeClusters shows it.
    pub state: String,
    /// Where it really listens; null before the cluster is initialised.
    pub address: Option<SocketAddr>,
}
