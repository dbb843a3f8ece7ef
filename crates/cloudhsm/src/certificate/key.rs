use std::fmt;

use portcullis_seam::{Entropy, draw};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::Zeroizing;

/// A P-256 private key as PKCS #8 DER.
pub(crate) struct PrivateKey(Zeroizing<Vec<u8>>);

/// PKCS #8 of a P-256 key (RFC 5958, RFC 5915) up to the 32 bytes of the number itself; the public
/// key, which is optional there, is left out.
const PKCS8_PREFIX: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
];

impl PrivateKey {
    /// A fresh key. Drawn from `entropy` rather than by the library, so that a seed replays it.
    pub(crate) fn generate(entropy: &dyn Entropy) -> Self {
        loop {
            let number: Zeroizing<[u8; 32]> = Zeroizing::new(draw(entropy));
            let key = Self(Zeroizing::new([&PKCS8_PREFIX[..], &number[..]].concat()));
            // Refused when the number is zero or not below the order of the curve: one in 2^32.
            if key.pair().is_ok() {
                return key;
            }
        }
    }

    /// The key in `pkcs8`.
    pub(crate) fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Self {
        Self(pkcs8)
    }

    pub(crate) fn pkcs8(&self) -> &Zeroizing<Vec<u8>> {
        &self.0
    }

    pub(crate) fn pair(&self) -> Result<KeyPair, rcgen::Error> {
        KeyPair::from_pkcs8_der_and_sign_algo(&self.0.as_slice().into(), &PKCS_ECDSA_P256_SHA256)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey(..)")
    }
}
