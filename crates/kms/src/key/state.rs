//! What a key's state says to operations (Developer Guide, key states of KMS keys).

use portcullis_api::kms::KeyState;
use portcullis_api::{Code, Exception, Operation};
use portcullis_hsm::HsmKeyId;

use super::Snapshot;
use super::permission::check_state;
use crate::gate::Passage;

/// Whether a cryptographic operation may use the key, and under which passage. The gate says whether
/// the key's store is connected, which the record of the store says a little later.
///
/// Rule KEY-03: pending deletion comes before the key store's state, and that before Disabled; Rule
/// LIFE-02: missing imported material comes before that too.
///
/// # Errors
/// The exception that the operation's row names for the key's state.
pub(crate) fn check_usable(
    operation: Operation,
    key: &Snapshot,
) -> Result<Option<Passage>, Exception> {
    let passage = key.store.as_ref().map(|store| store.gate.enter());
    let is_connected = passage != Some(None);
    let state = key.state_while(is_connected);
    check_state(operation, key, state)?;
    if state == KeyState::Updating {
        // That says nothing of whether the key is disabled or lacks material.
        check_state(operation, key, key.lasting_state(is_connected))?;
    }
    Ok(passage.flatten())
}

pub(super) fn disabled(key: &Snapshot) -> Exception {
    let text = format!("{} is disabled. Run EnableKey, then try again.", key.arn);
    Exception::new(Code::Disabled, text)
}

pub(super) fn not_pending_deletion(key: &Snapshot) -> Exception {
    let text = format!(
        "{} is not pending deletion. Nothing needs to be done.",
        key.arn
    );
    Exception::new(Code::KmsInvalidState, text)
}

pub(super) fn external(key: &Snapshot) -> Exception {
    let text = format!(
        "{} has origin EXTERNAL, which is not valid for this operation: imported key material does \
         not rotate by itself. Import other material and run RotateKeyOnDemand.",
        key.arn
    );
    Exception::new(Code::UnsupportedOperation, text)
}

pub(super) fn updating(key: &Snapshot) -> Exception {
    let text = format!(
        "{} is updating. Wait until DescribeKey shows another state, then try again.",
        key.arn
    );
    Exception::new(Code::KmsInvalidState, text)
}

/// Rule LIFE-06: a key of an AWS service is used and looked at, and not changed by its account.
pub(super) fn check_customers(key: &Snapshot) -> Result<(), Exception> {
    let Some(service) = &key.record.aws_service else {
        return Ok(());
    };
    let text = format!(
        "{} is the AWS managed key of {service}, which only AWS changes. Create a key of your own \
         and use that.",
        key.arn
    );
    Err(Exception::new(Code::AccessDenied, text))
}

pub(super) fn creating(key: &Snapshot) -> Exception {
    let text = format!(
        "{} is creating. Wait until DescribeKey shows another state, then try again.",
        key.arn
    );
    Exception::new(Code::KmsInvalidState, text)
}

pub(super) fn pending_import(key: &Snapshot) -> Exception {
    let text = format!(
        "{} is pending import: not all of its key material is there. Run GetParametersForImport \
         and ImportKeyMaterial, then try again.",
        key.arn
    );
    Exception::new(Code::KmsInvalidState, text)
}

/// Rule KEY-23: an alias is pointed at a key that is not pending deletion.
pub(super) fn no_target(key: &Snapshot) -> Exception {
    let text = format!("{} is pending deletion. Choose another key.", key.arn);
    Exception::new(Code::KmsInvalidState, text)
}

/// Rule KEY-04: a key that is pending deletion can only be described or have its deletion
/// cancelled.
pub(super) fn pending_deletion(key: &Snapshot) -> Exception {
    Exception::new(
        Code::KmsInvalidState,
        format!(
            "{} is pending deletion. Run CancelKeyDeletion and then EnableKey if it is still \
             needed.",
            key.arn
        ),
    )
}

impl Snapshot {
    /// The material that seals, in the HSMs.
    ///
    /// # Errors
    /// KMSInvalidStateException while no material has been imported.
    pub(crate) fn material(&self) -> Result<HsmKeyId, Exception> {
        let current = self.record.materials.current();
        current
            .map(|version| version.hsm_key)
            .ok_or_else(|| pending_import(self))
    }

    /// The public key that is left when the imported material is gone; none while that is there.
    ///
    /// # Errors
    /// KMSInvalidStateException where the public key is not known: nothing was imported, or an
    /// earlier release did not keep it.
    pub(crate) fn public_key_left(&self) -> Result<Option<&[u8]>, Exception> {
        let current = self.record.materials.current();
        match current.and_then(|version| version.import.as_ref()) {
            Some(import) if !import.present => match &import.public_key {
                Some(left) => Ok(Some(&left.0)),
                None => Err(pending_import(self)),
            },
            Some(_) | None => Ok(None),
        }
    }
}
