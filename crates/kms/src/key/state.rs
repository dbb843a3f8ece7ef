//! What a key's state says to operations (Developer Guide, key states of KMS keys).

use portcullis_api::{Code, Exception};
use portcullis_hsm::HsmKeyId;

use super::KeySnapshot;

pub(super) fn disabled(key: &KeySnapshot) -> Exception {
    let sentence = format!("{} is disabled.", key.arn);
    let hint = "Run EnableKey, then try again.";
    Exception::worded(Code::Disabled, sentence, hint)
}

pub(super) fn not_pending_deletion(key: &KeySnapshot) -> Exception {
    let sentence = format!("{} is not pending deletion.", key.arn);
    let hint = "Nothing needs to be done.";
    Exception::worded(Code::KmsInvalidState, sentence, hint)
}

pub(super) fn external(key: &KeySnapshot) -> Exception {
    let sentence = format!(
        "{} origin is EXTERNAL which is not valid for this operation.",
        key.arn
    );
    let hint = "Imported key material does not rotate by itself. Import other material \
                and run RotateKeyOnDemand.";
    Exception::worded(Code::UnsupportedOperation, sentence, hint)
}

pub(super) fn updating(key: &KeySnapshot) -> Exception {
    let sentence = format!("{} is updating.", key.arn);
    let hint = "Wait until DescribeKey shows another state, then try again.";
    Exception::worded(Code::KmsInvalidState, sentence, hint)
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
    let sentence = format!("{} is creating.", key.arn);
    let hint = "Wait until DescribeKey shows another state, then try again.";
    Exception::worded(Code::KmsInvalidState, sentence, hint)
}

pub(super) fn pending_import(key: &KeySnapshot) -> Exception {
    let sentence = format!("{} is pending import.", key.arn);
    let hint = "Not all of its key material is there. Run GetParametersForImport and \
                ImportKeyMaterial, then try again.";
    Exception::worded(Code::KmsInvalidState, sentence, hint)
}

/// Rule KEY-23: an alias is pointed at a key that is not pending deletion.
pub(super) fn no_target(key: &KeySnapshot) -> Exception {
    let sentence = format!("{} is pending deletion.", key.arn);
    let hint = "Choose another key.";
    Exception::worded(Code::KmsInvalidState, sentence, hint)
}

/// Rule KEY-04: a key that is pending deletion can only be described or have its deletion
/// cancelled.
pub(super) fn pending_deletion(key: &KeySnapshot) -> Exception {
    let sentence = format!("{} is pending deletion.", key.arn);
    let hint = "Run CancelKeyDeletion and then EnableKey if it is still needed.";
    Exception::worded(Code::KmsInvalidState, sentence, hint)
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
