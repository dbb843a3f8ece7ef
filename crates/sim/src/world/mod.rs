//! A world: two Availability Zones, clusters of HSMs in both, one facade, clients, an operator,
//! and what befalls them.

mod build;
mod call;
mod client;
mod faults;
mod operator;
mod plan;

pub use plan::{Crash, EditKind, Partition, Plan, Storm};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, HsmId, KeyId, Scope};
use portcullis_cloudhsm::{CloudHsm, Clusters};
use portcullis_kms::Kms;
use tokio::time::sleep;

use crate::history::{Context, Event};
use crate::record::Recorder;
use crate::{Network, SimDisks};

/// Calls of all clients together while the faults happen.
const CALLS: usize = 200;
const CLIENTS: u8 = 3;

/// Who calls what no client calls.
const OPERATOR: u8 = CLIENTS;

/// Something in a world did not go as the world itself needs it: not a violation, but no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldError(String);

impl WorldError {
    pub(crate) fn of(what: &str, why: impl fmt::Display) -> Self {
        Self(format!("{what}: {why}"))
    }
}

impl fmt::Display for WorldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for WorldError {}

pub(crate) struct World {
    seed: u64,
    scope: Scope,
    recorder: Arc<Recorder>,
    pub(crate) network: Network,
    disks: Arc<SimDisks>,
    cloud: Arc<CloudHsm>,
    kms: Arc<Kms>,
    /// The key store's ID.
    store: String,
    first: ClusterId,
    /// A cluster with another certificate.
    unrelated: ClusterId,
    known: Mutex<Known>,
    /// Whether the store has been seen CONNECTED since it was last disconnected.
    connected: AtomicBool,
}

/// What clients have got so far.
#[derive(Default)]
struct Known {
    uses: Option<ClusterId>,
    keys: Vec<KeyId>,
    ciphertexts: Vec<(Vec<u8>, Context)>,
    down: BTreeSet<HsmId>,
    /// The operator is to reset the password of `kmsuser` and has not managed to.
    resets_password: bool,
}

impl World {
    /// Lives through `plan`, from the first client's call until all is well again.
    pub(crate) async fn live(self: &Arc<Self>, plan: &Plan) -> Result<(), WorldError> {
        self.recorder.tell(|at| Event::Calm { at });
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let (world, think) = (Arc::clone(self), plan.think);
            let calls = CALLS.div_ceil(usize::from(CLIENTS));
            tasks.spawn(async move { world.client(client, calls, think).await });
        }
        let (world, ours) = (Arc::clone(self), plan.clone());
        tasks.spawn(async move { world.operate(&ours).await });
        let (world, crash) = (Arc::clone(self), plan.crash);
        tasks.spawn(async move { world.crash(crash).await });
        let (world, partition) = (Arc::clone(self), plan.partition);
        tasks.spawn(async move { world.partition(partition).await });
        let (world, storm) = (Arc::clone(self), plan.storm.clone());
        tasks.spawn(async move { world.storm(&storm).await });
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| WorldError::of("a task of the world ended", error))?;
        }
        self.heal().await?;
        self.recover().await;
        self.afterwards(plan.think).await;
        Ok(())
    }

    /// When all is well again, everything works for everybody, and everything opens.
    async fn afterwards(self: &Arc<Self>, think: u64) {
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let world = Arc::clone(self);
            tasks.spawn(async move { world.client(client, 5, think).await });
        }
        while tasks.join_next().await.is_some() {}
        let known = self.known.lock().ciphertexts.clone();
        for (ciphertext, context) in known {
            self.decrypt(OPERATOR, ciphertext, context).await;
        }
        self.see().await;
    }

    /// The HSMs of the cluster that the store uses.
    fn hsms(&self) -> BTreeMap<HsmId, String> {
        let uses = self.known.lock().uses.clone();
        uses.map(|cluster| self.hsms_of(&cluster))
            .unwrap_or_default()
    }

    fn hsms_of(&self, cluster: &ClusterId) -> BTreeMap<HsmId, String> {
        let view = self.cloud.cluster(&self.scope, cluster);
        let hsms = view.map(|view| view.hsms.clone()).unwrap_or_default();
        hsms.into_iter()
            .map(|hsm| (hsm.id, hsm.availability_zone))
            .collect()
    }
}

async fn wait(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}
