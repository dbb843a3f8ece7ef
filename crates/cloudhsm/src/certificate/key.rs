use std::fmt;

use portcullis_seam::{Entropy, draw};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
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

    pub(crate) fn pair(&self) -> Result<CertificateSigner, rcgen::Error> {
        let pkcs8 = self.0.as_slice().into();
        KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ECDSA_P256_SHA256)
            .map(CertificateSigner)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey(..)")
    }
}

/// Signs such that every signature has the same length.
///
/// An ECDSA signature is random and in DER some 70 to 72 bytes long. With one length, records and
/// frames that hold certificates have the same sizes in every run of a seed, though not the same
/// bytes.
#[derive(Debug)]
pub(crate) struct CertificateSigner(KeyPair);

/// Every second signature has this length.
const SIGNATURE_BYTES: usize = 71;

/// Never needed: the chance that none of these fits is one in 2^64.
const SIGNINGS_MAX: usize = 64;

impl PublicKeyData for CertificateSigner {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(&self.0)
    }
}

impl SigningKey for CertificateSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        for _signing in 1..SIGNINGS_MAX {
            let signature = self.0.sign(message)?;
            if signature.len() == SIGNATURE_BYTES {
                return Ok(signature);
            }
        }
        self.0.sign(message)
    }
}
