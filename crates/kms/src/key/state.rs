//! Which operation a key's state permits (Developer Guide, key states of KMS keys).

use portcullis_api::{Code, Exception};

use super::{Requested, Snapshot};
use crate::gate::Passage;
use crate::translate;

/// Whether the key may be used in a cryptographic operation, and under which passage.
///
/// Rule KEY-03: pending deletion comes before the key store's state, and that before Disabled.
pub(crate) fn check_usable(key: &Snapshot) -> Result<Option<Passage>, Exception> {
    if matches!(key.record.requested, Requested::PendingDeletion { .. }) {
        return Err(pending_deletion(key));
    }
    let passage = match &key.store {
        None => None,
        Some(store) => Some(
            store
                .gate
                .enter()
                .ok_or_else(|| translate::unavailable(&key.arn))?,
        ),
    };
    if key.record.requested == Requested::Disabled {
        let text = format!("{} is disabled. Run EnableKey, then try again.", key.arn);
        return Err(Exception::new(Code::Disabled, text));
    }
    Ok(passage)
}

/// Rule KEY-04: a key that is pending deletion can only be described or have its deletion
/// cancelled.
pub(super) fn check_not_pending(key: &Snapshot) -> Result<(), Exception> {
    match key.record.requested {
        Requested::PendingDeletion { .. } => Err(pending_deletion(key)),
        Requested::Enabled | Requested::Disabled => Ok(()),
    }
}

pub(crate) fn pending_deletion(key: &Snapshot) -> Exception {
    Exception::new(
        Code::KmsInvalidState,
        format!(
            "{} is pending deletion. Run CancelKeyDeletion and then EnableKey if it is still \
             needed.",
            key.arn
        ),
    )
}
