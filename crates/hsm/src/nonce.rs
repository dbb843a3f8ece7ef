//! Nonces after the deterministic construction of NIST SP 800-38D, section 8.2.1.
//!
//! ```text
//! byte  0                       8            12
//!       ├───────────────────────┼────────────┤
//!       │ fixed field           │ invocation │
//!       │ drawn per incarnation │ counter    │
//!       └───────────────────────┴────────────┘
//! ```
//!
//! An incarnation is one start of one HSM: a fresh, restored or restarted HSM draws a fixed field
//! of 64 random bits. When the 32-bit counter is used up, the fixed field moves on by one and the
//! counter starts anew: together they are one number that only grows, in steps of a lease, and
//! comes round after 2^64 nonces, 580,000 years at a million a second. So within an incarnation no
//! nonce repeats.
//!
//! Two incarnations that use the same key meet only if the fixed fields they use overlap. For *n*
//! incarnations of all HSMs that ever hold a key, each with at most *f* fields of 2^32 nonces, the
//! chance is below n² · f / 2^64: for 100,000 restarts with up to 4 · 10^9 nonces each, about 5 in
//! 10^10.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_seam::plant::{Bug, planted};
use portcullis_seam::{Entropy, draw};

/// The length of an AES-GCM nonce.
pub const NONCE_BYTES: usize = 12;

const COUNTER_BITS: u32 = 32;

/// Nonces that a batch takes at once. One addition to a shared word for as many operations as a
/// frame has under load; what a shorter batch leaves over is skipped.
const LEASE: u64 = 64;

/// The source of all nonces of one HSM.
#[derive(Debug)]
pub(crate) struct Nonces {
    fixed: u64,
    next: AtomicU64,
}

/// A run of nonces that one batch may use without asking again.
#[derive(Debug, Default)]
pub(crate) struct NonceLease {
    next: u64,
    left: u64,
}

impl Nonces {
    /// The nonces of a new incarnation. Rule HSM-08.
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let fixed = if planted(Bug::NonceReused) {
            0
        } else {
            u64::from_be_bytes(draw(entropy))
        };
        Self {
            fixed,
            next: AtomicU64::new(0),
        }
    }

    /// The next nonce under `lease`.
    pub(crate) fn next(&self, lease: &mut NonceLease) -> [u8; NONCE_BYTES] {
        if lease.left == 0 {
            lease.next = self.next.fetch_add(LEASE, Ordering::Relaxed);
            lease.left = LEASE;
        }
        let number = (u128::from(self.fixed) << COUNTER_BITS).wrapping_add(lease.next.into());
        lease.next = lease.next.wrapping_add(1);
        lease.left -= 1;
        let [_, _, _, _, nonce @ ..] = number.to_be_bytes();
        nonce
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_seam::SystemEntropy;

    use super::*;

    /// Rule HSM-08: a million nonces of three incarnations, drawn by two threads in batches of
    /// every length around a lease.
    #[test]
    fn no_nonce_repeats_across_threads_leases_and_restarts() {
        let mut seen = Vec::new();
        for _restart in 0..3 {
            let nonces = Nonces::new(&SystemEntropy);
            let run = || {
                let mut drawn = Vec::new();
                while drawn.len() < 170_000 {
                    let mut lease = NonceLease::default();
                    let batch = drawn.len() % 150;
                    drawn.extend((0..=batch).map(|_| nonces.next(&mut lease)));
                }
                drawn
            };
            std::thread::scope(|scope| {
                let other = scope.spawn(run);
                seen.extend(run());
                seen.extend(other.join().unwrap());
            });
        }
        let drawn = seen.len();
        assert!(drawn > 1_000_000);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), drawn, "a nonce came twice");
    }

    /// Rule HSM-08
    #[test]
    fn a_used_up_counter_moves_the_fixed_field_on() {
        for fixed in [7, u64::MAX] {
            let next = AtomicU64::new(u64::from(u32::MAX));
            let (nonces, mut lease) = (Nonces { fixed, next }, NonceLease::default());
            let drawn: BTreeSet<_> = (0..3).map(|_| nonces.next(&mut lease)).collect();
            let field = |fixed: u64, counter: u32| {
                let mut nonce = [0; NONCE_BYTES];
                nonce[..8].copy_from_slice(&fixed.to_be_bytes());
                nonce[8..].copy_from_slice(&counter.to_be_bytes());
                nonce
            };
            let after = fixed.wrapping_add(1);
            let expected = [field(fixed, u32::MAX), field(after, 0), field(after, 1)];
            assert_eq!(drawn, BTreeSet::from(expected));
        }
    }
}
