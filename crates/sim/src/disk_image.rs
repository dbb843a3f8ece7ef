//! The bytes of a disk, in pieces that copies share until one of them writes.

use std::fmt;
use std::sync::Arc;

/// A page of the store's engine: what is written is then mostly a whole piece.
pub(crate) const PIECE_BYTES: usize = 4096;

pub(crate) type Piece = [u8; PIECE_BYTES];

/// What lies on a disk, byte for byte. A clone costs a pointer for each piece, so that thousands
/// of worlds can begin with the same disks.
#[derive(Clone, Default)]
pub struct DiskImage {
    /// None is a piece of zeros. Beyond `bytes` the last piece has zeros.
    pieces: Vec<Option<Arc<Piece>>>,
    bytes: usize,
}

/// A part of one piece.
struct Part {
    piece: usize,
    from: usize,
    to: usize,
}

impl DiskImage {
    /// How many bytes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Overwrites `out` with what lies at `at`. False, when that is not all within the medium.
    #[must_use]
    pub fn read(&self, at: usize, mut out: &mut [u8]) -> bool {
        if at.saturating_add(out.len()) > self.bytes {
            return false;
        }
        for part in parts(at, out.len()) {
            let (now, rest) = out.split_at_mut(part.to - part.from);
            match self.piece(part.piece) {
                Some(piece) => {
                    now.copy_from_slice(piece.get(part.from..part.to).unwrap_or_default());
                }
                None => now.fill(0),
            }
            out = rest;
        }
        true
    }

    /// Appends what lies at `at` to `out`, as far as it lies within the medium.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>, at: usize, bytes: usize) {
        let bytes = bytes.min(self.bytes.saturating_sub(at));
        for part in parts(at, bytes) {
            match self.piece(part.piece) {
                Some(piece) => {
                    out.extend_from_slice(piece.get(part.from..part.to).unwrap_or_default());
                }
                None => out.resize(out.len() + part.to - part.from, 0),
            }
        }
    }

    /// Writes what lies within the medium.
    pub(crate) fn write(&mut self, at: usize, mut data: &[u8]) {
        let bytes = data.len().min(self.bytes.saturating_sub(at));
        for part in parts(at, bytes) {
            let (now, rest) = data.split_at(part.to - part.from);
            if let Some(slot) = self.pieces.get_mut(part.piece) {
                overwrite(slot, part.from, now);
            }
            data = rest;
        }
    }

    /// Puts a whole piece in the place of another, and gives that. None beyond the end.
    pub(crate) fn replace(
        &mut self,
        number: usize,
        piece: Option<Arc<Piece>>,
    ) -> Option<Option<Arc<Piece>>> {
        let within = (number + 1) * PIECE_BYTES <= self.bytes;
        let slot = self.pieces.get_mut(number).filter(|_| within)?;
        Some(std::mem::replace(slot, piece))
    }

    /// Cuts off, or adds zeros.
    pub(crate) fn resize(&mut self, bytes: usize) {
        if bytes < self.bytes {
            let within = bytes % PIECE_BYTES;
            let last = self.pieces.get_mut(bytes / PIECE_BYTES);
            if within > 0
                && let Some(Some(piece)) = last
            {
                let tail = Arc::make_mut(piece).get_mut(within..);
                tail.unwrap_or_default().fill(0);
            }
        }
        self.pieces.resize(bytes.div_ceil(PIECE_BYTES), None);
        self.bytes = bytes;
    }

    /// Everything in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::new();
        self.append_to(&mut all, 0, self.bytes);
        all
    }

    /// The piece with a number; none when it is all zeros, or beyond the end.
    pub(crate) fn piece(&self, number: usize) -> Option<&Piece> {
        self.pieces.get(number)?.as_deref()
    }

    /// Whether a piece was not written since `other` was a copy of this medium, or the reverse.
    pub(crate) fn shares(&self, other: &Self, number: usize) -> bool {
        match (self.pieces.get(number), other.pieces.get(number)) {
            (Some(Some(one)), Some(Some(two))) => Arc::ptr_eq(one, two),
            (Some(None), Some(None)) => true,
            _ => false,
        }
    }

    pub(crate) const fn pieces(&self) -> usize {
        self.pieces.len()
    }
}

fn overwrite(slot: &mut Option<Arc<Piece>>, from: usize, data: &[u8]) {
    if let Ok(whole) = Piece::try_from(data) {
        *slot = Some(Arc::new(whole));
        return;
    }
    let piece = Arc::make_mut(slot.get_or_insert_with(|| Arc::new([0; PIECE_BYTES])));
    if let Some(room) = piece.get_mut(from..from + data.len()) {
        room.copy_from_slice(data);
    }
}

/// The parts of pieces that `bytes` bytes at `at` lie in.
fn parts(at: usize, bytes: usize) -> impl Iterator<Item = Part> {
    let end = at + bytes;
    let mut next = at;
    std::iter::from_fn(move || {
        let (piece, from) = (next / PIECE_BYTES, next % PIECE_BYTES);
        let to = PIECE_BYTES.min(from + (end - next));
        next += to - from;
        (to > from).then_some(Part { piece, from, to })
    })
}

impl fmt::Debug for DiskImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DiskImage({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(usize, Vec<u8>),
        Resize(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = prop::collection::vec(1_u8.., 0..9_000);
        prop_oneof![
            (0_usize..20_000, bytes).prop_map(|(at, data)| Step::Write(at, data)),
            (0_usize..4).prop_map(|piece| Step::Write(piece * 4096, vec![7; 4096])),
            (0_usize..20_000).prop_map(Step::Resize),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// Rule SIM-04
        #[test]
        fn a_medium_is_a_row_of_bytes_and_a_copy_keeps_its_own(
            before in prop::collection::vec(step(), 0..12),
            after in prop::collection::vec(step(), 0..12),
        ) {
            let (mut medium, mut expected) = (DiskImage::default(), Vec::new());
            let mut copied = None;
            for (number, step) in before.iter().chain(&after).enumerate() {
                if number == before.len() {
                    copied = Some((medium.clone(), expected.clone()));
                }
                match step {
                    Step::Resize(bytes) => {
                        medium.resize(*bytes);
                        expected.resize(*bytes, 0);
                    }
                    Step::Write(at, data) => {
                        medium.write(*at, data);
                        let end = expected.len().min(at + data.len());
                        if let Some(room) = expected.get_mut(*at..end) {
                            room.copy_from_slice(&data[..room.len()]);
                        }
                    }
                }
                prop_assert!(medium.to_vec() == expected);
            }
            if let Some((copy, then)) = copied {
                prop_assert!(copy.to_vec() == then);
            }
            let mut some = vec![0; expected.len() / 3];
            let at = expected.len() / 2;
            prop_assert!(medium.read(at, &mut some));
            prop_assert!(some == expected[at..at + some.len()]);
            prop_assert!(!medium.read(at, &mut vec![0; expected.len() + 1]));
        }
    }
}
