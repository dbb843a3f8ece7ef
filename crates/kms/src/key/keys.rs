use std::sync::Arc;

use portcullis_api::kms::{KeyListEntry, ListKeysRequest, ListKeysResponse};
use portcullis_api::{Exception, KeyId, Operation, Scope};
use portcullis_store::{Expect, Transaction};

use super::{KeyRecord, KeySnapshot, find};
use crate::catalogue::Partition;
use crate::fleet::Fleet;
use crate::paging::{PageRequest, invalid_marker, marker};
use crate::records::{Records, encode};

/// Customer keys in an account and Region (KMS resource quotas), where quotas are kept.
pub(super) const KEYS_MAX: usize = 100_000;

/// The keys: finds, holds and changes them, with their relatives in other Regions and their material.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(super) records: Arc<Records>,
    /// Where keys are that are in no key store.
    pub(super) fleet: Arc<Fleet>,
}

impl Keys {
    pub(crate) fn new(records: &Arc<Records>, fleet: &Arc<Fleet>) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
            fleet: Arc::clone(fleet),
        })
    }

    /// ListKeys, in the order of the key IDs. A page costs the same among a thousand keys and among
    /// a million.
    ///
    /// # Errors
    /// InvalidMarkerException.
    pub(crate) async fn list_keys(
        &self,
        scope: &Scope,
        input: ListKeysRequest,
    ) -> Result<ListKeysResponse, Exception> {
        let partition = self.records.partition(scope);
        let asked = PageRequest {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 100,
            max: 1000,
        };
        let size = asked.size()?;
        let after: Option<KeyId> = match asked.after()?.map(str::parse) {
            Some(Err(_not_an_id)) => return Err(invalid_marker()),
            other => other.transpose().ok().flatten(),
        };
        // One more than asked for says whether there is more.
        let mut ids = partition
            .keys
            .ids_after(after.as_ref(), size.saturating_add(1));
        let more = ids.len() > size;
        ids.truncate(size);
        let next_marker = ids
            .last()
            .filter(|_| more)
            .map(|last| marker(&last.to_string()));
        let entry = |id: &KeyId| KeyListEntry {
            key_id: Some(id.to_string()),
            key_arn: Some(scope.key_arn(id)),
        };
        Ok(ListKeysResponse {
            keys: Some(ids.iter().map(entry).collect()),
            truncated: Some(next_marker.is_some()),
            next_marker,
        })
    }

    /// Reads a key, if `operation` is permitted with it, and commits the record that `decide` makes of it.
    pub(super) async fn change_key(
        &self,
        scope: &Scope,
        operation: Operation,
        key_id: &str,
        decide: impl FnOnce(&KeySnapshot) -> Result<KeyRecord, Exception>,
    ) -> Result<(), Exception> {
        let partition = self.records.partition(scope);
        let _changing = partition.control.lock().await;
        let key = find(operation, &partition, key_id)?;
        let record = decide(&key)?;
        self.put_record(&partition, &key, record).await.map(drop)
    }

    /// Commits the record that `key` has from now on and makes it visible.
    pub(super) async fn put_record(
        &self,
        partition: &Partition,
        key: &KeySnapshot,
        record: KeyRecord,
    ) -> Result<Arc<KeySnapshot>, Exception> {
        let name = KeySnapshot::record_key(&partition.scope, &record.id);
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
