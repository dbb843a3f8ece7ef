//! The six operations.

use std::sync::Arc;

use portcullis_api::kms::{
    ConnectCustomKeyStoreRequest, ConnectCustomKeyStoreResponse, CreateCustomKeyStoreRequest,
    CreateCustomKeyStoreResponse, DeleteCustomKeyStoreRequest, DeleteCustomKeyStoreResponse,
    DescribeCustomKeyStoresRequest, DescribeCustomKeyStoresResponse,
    DisconnectCustomKeyStoreRequest, DisconnectCustomKeyStoreResponse, UpdateCustomKeyStoreRequest,
    UpdateCustomKeyStoreResponse,
};
use portcullis_api::{Exception, KeyStoreId, Scope};
use portcullis_hsm::Secret;
use portcullis_seam::draw;
use portcullis_seam::plant::{self, Bug, planted};
use portcullis_store::{Expect, Transaction};

use super::KeyStores;
use super::driver::KeyStore;
use super::record::KeyStoreRecord;
use super::{KeyStoreStatus, connect, create, delete, describe, disconnect, pace, update};
use crate::catalogue::Partition;
use crate::paging::{PageRequest, page};
use crate::records::encode;

impl KeyStores {
    /// CreateCustomKeyStore.
    ///
    /// # Errors
    /// As the operation declares; see `create::decide` for the order of checks.
    pub(crate) async fn create_custom_key_store(
        &self,
        scope: &Scope,
        input: CreateCustomKeyStoreRequest,
    ) -> Result<CreateCustomKeyStoreResponse, Exception> {
        let id = KeyStoreId::from_random(draw(&*self.records.config.entropy));
        self.create_custom_key_store_as(scope, id, input).await
    }

    /// CreateCustomKeyStore with an ID of the caller's: for worlds.
    ///
    /// # Errors
    /// As CreateCustomKeyStore.
    pub(crate) async fn create_custom_key_store_as(
        &self,
        scope: &Scope,
        id: KeyStoreId,
        input: CreateCustomKeyStoreRequest,
    ) -> Result<CreateCustomKeyStoreResponse, Exception> {
        let wanted = create::WantedKeyStore::parse(&input)?;
        let password = Secret::new(
            input
                .key_store_password
                .as_ref()
                .map_or("", portcullis_api::SecretText::reveal),
        );
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        let stores = records(&partition);
        let same_password = |store: &KeyStoreRecord| {
            self.records
                .unseal(&store.passwords.current)
                .is_ok_and(|known| known.reveal() == password.reveal())
        };
        let world = create::CreateContext {
            stores: &stores,
            cluster: self.records.config.clusters.cluster(scope, &wanted.cluster),
            same_password: &same_password,
        };
        let id = match create::decide(&wanted, &world)? {
            create::Decision::Exists(existing) => existing,
            create::Decision::Create(certificate) => {
                let sealed = self.records.seal(password.reveal());
                let now = self.records.now_ms();
                let record = create::record(id.clone(), wanted, certificate, sealed, now);
                let key = KeyStore::record_key(scope, &id);
                let put = Transaction::new()
                    .expect(&*key, Expect::Absent)
                    .put(&*key, encode(&record));
                let revision = self.records.commit(put).await?;
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
    pub(crate) async fn connect_custom_key_store(
        self: &Arc<Self>,
        scope: &Scope,
        input: ConnectCustomKeyStoreRequest,
    ) -> Result<ConnectCustomKeyStoreResponse, Exception> {
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let record = store.record();
        let cluster = self.records.config.clusters.cluster(scope, &record.cluster);
        if let Some(step) = connect::decide(&record, cluster.as_deref(), self.records.now_ms())? {
            self.records.check_storage()?;
            self.take(&partition, &store, step).await?;
        }
        Ok(ConnectCustomKeyStoreResponse {})
    }

    /// DisconnectCustomKeyStore: from its return on, no operation passes.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn disconnect_custom_key_store(
        self: &Arc<Self>,
        scope: &Scope,
        input: DisconnectCustomKeyStoreRequest,
    ) -> Result<DisconnectCustomKeyStoreResponse, Exception> {
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let step = disconnect::decide(&store.record(), self.records.now_ms())?;
        // Before the gate is down: calls would fail while the change is refused.
        if let Some(exception) = self.records.storage_trouble() {
            return Err(exception);
        }
        self.take(&partition, &store, step).await?;
        Ok(DisconnectCustomKeyStoreResponse {})
    }

    /// UpdateCustomKeyStore.
    ///
    /// # Errors
    /// As the operation declares; see `update::decide` for the order of checks.
    pub(crate) async fn update_custom_key_store(
        &self,
        scope: &Scope,
        input: UpdateCustomKeyStoreRequest,
    ) -> Result<UpdateCustomKeyStoreResponse, Exception> {
        let partition = self.records.partition(scope);
        let changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let edit = update::KeyStoreEdit::parse(&input)?;
        let record = store.record();
        let _changing = plant::let_others_in(Bug::RevisionNotCompared, changing).await;
        let others: Vec<_> = records(&partition)
            .into_iter()
            .filter(|other| other.id != record.id)
            .collect();
        let cluster = edit.cluster.as_ref();
        let cluster = cluster.and_then(|id| self.records.config.clusters.cluster(scope, id));
        let mut edited = update::decide(
            &edit,
            &update::UpdateContext {
                store: &record,
                others: &others,
                cluster,
                rename_while_connected: self.records.config.rename_while_connected,
                now_ms: self.records.now_ms(),
            },
        )?;
        self.records.check_storage()?;
        if edited.epoch != record.epoch {
            store.gate.close(edited.epoch);
        }
        if let Some(password) = &input.key_store_password {
            edited.set_password(self.records.seal(password.reveal()));
        }
        self.put_store(&store, edited).await?;
        Ok(UpdateCustomKeyStoreResponse {})
    }

    /// DeleteCustomKeyStore. The cluster, its users and its keys stay as they are.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn delete_custom_key_store(
        &self,
        scope: &Scope,
        input: DeleteCustomKeyStoreRequest,
    ) -> Result<DeleteCustomKeyStoreResponse, Exception> {
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        let store = find(&partition, &input.custom_key_store_id)?;
        let keys = partition.keys.iter();
        let keys = keys
            .filter(|key| key.record.store_id() == Some(&store.id))
            .count();
        delete::decide(&store.record(), keys)?;
        let key = KeyStore::record_key(scope, &store.id);
        let expect = Expect::Revision(store.revision());
        self.records
            .commit(Transaction::new().expect(&*key, expect).delete(&*key))
            .await?;
        partition.stores.write().remove(&store.id);
        Ok(DeleteCustomKeyStoreResponse {})
    }

    /// DescribeCustomKeyStores.
    ///
    /// # Errors
    /// As the operation declares.
    pub(crate) async fn describe_custom_key_stores(
        &self,
        scope: &Scope,
        input: DescribeCustomKeyStoresRequest,
    ) -> Result<DescribeCustomKeyStoresResponse, Exception> {
        let partition = self.records.partition(scope);
        pace::end_described(&self.records.config, &partition).await;
        let stores = describe::select(&input, records(&partition))?;
        let asked = PageRequest {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 1000,
            max: 1000,
        };
        let page = page(stores, asked, |store| store.id.to_string())?;
        pace::count_described(
            &self.records.config,
            &partition,
            page.items.iter().map(|store| &store.id),
        );
        Ok(DescribeCustomKeyStoresResponse {
            custom_key_stores: Some(page.items.iter().map(describe::entry).collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }

    /// Commits a key store's record over the one that it had.
    pub(super) async fn put_store(
        &self,
        store: &KeyStore,
        record: KeyStoreRecord,
    ) -> Result<(), Exception> {
        let key = KeyStore::record_key(&store.scope, &store.id);
        let expect = Expect::Revision(store.revision());
        let put = Transaction::new().put(&*key, encode(&record));
        let put = if planted(Bug::RevisionNotCompared) {
            put
        } else {
            put.expect(&*key, expect)
        };
        // Operations look for room before; what was begun and what a restart takes up is carried on.
        let revision = self.records.commit(put.pressing()).await?;
        store.committed(record, revision);
        Ok(())
    }

    /// Every key store, for a status page.
    pub(crate) fn statuses(&self) -> Vec<KeyStoreStatus> {
        let partitions = self.records.catalogue.all();
        let stores = partitions.iter().flat_map(|partition| {
            partition
                .stores
                .read()
                .values()
                .cloned()
                .collect::<Vec<_>>()
        });
        stores
            .map(|store| {
                let record = store.record();
                KeyStoreStatus {
                    scope: store.scope.clone(),
                    id: record.id.to_string(),
                    name: record.name,
                    cluster: record.cluster.to_string(),
                    connection: record.connection,
                }
            })
            .collect()
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
