use portcullis_api::Exception;
use portcullis_clusters::ClusterView;
use portcullis_hsm::Epoch;
use portcullis_seam::plant::{Bug, planted};

use super::record::{ConnectionStep, KeyStoreRecord};
use super::{Action, Connection, ConnectionEvent, next, requirement};

/// The checks of ConnectCustomKeyStore, in order, and what it changes: nothing when the store is
/// connected, or on its way.
pub(crate) fn decide(
    store: &KeyStoreRecord,
    cluster: Option<&ClusterView>,
    now_ms: u64,
) -> Result<Option<ConnectionStep>, Exception> {
    // Rule KS-30: a FAILED or DISCONNECTING store cannot be connected.
    let Some(step) = store.after(ConnectionEvent::ConnectRequested, now_ms) else {
        return Err(store.wrong_state(
            "it can be connected only while it is DISCONNECTED",
            "Run DisconnectCustomKeyStore and wait until it is DISCONNECTED, then try again.",
        ));
    };
    if step.actions.is_empty() {
        return Ok(None);
    }
    // Rule KS-31: a missing cluster is no exception here; the connect fails with CLUSTER_NOT_FOUND.
    if let Some(cluster) = cluster {
        requirement::active(cluster)?;
        requirement::one_hsm(cluster)?;
    }
    Ok(Some(step))
}

/// Notes in the record how the connect under this epoch has ended, and gives what is to be done; none
/// when a disconnect or an edit came first.
pub(crate) fn ended(
    record: &mut KeyStoreRecord,
    event: ConnectionEvent,
    epoch: Epoch,
) -> Option<&'static [Action]> {
    if planted(Bug::LateConnectOpensGate) {
        let (to, actions) = next(Connection::Connecting, event)?;
        record.connection = to;
        return Some(actions);
    }
    record.end(event, epoch)
}
