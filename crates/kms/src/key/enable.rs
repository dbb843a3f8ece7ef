use portcullis_api::kms::{DisableKeyRequest, EnableKeyRequest};
use portcullis_api::{Exception, Operation, Scope};

use super::keys::Keys;
use super::{KeyRecord, Requested};

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
        self.change_key(scope, operation, key_id, |key| {
            Ok(decide(&key.record, requested, now_ms))
        })
        .await
    }
}

/// The record that EnableKey and DisableKey leave. Rule LIFE-13: a key that is enabled again catches up
/// on one rotation.
fn decide(record: &KeyRecord, requested: Requested, now_ms: u64) -> KeyRecord {
    let mut changed = record.clone();
    changed.requested = requested;
    if requested == Requested::Enabled {
        changed.catch_up(now_ms);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::record;
    use super::super::record::Automatic;
    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn rotating(requested: Requested, from_ms: u64) -> KeyRecord {
        let mut rotating = record();
        rotating.requested = requested;
        rotating.rotation.automatic = Some(Automatic {
            period_days: 90,
            from_ms,
        });
        rotating
    }

    /// Rule LIFE-13.
    #[test]
    fn a_key_that_was_disabled_over_several_rotations_has_missed_one() {
        let (before, now_ms) = (rotating(Requested::Disabled, 0), 1_000 * DAY_MS);
        let enabled = decide(&before, Requested::Enabled, now_ms);
        assert_eq!(enabled, rotating(Requested::Enabled, 910 * DAY_MS));
        let soon = decide(&before, Requested::Enabled, DAY_MS);
        assert_eq!(soon, rotating(Requested::Enabled, 0));
        let disabled = decide(&soon, Requested::Disabled, now_ms);
        assert_eq!(disabled, before);
    }
}
