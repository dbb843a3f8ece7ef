//! Which keys there are: the one table of specs, usages and algorithms.
//!
//! Source: API, CreateKey (KeySpec, KeyUsage) and DescribeKey (the lists of algorithms).

use portcullis_api::kms::{
    CustomerMasterKeySpec, EncapsulationAlgorithmSpec, EncryptionAlgorithmSpec,
    KeyAgreementAlgorithmSpec, KeySpec, KeyUsageType, MacAlgorithmSpec, SigningAlgorithmSpec,
};
use portcullis_hsm::KeyKind;

/// What a key of some spec and usage does, and by which algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithms {
    Encryption(&'static [EncryptionAlgorithmSpec]),
    Signing(&'static [SigningAlgorithmSpec]),
    Mac(&'static [MacAlgorithmSpec]),
    Agreement(&'static [KeyAgreementAlgorithmSpec]),
    Encapsulation(&'static [EncapsulationAlgorithmSpec]),
}

impl Algorithms {
    /// The usage that these algorithms are of.
    pub(crate) const fn usage(self) -> KeyUsageType {
        match self {
            Self::Encryption(_) => KeyUsageType::EncryptDecrypt,
            Self::Signing(_) => KeyUsageType::SignVerify,
            Self::Mac(_) => KeyUsageType::GenerateVerifyMac,
            Self::Agreement(_) => KeyUsageType::KeyAgreement,
            Self::Encapsulation(_) => KeyUsageType::EncapsulateDecapsulate,
        }
    }
}

/// Rule CRY-01: what keys of a spec may be used for, each usage with its algorithms. A spec without
/// a usage is known and not there: SM2 exists in the China Regions only.
pub(crate) const fn usages(spec: KeySpec) -> &'static [Algorithms] {
    match spec {
        KeySpec::SymmetricDefault => &[Algorithms::Encryption(&[
            EncryptionAlgorithmSpec::SymmetricDefault,
        ])],
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
            &[Algorithms::Encryption(OAEP), Algorithms::Signing(RSA)]
        }
        KeySpec::EccNistP256 => &[Algorithms::Signing(ECDSA_256), Algorithms::Agreement(ECDH)],
        KeySpec::EccNistP384 => &[
            Algorithms::Signing(&[SigningAlgorithmSpec::EcdsaSha384]),
            Algorithms::Agreement(ECDH),
        ],
        KeySpec::EccNistP521 => &[
            Algorithms::Signing(&[SigningAlgorithmSpec::EcdsaSha512]),
            Algorithms::Agreement(ECDH),
        ],
        KeySpec::EccSecgP256k1 => &[Algorithms::Signing(ECDSA_256)],
        KeySpec::EccNistEdwards25519 => &[Algorithms::Signing(&[
            SigningAlgorithmSpec::Ed25519Sha512,
            SigningAlgorithmSpec::Ed25519PhSha512,
        ])],
        KeySpec::Hmac224 => &[Algorithms::Mac(&[MacAlgorithmSpec::HmacSha224])],
        KeySpec::Hmac256 => &[Algorithms::Mac(&[MacAlgorithmSpec::HmacSha256])],
        KeySpec::Hmac384 => &[Algorithms::Mac(&[MacAlgorithmSpec::HmacSha384])],
        KeySpec::Hmac512 => &[Algorithms::Mac(&[MacAlgorithmSpec::HmacSha512])],
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => {
            &[Algorithms::Signing(&[SigningAlgorithmSpec::MlDsaShake256])]
        }
        KeySpec::MlKem512 | KeySpec::MlKem768 | KeySpec::MlKem1024 => {
            &[Algorithms::Encapsulation(&[
                EncapsulationAlgorithmSpec::MlKem,
            ])]
        }
        KeySpec::Sm2 => &[],
    }
}

/// The algorithms of a key by its spec and usage; none when they do not go together.
pub(crate) fn algorithms(spec: KeySpec, usage: KeyUsageType) -> Option<Algorithms> {
    let mut all = usages(spec).iter().copied();
    all.find(|algorithms| algorithms.usage() == usage)
}

/// The kind of key that an HSM makes of a spec; none for the symmetric keys, which are AES keys,
/// and for SM2.
pub(crate) const fn kind(spec: KeySpec) -> Option<KeyKind> {
    Some(match spec {
        KeySpec::SymmetricDefault | KeySpec::Sm2 => return None,
        KeySpec::Rsa2048 => KeyKind::Rsa2048,
        KeySpec::Rsa3072 => KeyKind::Rsa3072,
        KeySpec::Rsa4096 => KeyKind::Rsa4096,
        KeySpec::EccNistP256 => KeyKind::P256,
        KeySpec::EccNistP384 => KeyKind::P384,
        KeySpec::EccNistP521 => KeyKind::P521,
        KeySpec::EccSecgP256k1 => KeyKind::P256k1,
        KeySpec::EccNistEdwards25519 => KeyKind::Ed25519,
        KeySpec::Hmac224 => KeyKind::Hmac224,
        KeySpec::Hmac256 => KeyKind::Hmac256,
        KeySpec::Hmac384 => KeyKind::Hmac384,
        KeySpec::Hmac512 => KeyKind::Hmac512,
        KeySpec::MlDsa44 => KeyKind::MlDsa44,
        KeySpec::MlDsa65 => KeyKind::MlDsa65,
        KeySpec::MlDsa87 => KeyKind::MlDsa87,
        KeySpec::MlKem512 => KeyKind::MlKem512,
        KeySpec::MlKem768 => KeyKind::MlKem768,
        KeySpec::MlKem1024 => KeyKind::MlKem1024,
    })
}

/// Whether a key of this spec has a public half.
pub(crate) const fn is_asymmetric(spec: KeySpec) -> bool {
    !matches!(
        spec,
        KeySpec::SymmetricDefault
            | KeySpec::Hmac224
            | KeySpec::Hmac256
            | KeySpec::Hmac384
            | KeySpec::Hmac512
    )
}

/// How long an RSA key's modulus is; none for other specs.
pub(crate) const fn modulus_bytes(spec: KeySpec) -> Option<usize> {
    match spec {
        KeySpec::Rsa2048 => Some(256),
        KeySpec::Rsa3072 => Some(384),
        KeySpec::Rsa4096 => Some(512),
        KeySpec::EccNistP256
        | KeySpec::EccNistP384
        | KeySpec::EccNistP521
        | KeySpec::EccSecgP256k1
        | KeySpec::SymmetricDefault
        | KeySpec::Hmac224
        | KeySpec::Hmac256
        | KeySpec::Hmac384
        | KeySpec::Hmac512
        | KeySpec::Sm2
        | KeySpec::MlDsa44
        | KeySpec::MlDsa65
        | KeySpec::MlDsa87
        | KeySpec::EccNistEdwards25519
        | KeySpec::MlKem512
        | KeySpec::MlKem768
        | KeySpec::MlKem1024 => None,
    }
}

/// The spec under its older name, whose list of values stopped growing.
pub(crate) fn customer_master_key_spec(spec: KeySpec) -> Option<String> {
    let older: Option<CustomerMasterKeySpec> = spec.as_str().parse().ok();
    older.map(|older| older.as_str().to_owned())
}

const OAEP: &[EncryptionAlgorithmSpec] = &[
    EncryptionAlgorithmSpec::RsaesOaepSha1,
    EncryptionAlgorithmSpec::RsaesOaepSha256,
];

const RSA: &[SigningAlgorithmSpec] = &[
    SigningAlgorithmSpec::RsassaPssSha256,
    SigningAlgorithmSpec::RsassaPssSha384,
    SigningAlgorithmSpec::RsassaPssSha512,
    SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
    SigningAlgorithmSpec::RsassaPkcs1V15Sha384,
    SigningAlgorithmSpec::RsassaPkcs1V15Sha512,
];

const ECDSA_256: &[SigningAlgorithmSpec] = &[SigningAlgorithmSpec::EcdsaSha256];

const ECDH: &[KeyAgreementAlgorithmSpec] = &[KeyAgreementAlgorithmSpec::Ecdh];

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule CRY-01
    #[test]
    fn every_spec_has_the_usages_of_the_documentation() {
        let mut lines = Vec::new();
        for spec in KeySpec::ALL {
            let all: Vec<_> = usages(*spec)
                .iter()
                .map(|one| one.usage().as_str())
                .collect();
            lines.push(format!("{}: {}", spec.as_str(), all.join(" ")));
        }
        let expected = [
            "RSA_2048: ENCRYPT_DECRYPT SIGN_VERIFY",
            "RSA_3072: ENCRYPT_DECRYPT SIGN_VERIFY",
            "RSA_4096: ENCRYPT_DECRYPT SIGN_VERIFY",
            "ECC_NIST_P256: SIGN_VERIFY KEY_AGREEMENT",
            "ECC_NIST_P384: SIGN_VERIFY KEY_AGREEMENT",
            "ECC_NIST_P521: SIGN_VERIFY KEY_AGREEMENT",
            "ECC_SECG_P256K1: SIGN_VERIFY",
            "SYMMETRIC_DEFAULT: ENCRYPT_DECRYPT",
            "HMAC_224: GENERATE_VERIFY_MAC",
            "HMAC_256: GENERATE_VERIFY_MAC",
            "HMAC_384: GENERATE_VERIFY_MAC",
            "HMAC_512: GENERATE_VERIFY_MAC",
            "SM2: ",
            "ML_DSA_44: SIGN_VERIFY",
            "ML_DSA_65: SIGN_VERIFY",
            "ML_DSA_87: SIGN_VERIFY",
            "ECC_NIST_EDWARDS25519: SIGN_VERIFY",
            "ML_KEM_512: ENCAPSULATE_DECAPSULATE",
            "ML_KEM_768: ENCAPSULATE_DECAPSULATE",
            "ML_KEM_1024: ENCAPSULATE_DECAPSULATE",
        ];
        assert_eq!(lines, expected);
    }

    /// Rule CRY-02
    #[test]
    fn the_older_name_of_a_spec_knows_no_new_ones() {
        let older = |spec| customer_master_key_spec(spec);
        assert_eq!(
            older(KeySpec::EccSecgP256k1).as_deref(),
            Some("ECC_SECG_P256K1")
        );
        assert_eq!(older(KeySpec::MlDsa44), None);
        assert_eq!(older(KeySpec::EccNistEdwards25519), None);
    }
}
