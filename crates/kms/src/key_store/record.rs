use portcullis_api::{ClusterId, Code, Exception, KeyStoreId};
use portcullis_hsm::Epoch;
use serde::{Deserialize, Serialize};

use super::Connection;

/// A key store as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyStoreRecord {
    pub(crate) id: KeyStoreId,
    pub(crate) name: String,
    pub(crate) cluster: ClusterId,
    /// PEM, as given to CreateCustomKeyStore.
    pub(crate) trust_anchor: String,
    /// The cluster's certificate (PEM), kept for the day on which the cluster is gone and a
    /// related one must be told from others.
    pub(crate) certificate: String,
    pub(crate) created_ms: u64,
    pub(crate) connection: Connection,
    pub(crate) epoch: Epoch,
    pub(crate) passwords: Passwords,
}

/// What is known of `kmsuser`'s password, each sealed under the device key.
///
/// A rotation is written down before the first HSM hears of it, so that after a crash in its midst
/// every HSM has one of two known passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passwords {
    /// What KMS was told, or has set itself.
    pub(crate) current: Vec<u8>,
    /// What a rotation that has begun will have set.
    pub(crate) rotating: Option<Vec<u8>>,
    /// What the last rotation replaced: HSMs that it did not reach still have this one.
    pub(crate) previous: Option<Vec<u8>>,
}

impl KeyStoreRecord {
    /// The next epoch. Dates keep it rising when a key store is deleted and its cluster gets
    /// another one.
    pub(crate) fn next_epoch(&self, now_ms: u64) -> Epoch {
        Epoch(now_ms.max(self.epoch.0 + 1))
    }

    /// The refusal of an operation that the state does not permit.
    pub(crate) fn wrong_state(&self, needs: &str, remedy: &str) -> Exception {
        Exception::new(
            Code::CustomKeyStoreInvalidState,
            format!(
                "The key store {} is {}, and {needs}. {remedy}",
                self.id,
                self.connection.name()
            ),
        )
    }
}
