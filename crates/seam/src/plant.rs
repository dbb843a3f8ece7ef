//! Planted bugs: deliberate faults that the simulator's checker must find.
//!
//! A checker that never fails proves nothing. Each [`Bug`] names one way in which the product
//! could break a promise; product code asks [`planted`] at the place where that promise is kept.
//! Without the cargo feature `planted-bugs`, which only the simulator's own builds switch on,
//! [`planted`] is the constant `false` and the question costs nothing.

use std::time::Duration;

/// One deliberate fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// The gate is read before an operation but not when its reply leaves.
    GateCheckedOnlyAtStart,
    /// The reply's check compares the state but not the epoch.
    EpochNotComparedOnReply,
    /// CreateKey is acknowledged although only one Availability Zone has the key.
    AcknowledgedFromOneZone,
    /// An HSM forgets at a restart which epochs it has refused.
    FenceLostAtRestart,
    /// A commit that found no room on the disk is acknowledged.
    FullDiskAcknowledged,
    /// A store that found no room once takes no writes any more.
    FullDiskIsForEver,
    /// A key store may be pointed at a cluster with another certificate.
    CertificateCheckSkipped,
    /// An HSM starts its nonce counter anew after a restart with the same fixed field.
    NonceReused,
    /// Additional data is left out when sealing, so that a ciphertext opens in any context.
    AdditionalDataIgnored,
    /// A disconnect is acknowledged before the gate is down.
    DisconnectAcknowledgedEarly,
    /// An HSM answers before what it says is on its disk.
    AcknowledgedBeforeDisk,
    /// A commit is acknowledged although the disk has not been synced.
    CommitNotSynced,
    /// A change of a cluster that failed is tried again only when all clusters are tended.
    ChangeTriedAgainLate,
    /// The names and values of an encryption context run together in what is bound.
    ContextNotFramed,
    /// Keys that one HSM of a cluster lacks are not copied to it.
    CopiesForgotten,
    /// CreateCustomKeyStore, tried again, makes a second key store.
    CreateRetriedMakesAnother,
    /// A disconnect that another commit delays forgets the sessions that it was to end.
    DisconnectLosesSessions,
    /// A restart takes up the connection of a store that is DISCONNECTED.
    DisconnectedStoreReconnected,
    /// A connection that is taken up after a restart has the number that it had before.
    EpochReused,
    /// A disconnect logs out without raising the fence.
    FenceNotRaised,
    /// A call fails when all HSMs have restarted and know its sessions and connections no more.
    ForgottenSessionFailsCall,
    /// CreateKey is acknowledged although its record was never committed.
    KeyAcknowledgedBeforeCommit,
    /// A key of which it is not known whether an HSM made it is made again on the next one, under the
    /// same ID.
    KeyMadeTwice,
    /// An HSM's disk holds a copy of its records in the clear.
    KeyOnDiskUnsealed,
    /// A connect that was overtaken by a disconnect opens the gate all the same.
    LateConnectOpensGate,
    /// Wrong passwords are not counted.
    LockoutNotCounted,
    /// What a killed facade had begun is never finished.
    NobodyTakesOver,
    /// An edit of the cluster is acknowledged, and the old one is used on.
    OldClusterKept,
    /// A cluster is restored from the oldest backup there is, not from the one that was named.
    OldestBackupRestored,
    /// A connect that was overtaken goes on to rotate the password.
    OvertakenConnectRotates,
    /// The password that a rotation makes is logged.
    PasswordLogged,
    /// The cause of a failed Encrypt shows the plaintext.
    PlaintextInError,
    /// A connect does not try the passwords that earlier rotations replaced.
    PreviousPasswordForgotten,
    /// ReEncrypt binds the source's encryption context to the new ciphertext.
    ReEncryptKeepsContext,
    /// The removal of an HSM, taken up again after a restart, wants a backup of what is gone.
    RemovalNotRepeatable,
    /// A connection does not follow its cluster: it keeps HSMs that were removed.
    ClusterChangeMissed,
    /// An HSM counts as one that has a new key although it was removed while the key was made.
    RemovedHsmCounts,
    /// An edit reads the record, waits, and writes it without comparing revisions.
    RevisionNotCompared,
    /// The first HSM hears of a new password before the store does.
    RotationNotRecorded,
    /// A disconnect that cannot be stored is refused, and closes the gate all the same.
    RefusedDisconnectClosesGate,
    /// A write into a file that was removed is acknowledged.
    VanishedFileAcknowledged,
    /// A session stays open when the connection it was opened over has ended.
    SessionOutlivesConnection,
}

impl Bug {
    /// Every planted bug.
    pub const ALL: [Self; 42] = [
        Self::GateCheckedOnlyAtStart,
        Self::EpochNotComparedOnReply,
        Self::AcknowledgedFromOneZone,
        Self::FenceLostAtRestart,
        Self::FullDiskAcknowledged,
        Self::FullDiskIsForEver,
        Self::CertificateCheckSkipped,
        Self::NonceReused,
        Self::AdditionalDataIgnored,
        Self::DisconnectAcknowledgedEarly,
        Self::AcknowledgedBeforeDisk,
        Self::CommitNotSynced,
        Self::ChangeTriedAgainLate,
        Self::ContextNotFramed,
        Self::CopiesForgotten,
        Self::CreateRetriedMakesAnother,
        Self::DisconnectLosesSessions,
        Self::DisconnectedStoreReconnected,
        Self::EpochReused,
        Self::FenceNotRaised,
        Self::ForgottenSessionFailsCall,
        Self::KeyAcknowledgedBeforeCommit,
        Self::KeyMadeTwice,
        Self::KeyOnDiskUnsealed,
        Self::LateConnectOpensGate,
        Self::LockoutNotCounted,
        Self::NobodyTakesOver,
        Self::OldClusterKept,
        Self::OldestBackupRestored,
        Self::OvertakenConnectRotates,
        Self::PasswordLogged,
        Self::PlaintextInError,
        Self::PreviousPasswordForgotten,
        Self::ReEncryptKeepsContext,
        Self::RemovalNotRepeatable,
        Self::ClusterChangeMissed,
        Self::RemovedHsmCounts,
        Self::RevisionNotCompared,
        Self::RotationNotRecorded,
        Self::RefusedDisconnectClosesGate,
        Self::VanishedFileAcknowledged,
        Self::SessionOutlivesConnection,
    ];
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether `bug` is planted on this thread. A simulated world lives on one thread.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether `bug` is planted: never, without the feature `planted-bugs`.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
#[inline(always)]
pub const fn planted(_bug: Bug) -> bool {
    false
}

/// Where `bug` is planted, gives up `guard` and lets others run for a while; otherwise `guard` stays
/// with the caller that holds it.
pub async fn let_others_in<Guard>(bug: Bug, guard: Guard) -> Option<Guard> {
    if !planted(bug) {
        return Some(guard);
    }
    drop(guard);
    tokio::time::sleep(Duration::from_millis(20)).await;
    None
}

/// Whether `bug` is planted; if it is, only after this time.
pub async fn planted_after(bug: Bug, time: Duration) -> bool {
    if planted(bug) {
        tokio::time::sleep(time).await;
    }
    planted(bug)
}

/// Runs `world` with `bug` planted on this thread.
#[cfg(feature = "planted-bugs")]
pub fn with<T>(bug: Option<Bug>, world: impl FnOnce() -> T) -> T {
    let before = PLANTED.replace(bug);
    let result = world();
    PLANTED.set(before);
    result
}
