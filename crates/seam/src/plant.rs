//! Planted bugs: deliberate faults that the simulator's checker must find.
//!
//! A checker that never fails proves nothing. Each [`Bug`] names one way in which the product
//! could break a promise; product code asks [`planted`] at the place where that promise is kept.
//! Without the cargo feature `planted-bugs`, which only the simulator's own builds switch on,
//! [`planted`] is the constant `false` and the question costs nothing.

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
    /// A key store may be pointed at a cluster with another certificate.
    CertificateCheckSkipped,
    /// An HSM starts its nonce counter anew after a restart with the same fixed field.
    NonceReused,
    /// Additional data is left out when sealing, so that a ciphertext opens in any context.
    AdditionalDataIgnored,
    /// A disconnect is acknowledged before the gate is down.
    DisconnectAcknowledgedEarly,
}

impl Bug {
    /// Every planted bug.
    pub const ALL: [Self; 8] = [
        Self::GateCheckedOnlyAtStart,
        Self::EpochNotComparedOnReply,
        Self::AcknowledgedFromOneZone,
        Self::FenceLostAtRestart,
        Self::CertificateCheckSkipped,
        Self::NonceReused,
        Self::AdditionalDataIgnored,
        Self::DisconnectAcknowledgedEarly,
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

/// Runs `world` with `bug` planted on this thread.
#[cfg(feature = "planted-bugs")]
pub fn with<T>(bug: Option<Bug>, world: impl FnOnce() -> T) -> T {
    let before = PLANTED.replace(bug);
    let result = world();
    PLANTED.set(before);
    result
}
