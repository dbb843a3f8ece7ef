//! The six operations.

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::kms::{
    ConnectCustomKeyStoreRequest, ConnectCustomKeyStoreResponse, CreateCustomKeyStoreRequest,
    CreateCustomKeyStoreResponse, DeleteCustomKeyStoreRequest, DeleteCustomKeyStoreResponse,
    DescribeCustomKeyStoresRequest, DescribeCustomKeyStoresResponse,
    DisconnectCustomKeyStoreRequest, DisconnectCustomKeyStoreResponse, UpdateCustomKeyStoreRequest,
    UpdateCustomKeyStoreResponse,
};
use portcullis_api::{Code, Exception, KeyStoreId, Scope};
use portcullis_hsm::Secret;
use portcullis_seam::draw;
use portcullis_seam::plant::{Bug, planted};
use portcullis_store::{Expect, Transaction};

use super::driver::KeyStore;
use super::record::KeyStoreRecord;
use super::{Connection, connect, create, delete, describe, disconnect, update};
use crate::catalogue::Partition;
use crate::kms::{Kms, encode};
use crate::paging::{Asked, page};
use crate::shared::is_overtaken;

impl Kms {
    /// CreateCustomKeyStore.
    ///
    /// # Errors
    /// As the operation declares; see `create::decide` for the order of checks.
    pub async fn create_custom_key_store(
        &self,
        scope: &Scope,
        input: CreateCustomKeyStoreRequest,
    ) -> Result<CreateCustomKeyStoreResponse, Exception> {
        let id = KeyStoreId::from_random(draw(&*self.config.entropy));
        self.create_custom_key_store_as(scope, id, input).await
    }

    /// CreateCustomKeyStore with an ID of the caller's: for worlds.
    ///
    /// # Errors
    /// As CreateCustomKeyStore.
    pub async fn create_custom_key_store_as(
        &self,
        scope: &Scope,
        id: KeyStoreId,
        input: CreateCustomKeyStoreRequest,
    ) -> Result<CreateCustomKeyStoreResponse, Exception> {
        let wanted = create::Wanted::parse(&input)?;
        let password = Secret::new(
            input
                .key_store_password
                .as_ref()
                .map_or("", portcullis_api::SecretText::reveal),
        );
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let stores = records(&partition);
        let same_password = |store: &KeyStoreRecord| {
            self.unseal(&store.passwords.current)
                .is_ok_and(|known| known.reveal() == password.reveal())
        };
        let world = create::World {
            stores: &stores,
            cluster: self.config.clusters.cluster(scope, &wanted.cluster),
            same_password: &same_password,
        };
        let id = match create::decide(&wanted, &world)? {
            create::Decision::Exists(existing) => existing,
            create::Decision::Create(certificate) => {
                let sealed = self.seal(password.reveal());
                let now = self.now_ms();
                let record = create::record(id.clone(), wanted, certificate, sealed, now);
                let key = KeyStore::record_key(scope, &id);
                let put = Transaction::new()
                    .expect(&*key, Expect::Absent)
                    .put(&*key, encode(&record));
                let revision = self.commit(put).await?;
                let store = KeyStore::new(scope.clone(), record, revision);
                partition.stores.write().insert(id.clone(), Arc::new(store));
                id
            }
        };
        Ok(CreateCustomKeyStoreResponse {
            custom_key_store_id: Some(id.to_string()),
        })
    }

    /// ConnectCustomKeyStore: accepts, and connects on its own.
    ///
    /// # Errors
    /// As the operation declares; see `connect::decide` for the order of checks.
    pub async fn connect_custom_key_store(
        self: &Arc<Self>,
        scope: &Scope,
        input: ConnectCustomKeyStoreRequest,
    ) -> Result<ConnectCustomKeyStoreResponse, Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let mut record = store.record();
        let cluster = self.config.clusters.cluster(scope, &record.cluster);
        match connect::decide(&record, cluster.as_deref())? {
            connect::Decision::Already => {}
            connect::Decision::Start(to) => {
                self.check_storage()?;
                record.epoch = record.next_epoch(self.now_ms());
                record.connection = to;
                let epoch = record.epoch;
                self.put_store(&store, record).await?;
                store.gate.close(epoch);
                self.start_connecting(&partition, &store, epoch);
            }
        }
        Ok(ConnectCustomKeyStoreResponse {})
    }

    /// DisconnectCustomKeyStore: from its return on, no operation passes.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn disconnect_custom_key_store(
        self: &Arc<Self>,
        scope: &Scope,
        input: DisconnectCustomKeyStoreRequest,
    ) -> Result<DisconnectCustomKeyStoreResponse, Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let mut record = store.record();
        record.connection = disconnect::decide(&record)?;
        // Before the gate is down: calls would fail while the change is refused.
        if let Some(exception) = self.storage_trouble() {
            return Err(exception);
        }
        record.epoch = record.next_epoch(self.now_ms());
        let epoch = record.epoch;
        // Rule GATE-03: the gate is down before the disconnect is acknowledged, and before it is
        // written: after a crash nothing is connected anyway.
        let live = if planted(Bug::DisconnectAcknowledgedEarly) {
            store.live.load_full()
        } else {
            store.take_down(epoch)
        };
        if let Err(exception) = self.put_store(&store, record).await {
            // Rule SHARE-08: another facade has committed something first. Rule ST-24: or there was no
            // room. The connection is whole, for the next attempt to end it on every HSM.
            let overtaken = is_overtaken(&exception) && !planted(Bug::DisconnectLosesSessions);
            let refused = exception.code == Code::ServiceUnavailable
                && !planted(Bug::RefusedDisconnectClosesGate);
            let stays = overtaken || refused;
            if let Some(live) = live.filter(|_| stays) {
                let stands = live.fence.epoch;
                self.maintain(&store, &live);
                store.live.store(Some(live));
                store.gate.open(stands);
            }
            return Err(exception);
        }
        self.start_disconnecting(&partition, &store, live, epoch);
        Ok(DisconnectCustomKeyStoreResponse {})
    }

    /// UpdateCustomKeyStore.
    ///
    /// # Errors
    /// As the operation declares; see `update::decide` for the order of checks.
    pub async fn update_custom_key_store(
        &self,
        scope: &Scope,
        input: UpdateCustomKeyStoreRequest,
    ) -> Result<UpdateCustomKeyStoreResponse, Exception> {
        let partition = self.partition(scope);
        let changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let edit = update::Edit::parse(&input)?;
        let mut record = store.record();
        let _changing = if planted(Bug::RevisionNotCompared) {
            drop(changing);
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        } else {
            Some(changing)
        };
        let others: Vec<_> = records(&partition)
            .into_iter()
            .filter(|other| other.id != record.id)
            .collect();
        let cluster = edit.cluster.as_ref();
        let cluster = cluster.and_then(|id| self.config.clusters.cluster(scope, id));
        update::decide(
            &edit,
            &update::World {
                store: &record,
                others: &others,
                cluster: cluster.clone(),
                rename_while_connected: self.config.rename_while_connected,
            },
        )?;
        self.check_storage()?;
        if record.connection == Connection::Disconnected {
            record.epoch = record.next_epoch(self.now_ms());
            store.gate.close(record.epoch);
        }
        if let Some(name) = edit.name {
            record.name = name;
        }
        if let Some(id) = edit.cluster
            && !planted(Bug::OldClusterKept)
        {
            record.cluster = id;
            if let Some(certificate) = cluster.and_then(|view| view.certificate.clone()) {
                record.certificate = certificate;
            }
        }
        if let Some(password) = &input.key_store_password {
            record.passwords.current = self.seal(password.reveal());
            record.passwords.rotating = None;
            record.passwords.previous = None;
            record.passwords.older.clear();
        }
        self.put_store(&store, record).await?;
        Ok(UpdateCustomKeyStoreResponse {})
    }

    /// DeleteCustomKeyStore. The cluster, its users and its keys stay as they are.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn delete_custom_key_store(
        &self,
        scope: &Scope,
        input: DeleteCustomKeyStoreRequest,
    ) -> Result<DeleteCustomKeyStoreResponse, Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let keys = partition.keys.iter();
        let keys = keys
            .filter(|key| key.record.store_id() == Some(&store.id))
            .count();
        delete::decide(&store.record(), keys)?;
        let key = KeyStore::record_key(scope, &store.id);
        let expect = Expect::Revision(store.revision());
        self.commit(Transaction::new().expect(&*key, expect).delete(&*key))
            .await?;
        partition.stores.write().remove(&store.id);
        Ok(DeleteCustomKeyStoreResponse {})
    }

    /// DescribeCustomKeyStores.
    ///
    /// # Errors
    /// As the operation declares.
    pub async fn describe_custom_key_stores(
        &self,
        scope: &Scope,
        input: DescribeCustomKeyStoresRequest,
    ) -> Result<DescribeCustomKeyStoresResponse, Exception> {
        let partition = self.partition(scope);
        self.end_described(&partition).await;
        let stores = describe::select(&input, records(&partition))?;
        let asked = Asked {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 1000,
            max: 1000,
        };
        let page = page(stores, asked, |store| store.id.to_string())?;
        self.count_described(&partition, page.items.iter().map(|store| &store.id));
        Ok(DescribeCustomKeyStoresResponse {
            custom_key_stores: Some(page.items.iter().map(describe::entry).collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }
}

fn records(partition: &Partition) -> Vec<KeyStoreRecord> {
    partition
        .stores
        .read()
        .values()
        .map(|store| store.record())
        .collect()
}

/// The key store with this ID.
pub(crate) fn find(partition: &Partition, id: &str) -> Result<Arc<KeyStore>, Exception> {
    partition.store(id).ok_or_else(|| describe::not_found(id))
}
