use std::sync::Arc;
use std::time::Duration;

use portcullis_api::kms::{
    CancelKeyDeletionRequest, CancelKeyDeletionResponse, ScheduleKeyDeletionRequest,
    ScheduleKeyDeletionResponse,
};
use portcullis_api::{Code, Exception, Operation, Region, Scope};
use portcullis_seam::Timestamp;
use portcullis_store::{Expect, Transaction};

use super::keys::Keys;
use super::last_use::LastUse;
use super::metadata::date;
use super::relatives::{HeldKey, KeyChange};
use super::{KeyRecord, KeySnapshot, Requested};
use crate::alias::alias_key;
use crate::catalogue::Partition;
use crate::grant::GrantRecord;
use crate::records::Records;

/// Deletes keys, on their day.
#[derive(Debug)]
pub(crate) struct KeyDeletion {
    records: Arc<Records>,
    keys: Arc<Keys>,
}

impl KeyDeletion {
    pub(crate) fn new(records: &Arc<Records>, keys: &Arc<Keys>) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
            keys: Arc::clone(keys),
        })
    }
}

/// Rule KEY-15: the waiting period is 7 to 30 days, 30 by default (API, ScheduleKeyDeletion).
const WINDOW_DAYS: std::ops::RangeInclusive<u8> = 7..=30;
const WINDOW_DAYS_DEFAULT: i32 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The waiting period that a request asks for, in days.
fn window(days: Option<i32>) -> Result<u8, Exception> {
    let days = u8::try_from(days.unwrap_or(WINDOW_DAYS_DEFAULT));
    let days = days.ok().filter(|days| WINDOW_DAYS.contains(days));
    days.ok_or_else(|| {
        Exception::new(
            Code::Validation,
            "PendingWindowInDays must be from 7 to 30.",
        )
    })
}

/// The record that ScheduleKeyDeletion leaves. Rule LIFE-21: the waiting period of a primary with
/// replicas has no date yet.
fn scheduled(key: &KeySnapshot, window_days: u8, now: Timestamp) -> KeyRecord {
    let requested = if has_replicas(key) {
        Requested::PendingReplicaDeletion { window_days }
    } else {
        pending(window_days, now)
    };
    KeyRecord {
        requested,
        ..key.record.clone()
    }
}

/// A waiting period that begins now.
fn pending(window_days: u8, now: Timestamp) -> Requested {
    let at = now.plus(DAY * u32::from(window_days));
    Requested::PendingDeletion { at_ms: at.millis() }
}

/// The record of a key whose replica in a Region is gone. Rule LIFE-21: the waiting period of a primary
/// begins when its last replica is gone.
fn without_replica(record: &KeyRecord, region: &Region, now: Timestamp) -> KeyRecord {
    let mut changed = record.clone();
    if let Some(regions) = &mut changed.multi_region {
        regions.replicas.remove(region);
        if let Requested::PendingReplicaDeletion { window_days } = record.requested
            && regions.replicas.is_empty()
        {
            changed.requested = pending(window_days, now);
        }
    }
    changed
}

impl KeyDeletion {
    /// ScheduleKeyDeletion. Works while the key store is disconnected.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException, ValidationException.
    pub(crate) async fn schedule_key_deletion(
        &self,
        scope: &Scope,
        input: ScheduleKeyDeletionRequest,
    ) -> Result<ScheduleKeyDeletionResponse, Exception> {
        let operation = Operation::ScheduleKeyDeletion;
        let held = self.keys.hold_for(operation, scope, &input.key_id).await?;
        let window_days = window(input.pending_window_in_days)?;
        let record = scheduled(&held.key, window_days, self.records.config.clock.now());
        let key = self
            .keys
            .put_record(&held.partition, &held.key, record)
            .await?;
        Ok(ScheduleKeyDeletionResponse {
            key_id: Some(key.arn.clone()),
            deletion_date: key.record.requested.deletion_ms().map(date),
            key_state: Some(key.state().as_str().to_owned()),
            pending_window_in_days: Some(i32::from(window_days)),
        })
    }

    /// CancelKeyDeletion. The key is Disabled afterwards. Rule KEY-16.
    ///
    /// # Errors
    /// NotFoundException; KMSInvalidStateException when it is not pending deletion.
    pub(crate) async fn cancel_key_deletion(
        &self,
        scope: &Scope,
        input: CancelKeyDeletionRequest,
    ) -> Result<CancelKeyDeletionResponse, Exception> {
        let operation = Operation::CancelKeyDeletion;
        let held = self.keys.hold_for(operation, scope, &input.key_id).await?;
        let record = KeyRecord {
            requested: Requested::Disabled,
            ..held.key.record.clone()
        };
        let key = self
            .keys
            .put_record(&held.partition, &held.key, record)
            .await?;
        Ok(CancelKeyDeletionResponse {
            key_id: Some(key.arn.clone()),
        })
    }

    /// The records that the relatives of a replica have when it is gone.
    fn without(&self, key: &KeySnapshot) -> Vec<KeyChange> {
        let now = self.records.config.clock.now();
        let relatives = self.keys.relatives(key).into_iter();
        let changes = relatives.map(|(partition, relative)| KeyChange {
            partition,
            record: without_replica(&relative.record, &key.scope.region, now),
            key: Some(relative),
        });
        changes.collect()
    }

    pub(super) async fn sweep(&self, partition: &Partition) {
        let now = self.records.config.clock.now();
        let mut due: Vec<Arc<KeySnapshot>> = partition
            .keys
            .iter()
            .filter(|key| is_due(key, now))
            .map(|key| Arc::clone(&key))
            .collect();
        due.sort_by_key(|key| key.record.id);
        for key in due {
            if let Err(exception) = self.delete_if_due(&key).await {
                tracing::warn!(%exception, key = key.arn, "not deleted; will be tried again");
            }
        }
    }

    async fn delete_if_due(&self, key: &KeySnapshot) -> Result<(), Exception> {
        let held = self
            .keys
            .hold_for_upkeep(&key.scope, &key.record.id.to_string())
            .await?;
        if is_due(&held.key, self.records.config.clock.now()) {
            self.delete(&held).await?;
        }
        Ok(())
    }

    /// Rule KEY-17: at its day a key's record and aliases go first, in one commit; then its
    /// material is deleted. The records of its relatives in other Regions
    /// change in the same commit.
    async fn delete(&self, held: &HeldKey) -> Result<(), Exception> {
        let (partition, key) = (&held.partition, &held.key);
        let name = KeySnapshot::record_key(&partition.scope, &key.record.id);
        let mut delete = Transaction::new()
            .expect(&*name, Expect::Revision(key.revision))
            .delete(&*name);
        let mut aliases: Vec<String> = partition
            .aliases
            .iter()
            .filter(|alias| *alias.value() == key.record.id)
            .map(|alias| alias.key().clone())
            .collect();
        aliases.sort();
        for alias in &aliases {
            delete = delete.delete(alias_key(&partition.scope, alias));
        }
        if key.last_use.is_saved() {
            delete = delete.delete(LastUse::record_key(&partition.scope, &key.record.id));
        }
        // Rule GRANT-09: its grants go in the same commit.
        for grant in partition.grants.of_key(&key.record.id) {
            let name = GrantRecord::record_key(&partition.scope, &grant.key, &grant.id);
            delete = delete.delete(name);
        }
        self.keys.commit_with(delete, self.without(key)).await?;
        partition.keys.remove(&key.record.id);
        partition.grants.remove_key(&key.record.id);
        for alias in &aliases {
            partition.aliases.remove(alias);
        }
        // Rule KEY-18: one attempt, best effort; what cannot be reached keeps an orphan.
        let deletion = Deletion {
            of: key,
            material_gone: self.keys.delete_material(key).await,
        };
        if !deletion.material_gone {
            tracing::warn!(key = key.arn, materials = ?key.record.materials, "orphaned key material");
        }
        self.records.record_event(
            (&key.scope, &key.arn),
            "DeleteKey",
            deletion.additional_event_data(),
        );
        Ok(())
    }
}

/// How a deletion ended.
struct Deletion<'a> {
    of: &'a KeySnapshot,
    material_gone: bool,
}

impl Deletion<'_> {
    /// Rule KEY-19: the event of a key of a key store names the store, its cluster and the backing
    /// key, and says whether that is gone. The two lists are JSON in a text, as CloudTrail has them.
    fn additional_event_data(&self) -> Vec<(&'static str, String)> {
        let Some(store) = &self.of.store else {
            return Vec::new();
        };
        let all = self.of.record.materials.all();
        let materials = || all.iter().map(|version| version.hsm_key);
        let status = if self.material_gone {
            "SUCCESS"
        } else {
            "FAILURE"
        };
        vec![
            ("customKeyStoreId", store.id.to_string()),
            ("clusterId", store.record().cluster.to_string()),
            (
                "backingKeys",
                list(materials().map(|key| format!("{{\"backingKeyId\":\"{key}\"}}"))),
            ),
            (
                "backingKeysDeletionStatus",
                list(materials().map(|key| {
                    format!("{{\"backingKeyId\":\"{key}\",\"deletionStatus\":\"{status}\"}}")
                })),
            ),
        ]
    }
}

/// Whether a primary has replicas, which must be deleted before it.
fn has_replicas(key: &KeySnapshot) -> bool {
    let relatives = key.record.multi_region.as_ref();
    relatives.is_some_and(|it| it.primary == key.scope.region && !it.replicas.is_empty())
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn is_due(key: &KeySnapshot, now: Timestamp) -> bool {
    let at_ms = key.record.requested.deletion_ms();
    at_ms.is_some_and(|at_ms| at_ms <= now.millis())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{self, multi_region, record, region};
    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn now() -> Timestamp {
        Timestamp::from_millis(DAY_MS)
    }

    /// Rule KEY-15.
    #[test]
    fn the_waiting_period_has_seven_to_thirty_days() {
        for (days, expected) in [(None, Ok(30)), (Some(7), Ok(7)), (Some(30), Ok(30))] {
            assert_eq!(window(days).map_err(|it| it.code), expected);
        }
        for days in [6, 31, 0, -7, 256 + 7] {
            assert_eq!(window(Some(days)).unwrap_err().code, Code::Validation);
        }
    }

    /// Rule LIFE-21.
    #[test]
    fn the_waiting_period_of_a_primary_begins_when_its_last_replica_is_gone() {
        let single = scheduled(&fixtures::key(record()), 7, now());
        let at_ms = 8 * DAY_MS;
        assert_eq!(single.requested, Requested::PendingDeletion { at_ms });
        let replicas = ["eu-west-1", "us-west-2"];
        let primary = fixtures::key(multi_region("us-east-1", &replicas));
        let waiting = scheduled(&primary, 7, now());
        let waits = Requested::PendingReplicaDeletion { window_days: 7 };
        assert_eq!(waiting.requested, waits);
        let waiting = without_replica(&waiting, &region("eu-west-1"), now());
        assert_eq!(waiting.requested, waits);
        let begun = without_replica(&waiting, &region("us-west-2"), now());
        assert_eq!(begun.requested, Requested::PendingDeletion { at_ms });
        assert!(begun.multi_region.unwrap().replicas.is_empty());
        // A replica has no replicas to wait for.
        let replica = fixtures::key(multi_region("eu-west-1", &["us-east-1"]));
        assert_eq!(scheduled(&replica, 7, now()).requested, single.requested);
    }
}
