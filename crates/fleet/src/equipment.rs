use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_hsm::{DeviceKey, Settings};
use portcullis_link::Transport;
use portcullis_seam::{Entropy, WallClock, WorkPool};

use crate::Disks;

/// What every node is made with.
#[derive(Debug)]
pub struct Equipment {
    /// Where the disks of HSMs come from.
    pub disks: Arc<dyn Disks>,
    /// Over which HSMs are reached.
    pub transport: Arc<dyn Transport>,
    /// Keys, ids, salts.
    pub entropy: Arc<dyn Entropy>,
    /// The date, by which HSMs note when users were changed.
    pub clock: Arc<dyn WallClock>,
    /// Where passwords are hashed and large frames are worked on.
    pub pool: Arc<dyn WorkPool>,
    /// Under which the disks are sealed.
    pub device_key: Arc<DeviceKey>,
    /// Limits of each HSM.
    pub settings: Settings,
    /// Where HSMs listen; each chooses a free port when this has none.
    pub bind: SocketAddr,
}
