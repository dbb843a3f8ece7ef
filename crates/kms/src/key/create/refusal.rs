//! Why a key store has not made a key.

use portcullis_api::{ClusterId, Code, Exception};
use portcullis_hsm::Refusal;

use crate::key_store::{Failure, KeyStoreRecord};
use crate::translate;

/// The service does not document this answer; LimitExceededException is one that CreateKey
/// declares.
const CLUSTER_FULL: &str = "The CloudHSM cluster takes no more keys: it holds as many as its quota \
                            permits, or the disk of an HSM is full. Delete keys that are no longer \
                            needed, then try again.";

/// Rule KEY-13: a key is created in a key store only while that is CONNECTED.
pub(super) fn not_connected(store: &KeyStoreRecord) -> Exception {
    store.wrong_state(
        "a key can be created in it only while it is CONNECTED",
        "Run ConnectCustomKeyStore and wait until it is CONNECTED, then try again.",
    )
}

/// Why a connected key store has not made a key.
///
/// Rule KEY-28: what CreateKey needs of the cluster is active HSMs in two Availability Zones, on which
/// KMS is logged in. Where HSMs did not answer in time, trying again may help. Rule QUO-05: a full
/// cluster is told apart from one that is in trouble.
pub(super) fn not_made(failure: &Failure, cluster: &ClusterId) -> Exception {
    let unfit = |why: &str, repair: &str| {
        let text = format!(
            "The key is not there: it needs active HSMs of the cluster {cluster} in two Availability \
             Zones, and {why}. {repair}"
        );
        Exception::new(Code::CloudHsmClusterInvalidConfiguration, text)
    };
    let unfit = match failure {
        Failure::Refused(Refusal::Full) => {
            return Exception::new(Code::LimitExceeded, CLUSTER_FULL);
        }
        Failure::NoAnswer(_) => Exception::new(
            Code::DependencyTimeout,
            format!(
                "The system timed out while trying to fulfill the request: HSMs of the cluster \
                 {cluster} in two Availability Zones must have the key, and not all of them answered. \
                 It is not there. Try again; if that persists, restart or replace the HSM that does \
                 not answer."
            ),
        ),
        Failure::LockedOut => unfit(
            "its crypto user kmsuser is locked out after too many failed logins",
            "Disconnect the custom key store, let an admin change the password of kmsuser, set \
             KeyStorePassword to it, and connect.",
        ),
        Failure::NoHsm | Failure::Unreachable(_) => unfit(
            "KMS reaches such HSMs, as the crypto user kmsuser, in fewer",
            "Restart or replace the HSMs that are down, or add one in another Availability Zone with \
             CreateHsm; if kmsuser is missing there, create it and connect the custom key store again. \
             Then try again.",
        ),
        Failure::Refused(refusal) => unfit(
            &format!("an HSM refused to keep it ({refusal})"),
            "Check kmsuser and the keys of the cluster, then try again.",
        ),
        Failure::NoMaterial => unfit("an HSM has lost it again", "Try again."),
        // Those of calls with a key, in their words.
        Failure::Disconnected
        | Failure::Unconfirmed(_)
        | Failure::Busy
        | Failure::OverQuota
        | Failure::NotStored(_)
        | Failure::NotDone { .. }
        | Failure::NoSessionFree => return translate::operation(failure, cluster.as_str()),
    };
    unfit.because(format!("{failure:?}"))
}
