//! Whether an operation fits the kind of its key at all, by the kind that its row names.

use portcullis_api::kms::KeySpec;
use portcullis_api::{Code, Exception};

use super::record::MultiRegion;
use super::{KeySnapshot, MaterialOrigin, spec, state};
use crate::operation::KindOfKey;
use crate::records::unsupported;

/// Whether `key` is of this kind.
///
/// # Errors
/// UnsupportedOperationException.
pub(super) fn check_kind(kind: KindOfKey, key: &KeySnapshot) -> Result<(), Exception> {
    match kind {
        KindOfKey::Any => Ok(()),
        KindOfKey::Asymmetric => check_asymmetric(key),
        KindOfKey::External => check_external(key),
        KindOfKey::RotatingByItself => check_rotating_by_itself(key),
        KindOfKey::RotatingHere => {
            check_rotating(key)?;
            check_rotating_here(key)
        }
        KindOfKey::Primary => relatives_of_primary(key).map(|_relatives| ()),
    }
}

/// Rule CRY-15: only asymmetric keys have a public key.
fn check_asymmetric(key: &KeySnapshot) -> Result<(), Exception> {
    if spec::is_asymmetric(key.record.spec) {
        return Ok(());
    }
    Err(unsupported(&format!(
        "{} is a {} key and has no public key. Name an asymmetric key.",
        key.arn,
        key.record.spec.as_str()
    )))
}

/// Rule LIFE-30: only keys of origin EXTERNAL have imported material.
fn check_external(key: &KeySnapshot) -> Result<(), Exception> {
    if key.record.origin() == MaterialOrigin::External {
        return Ok(());
    }
    let hint = "Key material is imported into keys of origin EXTERNAL only.";
    Err(origin_refused(key, hint))
}

/// Rule LIFE-11: symmetric encryption keys outside key stores rotate, on demand.
pub(super) fn check_rotating(key: &KeySnapshot) -> Result<(), Exception> {
    if key.record.spec != KeySpec::SymmetricDefault {
        let hint = format!(
            "{} does not rotate: it is not a symmetric encryption key.",
            key.arn
        );
        // The service sends no message.
        return Err(Exception::worded(Code::UnsupportedOperation, "", &hint));
    }
    if key.record.origin() == MaterialOrigin::AwsCloudHsm {
        let hint = "A key in a custom key store does not rotate.";
        return Err(origin_refused(key, hint));
    }
    Ok(())
}

/// In the words of the service, which programs look for.
fn origin_refused(key: &KeySnapshot, hint: &str) -> Exception {
    let origin = key.record.origin().as_str();
    let sentence = format!(
        "{} origin is {origin} which is not valid for this operation.",
        key.arn
    );
    Exception::worded(Code::UnsupportedOperation, sentence, hint)
}

/// Rule LIFE-12: of these, by itself only material that AWS KMS made; and multi-Region keys are
/// rotated where the primary is.
fn check_rotating_by_itself(key: &KeySnapshot) -> Result<(), Exception> {
    check_rotating(key)?;
    if key.record.origin() == MaterialOrigin::External {
        return Err(state::external(key));
    }
    check_rotating_here(key)
}

fn check_rotating_here(key: &KeySnapshot) -> Result<(), Exception> {
    match &key.record.multi_region {
        Some(relatives) if relatives.primary != key.scope.region => {
            let text = format!(
                "{} is a replica, which rotates with its primary key in {}. Call the operation \
                 there.",
                key.arn, relatives.primary
            );
            Err(unsupported(&text))
        }
        _ => Ok(()),
    }
}

/// Rule LIFE-23: replicas are made, and the primary is moved, where the primary of a multi-Region
/// key is.
pub(super) fn relatives_of_primary(key: &KeySnapshot) -> Result<&MultiRegion, Exception> {
    let Some(relatives) = &key.record.multi_region else {
        let text = format!(
            "{} is not a multi-Region key. Create one with MultiRegion true.",
            key.arn
        );
        return Err(unsupported(&text));
    };
    if relatives.primary == key.scope.region {
        return Ok(relatives);
    }
    let sentence = format!("{} is not a multi-region primary key.", key.arn);
    let hint = format!(
        "Call the operation on its primary key, which is in {}.",
        relatives.primary
    );
    Err(Exception::worded(
        Code::UnsupportedOperation,
        sentence,
        &hint,
    ))
}
