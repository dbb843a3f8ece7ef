use portcullis_api::Exception;
use portcullis_hsm::Epoch;

use super::record::{ConnectionStep, KeyStoreRecord};
use super::{Action, ConnectionEvent};

/// The check of DisconnectCustomKeyStore, and what it changes. Rule KS-32: only what is connected, on
/// its way, or FAILED can be disconnected.
pub(crate) fn decide(store: &KeyStoreRecord, now_ms: u64) -> Result<ConnectionStep, Exception> {
    store
        .after(ConnectionEvent::DisconnectRequested, now_ms)
        .ok_or_else(|| {
            store.wrong_state(
                "there is nothing to disconnect",
                "Nothing needs to be done; wait until it is DISCONNECTED before you edit it.",
            )
        })
}

/// Notes in the record that the disconnect under this epoch has ended, and gives what is to be done; none
/// when another change came first.
pub(crate) fn ended(record: &mut KeyStoreRecord, epoch: Epoch) -> Option<&'static [Action]> {
    record.end(ConnectionEvent::DisconnectFinished, epoch)
}
