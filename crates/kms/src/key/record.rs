use std::sync::Arc;

use portcullis_api::kms::KeyState;
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
    /// The key store that it is in.
    pub(crate) store: Option<Arc<KeyStore>>,
}

impl Snapshot {
    pub(crate) fn new(
        scope: &Scope,
        record: KeyRecord,
        revision: u64,
        store: Option<Arc<KeyStore>>,
    ) -> Self {
        let arn = scope.key_arn(&record.id);
        Self {
            record,
            revision,
            arn,
            store,
        }
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
