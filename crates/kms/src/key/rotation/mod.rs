//! Rotation: further versions of a key's material, by the clock or on demand.

mod decide;

use std::sync::Arc;

use portcullis_api::kms::{
    DisableKeyRotationRequest, EnableKeyRotationRequest, GetKeyRotationStatusRequest,
    GetKeyRotationStatusResponse, KeyMaterialState, ListKeyRotationsRequest,
    ListKeyRotationsResponse, RotateKeyOnDemandRequest, RotateKeyOnDemandResponse,
    RotationsListEntry,
};
use portcullis_api::{Exception, Operation, Scope};
use portcullis_hsm::HsmKeyId;
use portcullis_seam::draw;

use super::keys::Keys;
use super::kind::check_rotating;
use super::material::{MaterialRole, MaterialVersion, RotationType};
use super::metadata::{date, expiration_model};
use super::relatives::{HeldKey, primary_elsewhere};
use super::{KeyRecord, KeySnapshot, find};
use crate::catalogue::Partition;
use crate::paging::{PageRequest, page};
use crate::records::Records;
use crate::translate;
use decide::{check_on_demand, disabled, enabled, rotated};

/// Rotates keys.
#[derive(Debug)]
pub(crate) struct KeyRotation {
    records: Arc<Records>,
    keys: Arc<Keys>,
}

impl KeyRotation {
    pub(crate) fn new(records: &Arc<Records>, keys: &Arc<Keys>) -> Arc<Self> {
        Arc::new(Self {
            records: Arc::clone(records),
            keys: Arc::clone(keys),
        })
    }
}

/// Days between automatic rotations when the request names none (API, EnableKeyRotation).
const PERIOD_DAYS_DEFAULT: u32 = 365;

impl KeyRotation {
    /// EnableKeyRotation. Called again it changes the period, which counts from the last automatic
    /// rotation or the first call.
    ///
    /// # Errors
    /// NotFoundException, DisabledException, KMSInvalidStateException,
    /// UnsupportedOperationException.
    pub(crate) async fn enable_key_rotation(
        &self,
        scope: &Scope,
        input: EnableKeyRotationRequest,
    ) -> Result<(), Exception> {
        let period = input.rotation_period_in_days.map(u32::try_from);
        let period = period
            .transpose()
            .ok()
            .flatten()
            .unwrap_or(PERIOD_DAYS_DEFAULT);
        let now_ms = self.records.now_ms();
        let operation = Operation::EnableKeyRotation;
        self.set_rotation(scope, operation, &input.key_id, |record| {
            enabled(record, period, now_ms)
        })
        .await
    }

    /// DisableKeyRotation.
    ///
    /// # Errors
    /// As EnableKeyRotation.
    pub(crate) async fn disable_key_rotation(
        &self,
        scope: &Scope,
        input: DisableKeyRotationRequest,
    ) -> Result<(), Exception> {
        let operation = Operation::DisableKeyRotation;
        self.set_rotation(scope, operation, &input.key_id, disabled)
            .await
    }

    async fn set_rotation(
        &self,
        scope: &Scope,
        operation: Operation,
        key_id: &str,
        decide: impl FnOnce(&KeyRecord) -> KeyRecord,
    ) -> Result<(), Exception> {
        let held = self.keys.hold_for(operation, scope, key_id).await?;
        let record = decide(&held.key.record);
        self.keys.put_with_relatives(&held, record).await.map(drop)
    }

    /// GetKeyRotationStatus, also of another account's key.
    ///
    /// # Errors
    /// NotFoundException, UnsupportedOperationException.
    pub(crate) async fn get_key_rotation_status(
        &self,
        scope: &Scope,
        input: GetKeyRotationStatusRequest,
    ) -> Result<GetKeyRotationStatusResponse, Exception> {
        let operation = Operation::GetKeyRotationStatus;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
        let next = key.record.next_rotation_ms();
        let period = key.record.rotation.automatic.filter(|_| next.is_some());
        let days = period.and_then(|it| i32::try_from(it.period_days).ok());
        Ok(GetKeyRotationStatusResponse {
            key_id: Some(key.arn.clone()),
            key_rotation_enabled: Some(next.is_some()),
            rotation_period_in_days: days,
            next_rotation_date: next.map(date),
            // A rotation on demand is over when its call returns.
            on_demand_rotation_start_date: None,
        })
    }

    /// RotateKeyOnDemand. The rotation is over when the call returns.
    ///
    /// # Errors
    /// NotFoundException, DisabledException, KMSInvalidStateException,
    /// UnsupportedOperationException, LimitExceededException, ConflictException.
    pub(crate) async fn rotate_key_on_demand(
        &self,
        scope: &Scope,
        input: RotateKeyOnDemandRequest,
    ) -> Result<RotateKeyOnDemandResponse, Exception> {
        let operation = Operation::RotateKeyOnDemand;
        let held = self.keys.hold_for(operation, scope, &input.key_id).await?;
        let key = &held.key;
        let pending = key.record.materials.pending();
        let lacking = pending.map(|next| self.keys.lacking(key, next.id));
        let now_ms = self.records.now_ms();
        check_on_demand(key, &lacking.unwrap_or_default(), now_ms)?;
        self.rotate_material(&held, RotationType::OnDemand, now_ms)
            .await?;
        Ok(RotateKeyOnDemandResponse {
            key_id: Some(held.key.arn.clone()),
        })
    }

    /// ListKeyRotations, oldest first: finished rotations, or every material.
    ///
    /// # Errors
    /// NotFoundException, InvalidMarkerException, UnsupportedOperationException.
    pub(crate) async fn list_key_rotations(
        &self,
        scope: &Scope,
        input: ListKeyRotationsRequest,
    ) -> Result<ListKeyRotationsResponse, Exception> {
        let operation = Operation::ListKeyRotations;
        let key = find(operation, &self.records.partition(scope), &input.key_id)?;
        let all = input.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
        // Of a key that never rotates there is nothing to list.
        let rotates = check_rotating(&key).is_ok();
        let versions = key.record.materials.all().iter().enumerate();
        let versions = versions.filter(|_| rotates);
        let wanted = versions.filter(|(_, version)| all || version.rotated.is_some());
        let asked = PageRequest {
            limit: input.limit,
            marker: input.marker.as_deref(),
            default: 100,
            max: 1000,
        };
        let page = page(wanted, asked, |(at, _)| format!("{at:010}"))?;
        let entries = page.items.iter().map(|(_, version)| {
            let waits =
                version.role == MaterialRole::PendingRotation && !self.is_complete(&key, version);
            entry(&key, version, waits)
        });
        Ok(ListKeyRotationsResponse {
            rotations: Some(entries.collect()),
            truncated: Some(page.next_marker.is_some()),
            next_marker: page.next_marker,
        })
    }

    /// Rotates the keys whose day has come.
    pub(super) async fn rotate_due(&self, partition: &Arc<Partition>) {
        let now_ms = self.records.now_ms();
        let mut due: Vec<String> = partition
            .keys
            .iter()
            .filter(|key| key.record.is_rotation_due(now_ms) && primary_elsewhere(key).is_none())
            .map(|key| key.record.id.to_string())
            .collect();
        due.sort();
        for id in due {
            if let Err(exception) = self.rotate_key_that_is_due(partition, &id, now_ms).await {
                tracing::warn!(%exception, key = id, "not rotated; will be tried again");
            }
        }
    }

    /// Rule LIFE-13: a clock that was put forward by several periods brings several rotations, each
    /// on its date.
    async fn rotate_key_that_is_due(
        &self,
        partition: &Arc<Partition>,
        id: &str,
        now_ms: u64,
    ) -> Result<(), Exception> {
        let mut held = self.keys.hold_for_upkeep(&partition.scope, id).await?;
        while held.key.record.is_rotation_due(now_ms) {
            let at = held.key.record.next_rotation_ms().unwrap_or(now_ms);
            held.key = self
                .rotate_material(&held, RotationType::Automatic, at)
                .await?;
        }
        Ok(())
    }

    /// Makes another version current: imported material that waits for it, or a key that the fleet
    /// makes. What was sealed before still opens.
    async fn rotate_material(
        &self,
        held: &HeldKey,
        rotation: RotationType,
        at_ms: u64,
    ) -> Result<Arc<KeySnapshot>, Exception> {
        let key = &held.key;
        if key.record.imported {
            let record = rotated(&key.record, rotation, None, at_ms);
            let after = self.keys.put_with_relatives(held, record).await?;
            self.record_rotation(key, &after, rotation);
            return Ok(after);
        }
        let hsm_key = HsmKeyId(draw(&*self.records.config.entropy));
        let made = self
            .keys
            .fleet
            .create_key(&self.records.config, hsm_key, key.arn.clone());
        made.await.map_err(|failure| translate::fleet(&failure))?;
        let record = rotated(&key.record, rotation, Some(hsm_key), at_ms);
        let put = self.keys.put_with_relatives(held, record).await;
        match &put {
            Ok(after) => self.record_rotation(key, after, rotation),
            Err(_) => {
                // Nothing was sealed with it.
                let _orphan = self
                    .keys
                    .fleet
                    .delete_key(&self.records.config, hsm_key)
                    .await;
            }
        }
        put
    }

    /// Whether a version is imported as far as a key shows it: a primary looks at its replicas too.
    fn is_complete(&self, key: &KeySnapshot, version: &MaterialVersion) -> bool {
        let is_replica = primary_elsewhere(key).is_some();
        version.is_present() && (is_replica || self.keys.lacking(key, version.id).is_empty())
    }

    /// Rule LIFE-15: every rotation is recorded as an event, with the material before and after it.
    fn record_rotation(&self, before: &KeySnapshot, after: &KeySnapshot, rotation: RotationType) {
        let current = |key: &KeySnapshot| {
            let version = key.record.materials.current();
            version.map(|version| version.id.to_string())
        };
        let mut additional = vec![("rotationType", rotation.as_str().to_owned())];
        let members = [
            ("previousBackingKeyId", current(before)),
            ("currentBackingKeyId", current(after)),
        ];
        additional.extend(members.map(|(name, id)| (name, id.unwrap_or_default())));
        self.records
            .record_event((&after.scope, &after.arn), "RotateKey", additional);
    }
}

/// `waits` says of a version whose turn comes next that some Region has yet to import it.
fn entry(key: &KeySnapshot, version: &MaterialVersion, waits: bool) -> RotationsListEntry {
    let import = version.import.as_ref();
    let state = if waits {
        KeyMaterialState::PendingMultiRegionImportAndRotation.as_str()
    } else {
        version.role.as_str()
    };
    let expires = import.map(|import| import.expires_ms);
    RotationsListEntry {
        key_id: Some(key.record.id.to_string()),
        key_material_id: Some(version.id.to_string()),
        key_material_description: import.and_then(|import| import.description.clone()),
        import_state: import.map(|import| import.state().to_owned()),
        key_material_state: Some(state.to_owned()),
        expiration_model: expires.map(|at| expiration_model(at).to_owned()),
        valid_to: expires.flatten().map(date),
        rotation_date: version.rotated.map(|(_, at_ms)| date(at_ms)),
        rotation_type: version.rotated.map(|(why, _)| why.as_str().to_owned()),
    }
}
