//! Bytes that may hold plaintexts, on the way that every call takes.
//!
//! `zeroize` overwrites a vector byte by byte, by volatile writes, and all of its capacity: 4 KiB on their
//! way through KMS and an HSM cost 130,000 instructions so. Here they are overwritten as a block, and the
//! compiler is told that they are looked at afterwards.
//!
//! ```
//! use portcullis_wiped::Wiped;
//!
//! let plaintext = Wiped::from(b"secret".to_vec());
//! assert_eq!(&*plaintext, b"secret");
//! assert_eq!(format!("{plaintext:?}"), "Wiped(6 bytes)");
//! ```

use std::fmt;
use std::ops::Deref;

use zeroize::{Zeroizing, optimization_barrier};

/// Bytes that may hold plaintexts: wiped when dropped, not printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wiped(Vec<u8>);

/// Overwrites bytes with zeros, also where nothing reads them afterwards.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    optimization_barrier(bytes);
}

impl Wiped {
    /// None yet, with room for so many.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Makes room for `more` bytes. `Vec` would leave a copy behind when it moves; this wipes it.
    pub fn reserve(&mut self, more: usize) {
        if self.0.capacity() - self.0.len() >= more {
            return;
        }
        let capacity = (self.0.len() + more).max(self.0.capacity() * 2);
        let mut grown = Vec::with_capacity(capacity);
        grown.extend_from_slice(&self.0);
        wipe(&mut self.0);
        self.0 = grown;
    }

    /// Appends `bytes`, leaving no copy behind.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// The vector itself, for those who append after [`Wiped::reserve`].
    pub const fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Overwrites the bytes from `at` on, which exist.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        debug_assert!(
            at + bytes.len() <= self.0.len(),
            "only what was written is patched"
        );
        for (slot, byte) in self.0.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    }

    /// Drops and wipes everything from `length` on.
    pub fn truncate(&mut self, length: usize) {
        if let Some(rest) = self.0.get_mut(length..) {
            wipe(rest);
        }
        self.0.truncate(length);
    }

    /// The bytes, which are not secret any more, or which their new owner wipes.
    #[must_use]
    pub fn take(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Zeroizing<Vec<u8>>> for Wiped {
    fn from(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(std::mem::take(&mut *bytes))
    }
}

impl From<Wiped> for Zeroizing<Vec<u8>> {
    fn from(bytes: Wiped) -> Self {
        Self::new(bytes.take())
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        // Not the spare capacity: whatever was there has been wiped when it was given up.
        wipe(&mut self.0);
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Wiped({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_and_truncating_keep_the_bytes_before() {
        let mut bytes = Wiped::with_capacity(1);
        for byte in 0..100 {
            bytes.extend(&[byte]);
        }
        bytes.truncate(10);
        bytes.patch(8, &[80, 90]);
        assert_eq!(bytes.as_ref(), [0, 1, 2, 3, 4, 5, 6, 7, 80, 90]);
    }

    #[test]
    fn what_is_wiped_is_zero() {
        let mut bytes = *b"secret";
        wipe(&mut bytes[1..]);
        assert_eq!(bytes, *b"s\0\0\0\0\0");
    }

    #[test]
    fn debug_output_shows_no_bytes() {
        assert_eq!(
            format!("{:?}", Wiped::from(b"secret".to_vec())),
            "Wiped(6 bytes)"
        );
    }
}
