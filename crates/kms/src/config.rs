use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis_attest::Trust as AttestationTrust;
use portcullis_clusters::Clusters;
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_link::Transport;
use portcullis_seam::{Entropy, WallClock, WorkPool};
use portcullis_store::{Store, StoreError};
use portcullis_time::Pacing;

/// What KMS is put together from.
#[derive(Debug, Clone)]
pub struct KmsConfig {
    /// The store that keeps the records of key stores, keys, aliases and grants.
    pub store: Store,
    /// The clusters that key stores may have.
    pub clusters: Arc<dyn Clusters>,
    /// Connects to the HSMs of the clusters.
    pub transport: Arc<dyn Transport>,
    /// Where IDs, passwords and the keys of the built-in fleet are drawn from.
    pub entropy: Arc<dyn Entropy>,
    /// The clock of the services, which gives the dates of records and events.
    pub clock: Arc<dyn WallClock>,
    /// The key under which passwords and the keys of the built-in fleet are sealed in the store.
    pub device_key: Arc<DeviceKey>,
    /// What each HSM of the built-in fleet holds at the most, and how its passwords are hashed.
    pub hsm_settings: Settings,
    /// For work of the built-in fleet that takes long: RSA.
    pub pool: Arc<dyn WorkPool>,
    /// Permit renaming a CONNECTED key store, as today's API does.
    pub rename_while_connected: bool,
    /// How long a connect and a disconnect take.
    pub pacing: Arc<Pacing>,
    /// The root certificates of Nitro attestation documents that are accepted.
    pub attestation: AttestationTrust,
    /// How long a cryptographic operation may take in all.
    pub operation_deadline: Duration,
}

/// Why KMS cannot start.
#[derive(Debug)]
pub struct OpenError(String);

impl OpenError {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}
