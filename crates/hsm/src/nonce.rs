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
//! An incarnation is one start of one HSM: a fresh, restored or restarted HSM draws a new fixed
//! field of 64 random bits, and so does one whose 32-bit counter is used up. Within a fixed field
//! the counter never repeats, so a (key, nonce) pair can repeat only if two of the fixed fields
//! under which a key was ever used are equal: for 100,000 of them a chance of about 3 in 10^10.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_seam::plant::{Bug, planted};
use portcullis_seam::{Entropy, draw};

/// The length of an AES-GCM nonce.
pub const NONCE_BYTES: usize = 12;

const FIXED_BYTES: usize = 8;

/// The source of all nonces of one HSM.
#[derive(Debug)]
pub(crate) struct Nonces {
    entropy: Arc<dyn Entropy>,
    next: Mutex<Field>,
}

#[derive(Debug)]
struct Field {
    fixed: [u8; FIXED_BYTES],
    counter: u32,
}

/// A run of counters that one batch may use without asking again.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    fixed: [u8; FIXED_BYTES],
    next: u32,
    left: u32,
    size: u32,
}

/// A batch that has asked this often is long; leased counters that it does not use are skipped,
/// which costs nothing but their number.
const LEASE_MAX: u32 = 64;

impl Nonces {
    /// The nonces of a new incarnation. Rule HSM-08.
    pub(crate) fn new(entropy: Arc<dyn Entropy>) -> Self {
        let fixed = if planted(Bug::NonceReused) {
            [0; FIXED_BYTES]
        } else {
            draw(&*entropy)
        };
        Self {
            entropy,
            next: Mutex::new(Field { fixed, counter: 0 }),
        }
    }

    /// The next nonce under `lease`, which grows with the batch.
    pub(crate) fn next(&self, lease: &mut Lease) -> [u8; NONCE_BYTES] {
        if lease.left == 0 {
            self.renew(lease);
        }
        let mut nonce = [0; NONCE_BYTES];
        let (fixed, counter) = nonce.split_at_mut(FIXED_BYTES);
        fixed.copy_from_slice(&lease.fixed);
        counter.copy_from_slice(&lease.next.to_be_bytes());
        lease.next = lease.next.wrapping_add(1);
        lease.left -= 1;
        nonce
    }

    fn renew(&self, lease: &mut Lease) {
        lease.size = (lease.size * 2).clamp(1, LEASE_MAX);
        let mut field = self.next.lock();
        let Some(after) = field.counter.checked_add(lease.size) else {
            *field = Field {
                fixed: draw(&*self.entropy),
                counter: lease.size,
            };
            (lease.fixed, lease.next, lease.left) = (field.fixed, 0, lease.size);
            return;
        };
        (lease.fixed, lease.next, lease.left) = (field.fixed, field.counter, lease.size);
        field.counter = after;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_seam::SystemEntropy;

    use super::*;

    /// Rule HSM-08
    #[test]
    fn no_nonce_repeats_across_threads_leases_and_restarts() {
        let mut seen = BTreeSet::new();
        for _restart in 0..3 {
            let nonces = Nonces::new(Arc::new(SystemEntropy));
            let run = || {
                let mut drawn = Vec::new();
                for batch in 0..200 {
                    let mut lease = Lease::default();
                    drawn.extend((0..batch).map(|_| nonces.next(&mut lease)));
                }
                drawn
            };
            let drawn = std::thread::scope(|scope| {
                let other = scope.spawn(run);
                [run(), other.join().unwrap()].concat()
            });
            for nonce in drawn {
                assert!(seen.insert(nonce), "{nonce:?} came twice");
            }
        }
    }

    #[test]
    fn a_used_up_counter_draws_a_new_fixed_field() {
        let nonces = Nonces::new(Arc::new(SystemEntropy));
        nonces.next.lock().counter = u32::MAX;
        let before = nonces.next.lock().fixed;
        let after = nonces.next(&mut Lease::default());
        assert_ne!(after.get(..8), Some(&before[..]));
    }
}
