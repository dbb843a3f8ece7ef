use super::{FRAME_BYTES_MAX, FrameError, HEADER_BYTES, PREFIX_BYTES};
use portcullis_wiped::Wiped;

/// What an announced length reserves before its bytes have arrived (Rule LINK-02).
const RESERVED_MAX: usize = 64 << 10;

/// Puts frames together from the pieces in which a stream delivers them.
#[derive(Debug, Default)]
pub struct Assembler {
    partial: Wiped,
}

impl Assembler {
    /// Takes the next piece of the stream and hands every frame that it completes to `complete`.
    ///
    /// # Errors
    /// When a length prefix is out of range; the stream cannot be followed from there on.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        mut complete: impl FnMut(Wiped),
    ) -> Result<(), FrameError> {
        while !piece.is_empty() {
            piece = self.take_prefix(piece);
            let Some(total) = self.total()? else {
                return Ok(());
            };
            let missing = total.saturating_sub(self.partial.len());
            let (here, later) = piece.split_at(missing.min(piece.len()));
            // One allocation for most frames, although they arrive in several packets.
            self.partial
                .reserve(missing.min(RESERVED_MAX.max(here.len())));
            self.partial.extend(here);
            piece = later;
            if self.partial.len() == total {
                complete(std::mem::take(&mut self.partial));
            }
        }
        Ok(())
    }

    /// Whether the stream stands between two frames.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        self.partial.is_empty()
    }

    fn take_prefix<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let missing = PREFIX_BYTES.saturating_sub(self.partial.len());
        let (here, later) = piece.split_at(missing.min(piece.len()));
        self.partial.extend(here);
        later
    }

    /// The whole length of the frame that has begun, once its prefix is here.
    fn total(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.partial.as_ref().first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        let total = length.saturating_add(PREFIX_BYTES);
        if (HEADER_BYTES..=FRAME_BYTES_MAX).contains(&total) {
            Ok(Some(total))
        } else {
            Err(FrameError::Length)
        }
    }
}
