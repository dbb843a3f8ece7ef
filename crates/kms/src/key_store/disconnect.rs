use portcullis_api::Exception;

use super::Event;
use super::record::{KeyStoreRecord, Step};

/// The check of DisconnectCustomKeyStore, and what it changes. Rule KS-32: only what is connected, on
/// its way, or FAILED can be disconnected.
pub(crate) fn decide(store: &KeyStoreRecord, now_ms: u64) -> Result<Step, Exception> {
    store
        .after(Event::DisconnectRequested, now_ms)
        .ok_or_else(|| {
            store.wrong_state(
                "there is nothing to disconnect",
                "Nothing needs to be done; wait until it is DISCONNECTED before you edit it.",
            )
        })
}
