use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature as sig;
use aws_lc_rs::{agreement, digest, hmac, kem};
use serde::{Deserialize, Serialize};

/// What kind of key it is, beside the AES keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyKind {
    /// HMAC with SHA-224: 28 bytes.
    Hmac224,
    /// HMAC with SHA-256: 32 bytes.
    Hmac256,
    /// HMAC with SHA-384: 48 bytes.
    Hmac384,
    /// HMAC with SHA-512: 64 bytes.
    Hmac512,
    /// RSA with a modulus of 2,048 bits.
    Rsa2048,
    /// RSA with a modulus of 3,072 bits.
    Rsa3072,
    /// RSA with a modulus of 4,096 bits.
    Rsa4096,
    /// The NIST curve P-256.
    P256,
    /// The NIST curve P-384.
    P384,
    /// The NIST curve P-521.
    P521,
    /// The Koblitz curve secp256k1.
    P256k1,
    /// The curve Edwards25519.
    Ed25519,
    /// ML-DSA, category 2.
    MlDsa44,
    /// ML-DSA, category 3.
    MlDsa65,
    /// ML-DSA, category 5.
    MlDsa87,
    /// ML-KEM, category 1.
    MlKem512,
    /// ML-KEM, category 3.
    MlKem768,
    /// ML-KEM, category 5.
    MlKem1024,
}

/// Kinds by what their keys have in common, each with its parameters.
#[derive(Clone, Copy)]
pub(super) enum Family {
    Hmac {
        algorithm: hmac::Algorithm,
        bytes: usize,
    },
    Rsa(KeySize),
    Ec(Curve),
    Ed25519,
    MlDsa(Category),
    MlKem(KemSize),
}

/// An elliptic curve, with the hash that KMS pairs with it.
#[derive(Clone, Copy)]
pub(super) struct Curve {
    pub(super) signing: &'static sig::EcdsaSigningAlgorithm,
    pub(super) verifying: &'static sig::EcdsaVerificationAlgorithm,
    pub(super) hash: &'static digest::Algorithm,
    /// None for secp256k1, which signs only.
    pub(super) agreement: Option<&'static agreement::Algorithm>,
}

/// The security category of ML-DSA.
#[derive(Clone, Copy)]
pub(super) enum Category {
    Two,
    Three,
    Five,
}

impl Category {
    pub(super) const fn signing(self) -> &'static sig::PqdsaSigningAlgorithm {
        match self {
            Self::Two => &sig::ML_DSA_44_SIGNING,
            Self::Three => &sig::ML_DSA_65_SIGNING,
            Self::Five => &sig::ML_DSA_87_SIGNING,
        }
    }

    pub(super) const fn verifying(self) -> &'static sig::PqdsaVerificationAlgorithm {
        match self {
            Self::Two => &sig::ML_DSA_44,
            Self::Three => &sig::ML_DSA_65,
            Self::Five => &sig::ML_DSA_87,
        }
    }
}

/// The size of ML-KEM.
#[derive(Clone, Copy)]
pub(super) enum KemSize {
    Kem512,
    Kem768,
    Kem1024,
}

impl KemSize {
    pub(super) const fn algorithm(self) -> &'static kem::Algorithm {
        match self {
            Self::Kem512 => &kem::ML_KEM_512,
            Self::Kem768 => &kem::ML_KEM_768,
            Self::Kem1024 => &kem::ML_KEM_1024,
        }
    }

    /// Bytes of an encapsulated secret (FIPS 203, table 3).
    pub(super) const fn ciphertext_bytes(self) -> usize {
        match self {
            Self::Kem512 => 768,
            Self::Kem768 => 1088,
            Self::Kem1024 => 1568,
        }
    }
}

impl KeyKind {
    /// Every kind of key that the built-in fleet of KMS has.
    pub const ALL: [Self; 18] = [
        Self::Hmac224,
        Self::Hmac256,
        Self::Hmac384,
        Self::Hmac512,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::P256,
        Self::P384,
        Self::P521,
        Self::P256k1,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::MlKem512,
        Self::MlKem768,
        Self::MlKem1024,
    ];

    /// Whether making or using a key of this kind takes longer than a hand-off to a worker: an RSA
    /// signature takes 0.7 to 5 ms, making an RSA key up to seconds; all others stay below 0.5 ms.
    #[must_use]
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    pub(super) const fn family(self) -> Family {
        const fn mac(algorithm: hmac::Algorithm, bytes: usize) -> Family {
            Family::Hmac { algorithm, bytes }
        }
        match self {
            Self::Hmac224 => mac(hmac::HMAC_SHA224, 28),
            Self::Hmac256 => mac(hmac::HMAC_SHA256, 32),
            Self::Hmac384 => mac(hmac::HMAC_SHA384, 48),
            Self::Hmac512 => mac(hmac::HMAC_SHA512, 64),
            Self::Rsa2048 => Family::Rsa(KeySize::Rsa2048),
            Self::Rsa3072 => Family::Rsa(KeySize::Rsa3072),
            Self::Rsa4096 => Family::Rsa(KeySize::Rsa4096),
            Self::P256 => Family::Ec(Curve {
                signing: &sig::ECDSA_P256_SHA256_ASN1_SIGNING,
                verifying: &sig::ECDSA_P256_SHA256_ASN1,
                hash: &digest::SHA256,
                agreement: Some(&agreement::ECDH_P256),
            }),
            Self::P384 => Family::Ec(Curve {
                signing: &sig::ECDSA_P384_SHA384_ASN1_SIGNING,
                verifying: &sig::ECDSA_P384_SHA384_ASN1,
                hash: &digest::SHA384,
                agreement: Some(&agreement::ECDH_P384),
            }),
            Self::P521 => Family::Ec(Curve {
                signing: &sig::ECDSA_P521_SHA512_ASN1_SIGNING,
                verifying: &sig::ECDSA_P521_SHA512_ASN1,
                hash: &digest::SHA512,
                agreement: Some(&agreement::ECDH_P521),
            }),
            Self::P256k1 => Family::Ec(Curve {
                signing: &sig::ECDSA_P256K1_SHA256_ASN1_SIGNING,
                verifying: &sig::ECDSA_P256K1_SHA256_ASN1,
                hash: &digest::SHA256,
                agreement: None,
            }),
            Self::Ed25519 => Family::Ed25519,
            Self::MlDsa44 => Family::MlDsa(Category::Two),
            Self::MlDsa65 => Family::MlDsa(Category::Three),
            Self::MlDsa87 => Family::MlDsa(Category::Five),
            Self::MlKem512 => Family::MlKem(KemSize::Kem512),
            Self::MlKem768 => Family::MlKem(KemSize::Kem768),
            Self::MlKem1024 => Family::MlKem(KemSize::Kem1024),
        }
    }
}
