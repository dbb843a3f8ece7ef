//! A world: two Availability Zones, clusters of HSMs in both, one facade, clients, operators,
//! and what befalls them.

mod build;
mod call;
mod clerk;
mod client;
mod ending;
mod error;
mod facade;
mod facades;
mod faults;
mod known;
mod operator;
mod plan;
mod process;
mod restart;
mod template;
mod templates;
mod wait;

pub(crate) use build::Beginning;
pub use error::WorldError;
pub use plan::{
    Clerk, Crash, Dark, EditKind, FacadeEnd, Fault, FullDisk, Guesses, Members, Origin, Partition,
    Plan, Restart, Storm, Vanish,
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
use tokio::task::JoinSet;

use crate::canary::Canaries;
use crate::history::Event;
use crate::record::Recorder;
use crate::{Network, SimClock, SimDisk, SimDisks, SimEntropy};
use known::Known;
use process::Process;

/// Who calls what no client calls.
const OPERATOR: u8 = 100;
const CLERK: u8 = 101;

/// Calls of each client when all is well again.
const CALLS_AFTERWARDS: usize = 5;

pub(crate) struct World {
    seed: u64,
    scope: Scope,
    recorder: Arc<Recorder>,
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
    known: Mutex<Known>,
    /// Whether the store has been seen CONNECTED since it was last disconnected.
    connected: AtomicBool,
    /// How many disconnects have succeeded.
    disconnects: AtomicUsize,
    /// Whether anything has befallen the world.
    disturbed: AtomicBool,
}

type Outcomes = JoinSet<Result<(), WorldError>>;

impl World {
    /// Lives through `plan`, from the first client's call until all is well again.
    pub(crate) async fn live(self: &Arc<Self>, plan: &Plan) -> Result<(), WorldError> {
        self.recorder.tell(|at| Event::Calm { at });
        let mut tasks = Outcomes::new();
        for client in 0..plan.clients {
            let (world, calls, think) = (Arc::clone(self), plan.calls, plan.think);
            tasks.spawn(async move {
                world.client(client, calls, think).await;
                Ok(())
            });
        }
        let (world, ours) = (Arc::clone(self), plan.clone());
        tasks.spawn(async move {
            world.operate(&ours).await;
            Ok(())
        });
        for (number, fault) in plan.faults.iter().enumerate() {
            let (world, fault) = (Arc::clone(self), fault.clone());
            tasks.spawn(async move { world.befall(number, fault).await });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| WorldError::of("a task of the world ended", error))??;
        }
        self.heal().await?;
        self.recover().await;
        self.afterwards(plan).await;
        Ok(())
    }

    async fn befall(self: &Arc<Self>, number: usize, fault: Fault) -> Result<(), WorldError> {
        match fault {
            Fault::PowerCut(crash) => self.crash(crash).await,
            Fault::Partition(partition) => self.partition(partition).await,
            Fault::Storm(storm) => self.storm(&storm).await,
            Fault::Members(members) => self.change_members(members).await,
            Fault::Guesses(guesses) => self.guess(guesses).await,
            Fault::Restart(restart) => return self.restart_process(restart).await,
            Fault::Clerk(clerk) => self.clerk(number, clerk).await,
            Fault::FacadeEnd(end) => return self.end_facade(end).await,
            Fault::Dark(dark) => self.darken(dark).await,
            Fault::FullDisk(full) => self.fill_disk(full).await,
            Fault::Vanish(vanish) => return self.vanish(vanish).await,
        }
        Ok(())
    }

    /// Something happens that no call may notice.
    fn disturb(&self, what: &'static str) {
        self.disturbed.store(true, Ordering::Relaxed);
        self.recorder.tell(|at| Event::Happens { at, what });
    }

    /// From here on calls may fail.
    fn fault(&self, what: &'static str) {
        self.disturbed.store(true, Ordering::Relaxed);
        self.recorder.tell(|at| Event::FaultBegins { at, what });
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
