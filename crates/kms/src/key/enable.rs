use std::sync::Arc;

use portcullis_api::kms::{DisableKeyRequest, EnableKeyRequest};
use portcullis_api::{Exception, Scope};
use portcullis_store::{Expect, Transaction};

use super::state::check_not_pending;
use super::{Requested, Snapshot, find_for_management};
use crate::catalogue::Partition;
use crate::kms::{Kms, encode};

impl Kms {
    /// EnableKey. In a store that is not CONNECTED it takes effect when the store is connected.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException.
    pub async fn enable_key(
        &self,
        scope: &Scope,
        input: EnableKeyRequest,
    ) -> Result<(), Exception> {
        self.set_requested(scope, &input.key_id, Requested::Enabled)
            .await
    }

    /// DisableKey. In a store that is not CONNECTED it takes effect when the store is connected.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException.
    pub async fn disable_key(
        &self,
        scope: &Scope,
        input: DisableKeyRequest,
    ) -> Result<(), Exception> {
        self.set_requested(scope, &input.key_id, Requested::Disabled)
            .await
    }

    async fn set_requested(
        &self,
        scope: &Scope,
        key_id: &str,
        requested: Requested,
    ) -> Result<(), Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let key = find_for_management(&partition, key_id)?;
        check_not_pending(&key)?;
        self.put_requested(&partition, &key, requested)
            .await
            .map(|_key| ())
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
        let name = Snapshot::record_key(&partition.scope, &record.id);
        let expect = Expect::Revision(key.revision);
        let put = Transaction::new()
            .expect(&*name, expect)
            .put(&*name, encode(&record));
        let revision = self.commit(put).await?;
        let changed = Snapshot::new(&partition.scope, record, revision, key.store.clone());
        let changed = Arc::new(changed);
        partition
            .keys
            .insert(changed.record.id, Arc::clone(&changed));
        Ok(changed)
    }
}
