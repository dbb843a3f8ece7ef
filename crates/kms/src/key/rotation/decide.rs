//! Decisions on rotations, over records.

use portcullis_api::{Code, Exception};
use portcullis_hsm::HsmKeyId;

use super::super::material::{MaterialRole, MaterialVersion, RotationType};
use super::super::record::Automatic;
use super::super::{KeyRecord, KeySnapshot, Requested};

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

/// The record that EnableKeyRotation leaves: a key that rotates by itself already has another period,
/// which counts from the same date as before.
pub(super) fn enabled(record: &KeyRecord, period_days: u32, now_ms: u64) -> KeyRecord {
    let before = record.rotation.automatic;
    let mut changed = record.clone();
    changed.rotation.automatic = Some(Automatic {
        period_days,
        from_ms: before.map_or(now_ms, |before| before.from_ms),
    });
    changed
}

/// The record that DisableKeyRotation leaves.
pub(super) fn disabled(record: &KeyRecord) -> KeyRecord {
    let mut changed = record.clone();
    changed.rotation.automatic = None;
    changed
}

/// Whether the key can be rotated on demand now. `lacking` are the Regions in which the material that
/// would become current has yet to be imported.
pub(super) fn check_on_demand(
    key: &KeySnapshot,
    lacking: &[String],
    now_ms: u64,
) -> Result<(), Exception> {
    check_quota_and_distance(key, now_ms)?;
    check_is_everywhere(key, lacking)
}

/// The record of a key after a rotation to the material that waits for it, or to `made`, which the HSMs
/// have made for it.
pub(super) fn rotated(
    record: &KeyRecord,
    rotation: RotationType,
    made: Option<HsmKeyId>,
    at_ms: u64,
) -> KeyRecord {
    let mut changed = record.clone();
    match rotation {
        RotationType::Automatic => {
            if let Some(automatic) = &mut changed.rotation.automatic {
                automatic.from_ms = at_ms;
            }
        }
        RotationType::OnDemand => changed.rotation.on_demand += 1,
    }
    if let Some(hsm_key) = made {
        changed.materials.push(MaterialVersion {
            role: MaterialRole::PendingRotation,
            ..MaterialVersion::generated(hsm_key, at_ms)
        });
    }
    changed.materials.promote(rotation, at_ms);
    changed
}

/// Rule LIFE-36: the next material of a multi-Region key becomes current when every Region has it.
fn check_is_everywhere(key: &KeySnapshot, lacking: &[String]) -> Result<(), Exception> {
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
fn check_quota_and_distance(key: &KeySnapshot, now_ms: u64) -> Result<(), Exception> {
    let record = &key.record;
    if record.rotation.on_demand >= ON_DEMAND_MAX {
        let sentence = format!(
            "The on-demand rotations limit has been reached for the given keyId. No more on-demand \
             rotations can be performed for this key: {}",
            key.arn
        );
        let hint = format!("It was rotated {ON_DEMAND_MAX} times.");
        return Err(Exception::worded(Code::LimitExceeded, sentence, &hint));
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

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{key, record};
    use super::super::super::material::Import;
    use super::*;

    const YEAR: u32 = 365;

    /// Rule LIFE-13.
    #[test]
    fn a_rotation_is_due_one_period_after_the_last_one() {
        let enabled_at = |record: &KeyRecord, days, at| enabled(record, days, at * DAY_MS);
        let first = enabled_at(&record(), YEAR, 10);
        assert_eq!(first.next_rotation_ms(), Some(375 * DAY_MS));
        let shorter = enabled_at(&first, 90, 20);
        assert_eq!(shorter.next_rotation_ms(), Some(100 * DAY_MS));
        assert!(!shorter.is_rotation_due(100 * DAY_MS - 1));
        assert!(shorter.is_rotation_due(100 * DAY_MS));
        let mut off = shorter.clone();
        off.requested = Requested::Disabled;
        assert!(!off.is_rotation_due(100 * DAY_MS));
        assert_eq!(disabled(&shorter), record());
        let made = Some(HsmKeyId([2; 16]));
        let after = rotated(&shorter, RotationType::Automatic, made, 100 * DAY_MS);
        assert_eq!(after.next_rotation_ms(), Some(190 * DAY_MS));
        assert_eq!(after.rotation.on_demand, 0);
        let current = after.materials.current().unwrap();
        assert_eq!(current.hsm_key, HsmKeyId([2; 16]));
        let why = (RotationType::Automatic, 100 * DAY_MS);
        assert_eq!(current.rotated, Some(why));
        assert_eq!(after.materials.all().len(), 2);
    }

    /// Rules LIFE-14 and LIFE-36.
    #[test]
    fn a_rotation_on_demand_needs_quota_distance_and_material_everywhere() {
        let code = |record: KeyRecord, lacking: &[String], now_ms| {
            let outcome = check_on_demand(&key(record), lacking, now_ms);
            outcome.map_err(|refusal| refusal.code)
        };
        assert_eq!(code(record(), &[], 0), Ok(()));
        let mut often = record();
        for _ in 0..ON_DEMAND_MAX {
            assert_eq!(code(often.clone(), &[], 0), Ok(()));
            often = rotated(&often, RotationType::OnDemand, None, 0);
        }
        assert_eq!(code(often, &[], 0), Err(Code::LimitExceeded));
        let near = enabled(&record(), 90, 0);
        let due_ms = 90 * DAY_MS;
        assert_eq!(code(near.clone(), &[], due_ms - NEAR_MS - 1), Ok(()));
        let conflict = code(near, &[], due_ms - NEAR_MS);
        assert_eq!(conflict, Err(Code::Conflict));
        let mut imported = record();
        imported.imported = true;
        let none = code(imported.clone(), &[], 0);
        assert_eq!(none, Err(Code::KmsInvalidState));
        imported.materials.push(MaterialVersion {
            role: MaterialRole::PendingRotation,
            import: Some(Import {
                present: true,
                ..Import::default()
            }),
            ..MaterialVersion::generated(HsmKeyId([2; 16]), 0)
        });
        assert_eq!(code(imported.clone(), &[], 0), Ok(()));
        let elsewhere = code(imported, &["eu-west-1".to_owned()], 0);
        assert_eq!(elsewhere, Err(Code::KmsInvalidState));
    }
}
