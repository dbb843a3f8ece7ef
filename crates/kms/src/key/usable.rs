use portcullis_api::kms::KeyState;
use portcullis_api::{Exception, Operation};

use super::KeySnapshot;
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
    key: &KeySnapshot,
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
