use portcullis_api::Exception;
use portcullis_clusters::ClusterView;

use super::record::KeyStoreRecord;
use super::{Connection, Event, next, requirement};

/// What ConnectCustomKeyStore comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is connected, or on its way.
    Already,
    /// Start.
    Start(Connection),
}

/// The checks of ConnectCustomKeyStore, in order.
pub(crate) fn decide(
    store: &KeyStoreRecord,
    cluster: Option<&ClusterView>,
) -> Result<Decision, Exception> {
    // Rule KS-30: a FAILED or DISCONNECTING store cannot be connected.
    let Some((to, actions)) = next(store.connection, Event::ConnectRequested) else {
        return Err(store.wrong_state(
            "it can be connected only while it is DISCONNECTED",
            "Run DisconnectCustomKeyStore and wait until it is DISCONNECTED, then try again.",
        ));
    };
    if actions.is_empty() {
        return Ok(Decision::Already);
    }
    // Rule KS-31: a missing cluster is no exception here; the connect fails with CLUSTER_NOT_FOUND.
    if let Some(cluster) = cluster {
        requirement::active(cluster)?;
        requirement::one_hsm(cluster)?;
    }
    Ok(Decision::Start(to))
}
