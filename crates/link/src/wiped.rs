use std::fmt;

use zeroize::Zeroize;

/// Bytes that may hold plaintexts: wiped when dropped, not printed.
#[derive(Default, PartialEq, Eq)]
pub struct Wiped(Vec<u8>);

impl Wiped {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Makes room for `more` bytes. `Vec` would leave a copy behind when it moves; this wipes it.
    pub(crate) fn reserve(&mut self, more: usize) {
        if self.0.capacity() - self.0.len() >= more {
            return;
        }
        let capacity = (self.0.len() + more).max(self.0.capacity() * 2);
        let mut grown = Vec::with_capacity(capacity);
        grown.extend_from_slice(&self.0);
        self.0.zeroize();
        self.0 = grown;
    }

    /// Appends `bytes`, leaving no copy behind.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// The vector itself, for those who append after [`Wiped::reserve`].
    pub(crate) const fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Overwrites the bytes from `at` on, which exist.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        debug_assert!(
            at + bytes.len() <= self.0.len(),
            "only what was written is patched"
        );
        for (slot, byte) in self.0.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    }

    /// Drops and wipes everything from `length` on.
    pub(crate) fn truncate(&mut self, length: usize) {
        if let Some(rest) = self.0.get_mut(length..) {
            rest.zeroize();
        }
        self.0.truncate(length);
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
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
        self.0.as_mut_slice().zeroize();
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
    fn debug_output_shows_no_bytes() {
        assert_eq!(
            format!("{:?}", Wiped::from(b"secret".to_vec())),
            "Wiped(6 bytes)"
        );
    }
}
