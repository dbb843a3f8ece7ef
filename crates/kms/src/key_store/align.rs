//! The gate and the sessions of a key store that another facade connects and disconnects.

use std::sync::Arc;

use super::Connection;
use super::KeyStores;
use super::connection::LiveConnection;
use super::driver::KeyStore;
use super::record::KeyStoreRecord;
use super::transition::leave;
use crate::catalogue::Partition;

impl KeyStores {
    /// Brings gate and sessions in line with the store's record.
    ///
    /// Rule SHARE-04: the gate of every facade is up only under the epoch that the record names.
    pub(crate) fn align(&self, store: &Arc<KeyStore>) {
        let record = store.record();
        let live = store.live.load_full();
        let is_current = live
            .as_ref()
            .is_some_and(|live| live.fence.epoch == record.epoch);
        match record.connection {
            Connection::Connected if is_current => {}
            Connection::Connected => self.adopt(store, &record),
            Connection::Disconnected
            | Connection::Connecting
            | Connection::Failed(_)
            | Connection::Disconnecting => {
                if live.is_some() {
                    let (store, live) = (Arc::clone(store), store.take_down(record.epoch));
                    tokio::spawn(async move { leave(&store, live, record.epoch).await });
                }
            }
        }
    }

    /// Logs in beside the facade that has connected the store, under the same epoch.
    fn adopt(&self, store: &Arc<KeyStore>, record: &KeyStoreRecord) {
        let epoch = record.epoch;
        let before = store.take_down(epoch);
        let Some(kms) = self.itself.upgrade() else {
            return;
        };
        let Ok((current, previous)) = self.present_password(record) else {
            return;
        };
        let changes = self.records.config.clusters.changes();
        let live = LiveConnection::new(store.fence(epoch), Vec::new(), current, previous, changes);
        let live = Arc::new(live);
        store.live.store(Some(Arc::clone(&live)));
        // Those who call wait until it is free. One that is under way is of an earlier epoch.
        let adopting = Arc::clone(&store.adoption).try_lock_owned().ok();
        let store = Arc::clone(store);
        tokio::spawn(async move {
            leave(&store, before, epoch).await;
            kms.reconcile(&store, &live).await;
            // Code that takes the connection down takes it out first, under the same lock as here.
            let partition = kms.records.partition(&store.scope);
            let _changing = partition.control.lock().await;
            let is_current = store
                .live
                .load()
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, &live));
            if is_current {
                store.gate.open(epoch);
                kms.maintain(&store, &live);
            }
            drop(adopting);
        });
    }

    /// Finishes a connect or a disconnect in place of a facade that does so no longer.
    pub(crate) async fn take_over(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        store: &Arc<KeyStore>,
        record: &KeyStoreRecord,
    ) {
        if record.connection == Connection::Connecting {
            let changing = partition.control.lock().await;
            if store.record() == *record {
                self.connect_again(partition, store).await;
            }
            drop(changing);
        } else {
            self.start_disconnecting(partition, store, None, record.epoch);
        }
    }
}
