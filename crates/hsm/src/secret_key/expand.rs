use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, OaepPublicEncryptingKey};
use aws_lc_rs::rsa::{PrivateDecryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair};
use aws_lc_rs::{agreement, hmac, rsa};

use super::KeyKind;
use super::kem_keys::KemKeys;
use super::kind::Family;
use crate::Refusal;

/// A key as aws-lc wants it.
pub(super) enum Expanded {
    Hmac(Box<hmac::Key>),
    Rsa(Box<RsaKeys>),
    Ec {
        signing: EcdsaKeyPair,
        /// None for secp256k1, which signs only.
        agreeing: Option<agreement::PrivateKey>,
    },
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    MlKem(Box<KemKeys>),
}

/// An RSA key may sign or encrypt; its KMS key has one of the two usages.
pub(super) struct RsaKeys {
    pub(super) signing: rsa::KeyPair,
    pub(super) decrypting: OaepPrivateDecryptingKey,
    pub(super) encrypting: OaepPublicEncryptingKey,
}

impl Expanded {
    pub(super) fn of(kind: KeyKind, secret: &[u8], public: &[u8]) -> Result<Self, Refusal> {
        let wrong = |_| Refusal::BadMechanism;
        Ok(match kind.family() {
            Family::Hmac { algorithm, .. } => {
                Self::Hmac(Box::new(hmac::Key::new(algorithm, secret)))
            }
            Family::Rsa(_) => Self::Rsa(Box::new(RsaKeys::of(secret, public)?)),
            Family::Ec(curve) => Self::Ec {
                signing: EcdsaKeyPair::from_pkcs8(curve.signing, secret).map_err(wrong)?,
                agreeing: curve
                    .agreement
                    .map(|algorithm| {
                        agreement::PrivateKey::from_private_key_der(algorithm, secret)
                            .map_err(wrong)
                    })
                    .transpose()?,
            },
            Family::Ed25519 => {
                Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(secret).map_err(wrong)?)
            }
            Family::MlDsa(category) => {
                Self::MlDsa(PqdsaKeyPair::from_seed(category.signing(), secret).map_err(wrong)?)
            }
            Family::MlKem(size) => Self::MlKem(Box::new(KemKeys::of(size, secret)?)),
        })
    }
}

impl RsaKeys {
    fn of(secret: &[u8], public: &[u8]) -> Result<Self, Refusal> {
        let wrong = |_| Refusal::BadMechanism;
        let failed = |_| Refusal::BadMechanism;
        let private = PrivateDecryptingKey::from_pkcs8(secret).map_err(wrong)?;
        let public = PublicEncryptingKey::from_der(public).map_err(wrong)?;
        Ok(Self {
            signing: rsa::KeyPair::from_pkcs8(secret).map_err(wrong)?,
            decrypting: OaepPrivateDecryptingKey::new(private).map_err(failed)?,
            encrypting: OaepPublicEncryptingKey::new(public).map_err(failed)?,
        })
    }
}
