//! Bytes that are held for all connections together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// A number of bytes that may be held at once, in the whole process.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: usize,
    held: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            held: AtomicUsize::new(0),
        })
    }

    /// Takes `bytes` until the result is dropped; none when that many are not left.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<HeldBytes> {
        let mut held = HeldBytes {
            budget: Arc::clone(self),
            bytes: 0,
        };
        held.grow(bytes).then_some(held)
    }

    /// Takes `bytes` although they may not be left: the ones that others are about to give back.
    pub(crate) fn take_anyway(self: &Arc<Self>, bytes: usize) -> HeldBytes {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        HeldBytes {
            budget: Arc::clone(self),
            bytes,
        }
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Bytes taken from a budget. Dropping it gives them back.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    budget: Arc<Budget>,
    bytes: usize,
}

impl HeldBytes {
    /// Takes `more`; false when that many are not left.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let before = self.budget.held.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.budget.bytes_max {
            self.budget.held.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes that give back what was taken for them when the last of them is dropped, wherever they
/// wait to be sent.
pub(crate) fn with_guard<B, G>(bytes: B, guard: G) -> Bytes
where
    B: AsRef<[u8]> + Send + 'static,
    G: Send + 'static,
{
    struct Guarded<B, G> {
        bytes: B,
        _guard: G,
    }

    impl<B: AsRef<[u8]>, G> AsRef<[u8]> for Guarded<B, G> {
        fn as_ref(&self) -> &[u8] {
            self.bytes.as_ref()
        }
    }

    let owner = Guarded {
        bytes,
        _guard: guard,
    };
    Bytes::from_owner(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule WIRE-29.
    #[test]
    fn no_more_is_held_than_the_budget_has() {
        let budget = Budget::new(100);
        let mut first = budget.take(60).unwrap();
        assert!(budget.take(41).is_none());
        let second = budget.take(40).unwrap();
        assert!(!first.grow(1));
        drop(second);
        assert!(first.grow(40));
        let beyond = budget.take_anyway(10);
        assert_eq!(budget.held(), 110);
        drop((first, beyond));
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn bytes_give_back_what_was_taken_when_the_last_is_gone() {
        let budget = Budget::new(100);
        let held = budget.take(3).unwrap();
        let mut whole = with_guard(b"abc".to_vec(), held);
        let part = whole.split_off(1);
        drop(whole);
        assert_eq!((budget.held(), &part[..]), (3, &b"bc"[..]));
        drop(part);
        assert_eq!(budget.held(), 0);
    }
}
