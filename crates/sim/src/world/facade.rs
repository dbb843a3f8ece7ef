//! Facades: each a KMS, alone with the control plane's store, or one of several that share it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use portcullis_api::{ClusterId, Scope};
use portcullis_cloudhsm::CloudHsm;
use portcullis_clusters::{ClusterView, Clusters};
use portcullis_hsm::{Call, Command, Output, Reply};
use portcullis_kms::Kms;
use portcullis_link::{
    BoxFuture, CallError, Channel, LinkError, Listener, Listening, Target, Transport,
};
use portcullis_seam::watch;
use portcullis_store::{Authority, Changed, Store, StoreError, Transaction};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::Way;
use crate::network::{IDLE_TIMEOUT, ProcessNetwork};

/// What a facade reaches beside its store.
pub(super) struct Reaches {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) clusters: Arc<dyn Clusters>,
}

/// A KMS that runs.
#[derive(Clone)]
pub(super) struct Facade {
    pub(super) kms: Arc<Kms>,
    pub(super) life: Arc<Life>,
}

/// Whether a facade runs. What it waits for when it has ended it waits for for ever.
#[derive(Debug, Default)]
pub(super) struct Life {
    over: AtomicBool,
    /// Not a `watch`, which wakes those who wait in an order that no seed decides.
    ends: Notify,
}

impl Life {
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.ends.notify_waiters();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Until it ends.
    pub(super) async fn ended(&self) {
        let ends = self.ends.notified();
        if !self.is_over() {
            ends.await;
        }
    }

    /// What `work` gives, unless the facade ends first: then nothing, ever.
    async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.ended() => std::future::pending().await,
            given = work => given,
        }
    }
}

/// What the store is called on the network, as seen from a facade.
pub(super) fn store_of(facade: usize) -> String {
    format!("the store of facade {facade}")
}

/// The shared store, as a facade reaches it: behind messages that are late, lost or cut off.
pub(super) struct FarStore {
    pub(super) store: Store,
    pub(super) network: ProcessNetwork,
    pub(super) name: String,
    pub(super) life: Arc<Life>,
}

impl FarStore {
    async fn travel(&self, way: Way) -> Result<(), StoreError> {
        let travelled = self.network.travel(&self.name, way).await;
        travelled.map_err(|error| StoreError::Closed(error.to_string()))
    }
}

impl Authority for FarStore {
    fn commit(&self, transaction: Transaction) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.life.during(async move {
            self.travel(Way::ToHsm).await?;
            let outcome = self.store.commit(transaction).await;
            self.travel(Way::FromHsm).await?;
            outcome
        }))
    }

    fn changed_after(&self, revision: u64) -> BoxFuture<'_, Result<Changed, StoreError>> {
        Box::pin(self.life.during(async move {
            self.travel(Way::ToHsm).await?;
            let changed = self.store.changed_after(revision).await;
            self.travel(Way::FromHsm).await?;
            changed
        }))
    }
}

impl fmt::Debug for FarStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// The clusters, as one of several facades sees them. Each has a `watch` of its own, which one task
/// feeds: a `watch` wakes those who wait in an order that no seed decides.
#[derive(Debug)]
pub(super) struct FacadeClusters {
    pub(super) cloud: Arc<CloudHsm>,
    pub(super) changes: watch::Receiver<u64>,
}

impl Clusters for FacadeClusters {
    fn cluster(&self, scope: &Scope, id: &ClusterId) -> Option<Arc<ClusterView>> {
        self.cloud.cluster(scope, id)
    }

    fn tags(&self, scope: &Scope, id: &str) -> Vec<(String, String)> {
        self.cloud.tags(scope, id)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}

/// Tells every facade in turn that a cluster has changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Relay(Arc<Mutex<BTreeMap<usize, watch::Sender<u64>>>>);

impl Relay {
    pub(super) fn start(&self, cloud: &CloudHsm) {
        let (mut changes, relay) = (cloud.changes(), self.clone());
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let number = *changes.borrow_and_update();
                for facade in relay.0.lock().values() {
                    facade.send_replace(number);
                }
            }
        });
    }

    /// What a facade hears from here on, in place of the one with this number before.
    pub(super) fn to(&self, facade: usize) -> watch::Receiver<u64> {
        let (sender, receiver) = watch::channel(0);
        self.0.lock().insert(facade, sender);
        receiver
    }
}

/// The network of one facade, of which nothing more comes when it has ended.
#[derive(Debug)]
pub(super) struct FacadeNetwork {
    pub(super) network: ProcessNetwork,
    pub(super) life: Arc<Life>,
}

impl Transport for FacadeNetwork {
    fn dial(&self, target: Target) -> Arc<dyn Channel> {
        let channel = Arc::new(FacadeChannel {
            channel: Mutex::new(Some(self.network.dial(target))),
            life: Arc::clone(&self.life),
        });
        let (ends, life) = (Arc::downgrade(&channel), Arc::clone(&self.life));
        tokio::spawn(async move {
            life.ended().await;
            sleep(IDLE_TIMEOUT).await;
            // The HSM notices that its client is gone, and ends the sessions.
            if let Some(channel) = ends.upgrade() {
                channel.channel.lock().take();
            }
        });
        channel
    }

    fn listen(&self, listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>> {
        self.network.listen(listener)
    }
}

#[derive(Debug)]
struct FacadeChannel {
    /// None when the facade has ended and its HSM has noticed.
    channel: Mutex<Option<Arc<dyn Channel>>>,
    life: Arc<Life>,
}

impl FacadeChannel {
    /// What `ask` gives, unless the facade ends: then nothing, ever.
    async fn during<T, F: Future<Output = T>>(&self, ask: impl FnOnce(Arc<dyn Channel>) -> F) -> T {
        let channel = self.channel.lock().clone();
        match channel {
            Some(channel) => self.life.during(ask(channel)).await,
            None => std::future::pending().await,
        }
    }
}

impl Channel for FacadeChannel {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(self.during(async move |channel| channel.execute(call, deadline).await))
    }

    fn manage(
        &self,
        command: Command,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(self.during(async move |channel| channel.manage(command, deadline).await))
    }

    fn in_flight(&self) -> usize {
        let channel = self.channel.lock().clone();
        channel.map_or(0, |channel| channel.in_flight())
    }
}
