//! Decisions on rotations, over records.

use portcullis_api::{Code, Exception};

use super::super::record::Automatic;
use super::super::{KeyRecord, Requested, Snapshot};

/// Successful calls of RotateKeyOnDemand for one key (KMS resource quotas).
const ON_DEMAND_MAX: u32 = 25;

/// So near to an automatic rotation there is none on demand (API, RotateKeyOnDemand).
const NEAR_MS: u64 = 20 * 60 * 1000;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl KeyRecord {
    /// The date of the next automatic rotation. None while a deletion is pending: the key shows
    /// rotation as disabled, and again as it was when the deletion is cancelled (API,
    /// GetKeyRotationStatus).
    pub(super) fn next_rotation_ms(&self) -> Option<u64> {
        let automatic = self
            .rotation
            .automatic
            .filter(|_| !self.is_pending_deletion())?;
        Some(automatic.next_ms())
    }

    /// Whether the day of an automatic rotation has come. Rule LIFE-13: a key that is disabled is
    /// not rotated, and when it is enabled again it catches up once.
    pub(super) fn is_rotation_due(&self, now_ms: u64) -> bool {
        self.requested == Requested::Enabled
            && self.changing.is_none()
            && self.next_rotation_ms().is_some_and(|next| next <= now_ms)
    }

    /// A key that was disabled over several rotations has missed one, not several.
    pub(in crate::key) fn catch_up(&mut self, now_ms: u64) {
        if let Some(automatic) = &mut self.rotation.automatic {
            let period_ms = u64::from(automatic.period_days) * DAY_MS;
            if automatic.next_ms() < now_ms {
                automatic.from_ms = now_ms.saturating_sub(period_ms);
            }
        }
    }
}

impl Automatic {
    fn next_ms(&self) -> u64 {
        self.from_ms
            .saturating_add(u64::from(self.period_days) * DAY_MS)
    }
}

/// Rule LIFE-36: the next material of a multi-Region key becomes current when every Region has it.
pub(super) fn check_is_everywhere(key: &Snapshot, lacking: &[String]) -> Result<(), Exception> {
    if lacking.is_empty() {
        return Ok(());
    }
    let text = format!(
        "The new key material of {} has yet to be imported in {}. Run ImportKeyMaterial there with \
         ImportType EXISTING_KEY_MATERIAL.",
        key.arn,
        lacking.join(" and ")
    );
    Err(Exception::new(Code::KmsInvalidState, text))
}

/// Rule LIFE-14: at most 25 rotations on demand, none within twenty minutes before an automatic one,
/// and imported material is there to be rotated to.
pub(super) fn check_quota_and_distance(key: &Snapshot, now_ms: u64) -> Result<(), Exception> {
    let record = &key.record;
    if record.rotation.on_demand >= ON_DEMAND_MAX {
        let text = format!(
            "{} was rotated on demand {ON_DEMAND_MAX} times already.",
            key.arn
        );
        return Err(Exception::new(Code::LimitExceeded, text));
    }
    let next = record.next_rotation_ms();
    if next.is_some_and(|next| next <= now_ms.saturating_add(NEAR_MS)) {
        let text = format!(
            "{} rotates by itself within twenty minutes. Wait until that is over, then try again.",
            key.arn
        );
        return Err(Exception::new(Code::Conflict, text));
    }
    if record.imported && record.materials.pending().is_none_or(|it| !it.is_present()) {
        let text = format!(
            "{} has no key material to rotate to. Run ImportKeyMaterial with ImportType \
             NEW_KEY_MATERIAL first.",
            key.arn
        );
        return Err(Exception::new(Code::KmsInvalidState, text));
    }
    Ok(())
}
