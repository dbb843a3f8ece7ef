use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Key stores, clusters and HSMs of every account and Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status {
    /// The custom key stores of every account and Region.
    pub key_stores: Vec<KeyStoreStatus>,
    /// The clusters of every account and Region.
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
    /// The name of the Region, such as `us-east-1`.
    pub region: String,
}

/// A custom key store and the state of its connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyStoreStatus {
    /// The ID of the key store, such as `cks-1234567890abcdef0`.
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

/// A cluster with its HSMs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClusterStatus {
    /// The ID of the cluster, such as `cluster-abcdefghijk`.
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

/// An HSM of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HsmStatus {
    /// The ID of the HSM, such as `hsm-abcdefghijk`.
    pub id: String,
    /// The name of the Availability Zone that it is in.
    pub availability_zone: String,
    /// Its state, as DescribeClusters shows it.
    pub state: String,
    /// Where it really listens; null before the cluster is initialised.
    pub address: Option<SocketAddr>,
}
