use portcullis_api::{Code, Exception};

use super::Connection;
use super::record::KeyStoreRecord;

/// The checks of DeleteCustomKeyStore. Rule KS-33: the store is DISCONNECTED; Rule KS-34: it has
/// no keys left, those pending deletion included.
pub(crate) fn decide(store: &KeyStoreRecord, keys: usize) -> Result<(), Exception> {
    if store.connection != Connection::Disconnected {
        return Err(store.wrong_state(
            "it can be deleted only while it is DISCONNECTED",
            "Run DisconnectCustomKeyStore, then try again.",
        ));
    }
    if keys > 0 {
        return Err(Exception::new(
            Code::CustomKeyStoreHasCmks,
            format!(
                "The key store {} has {keys} KMS key(s), those pending deletion included. Run \
                 ScheduleKeyDeletion for each and wait until it is deleted, then try again.",
                store.id
            ),
        ));
    }
    Ok(())
}
