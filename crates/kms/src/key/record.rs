use std::sync::Arc;

use portcullis_api::kms::{KeySpec, KeyState, KeyUsageType};
use portcullis_api::{KeyId, KeyStoreId, Scope};
use portcullis_hsm::HsmKeyId;
use serde::{Deserialize, Serialize};

use crate::key_store::{Connection, KeyStore};

/// A key as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) id: KeyId,
    pub(crate) created_ms: u64,
    pub(crate) description: String,
    pub(crate) requested: Requested,
    pub(crate) home: Home,
    /// The key in the HSMs.
    pub(crate) material: HsmKeyId,
    #[serde(default = "symmetric")]
    pub(crate) spec: KeySpec,
    #[serde(default = "encrypts")]
    pub(crate) usage: KeyUsageType,
}

/// The spec of every key of a data folder that does not say.
const fn symmetric() -> KeySpec {
    KeySpec::SymmetricDefault
}

const fn encrypts() -> KeyUsageType {
    KeyUsageType::EncryptDecrypt
}

/// The state that was asked for. What is reported also depends on the key store, so that
/// disconnecting a store of a million keys costs the same as one of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Requested {
    Enabled,
    Disabled,
    /// To be deleted at this date, in milliseconds since 1970.
    PendingDeletion {
        at_ms: u64,
    },
}

/// Where a key's material is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Home {
    /// The built-in fleet: origin AWS_KMS.
    Fleet,
    /// The cluster of a key store: origin AWS_CLOUDHSM.
    Store(KeyStoreId),
}

impl KeyRecord {
    pub(crate) const fn store_id(&self) -> Option<&KeyStoreId> {
        match &self.home {
            Home::Fleet => None,
            Home::Store(id) => Some(id),
        }
    }
}

/// A key at an instant: all that an operation needs to know of it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) record: KeyRecord,
    pub(crate) revision: u64,
    pub(crate) arn: String,
    /// The account and Region that it is in, which need not be those of a request that uses it.
    pub(crate) scope: Arc<Scope>,
    /// The key store that it is in.
    pub(crate) store: Option<Arc<KeyStore>>,
}

impl Snapshot {
    pub(crate) fn new(
        scope: &Arc<Scope>,
        record: KeyRecord,
        revision: u64,
        store: Option<Arc<KeyStore>>,
    ) -> Self {
        let arn = scope.key_arn(&record.id);
        Self {
            record,
            revision,
            arn,
            scope: Arc::clone(scope),
            store,
        }
    }

    /// Whether one HSM has the material of both.
    pub(crate) fn shares_home(&self, other: &Self) -> bool {
        let same_store = match (&self.store, &other.store) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_store && self.record.home == other.record.home
    }

    /// Where its record stands.
    pub(crate) fn record_key(scope: &Scope, id: &KeyId) -> String {
        format!("kms/{}/{}/key/{id}", scope.account, scope.region)
    }

    /// The reported state. Rule KEY-01: pending deletion shows whatever the store's state; Rule
    /// KEY-02: a key of a store that is not CONNECTED is Unavailable, and shows what was asked for
    /// when the store is connected again.
    pub(crate) fn state(&self) -> KeyState {
        let connected = self
            .store
            .as_ref()
            .is_none_or(|store| store.record().connection == Connection::Connected);
        match self.record.requested {
            Requested::PendingDeletion { .. } => KeyState::PendingDeletion,
            Requested::Enabled | Requested::Disabled if !connected => KeyState::Unavailable,
            Requested::Enabled => KeyState::Enabled,
            Requested::Disabled => KeyState::Disabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data folder of a version that knew symmetric keys only.
    #[test]
    fn a_record_without_spec_and_usage_is_a_symmetric_encryption_key() {
        let record = r#"{"id":"01020304-0506-0708-090a-0b0c0d0e0f10","created_ms":1,
            "description":"","requested":"Enabled","home":"Fleet",
            "material":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}"#;
        let record: KeyRecord = serde_json::from_str(record).unwrap();
        assert_eq!(record.spec, KeySpec::SymmetricDefault);
        assert_eq!(record.usage, KeyUsageType::EncryptDecrypt);
        let written = serde_json::to_string(&record).unwrap();
        assert!(written.contains("SYMMETRIC_DEFAULT"), "{written}");
        assert_eq!(serde_json::from_str::<KeyRecord>(&written).unwrap(), record);
    }
}
