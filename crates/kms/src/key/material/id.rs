//! The identity of a version of a key's material.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use portcullis_hsm::HsmKeyId;
use serde::{Deserialize, Serialize};

/// A key material's identity in the API: 64 lower-case hexadecimal digits (API, KeyMaterialId).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct MaterialId([u8; 32]);

impl MaterialId {
    /// Of material that an HSM made: nothing of the material itself is in it.
    pub(crate) fn of_generated(hsm_key: HsmKeyId) -> Self {
        Self::hash(&hsm_key.0)
    }

    /// The key in the HSMs that has imported material of this identity: where the same bytes are
    /// imported again, or into another Region, it is the same key.
    pub(crate) fn as_hsm_key(self) -> HsmKeyId {
        let first = self.0.first_chunk().copied();
        HsmKeyId(first.unwrap_or_default())
    }

    /// The SHA-256 of `bytes`.
    pub(crate) fn hash(bytes: &[u8]) -> Self {
        let mut id = [0; 32];
        id.iter_mut()
            .zip(digest(&SHA256, bytes).as_ref())
            .for_each(|(slot, byte)| *slot = *byte);
        Self(id)
    }
}

impl fmt::Display for MaterialId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&HEXLOWER.encode_display(&self.0), formatter)
    }
}

impl fmt::Debug for MaterialId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MaterialId({self})")
    }
}

/// A text that is no key material ID.
#[derive(Debug)]
pub(crate) struct InvalidMaterialId;

impl fmt::Display for InvalidMaterialId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a key material ID of 64 hexadecimal digits")
    }
}

impl FromStr for MaterialId {
    type Err = InvalidMaterialId;

    fn from_str(text: &str) -> Result<Self, InvalidMaterialId> {
        let mut id = [0; 32];
        if text.len() != 2 * id.len() {
            return Err(InvalidMaterialId);
        }
        let read = HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut id);
        read.map_err(|_| InvalidMaterialId)?;
        Ok(Self(id))
    }
}

impl TryFrom<String> for MaterialId {
    type Error = InvalidMaterialId;

    fn try_from(text: String) -> Result<Self, InvalidMaterialId> {
        text.parse()
    }
}

impl From<MaterialId> for String {
    fn from(id: MaterialId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_material_id_reads_back_what_it_prints() {
        let id = MaterialId::of_generated(HsmKeyId([3; 16]));
        assert_eq!(id.to_string().len(), 64);
        assert_eq!(id.to_string().parse::<MaterialId>().unwrap(), id);
        for refused in ["", "12", &"g".repeat(64), &"é".repeat(32)] {
            assert!(refused.parse::<MaterialId>().is_err(), "{refused}");
        }
    }
}
