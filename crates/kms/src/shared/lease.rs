//! Which facade drives a connect or a disconnect, and which one takes it over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_hsm::Epoch;
use portcullis_seam::plant::{Bug, planted};
use portcullis_store::Transaction;
use tokio::time::{Instant, sleep};

use crate::catalogue::Partition;
use crate::key_store::KeyStores;
use crate::key_store::{Connection, KeyStore, Watched};
use crate::records::Records;

/// How often a facade looks by itself at what the others have done.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// How often the facade that drives renews its lease.
const RENEW_EVERY: Duration = Duration::from_millis(500);

/// A facade that has not renewed its lease for this long has ended, or cannot reach the store.
const LEASE: Duration = Duration::from_secs(3);

/// Carries out a connect or disconnect of `epoch`, and says meanwhile that it does.
pub(crate) async fn drive(
    records: &Records,
    store: &KeyStore,
    epoch: Epoch,
    work: impl Future<Output = ()>,
) {
    if !records.shares_store() {
        return work.await;
    }
    *store.driven.lock() = Some(epoch);
    let renew = async {
        loop {
            sleep(RENEW_EVERY).await;
            let lease = Transaction::new().put(lease_key(store), Vec::new());
            if let Err(error) = records.config.store.commit(lease).await {
                tracing::debug!(%error, key_store = %store.id, "lease not renewed");
            }
        }
    };
    tokio::select! {
        biased;
        () = work => {}
        () = renew => {}
    }
    let mut driven = store.driven.lock();
    if *driven == Some(epoch) {
        *driven = None;
    }
}

/// Follows the other facades for as long as KMS exists.
pub(crate) fn start_following(stores: &Arc<KeyStores>) {
    if !stores.records.shares_store() {
        return;
    }
    let stores: Weak<KeyStores> = Arc::downgrade(stores);
    tokio::spawn(async move {
        loop {
            sleep(FOLLOW_EVERY).await;
            let Some(stores) = stores.upgrade() else {
                return;
            };
            if let Err(error) = stores.keep_up().await {
                tracing::debug!(%error, "not up to date");
                continue;
            }
            for partition in stores.records.catalogue.all() {
                take_over_abandoned(&stores, &partition).await;
            }
        }
    });
}

/// Rule SHARE-05: what a facade has begun and drives no longer another one finishes.
async fn take_over_abandoned(own: &Arc<KeyStores>, partition: &Arc<Partition>) {
    let stores: Vec<Arc<KeyStore>> = partition.stores.read().values().cloned().collect();
    for store in stores {
        {
            // Also what this facade could not finish when the store was out of reach.
            let _changing = partition.control.lock().await;
            own.align(&store);
        }
        let record = store.record();
        let is_passing = matches!(
            record.connection,
            Connection::Connecting | Connection::Disconnecting
        );
        if !is_passing || *store.driven.lock() == Some(record.epoch) {
            *store.watched.lock() = None;
        } else if is_abandoned(&own.records, &store, record.epoch) && !planted(Bug::NobodyTakesOver)
        {
            *store.watched.lock() = None;
            tracing::info!(key_store = %store.id, "takes over what another facade has begun");
            own.take_over(partition, &store, &record).await;
        }
    }
}

/// Whether no facade has renewed its lease on the store for the time of a lease.
fn is_abandoned(records: &Records, store: &KeyStore, epoch: Epoch) -> bool {
    let lease = records.config.store.get(&lease_key(store));
    let renewed = lease.map_or(0, |record| record.revision);
    let now = Instant::now();
    let mut watched = store.watched.lock();
    match *watched {
        Some(seen) if (seen.epoch, seen.renewed) == (epoch, renewed) => {
            now.duration_since(seen.since) >= LEASE
        }
        _ => {
            *watched = Some(Watched {
                epoch,
                renewed,
                since: now,
            });
            false
        }
    }
}

fn lease_key(store: &KeyStore) -> String {
    let scope = &store.scope;
    format!("kms/{}/{}/lease/{}", scope.account, scope.region, store.id)
}
