use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_seam::Entropy;

use crate::canary::Canaries;

/// Seeded chance: xoshiro256++, one stream for each name, so that a draw more in one part of a
/// world does not shift the draws of another.
#[derive(Clone)]
pub struct Random([u64; 4]);

impl Random {
    /// The stream `name` of `seed`.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a over the name, then SplitMix64, as the authors of xoshiro recommend for seeding.
        let mut state = name
            .bytes()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        Self([(); 4].map(|()| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }))
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, or 0 when `bound` is 0. The bias is below 2^-32 for small bounds.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits().checked_rem(bound).unwrap_or(0)
    }

    /// A number of `range`.
    pub fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end().saturating_sub(*range.start()).saturating_add(1))
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`; none when there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(choices.len()).unwrap_or(u64::MAX);
        choices.get(usize::try_from(self.below(count)).unwrap_or_default())
    }

    /// Overwrites `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bits = self.bits().to_le_bytes();
            chunk.copy_from_slice(bits.get(..chunk.len()).unwrap_or_default());
        }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Random(..)")
    }
}

/// The [`Entropy`] of one host: what it draws depends on the seed and on what it drew before.
#[derive(Debug)]
pub struct SimEntropy {
    random: Mutex<Random>,
    canaries: Option<Arc<Canaries>>,
}

/// Keys, private keys and rotated passwords are drawn in one piece of this length, and nothing
/// that is public is.
const SECRET_BYTES: usize = 32;

impl SimEntropy {
    /// The entropy of `host` under `seed`.
    #[must_use]
    pub fn new(seed: u64, host: &str) -> Self {
        Self {
            random: Mutex::new(Random::new(seed, host)),
            canaries: None,
        }
    }

    /// The same, which tells `canaries` what secrets were drawn.
    #[must_use]
    pub fn watched(seed: u64, host: &str, canaries: Arc<Canaries>) -> Self {
        Self {
            canaries: Some(canaries),
            ..Self::new(seed, host)
        }
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, out: &mut [u8]) {
        self.random.lock().fill(out);
        if let Some(canaries) = &self.canaries
            && out.len() == SECRET_BYTES
        {
            canaries.secret("a key", out);
            canaries.password(&as_password(out));
        }
    }
}

/// The password that KMS makes of what it drew: the letters and digits that it chooses.
fn as_password(drawn: &[u8]) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789AB";
    let chosen = drawn
        .iter()
        .filter_map(|byte| letters.get(usize::from(byte & 63)));
    chosen.copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use portcullis_seam::draw;

    use super::*;

    #[test]
    fn a_seed_and_a_host_always_draw_the_same_and_others_something_else() {
        let drawn = |seed, host| -> [u8; 24] { draw(&SimEntropy::new(seed, host)) };
        assert_eq!(drawn(1, "kms"), drawn(1, "kms"));
        assert_ne!(drawn(1, "kms"), drawn(2, "kms"));
        assert_ne!(drawn(1, "kms"), drawn(1, "hsm"));
    }

    #[test]
    fn every_number_of_a_range_comes_and_no_other() {
        let mut random = Random::new(3, "range");
        let mut seen = [0; 5];
        for _ in 0..500 {
            seen[usize::try_from(random.within(&(0..=4))).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
        assert_eq!(random.within(&(7..=7)), 7);
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}
