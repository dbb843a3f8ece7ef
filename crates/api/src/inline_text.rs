use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// A text of at most `BYTES` bytes, at most 255, that stands where it is held: to copy it costs no
/// allocation, and every call copies its account and its Region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InlineText<const BYTES: usize> {
    /// Zeros behind the text, so that texts compare as their bytes do.
    bytes: [u8; BYTES],
    length: u8,
}

/// A text that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

impl<const BYTES: usize> TryFrom<&str> for InlineText<BYTES> {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        let mut bytes = [0; BYTES];
        let room = bytes.get_mut(..text.len()).ok_or(TooLong)?;
        room.copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).map_err(|_too_long| TooLong)?;
        Ok(Self { bytes, length })
    }
}

impl<const BYTES: usize> Deref for InlineText<BYTES> {
    type Target = str;

    fn deref(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length));
        // It was a text when it was copied.
        text.and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or_default()
    }
}

impl<const BYTES: usize> From<InlineText<BYTES>> for String {
    fn from(text: InlineText<BYTES>) -> Self {
        (*text).to_owned()
    }
}

/// Without a look at whether it is a text: the scope of every call is hashed.
impl<const BYTES: usize> Hash for InlineText<BYTES> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write(&self.bytes);
    }
}

impl<const BYTES: usize> fmt::Debug for InlineText<BYTES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_that_fits_is_the_same_text(text in "\\PC{0,8}", other in "\\PC{0,8}") {
            let inline = InlineText::<16>::try_from(text.as_str());
            prop_assert_eq!(inline.is_ok(), text.len() <= 16);
            let Ok(inline) = inline else { return Ok(()) };
            prop_assert_eq!(&*inline, text.as_str());
            prop_assert_eq!(format!("{inline:?}"), format!("{text:?}"));
            if let Ok(other_inline) = InlineText::<16>::try_from(other.as_str()) {
                prop_assert_eq!(inline.cmp(&other_inline), text.cmp(&other));
            }
        }
    }
}
