//! The ciphertext blob, versions 1 and 2.
//!
//! ```text
//! byte  0   1                17               33          45
//!       ├───┼────────────────┼────────────────┼───────────┼──────────── … ────┬─────────┤
//!       │ v │ KMS key ID     │ HSM key ID     │ nonce     │ ciphertext        │ tag 16  │
//!       └───┴────────────────┴────────────────┴───────────┴──────────── … ────┴─────────┘
//! ```
//!
//! Everything before the nonce is bound as additional data, together with the key's ARN and the
//! encryption context: a blob opens only under the KMS key that made it, in the account and Region
//! where it was made.
//!
//! Rule CR-07: a version that was ever written is read forever. Files of the tests pin both.
//!
//! Version 2 is the same for a multi-Region key (`mrk-`), whose Region is not bound: what one of its
//! replicas made, each of them opens.

use portcullis_api::KeyId;
use portcullis_hsm::HsmKeyId;

const VERSION: u8 = 1;
const VERSION_MULTI_REGION: u8 = 2;

/// What stands before the sealed text.
pub(crate) const HEADER_BYTES: usize = 33;

/// A blob taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ciphertext<'a> {
    pub(crate) key: KeyId,
    pub(crate) material: HsmKeyId,
    pub(crate) sealed: &'a [u8],
}

impl<'a> Ciphertext<'a> {
    /// Takes a blob apart; none when it is not of this version.
    pub(crate) fn parse(blob: &'a [u8]) -> Option<Self> {
        let (version, rest) = blob.split_first()?;
        let (key, rest) = rest.split_first_chunk::<16>()?;
        let (material, sealed) = rest.split_first_chunk::<16>()?;
        let key = match *version {
            VERSION => KeyId::from_bytes(*key),
            VERSION_MULTI_REGION => KeyId::multi_region_from_bytes(*key),
            _ => return None,
        };
        Some(Self {
            key,
            material: HsmKeyId(*material),
            sealed,
        })
    }
}

/// The blob of `sealed` under a key.
pub(crate) fn blob(key: KeyId, material: HsmKeyId, sealed: &[u8]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(HEADER_BYTES + sealed.len());
    blob.push(if key.is_multi_region() {
        VERSION_MULTI_REGION
    } else {
        VERSION
    });
    blob.extend_from_slice(key.bytes());
    blob.extend_from_slice(&material.0);
    blob.extend_from_slice(sealed);
    blob
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_blob_comes_apart_as_it_was_put_together(key: [u8; 16], material: [u8; 16], sealed: Vec<u8>) {
            let material = HsmKeyId(material);
            for key in [KeyId::from_bytes(key), KeyId::multi_region_from_bytes(key)] {
                let blob = blob(key, material, &sealed);
                prop_assert_eq!(Ciphertext::parse(&blob), Some(Ciphertext { key, material, sealed: &sealed }));
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _either = Ciphertext::parse(&bytes);
        }
    }
}
