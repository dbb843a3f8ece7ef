//! What a key's state says to operations (Developer Guide, key states of KMS keys).

use portcullis_api::{Code, Exception};
use portcullis_hsm::HsmKeyId;

use super::KeySnapshot;

pub(super) fn disabled(key: &KeySnapshot) -> Exception {
    let text = format!("{} is disabled. Run EnableKey, then try again.", key.arn);
    Exception::new(Code::Disabled, text)
}

pub(super) fn not_pending_deletion(key: &KeySnapshot) -> Exception {
    let text = format!(
        "{} is not pending deletion. Nothing needs to be done.",
        key.arn
    );
    Exception::new(Code::KmsInvalidState, text)
}

pub(super) fn external(key: &KeySnapshot) -> Exception {
    let text = format!(
        "{} has origin EXTERNAL, which is not valid for this operation: imported key material does \
         not rotate by itself. Import other material and run RotateKeyOnDemand.",
        key.arn
    );
    Exception::new(Code::UnsupportedOperation, text)
}

pub(super) fn updating(key: &KeySnapshot) -> Exception {
    let text = format!(
        "{} is updating. Wait until DescribeKey shows another state, then try again.",
        key.arn
    );
    Exception::new(Code::KmsInvalidState, text)
}

/// Rule LIFE-06: a key of an AWS service is used and looked at, and not changed by its account.
pub(super) fn check_customers(key: &KeySnapshot) -> Result<(), Exception> {
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

pub(super) fn creating(key: &KeySnapshot) -> Exception {
    let text = format!(
        "{} is creating. Wait until DescribeKey shows another state, then try again.",
        key.arn
    );
    Exception::new(Code::KmsInvalidState, text)
}

pub(super) fn pending_import(key: &KeySnapshot) -> Exception {
    let text = format!(
        "{} is pending import: not all of its key material is there. Run GetParametersForImport \
         and ImportKeyMaterial, then try again.",
        key.arn
    );
    Exception::new(Code::KmsInvalidState, text)
}

/// Rule KEY-23: an alias is pointed at a key that is not pending deletion.
pub(super) fn no_target(key: &KeySnapshot) -> Exception {
    let text = format!("{} is pending deletion. Choose another key.", key.arn);
    Exception::new(Code::KmsInvalidState, text)
}

/// Rule KEY-04: a key that is pending deletion can only be described or have its deletion
/// cancelled.
pub(super) fn pending_deletion(key: &KeySnapshot) -> Exception {
    Exception::new(
        Code::KmsInvalidState,
        format!(
            "{} is pending deletion. Run CancelKeyDeletion and then EnableKey if it is still \
             needed.",
            key.arn
        ),
    )
}

impl KeySnapshot {
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
