//! The gate: one atomic word a key store, state and epoch.
//!
//! ```text
//!  63                                  1   0
//! ├──────────────────────────────────────┼───┤
//! │ epoch                                │ C │   C: the key store is CONNECTED
//! └──────────────────────────────────────┴───┘
//! ```
//!
//! An operation reads the word before it starts and again before its reply leaves. Every Connect,
//! Disconnect and edit raises the epoch, so the two readings are equal only if the key store was
//! CONNECTED, by the same connection, all the time between. Disconnect therefore takes effect at
//! the instant at which it writes the word, without waiting for anything in flight.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_hsm::Epoch;
use portcullis_seam::plant::{Bug, planted};

const CONNECTED: u64 = 1;

/// Whether, and at which epoch, operations pass.
#[derive(Debug, Default)]
pub struct Gate(AtomicU64);

/// Proof that the gate was up when an operation began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage(u64);

impl Passage {
    /// The epoch that the operation's session must carry.
    #[must_use]
    pub const fn epoch(self) -> Epoch {
        Epoch(self.0 >> 1)
    }
}

impl Gate {
    /// Rule GATE-01: an operation begins only while the key store is CONNECTED. None at once
    /// otherwise; nothing waits behind a lock.
    #[must_use]
    pub fn enter(&self) -> Option<Passage> {
        let word = self.0.load(Ordering::Acquire);
        (word & CONNECTED != 0).then_some(Passage(word))
    }

    /// Rule GATE-02: a reply leaves only if the key store has stayed CONNECTED at the same epoch.
    #[must_use]
    pub fn leave(&self, passage: Passage) -> bool {
        let word = self.0.load(Ordering::Acquire);
        if planted(Bug::GateCheckedOnlyAtStart) {
            return true;
        }
        if planted(Bug::EpochNotComparedOnReply) {
            return word & CONNECTED != 0;
        }
        word == passage.0
    }

    /// Lets operations of `epoch` pass.
    pub fn open(&self, epoch: Epoch) {
        self.0.store((epoch.0 << 1) | CONNECTED, Ordering::Release);
    }

    /// Lets nothing pass from this instant on.
    pub fn close(&self, epoch: Epoch) {
        self.0.store(epoch.0 << 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule GATE-01, GATE-02
    #[test]
    fn a_reply_leaves_only_under_the_connection_it_began_with() {
        let gate = Gate::default();
        assert_eq!(gate.enter(), None);
        gate.open(Epoch(1));
        let passage = gate.enter().unwrap();
        assert_eq!(passage.epoch(), Epoch(1));
        assert!(gate.leave(passage));
        gate.close(Epoch(2));
        assert_eq!(gate.enter(), None);
        assert!(!gate.leave(passage));
        gate.open(Epoch(3));
        assert!(
            !gate.leave(passage),
            "connected again is not connected still"
        );
        assert!(gate.leave(gate.enter().unwrap()));
    }

    #[test]
    fn no_reply_leaves_after_the_gate_closed_whatever_the_threads_do() {
        let gate = Gate::default();
        let closed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for epoch in 0..20_000 {
                    gate.open(Epoch(2 * epoch + 1));
                    gate.close(Epoch(2 * epoch + 2));
                    closed.store(2 * epoch + 2, Ordering::SeqCst);
                }
            });
            for _ in 0..20_000 {
                let before = closed.load(Ordering::SeqCst);
                if let Some(passage) = gate.enter() {
                    assert!(passage.epoch().0 > before, "entered behind a closed gate");
                }
            }
        });
    }
}
