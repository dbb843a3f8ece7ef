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
    /// Where its records are.
    pub store: Store,
    /// The clusters that key stores may have.
    pub clusters: Arc<dyn Clusters>,
    /// The way to their HSMs.
    pub transport: Arc<dyn Transport>,
    /// For ids, passwords and the built-in fleet's keys.
    pub entropy: Arc<dyn Entropy>,
    /// For dates.
    pub clock: Arc<dyn WallClock>,
    /// Under which passwords and the built-in fleet's keys lie in the store.
    pub device_key: Arc<DeviceKey>,
    /// Of the built-in fleet.
    pub hsm_settings: Settings,
    /// For work of the built-in fleet that takes long: RSA.
    pub pool: Arc<dyn WorkPool>,
    /// Permit renaming a CONNECTED key store, as today's API does.
    pub rename_while_connected: bool,
    /// How long a connect and a disconnect take.
    pub pacing: Arc<Pacing>,
    /// Whose attestation documents are believed.
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
