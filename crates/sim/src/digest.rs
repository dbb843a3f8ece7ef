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
        let (low, high) = (self.0 ^ word ^ MULTIPLIER).carrying_mul(word | MULTIPLIER, 0);
        self.0 = (self.0.rotate_left(23) ^ low).wrapping_add(high);
    }
}

impl Hasher for Digest {
    /// The last word has what is left, seven bytes at most, and in its eighth byte how many bytes
    /// there were: two texts with as many words and the same bytes differ in that.
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (room, byte) in last.iter_mut().zip(rest) {
            *room = *byte;
        }
        let [.., lowest] = bytes.len().to_be_bytes();
        let [.., eighth] = &mut last;
        *eighth = lowest;
        self.fold(u64::from_le_bytes(last));
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

    /// Which variant it is, mostly.
    fn write_isize(&mut self, size: isize) {
        self.write_usize(size.cast_unsigned());
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
