use std::sync::Arc;
use std::time::Duration;

use portcullis_api::kms::{
    CancelKeyDeletionRequest, CancelKeyDeletionResponse, KeyState, ScheduleKeyDeletionRequest,
    ScheduleKeyDeletionResponse,
};
use portcullis_api::{Code, EpochSeconds, Exception, Operation, Scope};
use portcullis_seam::Timestamp;
use portcullis_store::{Expect, Transaction};

use super::permission::check_permitted;
use super::state::check_customers;
use super::{Requested, Snapshot, find_for_management};
use crate::alias::alias_key;
use crate::catalogue::Partition;
use crate::events::{EventRecord, event_id};
use crate::kms::Kms;

/// Rule KEY-15: the waiting period is 7 to 30 days, 30 by default (API, ScheduleKeyDeletion).
const WINDOW_DAYS: std::ops::RangeInclusive<i32> = 7..=30;
const WINDOW_DAYS_DEFAULT: i32 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often keys whose day has come are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Rule TIME-04: every hour of the services' clock, if that passes sooner.
const SWEEP_EVERY_SIMULATED: Duration = Duration::from_secs(60 * 60);

impl Kms {
    /// ScheduleKeyDeletion. Works while the key store is disconnected.
    ///
    /// # Errors
    /// NotFoundException, KMSInvalidStateException, ValidationException.
    pub async fn schedule_key_deletion(
        &self,
        scope: &Scope,
        input: ScheduleKeyDeletionRequest,
    ) -> Result<ScheduleKeyDeletionResponse, Exception> {
        let days = input.pending_window_in_days.unwrap_or(WINDOW_DAYS_DEFAULT);
        let window = u32::try_from(days)
            .ok()
            .filter(|_| WINDOW_DAYS.contains(&days));
        let window = window.ok_or_else(|| {
            Exception::new(
                Code::Validation,
                "PendingWindowInDays must be from 7 to 30.",
            )
        })?;
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let key = find_for_management(&partition, &input.key_id)?;
        check_customers(&key)?;
        check_permitted(Operation::ScheduleKeyDeletion, &key)?;
        let at = self.config.clock.now().plus(DAY * window);
        let requested = Requested::PendingDeletion { at_ms: at.millis() };
        let key = self.put_requested(&partition, &key, requested).await?;
        Ok(ScheduleKeyDeletionResponse {
            key_id: Some(key.arn.clone()),
            deletion_date: Some(EpochSeconds(at.seconds())),
            key_state: Some(KeyState::PendingDeletion.as_str().to_owned()),
            pending_window_in_days: Some(days),
        })
    }

    /// CancelKeyDeletion. The key is Disabled afterwards. Rule KEY-16.
    ///
    /// # Errors
    /// NotFoundException; KMSInvalidStateException when it is not pending deletion.
    pub async fn cancel_key_deletion(
        &self,
        scope: &Scope,
        input: CancelKeyDeletionRequest,
    ) -> Result<CancelKeyDeletionResponse, Exception> {
        let partition = self.partition(scope);
        let _changing = partition.control.lock().await;
        let key = find_for_management(&partition, &input.key_id)?;
        check_permitted(Operation::CancelKeyDeletion, &key)?;
        let key = self
            .put_requested(&partition, &key, Requested::Disabled)
            .await?;
        Ok(CancelKeyDeletionResponse {
            key_id: Some(key.arn.clone()),
        })
    }

    /// Deletes keys on their day, for as long as somebody holds KMS.
    pub(crate) fn start_sweeping(self: &Arc<Self>) {
        let kms = Arc::downgrade(self);
        let (pacing, clock) = (
            Arc::clone(&self.config.pacing),
            Arc::clone(&self.config.clock),
        );
        tokio::spawn(async move {
            loop {
                pacing
                    .pause(&*clock, SWEEP_EVERY, SWEEP_EVERY_SIMULATED)
                    .await;
                let Some(kms) = kms.upgrade() else { return };
                kms.tend_once().await;
            }
        });
    }

    /// What is due by now is done: keys whose day has come are deleted, connects and disconnects
    /// whose time is over end. What fails is logged and tried again in the next round.
    pub async fn tend_once(&self) {
        for partition in self.catalogue.all() {
            self.sweep(&partition).await;
            self.end_due(&partition).await;
        }
    }

    async fn sweep(&self, partition: &Partition) {
        let now = self.config.clock.now();
        let mut due: Vec<Arc<Snapshot>> = partition
            .keys
            .iter()
            .filter(|key| is_due(key, now))
            .map(|key| Arc::clone(&key))
            .collect();
        due.sort_by_key(|key| key.record.id);
        for key in due {
            let _changing = partition.control.lock().await;
            if let Err(exception) = self.delete(partition, &key).await {
                tracing::warn!(%exception, key = key.arn, "not deleted; will be tried again");
            }
        }
    }

    /// Rule KEY-17: at its day a key's record and aliases go first, in one commit; then its
    /// material is deleted.
    async fn delete(&self, partition: &Partition, key: &Snapshot) -> Result<(), Exception> {
        let name = Snapshot::record_key(&partition.scope, &key.record.id);
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
        self.commit(delete).await?;
        partition.keys.remove(&key.record.id);
        for alias in &aliases {
            partition.aliases.remove(alias);
        }
        // Rule KEY-18: one attempt, best effort; what cannot be reached keeps an orphan.
        let deletion = Deletion {
            of: key,
            material_gone: self
                .delete_material(&key.record, key.store.as_deref())
                .await,
        };
        if !deletion.material_gone {
            tracing::warn!(key = key.arn, materials = ?key.record.materials, "orphaned key material");
        }
        self.events.record(EventRecord {
            id: event_id(&*self.config.entropy),
            at: self.config.clock.now(),
            scope: (*partition.scope).clone(),
            name: "DeleteKey",
            key_arn: key.arn.clone(),
            additional: deletion.additional_event_data(),
        });
        Ok(())
    }
}

/// How a deletion ended.
struct Deletion<'a> {
    of: &'a Snapshot,
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

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn is_due(key: &Snapshot, now: Timestamp) -> bool {
    match key.record.requested {
        Requested::PendingDeletion { at_ms } => at_ms <= now.millis(),
        Requested::Enabled | Requested::Disabled | Requested::PendingReplicaDeletion { .. } => {
            false
        }
    }
}
