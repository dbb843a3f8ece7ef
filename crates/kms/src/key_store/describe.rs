use portcullis_api::kms::{CustomKeyStoresListEntry, DescribeCustomKeyStoresRequest};
use portcullis_api::{Code, EpochSeconds, Exception, Scope};
use portcullis_seam::Timestamp;

use super::Connection;
use super::record::KeyStoreRecord;

/// A key store in one line, for a status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStoreStatus {
    /// The account and the Region that it is in.
    pub scope: Scope,
    /// The key store's ID, which begins with `cks-`.
    pub id: String,
    /// The friendly name, which no other key store of the account and Region has.
    pub name: String,
    /// The ID of the cluster that keeps its keys.
    pub cluster: String,
    /// Where it stands between DISCONNECTED and CONNECTED.
    pub connection: Connection,
}

/// An entry of DescribeCustomKeyStores. Rule KS-50: the error code appears only while FAILED, the
/// password never.
pub(crate) fn entry(store: &KeyStoreRecord) -> CustomKeyStoresListEntry {
    let error = match store.connection {
        Connection::Failed(error) => Some(error.name().to_owned()),
        Connection::Disconnected
        | Connection::Connecting
        | Connection::Connected
        | Connection::Disconnecting => None,
    };
    CustomKeyStoresListEntry {
        custom_key_store_id: Some(store.id.to_string()),
        custom_key_store_name: Some(store.name.clone()),
        cloud_hsm_cluster_id: Some(store.cluster.to_string()),
        trust_anchor_certificate: Some(store.trust_anchor.clone()),
        connection_state: Some(store.connection.name().to_owned()),
        connection_error_code: error,
        creation_date: Some(EpochSeconds(
            Timestamp::from_millis(store.created_ms).seconds(),
        )),
        custom_key_store_type: Some("AWS_CLOUDHSM".to_owned()),
        ..CustomKeyStoresListEntry::default()
    }
}

/// The stores that a request asks for, in the order of their IDs. Rule KS-51: a name or ID that
/// does not exist is an exception, not an empty list; both at once are not valid.
pub(crate) fn select(
    request: &DescribeCustomKeyStoresRequest,
    stores: Vec<KeyStoreRecord>,
) -> Result<Vec<KeyStoreRecord>, Exception> {
    let (id, name) = (&request.custom_key_store_id, &request.custom_key_store_name);
    if id.is_some() && name.is_some() {
        return Err(Exception::new(
            Code::Validation,
            "Give CustomKeyStoreId or CustomKeyStoreName, not both.",
        ));
    }
    let Some(wanted) = id.as_ref().or(name.as_ref()) else {
        return Ok(stores);
    };
    let found = stores.into_iter().find(|store| match id {
        Some(id) => store.id.as_str() == id,
        None => store.name == *wanted,
    });
    found
        .map(|store| vec![store])
        .ok_or_else(|| not_found(wanted))
}

/// The exception for a store that does not exist.
pub(crate) fn not_found(wanted: &str) -> Exception {
    Exception::new(
        Code::CustomKeyStoreNotFound,
        format!(
            "There is no key store {wanted} in this account and Region. Use \
             DescribeCustomKeyStores to list them, and check the account and Region of the request."
        ),
    )
}
