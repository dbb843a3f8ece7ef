use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::{BackupId, ClusterId, Code, Exception, Scope};
use portcullis_store::{Expect, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use portcullis_fleet::Profile;

use super::decoded::Decoded;
use super::format::{DecidedRecord, internal, parse};
use super::{Backup, Cluster, ScopeRecords, SharedBackup, decode, encode, layout};
use crate::Network;
use crate::policy::Policy;

impl DecidedRecord for Network {
    fn key(&self, scope: &Scope) -> String {
        layout::network(scope)
    }
}

/// The records in the store, read and written as what they mean.
#[derive(Debug, Clone)]
pub(crate) struct RecordLedger {
    pub(crate) store: Store,
    clusters: Arc<Decoded<Cluster>>,
    backups: Arc<Decoded<Backup>>,
}

/// Decisions on one record that lose a race: with a handful of facades on one store, more than
/// this in a row means that something else is wrong.
const ATTEMPTS_MAX: usize = 16;

/// A part of a backup's image, well below the largest record of a store.
const IMAGE_PART_BYTES: usize = 32 << 20;

/// A cluster's own device profile; none is `raw`.
#[derive(Debug, Serialize, Deserialize)]
struct Device {
    profile: Option<Profile>,
}

impl RecordLedger {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            clusters: Arc::default(),
            backups: Arc::default(),
        }
    }

    /// Everything in a scope.
    pub(crate) fn state(&self, scope: &Scope) -> Result<ScopeRecords, Exception> {
        self.read(scope).map(|(state, _)| state)
    }

    /// The same, with what other accounts share with it.
    pub(crate) fn state_with_shared(&self, scope: &Scope) -> Result<ScopeRecords, Exception> {
        let mut state = self.state(scope)?;
        state.shared = self.shared(scope)?;
        Ok(state)
    }

    /// Clusters and network of a scope: what a view is made of, without the many backups.
    pub(crate) fn clusters_and_network(&self, scope: &Scope) -> Result<ScopeRecords, Exception> {
        self.read_clusters(scope).map(|(state, _)| state)
    }

    /// Everything in a scope, with the revision of each record by its key.
    fn read(&self, scope: &Scope) -> Result<(ScopeRecords, BTreeMap<String, u64>), Exception> {
        let (mut state, mut revisions) = self.read_clusters(scope)?;
        for (key, record) in self.store.scan(&layout::backups(scope), None, usize::MAX) {
            let backup = self.backups.of(&key, &record)?;
            revisions.insert(key, record.revision);
            state.backups.insert(backup.id.clone(), backup);
        }
        Ok((state, revisions))
    }

    fn read_clusters(
        &self,
        scope: &Scope,
    ) -> Result<(ScopeRecords, BTreeMap<String, u64>), Exception> {
        let mut state = ScopeRecords::default();
        let mut revisions = BTreeMap::new();
        for (key, record) in self.store.scan(&layout::clusters(scope), None, usize::MAX) {
            let cluster = self.clusters.of(&key, &record)?;
            revisions.insert(key, record.revision);
            state.clusters.insert(cluster.id.clone(), cluster);
        }
        let key = layout::network(scope);
        if let Some(record) = self.store.get(&key) {
            state.network = Some(parse(&key, &record.value)?);
            revisions.insert(key, record.revision);
        }
        Ok((state, revisions))
    }

    fn shared(&self, scope: &Scope) -> Result<BTreeMap<BackupId, SharedBackup>, Exception> {
        let mut shared = BTreeMap::new();
        let everyones = layout::backups_in(&scope.region);
        for (key, record) in self.store.scan(&everyones, None, usize::MAX) {
            let Some((owner, id)) = layout::scope_of_backup(&key) else {
                continue;
            };
            if owner.account == scope.account {
                continue;
            }
            let backup = self.backups.of(&key, &record)?;
            if Policy::of(&backup).is_some_and(|policy| policy.names(&scope.account)) {
                let owner = owner.account;
                shared.insert(id, SharedBackup { owner, backup });
            }
        }
        Ok(shared)
    }

    /// Every cluster of every scope, in the order of Region, account and ID.
    pub(crate) fn clusters(&self) -> Vec<(Scope, ClusterId)> {
        let found = self.store.scan(layout::all_clusters(), None, usize::MAX);
        let keys = found.iter().map(|(key, _)| key.as_str());
        keys.filter_map(layout::scope_of_cluster).collect()
    }

    /// Every account and Region that has a backup, each once.
    pub(crate) fn scopes_with_backups(&self) -> Vec<Scope> {
        let found = self.store.scan(layout::all_backups(), None, usize::MAX);
        let keys = found.iter().map(|(key, _)| key.as_str());
        let mut scopes: Vec<Scope> = keys
            .filter_map(layout::scope_of_backup)
            .map(|(scope, _)| scope)
            .collect();
        scopes.dedup();
        scopes
    }

    pub(crate) fn cluster(
        &self,
        scope: &Scope,
        id: &ClusterId,
    ) -> Result<Option<Arc<Cluster>>, Exception> {
        let key = layout::cluster(scope, id);
        let record = self.store.get(&key);
        record
            .map(|found| self.clusters.of(&key, &found))
            .transpose()
    }

    /// The tags of a cluster or backup with this ID, whichever it is; none when there is neither.
    pub(crate) fn tags(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<BTreeMap<String, String>, Exception> {
        if let Ok(id) = id.parse::<ClusterId>() {
            let cluster = self.cluster(scope, &id)?;
            return Ok(cluster.map_or_else(BTreeMap::new, |cluster| cluster.tags.clone()));
        }
        let Ok(id) = id.parse::<BackupId>() else {
            return Ok(BTreeMap::new());
        };
        let key = layout::backup(scope, &id);
        let Some(record) = self.store.get(&key) else {
            return Ok(BTreeMap::new());
        };
        Ok(self.backups.of(&key, &record)?.tags.clone())
    }

    /// Decides on what is there and commits the record that results, again from the beginning
    /// while another decision came first.
    pub(crate) async fn decide<R: DecidedRecord, T>(
        &self,
        scope: &Scope,
        decide: impl Fn(&ScopeRecords) -> Result<(R, T), Exception>,
    ) -> Result<(R, T), Exception> {
        for _attempt in 0..ATTEMPTS_MAX {
            let (mut state, revisions) = self.read(scope)?;
            state.shared = self.shared(scope)?;
            let (record, told) = decide(&state)?;
            let key = record.key(scope);
            let expect = revisions
                .get(&key)
                .map_or(Expect::Absent, |revision| Expect::Revision(*revision));
            let transaction = Transaction::new()
                .expect(&key, expect)
                .put(&key, encode(&record));
            if self.commit(transaction).await? {
                return Ok((record, told));
            }
        }
        Err(contended())
    }

    /// Changes a cluster that exists; nothing happens when it does not.
    pub(crate) async fn amend(
        &self,
        scope: &Scope,
        id: &ClusterId,
        amend: impl Fn(&mut Cluster),
    ) -> Result<(), Exception> {
        let key = layout::cluster(scope, id);
        for _attempt in 0..ATTEMPTS_MAX {
            let Some(record) = self.store.get(&key) else {
                return Ok(());
            };
            let mut cluster = Cluster::clone(&*self.clusters.of(&key, &record)?);
            amend(&mut cluster);
            let transaction = Transaction::new()
                .expect(&key, Expect::Revision(record.revision))
                .put(&key, encode(&cluster));
            if self.commit(transaction).await? {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Removes the record of a deleted cluster. Its backups stay.
    pub(crate) async fn forget(&self, scope: &Scope, id: &ClusterId) -> Result<(), Exception> {
        let key = layout::cluster(scope, id);
        let transaction = Transaction::new()
            .delete(&*key)
            .delete(layout::device(scope, id));
        self.commit(transaction).await?;
        self.clusters.forget(&key);
        Ok(())
    }

    /// A cluster's own device profile: none outside when it has none, none inside for `raw`.
    pub(crate) fn device(
        &self,
        scope: &Scope,
        id: &ClusterId,
    ) -> Result<Option<Option<Profile>>, Exception> {
        let key = layout::device(scope, id);
        let record = self.store.get(&key);
        let device = record.map(|record| parse::<Device>(&key, &record.value));
        Ok(device.transpose()?.map(|device| device.profile))
    }

    pub(crate) async fn put_device(
        &self,
        scope: &Scope,
        id: &ClusterId,
        profile: Option<Profile>,
    ) -> Result<(), Exception> {
        let put = Transaction::new().put(layout::device(scope, id), encode(&Device { profile }));
        self.commit(put).await.map(drop)
    }

    /// Writes a backup and its sealed image together, in place of those of the same ID.
    pub(crate) async fn add_backup(
        &self,
        scope: &Scope,
        backup: &Backup,
        sealed: &[u8],
    ) -> Result<(), Exception> {
        let key = layout::backup(scope, &backup.id);
        let mut transaction = Transaction::new().put(key, encode(backup));
        let parts = sealed.chunks(IMAGE_PART_BYTES);
        let before = layout::image(scope, &backup.id);
        let before = self.store.scan(&before, None, usize::MAX);
        for (key, _) in before.into_iter().skip(parts.len()) {
            transaction = transaction.delete(key);
        }
        for (number, part) in parts.enumerate() {
            let key = layout::image_part(scope, &backup.id, number);
            transaction = transaction.put(key, part.to_vec());
        }
        self.commit(transaction).await.map(drop)
    }

    /// Every fault that was kept, still sealed, by number; and the number of the last one there was.
    pub(crate) fn faults(&self) -> (Vec<(u64, Vec<u8>)>, u64) {
        let kept = self.store.scan(layout::all_faults(), None, usize::MAX);
        let kept = kept.into_iter().filter_map(|(key, record)| {
            Some((layout::number_of_fault(&key)?, record.value.to_vec()))
        });
        let kept: Vec<_> = kept.collect();
        let noted = self.store.get(layout::LAST_FAULT);
        let noted = noted.and_then(|record| decode::<u64>(&record.value).ok());
        let listed = kept.last().map_or(0, |(number, _)| *number);
        (kept, noted.unwrap_or(0).max(listed))
    }

    /// Keeps a fault; `is_new` when it is the last one that there was.
    pub(crate) async fn put_fault(
        &self,
        number: u64,
        sealed: Vec<u8>,
        is_new: bool,
    ) -> Result<(), Exception> {
        let mut transaction = Transaction::new().put(layout::fault(number), sealed);
        if is_new {
            transaction = transaction.put(layout::LAST_FAULT, encode(&number));
        }
        self.commit(transaction).await.map(drop)
    }

    pub(crate) async fn remove_fault(&self, number: u64) -> Result<(), Exception> {
        let transaction = Transaction::new().delete(layout::fault(number));
        self.commit(transaction).await.map(drop)
    }

    /// The sealed image of a backup; empty when there is none.
    pub(crate) fn image(&self, scope: &Scope, id: &BackupId) -> Vec<u8> {
        let prefix = layout::image(scope, id);
        let parts = self.store.scan(&prefix, None, usize::MAX);
        let mut sealed = Vec::new();
        for (_, part) in parts {
            sealed.extend_from_slice(&part.value);
        }
        sealed
    }

    /// Writes the record of a backup alone. Only the holder of the control lock may.
    pub(crate) async fn put_backup(&self, scope: &Scope, backup: &Backup) -> Result<(), Exception> {
        let key = layout::backup(scope, &backup.id);
        let transaction = Transaction::new().put(key, encode(backup));
        self.commit(transaction).await.map(drop)
    }

    /// Writes the record of a backup that is deleted, and removes its image in the same
    /// transaction.
    pub(crate) async fn remove_image(
        &self,
        scope: &Scope,
        backup: &Backup,
    ) -> Result<(), Exception> {
        let key = layout::backup(scope, &backup.id);
        let put = Transaction::new().put(key, encode(backup));
        self.commit(self.without_image(scope, &backup.id, put))
            .await
            .map(drop)
    }

    pub(crate) async fn remove_backup(
        &self,
        scope: &Scope,
        id: &BackupId,
    ) -> Result<(), Exception> {
        let key = layout::backup(scope, id);
        let without = Transaction::new().delete(&*key);
        self.commit(self.without_image(scope, id, without)).await?;
        self.backups.forget(&key);
        Ok(())
    }

    fn without_image(&self, scope: &Scope, id: &BackupId, begun: Transaction) -> Transaction {
        let parts = self.store.scan(&layout::image(scope, id), None, usize::MAX);
        let keys = parts.into_iter().map(|(key, _)| key);
        keys.fold(begun, Transaction::delete)
    }

    /// Commits; false when a record was not as expected.
    async fn commit(&self, transaction: Transaction) -> Result<bool, Exception> {
        match self.store.commit(transaction).await {
            Ok(_revision) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            // Rule ST-24, ST-21: one exception, whichever operation it is.
            Err(error @ (StoreError::Full(_) | StoreError::Vanished(_))) => {
                let text = error.for_users().unwrap_or_default();
                Err(Exception::new(Code::ServiceUnavailable, text).because(error))
            }
            Err(
                error @ (StoreError::TooLarge { .. }
                | StoreError::Closed(_)
                | StoreError::Absent(_)
                | StoreError::InUse(_)
                | StoreError::OtherSchema(_)
                | StoreError::Unreadable(_)),
            ) => Err(internal("The change could not be stored. Try again.").because(error)),
        }
    }
}

fn contended() -> Exception {
    internal("Other changes to the same cluster came first each time. Try again.")
}
