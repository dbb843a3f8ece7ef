//! The last uses of keys: noted, saved, shown.

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::kms::{
    GetKeyLastUsageRequest, GetKeyLastUsageResponse, KeyLastUsageData,
    KeyLastUsageTrackingOperation as Tracked,
};
use portcullis_api::{Exception, KeyId, Operation, Scope};
use portcullis_store::{Store, Transaction};

use super::last_use::LastUse;
use super::metadata::date;
use super::{KeySnapshot, find};
use crate::catalogue::Partition;
use crate::config::OpenError;
use crate::records::{Records, keep_doing};

/// How often uses are saved that are newer than those in the store. More often would cost a commit
/// each time while keys are used; a crash forgets the uses since.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// The same on the services' clock, if that passes sooner.
const SAVE_EVERY_SIMULATED: Duration = Duration::from_secs(60 * 60);

/// Uses of one commit: some 100 kilobytes of records.
const BATCH: usize = 1_000;

/// When keys were last used.
#[derive(Debug)]
pub(crate) struct LastUses {
    records: Arc<Records>,
}

impl LastUses {
    pub(crate) fn new(records: &Arc<Records>) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
        })
    }
}

impl LastUses {
    /// A cryptographic operation with `key` has succeeded.
    pub(crate) fn used(&self, key: &KeySnapshot, tracked: Tracked) {
        key.last_use.record(tracked, self.records.now_ms());
    }

    /// Whole days since the last successful cryptographic operation with a key, or since it was made:
    /// every use since then was tracked (KMS Guide, kms:TrailingDaysWithoutKeyUsage).
    pub(crate) fn days_without_use(&self, key: &KeySnapshot) -> u64 {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        let last = key.last_use.read();
        let since = last.map_or(key.record.created_ms, |(_, at_ms)| at_ms);
        self.records.now_ms().saturating_sub(since) / DAY_MS
    }

    /// Saves last uses for as long as this exists.
    pub(crate) fn keep_last_uses(self: &Arc<Self>) {
        let rest = (SAVE_EVERY, SAVE_EVERY_SIMULATED);
        let job = |uses: Arc<Self>| async move { uses.save_last_uses().await };
        keep_doing(self, &self.records.config, rest, job);
    }

    /// Saves the last uses that are not in the store yet, in few commits. What fails is logged and
    /// tried again the next time.
    pub(crate) async fn save_last_uses(&self) {
        let mut unsaved = Vec::new();
        for partition in self.records.catalogue.all() {
            unsaved.extend(partition.keys.iter().filter_map(|key| {
                let word = key.last_use.unsaved()?;
                let name = LastUse::record_key(&partition.scope, &key.record.id);
                Some((name, word, Arc::clone(&key.last_use)))
            }));
        }
        unsaved.sort_by(|one, other| one.0.cmp(&other.0));
        for batch in unsaved.chunks(BATCH) {
            let put = batch
                .iter()
                .fold(Transaction::new(), |put, (name, word, _)| {
                    put.put(name.as_str(), word.to_le_bytes().to_vec())
                });
            if let Err(exception) = self.records.commit(put).await {
                tracing::warn!(%exception, "last uses are not saved; will be tried again");
                return;
            }
            for (_, word, last_use) in batch {
                last_use.mark_saved(*word);
            }
        }
    }

    /// GetKeyLastUsage, of this facade and of what was saved before it was started.
    ///
    /// # Errors
    /// NotFoundException.
    pub(crate) async fn get_key_last_usage(
        &self,
        scope: &Scope,
        input: GetKeyLastUsageRequest,
    ) -> Result<GetKeyLastUsageResponse, Exception> {
        let operation = Operation::GetKeyLastUsage;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
        let last = key.last_use.read();
        let created_ms = key.record.created_ms;
        Ok(GetKeyLastUsageResponse {
            key_id: Some(key.arn.clone()),
            // An object without members when there was none (API, GetKeyLastUsage).
            key_last_usage: Some(
                last.map_or_else(KeyLastUsageData::default, |(tracked, at)| {
                    KeyLastUsageData {
                        operation: Some(tracked.as_str().to_owned()),
                        timestamp: Some(date(at)),
                        ..KeyLastUsageData::default()
                    }
                }),
            ),
            // Every use since then was tracked.
            tracking_start_date: Some(date(created_ms)),
            key_creation_date: Some(date(created_ms)),
        })
    }
}

/// Takes up the last uses that were saved, once the keys are there.
pub(crate) fn load_last_uses(store: &Store, partition: &Partition) -> Result<(), OpenError> {
    let prefix = LastUse::prefix(&partition.scope);
    for (name, record) in store.scan(&prefix, None, usize::MAX) {
        let id = name.strip_prefix(&prefix).and_then(|id| id.parse().ok());
        // That of a key which was deleted meanwhile is of no use.
        let Some(key) = id.and_then(|id: KeyId| partition.keys.get(&id)) else {
            continue;
        };
        let restored = key.last_use.restore(&record.value);
        restored.ok_or_else(|| OpenError::new(format!("{name}: not a last use")))?;
    }
    Ok(())
}
