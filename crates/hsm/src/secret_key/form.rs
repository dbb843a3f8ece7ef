use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, PqdsaKeyPair};
use portcullis_seam::{Entropy, draw};
use zeroize::Zeroizing;

use super::expand::Expanded;
use super::kind::Family;
use super::{KeyKind, kem_keys};
use crate::Refusal;

/// Octets of a seed of Ed25519 and ML-DSA.
const SEED_BYTES: usize = 32;

/// Octets of an HMAC key. A longer one than a block of its hash, 128 octets at most, is hashed first
/// (RFC 2104, section 2), so a longer key is no stronger.
const HMAC_BYTES_MAX: usize = 1024;

/// A key with everything that belongs to it. Wiped when dropped, not printed.
pub struct SecretKey {
    kind: KeyKind,
    /// In the form that the module's table says.
    secret: Zeroizing<Vec<u8>>,
    /// DER, SubjectPublicKeyInfo; nothing for HMAC.
    public: Vec<u8>,
    /// Made at the first use: reading an RSA key takes as long as using it.
    expanded: OnceLock<Result<Expanded, Refusal>>,
}

impl SecretKey {
    /// A new key. RSA and elliptic curves draw from aws-lc itself, the others from `entropy`.
    ///
    /// # Errors
    /// `BadMechanism` when aws-lc cannot make one.
    pub fn generate(kind: KeyKind, entropy: &dyn Entropy) -> Result<Self, Refusal> {
        let failed = |_| Refusal::BadMechanism;
        match kind.family() {
            Family::Hmac { bytes, .. } => {
                let mut key = Zeroizing::new(vec![0; bytes]);
                entropy.fill(&mut key);
                Ok(Self::of(kind, key, Vec::new()))
            }
            Family::Rsa(size) => {
                let pair = rsa::KeyPair::generate(size).map_err(failed)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Self::from_pkcs8(kind, der.as_ref())
            }
            Family::Ec(curve) => {
                let pair = EcdsaKeyPair::generate(curve.signing).map_err(failed)?;
                let der = pair.to_pkcs8v1().map_err(failed)?;
                Self::from_pkcs8(kind, der.as_ref())
            }
            Family::Ed25519 | Family::MlDsa(_) => {
                let seed: Zeroizing<[u8; SEED_BYTES]> = Zeroizing::new(draw(entropy));
                Self::from_bytes(kind, &*seed)
            }
            Family::MlKem(_) => {
                let seed: Zeroizing<[u8; kem_keys::SEED_BYTES]> = Zeroizing::new(draw(entropy));
                Self::from_bytes(kind, &*seed)
            }
        }
    }

    /// The key whose secret is in the form in which it is kept: an HMAC key, a seed, PKCS #8.
    ///
    /// # Errors
    /// `BadLength` or `BadMechanism` when the bytes are not the secret of a key of this kind.
    pub fn from_bytes(kind: KeyKind, bytes: &[u8]) -> Result<Self, Refusal> {
        let secret = Zeroizing::new(bytes.to_vec());
        match kind.family() {
            Family::Hmac {
                bytes: expected, ..
            } => {
                if bytes.len() != expected {
                    return Err(Refusal::BadLength);
                }
                Ok(Self::of(kind, secret, Vec::new()))
            }
            Family::Rsa(_) | Family::Ec(_) => Self::from_pkcs8(kind, bytes),
            Family::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(bytes);
                let pair = pair.map_err(|_| Refusal::BadLength)?;
                Ok(Self::of(kind, secret, spki(pair.public_key())?))
            }
            Family::MlDsa(category) => {
                let pair = PqdsaKeyPair::from_seed(category.signing(), bytes);
                let pair = pair.map_err(|_| Refusal::BadLength)?;
                Ok(Self::of(kind, secret, spki(pair.public_key())?))
            }
            Family::MlKem(size) => {
                let public = kem_keys::public_key(size, bytes)?;
                Ok(Self::of(kind, secret, public))
            }
        }
    }

    /// An HMAC key of any length, which need not be that of its hash.
    ///
    /// # Errors
    /// `BadMechanism` for another kind of key, `BadLength` for no key and for one that is too long.
    pub fn hmac_of_any_length(kind: KeyKind, bytes: &[u8]) -> Result<Self, Refusal> {
        let Family::Hmac { .. } = kind.family() else {
            return Err(Refusal::BadMechanism);
        };
        if bytes.is_empty() || bytes.len() > HMAC_BYTES_MAX {
            return Err(Refusal::BadLength);
        }
        Ok(Self::of(kind, Zeroizing::new(bytes.to_vec()), Vec::new()))
    }

    /// The key of a private key in DER as tools write it: PKCS #8, or the older forms of SEC 1 for
    /// elliptic curves and PKCS #1 for RSA.
    ///
    /// # Errors
    /// `BadMechanism` when it is not a key of this kind.
    pub fn from_private_der(kind: KeyKind, der: &[u8]) -> Result<Self, Refusal> {
        let wrong = |_| Refusal::BadMechanism;
        let failed = |_| Refusal::BadMechanism;
        Self::from_pkcs8(kind, der).or_else(|refusal| match kind.family() {
            Family::Rsa(_) => {
                let pair = rsa::KeyPair::from_der(der).map_err(wrong)?;
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Self::from_pkcs8(kind, pkcs8.as_ref())
            }
            Family::Ec(curve) => {
                let pair = EcdsaKeyPair::from_private_key_der(curve.signing, der).map_err(wrong)?;
                let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
                Self::from_pkcs8(kind, pkcs8.as_ref())
            }
            Family::Hmac { .. } | Family::Ed25519 | Family::MlDsa(_) | Family::MlKem(_) => {
                Err(refusal)
            }
        })
    }

    /// The key of a PKCS #8 structure; ML-DSA and ML-KEM in seed form. HMAC keys have no such form.
    ///
    /// # Errors
    /// `BadMechanism` when it is not a key of this kind.
    pub fn from_pkcs8(kind: KeyKind, der: &[u8]) -> Result<Self, Refusal> {
        let wrong = |_| Refusal::BadMechanism;
        let kept = || Zeroizing::new(der.to_vec());
        match kind.family() {
            Family::Hmac { .. } => Err(Refusal::BadMechanism),
            Family::Rsa(size) => {
                let pair = rsa::KeyPair::from_pkcs8(der).map_err(wrong)?;
                if pair.public_modulus_len() != size.len() {
                    return Err(Refusal::BadMechanism);
                }
                Ok(Self::of(kind, kept(), spki(pair.public_key())?))
            }
            Family::Ec(curve) => {
                let pair = EcdsaKeyPair::from_pkcs8(curve.signing, der).map_err(wrong)?;
                Ok(Self::of(kind, kept(), spki(pair.public_key())?))
            }
            Family::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(wrong)?;
                let seed = pair.seed().map_err(|_| Refusal::BadMechanism)?;
                let seed: Curve25519SeedBin<'_> =
                    seed.as_be_bytes().map_err(|_| Refusal::BadMechanism)?;
                Self::from_bytes(kind, seed.as_ref())
            }
            Family::MlDsa(category) => {
                let pair = PqdsaKeyPair::from_pkcs8(category.signing(), der).map_err(wrong)?;
                let own: Pkcs8V1Der<'_> = pair
                    .private_key()
                    .as_der()
                    .map_err(|_| Refusal::BadMechanism)?;
                // In seed form the seed stands last.
                let seed = own.as_ref().last_chunk::<SEED_BYTES>();
                Self::from_bytes(kind, seed.ok_or(Refusal::BadMechanism)?)
            }
            Family::MlKem(size) => Self::from_bytes(kind, kem_keys::seed_of_pkcs8(size, der)?),
        }
    }

    /// The private key as PKCS #8, for a key pair that is made to leave. HMAC keys have no such
    /// form.
    ///
    /// # Errors
    /// `BadMechanism` for an HMAC key.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let failed = |_| Refusal::BadMechanism;
        match self.kind.family() {
            Family::Hmac { .. } => Err(Refusal::BadMechanism),
            Family::Rsa(_) | Family::Ec(_) => Ok(self.secret.clone()),
            Family::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&self.secret);
                let pair = pair.map_err(|_| Refusal::BadMechanism)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Ok(Zeroizing::new(der.as_ref().to_vec()))
            }
            Family::MlDsa(category) => {
                let pair = PqdsaKeyPair::from_seed(category.signing(), &self.secret);
                let pair = pair.map_err(|_| Refusal::BadMechanism)?;
                let der: Pkcs8V1Der<'_> = pair.private_key().as_der().map_err(failed)?;
                Ok(Zeroizing::new(der.as_ref().to_vec()))
            }
            Family::MlKem(size) => Ok(kem_keys::to_pkcs8(size, &self.secret)),
        }
    }

    fn of(kind: KeyKind, secret: Zeroizing<Vec<u8>>, public: Vec<u8>) -> Self {
        Self {
            kind,
            secret,
            public,
            expanded: OnceLock::new(),
        }
    }

    /// A key as its record has it: the public half was computed when it was made.
    pub(super) fn of_record(kind: KeyKind, secret: Zeroizing<Vec<u8>>, public: Vec<u8>) -> Self {
        Self::of(kind, secret, public)
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key: DER, SubjectPublicKeyInfo; nothing for HMAC.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub(super) fn expanded(&self) -> Result<&Expanded, Refusal> {
        let made = self
            .expanded
            .get_or_init(|| Expanded::of(self.kind, &self.secret, &self.public));
        made.as_ref().map_err(|refusal| *refusal)
    }
}

fn spki<'a, K: AsDer<PublicKeyX509Der<'a>>>(key: &K) -> Result<Vec<u8>, Refusal> {
    let der = key.as_der().map_err(|_| Refusal::BadMechanism)?;
    Ok(der.as_ref().to_vec())
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey({:?})", self.kind)
    }
}
