//! A fast hash of everything that happens, to tell two runs apart. Nobody chooses what goes in to
//! deceive it, so that it need not withstand that.

use std::fmt;
use std::hash::Hasher;

/// Odd, with as many ones as zeros (the golden ratio), as multiplicative hashing wants it.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Folds eight bytes at a time into the state, each with a multiplication of 64 by 64 bits whose
/// halves are joined, so that every bit reaches every other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digest(u64);

impl Digest {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ MULTIPLIER) * u128::from(word | MULTIPLIER);
        let [low, high] = [product, product >> 64].map(|half| {
            let bytes = half.to_le_bytes();
            u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
        });
        self.0 = (self.0.rotate_left(23) ^ low).wrapping_add(high);
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        if let Some(room) = last.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        self.fold(u64::from_le_bytes(last));
        self.fold(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn write_u8(&mut self, byte: u8) {
        self.fold(u64::from(byte));
    }

    fn write_usize(&mut self, size: usize) {
        self.fold(u64::try_from(size).unwrap_or(u64::MAX));
    }

    fn write_isize(&mut self, size: isize) {
        self.write(&size.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What is written goes into the hash.
impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&[u8]]) -> u64 {
        let mut digest = Digest::default();
        parts.iter().for_each(|part| digest.write(part));
        digest.finish()
    }

    /// Rule SIM-02
    #[test]
    fn texts_that_differ_in_a_bit_in_length_or_in_where_they_are_cut_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for length in 0..40 {
            let text = vec![0; length];
            assert!(seen.insert(of(&[&text])), "{length} zeros");
            for at in 0..length {
                for bit in 0..8 {
                    let mut other = text.clone();
                    other[at] ^= 1 << bit;
                    assert!(seen.insert(of(&[&other])), "{length} {at} {bit}");
                }
            }
        }
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"a", b"b"]), of(&[b"b", b"a"]));
    }
}
