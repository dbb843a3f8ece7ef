use portcullis_api::{ClusterId, Code, Exception, KeyStoreId};
use portcullis_hsm::Epoch;
use portcullis_seam::plant::{Bug, planted};
use serde::{Deserialize, Serialize};

use super::{Action, Connection, ConnectionEvent, next};

/// A key store as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyStoreRecord {
    /// The key store's ID.
    pub(crate) id: KeyStoreId,
    /// Its friendly name, which no other key store of the account and Region has.
    pub(crate) name: String,
    /// The cluster that keeps its keys.
    pub(crate) cluster: ClusterId,
    /// The certificate of the trust anchor (PEM), as given to CreateCustomKeyStore.
    pub(crate) trust_anchor: String,
    /// The cluster's certificate (PEM), kept for the day on which the cluster is gone and a
    /// related one must be distinguished from others.
    pub(crate) certificate: String,
    /// When it was created, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// Where it stands between DISCONNECTED and CONNECTED.
    pub(crate) connection: Connection,
    /// The number of its present connection or edit: each has a higher one than the one before.
    pub(crate) epoch: Epoch,
    /// The passwords of the crypto user `kmsuser`.
    pub(crate) passwords: KeyStorePasswords,
}

/// What is known of `kmsuser`'s password, each sealed under the device key.
///
/// A rotation is recorded before its password is sent to the first HSM, so that after a crash in its midst
/// every HSM has one of two known passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyStorePasswords {
    /// The password that the user gave to KMS, or that KMS has set since.
    pub(crate) current: Vec<u8>,
    /// What a rotation that has begun will have set.
    pub(crate) rotating: Option<Vec<u8>>,
    /// What the last rotation replaced: HSMs that it did not reach still have this one, and so has
    /// one that was made from another's content meanwhile.
    pub(crate) previous: Option<Vec<u8>>,
    /// What rotations before that replaced, newest first, while an HSM may still have it.
    #[serde(default)]
    pub(crate) older: Vec<Vec<u8>>,
}

/// With the present password, the one that a rotation is about to set and the one before, an HSM
/// receives at most four wrong ones in a connect; the fifth would lock `kmsuser` out.
pub(crate) const OLDER_MAX: usize = 1;

impl KeyStorePasswords {
    /// Before `fresh` is sent to the first HSM; `before` has what HSMs may have, the newest first.
    pub(crate) fn rotating(before: &[Vec<u8>], fresh: Vec<u8>) -> Self {
        Self {
            current: before.first().cloned().unwrap_or_default(),
            rotating: Some(fresh),
            previous: before.get(1).cloned(),
            older: before.iter().skip(2).take(OLDER_MAX).cloned().collect(),
        }
    }

    /// After HSMs have taken `fresh`, while some may still have one of `before`.
    pub(crate) fn rotated(fresh: Vec<u8>, before: &[Vec<u8>]) -> Self {
        Self {
            current: fresh,
            rotating: None,
            previous: before.first().cloned(),
            older: before.iter().skip(1).take(OLDER_MAX).cloned().collect(),
        }
    }

    /// Every password that an HSM may have, the likeliest first.
    pub(crate) fn known(&self) -> impl Iterator<Item = &Vec<u8>> {
        let before = self.previous.iter().chain(&self.older);
        [Some(&self.current), self.rotating.as_ref()]
            .into_iter()
            .flatten()
            .chain(before.filter(|_| !planted(Bug::PreviousPasswordForgotten)))
    }
}

/// A record as an event on its connection leaves it, and what is to be done about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConnectionStep {
    pub(crate) record: KeyStoreRecord,
    pub(crate) actions: &'static [Action],
}

impl ConnectionStep {
    pub(crate) fn closes_gate(&self) -> bool {
        self.actions.contains(&Action::CloseGate)
    }
}

impl KeyStoreRecord {
    /// Where `event` leads, by the table of the lifecycle; none when it is not permitted. What is
    /// started is started under a new epoch.
    pub(crate) fn after(&self, event: ConnectionEvent, now_ms: u64) -> Option<ConnectionStep> {
        let (to, actions) = next(self.connection, event)?;
        let starts = |action: &Action| {
            matches!(action, Action::StartConnecting | Action::StartDisconnecting)
        };
        let epoch = if actions.iter().any(starts) {
            self.next_epoch(now_ms)
        } else {
            self.epoch
        };
        let record = Self {
            connection: to,
            epoch,
            ..self.clone()
        };
        Some(ConnectionStep { record, actions })
    }

    /// Ends what was begun under `epoch`, as a row of the lifecycle says, and gives the row's actions; none
    /// when the record has another epoch by now.
    pub(super) fn end(
        &mut self,
        event: ConnectionEvent,
        epoch: Epoch,
    ) -> Option<&'static [Action]> {
        let permitted = next(self.connection, event).filter(|_| self.epoch == epoch);
        let (to, actions) = permitted?;
        self.connection = to;
        Some(actions)
    }

    /// The password of `kmsuser` that the user gave to KMS, sealed; the only one known from here on.
    pub(crate) fn set_password(&mut self, sealed: Vec<u8>) {
        self.passwords = KeyStorePasswords {
            current: sealed,
            rotating: None,
            previous: None,
            older: Vec::new(),
        };
    }

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
