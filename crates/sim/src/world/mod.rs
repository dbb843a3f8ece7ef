//! A world: two Availability Zones, clusters of HSMs in both, one facade, clients, operators,
//! and what befalls them.

mod build;
mod call;
mod client;
mod error;
mod facade;
mod facades;
mod faults;
mod known;
mod life;
mod names;
mod operator;
mod plan;
mod process;
mod restart;
mod second_operator;
mod template;
mod templates;
mod wait;

pub(crate) use build::Beginning;
pub use error::WorldError;
pub use plan::{
    Crash, EditKind, FacadeEnd, FullDisk, Members, NetworkPartition, PasswordGuesses, PlannedFault,
    Restart, SecondOperatorPlan, StoreOutage, Storm, Vanish, WorldOrigin, WorldPlan,
};
pub(crate) use template::Template;
pub(crate) use templates::paused;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_clusters::Clusters;
use portcullis_hsm::DeviceKey;

use crate::canary::Canaries;
use crate::history::HistoryEvent;
use crate::record::WorldRecorder;
use crate::{Network, SimClock, SimDisk, SimDisks, SimEntropy};
use known::KnownResults;
use process::Process;

/// Who calls what no client calls.
const OPERATOR: u8 = 100;
const SECOND_OPERATOR: u8 = 101;

/// Calls of each client when all is well again.
const CALLS_AFTERWARDS: usize = 5;

pub(crate) struct World {
    seed: u64,
    scope: Scope,
    recorder: Arc<WorldRecorder>,
    canaries: Arc<Canaries>,
    pub(crate) network: Network,
    disks: Arc<SimDisks>,
    /// The disk of the control plane.
    control: SimDisk,
    clock: SimClock,
    hsm_entropy: Arc<SimEntropy>,
    kms_entropy: Arc<SimEntropy>,
    device_key: Arc<DeviceKey>,
    process: Mutex<Option<Process>>,
    /// How many facades there are. Several share the control plane's store.
    facades: usize,
    /// Which facade tells of the key store the next time.
    looks: AtomicUsize,
    /// The key store's ID.
    store: String,
    first: ClusterId,
    /// A cluster with another certificate.
    unrelated: ClusterId,
    known: Mutex<KnownResults>,
    /// Whether the store has been seen CONNECTED since it was last disconnected.
    connected: AtomicBool,
    /// How many disconnects have succeeded.
    disconnects: AtomicUsize,
    /// Whether anything has befallen the world.
    disturbed: AtomicBool,
}

impl World {
    /// Something happens that no call may notice.
    fn disturb(&self, what: &'static str) {
        self.disturbed.store(true, Ordering::Relaxed);
        self.recorder.tell(|at| HistoryEvent::Happens { at, what });
    }

    /// From here on calls may fail.
    fn fault(&self, what: &'static str) {
        self.disturbed.store(true, Ordering::Relaxed);
        self.recorder
            .tell(|at| HistoryEvent::FaultBegins { at, what });
    }

    /// The HSMs of the cluster that the store uses.
    fn hsms(&self) -> BTreeMap<HsmId, String> {
        let uses = self.known.lock().uses.clone();
        uses.map(|cluster| self.hsms_of(&cluster))
            .unwrap_or_default()
    }

    fn hsms_of(&self, cluster: &ClusterId) -> BTreeMap<HsmId, String> {
        let view = self
            .cloud()
            .and_then(|cloud| cloud.cluster(&self.scope, cluster));
        let hsms = view.map(|view| view.hsms.clone()).unwrap_or_default();
        hsms.into_iter()
            .map(|hsm| (hsm.id, hsm.availability_zone))
            .collect()
    }
}
