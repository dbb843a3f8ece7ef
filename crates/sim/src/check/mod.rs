//! The checker: pure functions from a history to what it violates.
//!
//! Rule SIM-01: a history of the product violates none of these. Each file keeps one group of invariants and knows nothing of the world that made the history.
//! One is checked elsewhere: that a seed replays exactly (I12), by running it twice.

mod cipher;
mod connection;
mod durability;
mod fence;
mod lifecycle;
mod linear;
mod placement;
mod recovery;
mod substitution;

use std::fmt;

use crate::history::{History, Moment, RecordedCall};

/// What must always be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No operation succeeds between a completed Disconnect and the next Connect call.
    I1,
    /// In a connected, fault-free window none fails as disconnected.
    I2,
    /// Every ciphertext returned decrypts to its plaintext while its key is in the connected
    /// cluster, and never to anything else.
    I3,
    /// An acknowledged CreateKey is on disk on two HSMs in two Availability Zones.
    I4,
    /// Substitution only to the same certificate; afterwards the old cluster serves nothing.
    I5,
    /// Observed states follow the transition table.
    I6,
    /// The control-plane operations of a key store are linearizable.
    I7,
    /// Acknowledged writes survive crashes and power cuts, also those of the control plane.
    I8,
    /// No plaintext, key or password in logs, errors or on a disk.
    I9,
    /// A mutation whose outcome was unknown, and which was tried again, took effect at most once.
    I10,
    /// An HSM never goes back behind an epoch that it has refused, and none is used twice.
    Fence,
    /// Five wrong passwords lock a user out.
    Lockout,
    /// The HSMs of a cluster end with the same keys, and without those that were deleted.
    InStep,
    /// After healing, Connect and all operations succeed within five seconds.
    I11,
    /// A seed replays exactly.
    I12,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant that did not hold.
    pub invariant: Invariant,
    /// When that was plain to see.
    pub at: Moment,
    /// What happened, as a sentence for the report.
    pub what: String,
}

/// Everything that `history` violates, in order of time.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    connection::check(history, &mut found);
    cipher::check(history, &mut found);
    placement::check(history, &mut found);
    substitution::check(history, &mut found);
    lifecycle::check(history, &mut found);
    fence::check(history, &mut found);
    linear::check(history, &mut found);
    durability::check(history, &mut found);
    recovery::check(history, &mut found);
    found.sort_by_key(|violation| violation.at);
    found
}

/// A ciphertext as a key of a map: its end first. All begin with the same header, so that texts
/// as they are take long to tell apart.
type ByEnd<'a> = (Option<&'a [u8; END_BYTES]>, &'a [u8]);

const END_BYTES: usize = 16;

fn by_end(ciphertext: &[u8]) -> ByEnd<'_> {
    (ciphertext.last_chunk(), ciphertext)
}

impl Violation {
    pub(crate) fn new(invariant: Invariant, at: Moment, what: impl Into<String>) -> Self {
        Self {
            invariant,
            at,
            what: what.into(),
        }
    }

    fn of_call(invariant: Invariant, call: &RecordedCall, what: &str) -> Self {
        Self::new(invariant, call.completed, format!("{what}: {call}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} at {}: {}",
            self.invariant, self.at, self.what
        )
    }
}

#[cfg(test)]
mod tests;
