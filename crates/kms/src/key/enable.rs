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
        let change = |record: &mut KeyRecord| {
            record.requested = requested;
            if requested == Requested::Enabled {
                record.catch_up(now_ms);
            }
        };
        self.change_key(scope, operation, key_id, change).await
    }
}
