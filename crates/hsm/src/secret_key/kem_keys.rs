//! Keys of ML-KEM, and the forms of them that aws-lc's Rust interface does not write: RFC 9935.
//!
//! ```text
//! SubjectPublicKeyInfo   30 82 …  30 0b 06 09 <oid>   03 82 …  00 <encapsulation key>
//! PKCS #8, seed form     30 54  02 01 00  30 0b 06 09 <oid>   04 42  80 40 <seed of 64 bytes>
//! ```

use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey};
#[expect(deprecated, reason = "aws-lc takes the expanded form only")]
use ml_kem::ExpandedKeyEncoding;
use ml_kem::{DecapsulationKey512, DecapsulationKey768, DecapsulationKey1024, KeyExport, Seed};
use zeroize::{Zeroize, Zeroizing};

use super::kind::KemSize;
use crate::Refusal;

/// A seed is `d ‖ z` (FIPS 203, 7.1).
pub(super) const SEED_BYTES: usize = 64;

/// Both halves of an ML-KEM key as aws-lc wants them.
pub(super) struct KemKeys {
    pub(super) decapsulating: DecapsulationKey,
    pub(super) encapsulating: EncapsulationKey,
}

impl KemKeys {
    pub(super) fn of(size: KemSize, seed: &[u8]) -> Result<Self, Refusal> {
        let wrong = |_| Refusal::BadMechanism;
        let algorithm = size.algorithm();
        let halves = halves(size, seed)?;
        Ok(Self {
            decapsulating: DecapsulationKey::new(algorithm, &halves.private).map_err(wrong)?,
            encapsulating: EncapsulationKey::new(algorithm, &halves.public).map_err(wrong)?,
        })
    }
}

/// The public key of a seed, as SubjectPublicKeyInfo.
pub(super) fn public_key(size: KemSize, seed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let key = halves(size, seed)?.public;
    let mut bits = vec![0];
    bits.extend_from_slice(&key);
    let body = [identifier(size), der(0x03, &bits)].concat();
    Ok(der(0x30, &body))
}

pub(super) fn to_pkcs8(size: KemSize, seed: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut encoded = Zeroizing::new(Vec::with_capacity(128));
    encoded.extend_from_slice(&pkcs8_start(size));
    encoded.extend_from_slice(seed);
    encoded
}

/// The seed of a PKCS #8 structure, which has one form only.
pub(super) fn seed_of_pkcs8(size: KemSize, encoded: &[u8]) -> Result<&[u8], Refusal> {
    let seed = encoded.strip_prefix(&*pkcs8_start(size));
    seed.filter(|seed| seed.len() == SEED_BYTES)
        .ok_or(Refusal::BadMechanism)
}

/// Everything that stands before the seed.
fn pkcs8_start(size: KemSize) -> Vec<u8> {
    let mut start = vec![0x30, 0x54, 0x02, 0x01, 0x00];
    start.extend(identifier(size));
    start.extend([0x04, 0x42, 0x80, 0x40]);
    start
}

/// The AlgorithmIdentifier: id-alg-ml-kem-512, -768 and -1024 are 2.16.840.1.101.3.4.4.1 to 3.
fn identifier(size: KemSize) -> Vec<u8> {
    let last = match size {
        KemSize::Kem512 => 1,
        KemSize::Kem768 => 2,
        KemSize::Kem1024 => 3,
    };
    let oid = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04, last];
    der(0x30, &der(0x06, &oid))
}

/// A DER value with its length before it.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    let mut encoded = vec![tag];
    match significant.as_slice() {
        [] => encoded.push(0),
        [short] if *short < 0x80 => encoded.push(*short),
        long => {
            // A length has eight bytes at the most.
            encoded.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            encoded.extend_from_slice(long);
        }
    }
    encoded.extend_from_slice(content);
    encoded
}

/// The expanded private key and the public key, in FIPS 203's encodings.
struct Halves {
    private: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

fn halves(size: KemSize, seed: &[u8]) -> Result<Halves, Refusal> {
    let mut seed = Seed::try_from(seed).map_err(|_| Refusal::BadLength)?;
    let halves = match size {
        KemSize::Kem512 => {
            let key = DecapsulationKey512::from_seed(seed);
            expanded(&key, key.encapsulation_key())
        }
        KemSize::Kem768 => {
            let key = DecapsulationKey768::from_seed(seed);
            expanded(&key, key.encapsulation_key())
        }
        KemSize::Kem1024 => {
            let key = DecapsulationKey1024::from_seed(seed);
            expanded(&key, key.encapsulation_key())
        }
    };
    seed.as_mut_slice().zeroize();
    Ok(halves)
}

#[expect(deprecated, reason = "aws-lc takes the expanded form only")]
fn expanded(private: &impl ExpandedKeyEncoding, public: &impl KeyExport) -> Halves {
    let mut bytes = private.to_expanded_bytes();
    let halves = Halves {
        private: Zeroizing::new(bytes.to_vec()),
        public: public.to_bytes().to_vec(),
    };
    bytes.as_mut_slice().zeroize();
    halves
}
