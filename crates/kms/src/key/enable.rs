use std::sync::Arc;

use portcullis_api::kms::{DisableKeyRequest, EnableKeyRequest};
use portcullis_api::{Exception, Operation, Scope};
use portcullis_store::{Expect, Transaction};

use super::keys::Keys;
use super::{KeyRecord, Requested, Snapshot, find};
use crate::catalogue::Partition;
use crate::records::encode;

impl Keys {
    /// EnableKey. In a store that is not CONNECTED it takes effect when the store is connected.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException.
    pub(crate) async fn enable_key(
        &self,
        scope: &Scope,
        input: EnableKeyRequest,
    ) -> Result<(), Exception> {
        let operation = Operation::EnableKey;
        self.set_requested(scope, operation, &input.key_id, Requested::Enabled)
            .await
    }

    /// DisableKey. In a store that is not CONNECTED it takes effect when the store is connected.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException.
    pub(crate) async fn disable_key(
        &self,
        scope: &Scope,
        input: DisableKeyRequest,
    ) -> Result<(), Exception> {
        let operation = Operation::DisableKey;
        self.set_requested(scope, operation, &input.key_id, Requested::Disabled)
            .await
    }

    async fn set_requested(
        &self,
        scope: &Scope,
        operation: Operation,
        key_id: &str,
        requested: Requested,
    ) -> Result<(), Exception> {
        let now_ms = self.records.now_ms();
        let change = |record: &mut KeyRecord| {
            record.requested = requested;
            if requested == Requested::Enabled {
                record.catch_up(now_ms);
            }
        };
        self.change_key(scope, operation, key_id, change).await
    }

    /// Changes the record of a key with which `operation` is permitted.
    pub(super) async fn change_key(
        &self,
        scope: &Scope,
        operation: Operation,
        key_id: &str,
        change: impl FnOnce(&mut KeyRecord),
    ) -> Result<(), Exception> {
        let decide = |key: &Snapshot| {
            let mut record = key.record.clone();
            change(&mut record);
            Ok(record)
        };
        self.decide_key(scope, operation, key_id, decide).await
    }

    /// As [`change_key`](Self::change_key), where more than the operation's row decides.
    pub(super) async fn decide_key(
        &self,
        scope: &Scope,
        operation: Operation,
        key_id: &str,
        decide: impl FnOnce(&Snapshot) -> Result<KeyRecord, Exception>,
    ) -> Result<(), Exception> {
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        let key = find(operation, &partition, key_id)?;
        let record = decide(&key)?;
        self.put_record(&partition, &key, record).await.map(drop)
    }

    /// Commits another requested state and makes it visible.
    pub(super) async fn put_requested(
        &self,
        partition: &Partition,
        key: &Snapshot,
        requested: Requested,
    ) -> Result<Arc<Snapshot>, Exception> {
        let mut record = key.record.clone();
        record.requested = requested;
        self.put_record(partition, key, record).await
    }

    /// Commits the record that `key` has from now on and makes it visible.
    pub(super) async fn put_record(
        &self,
        partition: &Partition,
        key: &Snapshot,
        record: KeyRecord,
    ) -> Result<Arc<Snapshot>, Exception> {
        let name = Snapshot::record_key(&partition.scope, &record.id);
        let expect = Expect::Revision(key.revision);
        let put = Transaction::new()
            .expect(&*name, expect)
            .put(&*name, encode(&record));
        let revision = self.records.commit(put).await?;
        let changed = Arc::new(key.changed(record, revision));
        partition
            .keys
            .insert(changed.record.id, Arc::clone(&changed));
        Ok(changed)
    }
}
