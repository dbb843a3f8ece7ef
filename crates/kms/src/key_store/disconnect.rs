use portcullis_api::Exception;

use super::record::KeyStoreRecord;
use super::{Connection, Event, next};

/// The check of DisconnectCustomKeyStore. Rule KS-32: only what is connected, on its way, or
/// FAILED can be disconnected.
pub(crate) fn decide(store: &KeyStoreRecord) -> Result<Connection, Exception> {
    next(store.connection, Event::DisconnectRequested)
        .map(|(to, _actions)| to)
        .ok_or_else(|| {
            store.wrong_state(
                "there is nothing to disconnect",
                "Nothing needs to be done; wait until it is DISCONNECTED before you edit it.",
            )
        })
}
