use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use portcullis_fleet::Disks;
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_link::Transport;
use portcullis_seam::{Entropy, WallClock, WorkPool};
use portcullis_store::{Store, StoreError};
use portcullis_time::Pacing;

use crate::quota::Quotas;

/// What a [`CloudHsm`](crate::CloudHsm) works with.
#[derive(Debug)]
pub struct CloudHsmConfig {
    /// Where clusters and backups are recorded.
    pub store: Store,
    /// Where HSMs keep their disks.
    pub disks: Arc<dyn Disks>,
    /// How HSMs are reached.
    pub transport: Arc<dyn Transport>,
    /// Keys, ids, salts.
    pub entropy: Arc<dyn Entropy>,
    /// Dates.
    pub clock: Arc<dyn WallClock>,
    /// How long changes of state take.
    pub pacing: Arc<Pacing>,
    /// Where passwords are hashed and large frames are worked on.
    pub pool: Arc<dyn WorkPool>,
    /// Under which disks and backups are sealed. Another key cannot open them.
    pub device_key: Arc<DeviceKey>,
    /// Limits of each HSM.
    pub hsm_settings: Settings,
    /// Whether the service's quotas are kept.
    pub quotas: Quotas,
    /// The address on which HSMs listen; each chooses a free port.
    pub bind_ip: IpAddr,
}

/// Why CloudHSM cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// The store failed.
    Store(StoreError),
    /// What is stored was sealed under another device key, or is damaged.
    Unreadable(String),
    /// The makers' root certificates could not be made.
    Certificates(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => fmt::Display::fmt(error, formatter),
            Self::Unreadable(why) => write!(
                formatter,
                "the data folder cannot be read ({why}): use the device key it was made with, or \
                 another folder"
            ),
            Self::Certificates(why) => {
                write!(formatter, "the root certificates cannot be made: {why}")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
