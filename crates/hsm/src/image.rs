use std::fmt;

use zeroize::Zeroizing;

use crate::record;

/// Users, keys, certificates and policy of an HSM at an instant: what a backup contains.
///
/// Fences are of one HSM alone and not part of it. The bytes are secret; seal them before they
/// touch a disk.
#[derive(Clone, PartialEq, Eq)]
pub struct Image(pub(crate) Vec<(String, Zeroizing<Vec<u8>>)>);

/// Bytes that are not an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageError;

impl fmt::Display for ImageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not the image of an HSM, or one of another version")
    }
}

impl std::error::Error for ImageError {}

/// Says what the bytes are and in which version.
const MAGIC: &[u8; 5] = b"PCIM\x02";

impl Image {
    /// The image as bytes, secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let records: Vec<(&str, &[u8])> = self
            .0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_slice()))
            .collect();
        let encoded = record::encode(&records);
        Zeroizing::new([&MAGIC[..], &encoded].concat())
    }

    /// Reads an image back.
    ///
    /// # Errors
    /// When the bytes are not an image of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ImageError> {
        let encoded = bytes.strip_prefix(MAGIC).ok_or(ImageError)?;
        let records: Vec<(String, Zeroizing<Vec<u8>>)> =
            record::decode(encoded).ok_or(ImageError)?;
        Ok(Self(records))
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Image({} records)", self.0.len())
    }
}
