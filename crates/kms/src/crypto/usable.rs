//! What every cryptographic operation does: find the key, enter the gate, run, leave the gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::{Blob, Code, Exception, Operation};
use portcullis_hsm::{self as hsm, HsmKeyId, Output, Refusal, Task};
use tokio::time::Instant;

use super::{additional_data, ciphertext};
use crate::catalogue::Partition;
use crate::fleet::Fleet;
use crate::gate::Passage;
use crate::key::{KeySnapshot, check_usable, find_for_use, material_id, spec};
use crate::key_store::KeyStores;
use crate::key_store::{Failure, KeyStore};
use crate::records::Records;
use crate::translate;

/// Runs operations with keys where the keys are.
#[derive(Debug)]
pub(crate) struct Executor {
    records: Arc<Records>,
    fleet: Arc<Fleet>,
    stores: Arc<KeyStores>,
}

impl Executor {
    pub(crate) fn new(records: &Arc<Records>, fleet: &Arc<Fleet>, stores: &Arc<KeyStores>) -> Self {
        Self {
            records: Arc::clone(records),
            fleet: Arc::clone(fleet),
            stores: Arc::clone(stores),
        }
    }
}

/// A key that may be used, and the passage under which it is.
pub(super) struct Usable {
    pub(super) key: Arc<KeySnapshot>,
    /// The version of its material that works, or that made the ciphertext.
    pub(super) material: HsmKeyId,
    pub(super) passage: Option<Passage>,
}

impl Usable {
    /// The key that a call names, with the material that seals.
    pub(super) fn find(
        operation: Operation,
        partition: &Arc<Partition>,
        name: &str,
    ) -> Result<Self, Exception> {
        Self::of(operation, find_for_use(partition, name)?)
    }

    /// The key with the material that seals.
    pub(super) fn of(operation: Operation, key: Arc<KeySnapshot>) -> Result<Self, Exception> {
        let passage = check_usable(operation, &key)?;
        let material = key.material()?;
        Ok(Self {
            key,
            material,
            passage,
        })
    }

    /// The key with a version of its material that made a ciphertext.
    pub(super) fn of_material(
        operation: Operation,
        key: Arc<KeySnapshot>,
        material: HsmKeyId,
    ) -> Result<Self, Exception> {
        let passage = check_usable(operation, &key)?;
        Ok(Self {
            key,
            material,
            passage,
        })
    }

    /// The additional data of its ciphertexts.
    pub(super) fn bind(
        &self,
        context: Option<&BTreeMap<String, String>>,
    ) -> Result<Vec<u8>, Exception> {
        additional_data(&self.key, self.material, context)
    }

    /// The material's identity in replies.
    pub(super) fn material_id(&self) -> Option<String> {
        material_id(&self.key, self.material)
    }

    /// The ciphertext blob of a sealed text.
    pub(super) fn blob(&self, sealed: &[u8]) -> Blob {
        Blob(ciphertext::blob(self.key.record.id, self.material, sealed))
    }
}

impl Executor {
    /// Runs an operation with an AES key where the key is.
    pub(super) async fn run(
        &self,
        usable: &Usable,
        operation: hsm::Operation<'_>,
    ) -> Result<Output, Exception> {
        let ran = match (&usable.key.store, usable.passage) {
            (Some(store), Some(passage)) => self.run_in_store(store, passage, operation).await,
            (Some(_), None) => Err(Failure::Disconnected),
            (None, _) => {
                let ran = self.fleet.execute(operation);
                return ran.map_err(|failure| translate::fleet(&failure));
            }
        };
        ran.map_err(|failure| translate::operation(&failure, &usable.key.arn))
    }

    /// Runs an operation on an HSM of the store, and lets the output out only through the gate.
    pub(super) async fn run_in_store(
        &self,
        store: &KeyStore,
        passage: Passage,
        operation: hsm::Operation<'_>,
    ) -> Result<Output, Failure> {
        let now = || self.records.config.clock.now();
        if self.records.keeps_quotas()
            && !self
                .records
                .quotas
                .store_permits(&store.scope, &store.id, now())
        {
            return Err(Failure::OverQuota);
        }
        let live = store.live.load_full().ok_or(Failure::Disconnected)?;
        if live.fence.epoch != passage.epoch() {
            return Err(Failure::Disconnected);
        }
        let session = self.records.keeps_quotas().then(|| live.calls.take());
        if matches!(session, Some(None)) {
            return Err(Failure::NoSessionFree);
        }
        let deadline = Instant::now() + self.records.config.operation_deadline;
        let outcome = live.execute(operation, deadline).await;
        // The output is wiped when it does not leave.
        self.stores.leave(store, passage).await?;
        outcome
    }

    /// Uses a key that is not an AES key, where all of those are: in the built-in fleet.
    pub(super) async fn perform(
        &self,
        key: &KeySnapshot,
        task: Task,
    ) -> Result<Result<Output, Unfit>, Exception> {
        let material = key.material()?;
        let kind = spec::kind(key.record.spec).filter(|_| key.store.is_none());
        let performed = match kind {
            Some(kind) => {
                self.fleet
                    .perform(&self.records.config, kind, material, task)
                    .await
            }
            None => Err(Failure::Refused(Refusal::KeyForbids)),
        };
        match performed {
            Ok(output) => Ok(Ok(output)),
            Err(Failure::Refused(Refusal::NotAuthentic)) => Ok(Err(Unfit::NotAuthentic)),
            Err(Failure::Refused(Refusal::BadLength)) => Ok(Err(Unfit::BadLength)),
            Err(Failure::Refused(Refusal::BadMechanism)) => Ok(Err(Unfit::BadForm)),
            Err(failure) => Err(translate::fleet(&failure)),
        }
    }
}

/// Why an HSM can make nothing of the bytes it was given; what that means, the operation knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// A signature, MAC or ciphertext that is not the key's.
    NotAuthentic,
    BadLength,
    /// A key that cannot be read, or is of another kind.
    BadForm,
}

/// For what cannot be, because it was checked before.
pub(super) fn unforeseen(unfit: Unfit) -> Exception {
    Exception::new(
        Code::KmsInternal,
        "The HSM refused the operation. Try again.",
    )
    .because(format!("{unfit:?}"))
}

/// Rule CR-04: a dry run never succeeds; that it would have is an exception too.
pub(crate) fn stop_dry_run(dry_run: Option<bool>) -> Result<(), Exception> {
    if dry_run != Some(true) {
        return Ok(());
    }
    let text = "The request would have succeeded, but the DryRun option is set.";
    Err(Exception::new(Code::DryRunOperation, text))
}
