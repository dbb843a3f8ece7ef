use serde::{Deserialize, Serialize};

use crate::HsmKeyId;

/// Which keys an HSM has and how often each was changed, as one number that is cheap to compare.
///
/// Key ids are random, and a revision multiplies its key's id by an odd number of its own, so two
/// HSMs that differ have the same fingerprint once in some 2^128.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    count: usize,
    bits: u128,
}

impl Fingerprint {
    pub(crate) const fn add(&mut self, id: HsmKeyId, revision: u64) {
        self.count += 1;
        self.bits ^= mark(id, revision);
    }

    pub(crate) const fn remove(&mut self, id: HsmKeyId, revision: u64) {
        self.count = self.count.saturating_sub(1);
        self.bits ^= mark(id, revision);
    }
}

/// Of keys that were never changed.
impl FromIterator<HsmKeyId> for Fingerprint {
    fn from_iter<T: IntoIterator<Item = HsmKeyId>>(ids: T) -> Self {
        let mut fingerprint = Self::default();
        for id in ids {
            fingerprint.add(id, 0);
        }
        fingerprint
    }
}

const fn mark(id: HsmKeyId, revision: u64) -> u128 {
    let odd = (revision as u128) * 2 + 1;
    u128::from_be_bytes(id.0).wrapping_mul(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_and_removed_leaves_no_trace_and_revisions_count() {
        let (one, two) = (HsmKeyId([3; 16]), HsmKeyId([9; 16]));
        let mut marks = Fingerprint::default();
        marks.add(one, 0);
        marks.add(two, 0);
        let before = marks;
        marks.remove(one, 0);
        marks.add(one, 1);
        marks.remove(two, 0);
        marks.add(two, 1);
        assert_ne!(marks, before, "two changes do not cancel each other");
        marks.remove(one, 1);
        marks.remove(two, 1);
        assert_eq!(marks, Fingerprint::default());
    }
}
