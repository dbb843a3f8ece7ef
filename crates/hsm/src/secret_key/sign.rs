use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self as sig, RsaEncoding, UnparsedPublicKey, VerificationAlgorithm};
use ed25519_dalek::ed25519::signature::digest::{
    FixedOutput, HashMarker, Output as DigestOutput, OutputSizeUser, Update, typenum::U64,
};
use ml_dsa::{EncodedVerifyingKey, KeyInit, MlDsa44, MlDsa65, MlDsa87, MlDsaParams};

use super::expand::Expanded;
use super::kind::{Category, Curve, Family};
use super::{Message, SecretKey, SignatureAlgorithm, SignatureHash};
use crate::{Output, Refusal};

impl SecretKey {
    pub(super) fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &Message,
    ) -> Result<Output, Refusal> {
        let failed = |_| Refusal::BadMechanism;
        let signature = match (self.expanded()?, algorithm) {
            (
                Expanded::Rsa(keys),
                SignatureAlgorithm::RsaPss(hash) | SignatureAlgorithm::RsaPkcs1(hash),
            ) => {
                let digest = digest_of(hash.algorithm(), message)?;
                let mut signature = vec![0; keys.signing.public_modulus_len()];
                keys.signing
                    .sign_digest(padding(algorithm)?, &digest, &mut signature)
                    .map_err(failed)?;
                signature
            }
            (Expanded::Ec { signing, .. }, SignatureAlgorithm::Ecdsa) => {
                let digest = digest_of(self.curve()?.hash, message)?;
                let signature = signing.sign_digest(&digest).map_err(failed)?;
                signature.as_ref().to_vec()
            }
            (Expanded::Ed25519(pair), SignatureAlgorithm::Ed25519) => {
                pair.sign(raw(message)?).as_ref().to_vec()
            }
            (Expanded::Ed25519(_), SignatureAlgorithm::Ed25519ph) => {
                let prehashed = Prehashed::of(message)?;
                self.dalek()?
                    .sign_prehashed(prehashed, None)
                    .map_err(|_| Refusal::BadMechanism)?
                    .to_bytes()
                    .to_vec()
            }
            (Expanded::MlDsa(pair), SignatureAlgorithm::MlDsa) => match message {
                Message::ExternalMu(mu) => self.sign_mu(mu)?,
                Message::Raw(message) => {
                    let mut signature = vec![0; pair.algorithm().signature_len()];
                    let length = pair.sign(message, &mut signature).map_err(failed)?;
                    signature.truncate(length);
                    signature
                }
                Message::Digest(_) => return Err(Refusal::BadMechanism),
            },
            _ => return Err(Refusal::KeyForbids),
        };
        Ok(Output(signature.into()))
    }

    /// Needs the public half only, which is enough for the families that have one.
    pub(super) fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &Message,
        signature: &[u8],
    ) -> Result<Output, Refusal> {
        let verification = self.verification(algorithm)?;
        let public = UnparsedPublicKey::new(verification, self.public_key());
        let verified = match (algorithm, message) {
            (SignatureAlgorithm::RsaPss(hash) | SignatureAlgorithm::RsaPkcs1(hash), _) => {
                public.verify_digest(&digest_of(hash.algorithm(), message)?, signature)
            }
            (SignatureAlgorithm::Ecdsa, _) => {
                public.verify_digest(&digest_of(self.curve()?.hash, message)?, signature)
            }
            (SignatureAlgorithm::Ed25519ph, _) => {
                return self.verify_prehashed(&Prehashed::of(message)?, signature);
            }
            (SignatureAlgorithm::MlDsa, Message::ExternalMu(mu)) => {
                return self.verify_mu(mu, signature);
            }
            (SignatureAlgorithm::Ed25519 | SignatureAlgorithm::MlDsa, _) => {
                public.verify(raw(message)?, signature)
            }
        };
        verified
            .map(|()| Output::default())
            .map_err(|_| Refusal::NotAuthentic)
    }

    fn verification(
        &self,
        algorithm: SignatureAlgorithm,
    ) -> Result<&'static dyn VerificationAlgorithm, Refusal> {
        use SignatureAlgorithm as A;
        use SignatureHash as H;
        Ok(match (self.kind().family(), algorithm) {
            (Family::Rsa(_), A::RsaPss(H::Sha256)) => &sig::RSA_PSS_2048_8192_SHA256,
            (Family::Rsa(_), A::RsaPss(H::Sha384)) => &sig::RSA_PSS_2048_8192_SHA384,
            (Family::Rsa(_), A::RsaPss(H::Sha512)) => &sig::RSA_PSS_2048_8192_SHA512,
            (Family::Rsa(_), A::RsaPkcs1(H::Sha256)) => &sig::RSA_PKCS1_2048_8192_SHA256,
            (Family::Rsa(_), A::RsaPkcs1(H::Sha384)) => &sig::RSA_PKCS1_2048_8192_SHA384,
            (Family::Rsa(_), A::RsaPkcs1(H::Sha512)) => &sig::RSA_PKCS1_2048_8192_SHA512,
            (Family::Ec(curve), A::Ecdsa) => curve.verifying,
            (Family::Ed25519, A::Ed25519 | A::Ed25519ph) => &sig::ED25519,
            (Family::MlDsa(category), A::MlDsa) => category.verifying(),
            _ => return Err(Refusal::KeyForbids),
        })
    }

    fn curve(&self) -> Result<Curve, Refusal> {
        if let Family::Ec(curve) = self.kind().family() {
            Ok(curve)
        } else {
            Err(Refusal::KeyForbids)
        }
    }

    fn category(&self) -> Result<Category, Refusal> {
        if let Family::MlDsa(category) = self.kind().family() {
            Ok(category)
        } else {
            Err(Refusal::KeyForbids)
        }
    }

    fn dalek(&self) -> Result<ed25519_dalek::SigningKey, Refusal> {
        let seed = self.secret().first_chunk().ok_or(Refusal::BadMechanism)?;
        Ok(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    fn verify_prehashed(&self, message: &Prehashed, signature: &[u8]) -> Result<Output, Refusal> {
        let public = self.public_key().last_chunk();
        let public = ed25519_dalek::VerifyingKey::from_bytes(public.ok_or(Refusal::BadMechanism)?);
        let signature = ed25519_dalek::Signature::from_slice(signature);
        let (Ok(public), Ok(signature)) = (public, signature) else {
            return Err(Refusal::NotAuthentic);
        };
        public
            .verify_prehashed(message.clone(), None, &signature)
            .map(|()| Output::default())
            .map_err(|_| Refusal::NotAuthentic)
    }

    fn sign_mu(&self, mu: &[u8]) -> Result<Vec<u8>, Refusal> {
        let seed = self.secret();
        match self.category()? {
            Category::Two => sign_mu::<MlDsa44>(seed, mu),
            Category::Three => sign_mu::<MlDsa65>(seed, mu),
            Category::Five => sign_mu::<MlDsa87>(seed, mu),
        }
    }

    fn verify_mu(&self, mu: &[u8], signature: &[u8]) -> Result<Output, Refusal> {
        let public = self.public_key();
        match self.category()? {
            Category::Two => verify_mu::<MlDsa44>(public, mu, signature),
            Category::Three => verify_mu::<MlDsa65>(public, mu, signature),
            Category::Five => verify_mu::<MlDsa87>(public, mu, signature),
        }
    }
}

impl SignatureHash {
    const fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

const fn padding(algorithm: SignatureAlgorithm) -> Result<&'static dyn RsaEncoding, Refusal> {
    use SignatureHash as H;
    Ok(match algorithm {
        SignatureAlgorithm::RsaPss(H::Sha256) => &sig::RSA_PSS_SHA256,
        SignatureAlgorithm::RsaPss(H::Sha384) => &sig::RSA_PSS_SHA384,
        SignatureAlgorithm::RsaPss(H::Sha512) => &sig::RSA_PSS_SHA512,
        SignatureAlgorithm::RsaPkcs1(H::Sha256) => &sig::RSA_PKCS1_SHA256,
        SignatureAlgorithm::RsaPkcs1(H::Sha384) => &sig::RSA_PKCS1_SHA384,
        SignatureAlgorithm::RsaPkcs1(H::Sha512) => &sig::RSA_PKCS1_SHA512,
        SignatureAlgorithm::Ecdsa
        | SignatureAlgorithm::Ed25519
        | SignatureAlgorithm::Ed25519ph
        | SignatureAlgorithm::MlDsa => return Err(Refusal::KeyForbids),
    })
}

fn raw(message: &Message) -> Result<&[u8], Refusal> {
    match message {
        Message::Raw(message) => Ok(message),
        Message::Digest(_) | Message::ExternalMu(_) => Err(Refusal::BadMechanism),
    }
}

fn digest_of(algorithm: &'static digest::Algorithm, message: &Message) -> Result<Digest, Refusal> {
    match message {
        Message::Raw(message) => Ok(digest::digest(algorithm, message)),
        Message::Digest(given) => {
            Digest::import_less_safe(given, algorithm).map_err(|_| Refusal::BadLength)
        }
        Message::ExternalMu(_) => Err(Refusal::BadMechanism),
    }
}

fn sign_mu<P: MlDsaParams>(seed: &[u8], mu: &[u8]) -> Result<Vec<u8>, Refusal> {
    let seed = ml_dsa::Seed::try_from(seed).map_err(|_| Refusal::BadMechanism)?;
    let mu = mu.try_into().map_err(|_| Refusal::BadLength)?;
    let key = ml_dsa::SigningKey::<P>::new(&seed);
    Ok(key
        .expanded_key()
        .sign_mu_deterministic(&mu)
        .encode()
        .to_vec())
}

fn verify_mu<P: MlDsaParams>(
    public: &[u8],
    mu: &[u8],
    signature: &[u8],
) -> Result<Output, Refusal> {
    let mu = mu.try_into().map_err(|_| Refusal::BadLength)?;
    // In SubjectPublicKeyInfo the key stands last.
    let length = size_of::<EncodedVerifyingKey<P>>();
    let start = public.len().saturating_sub(length);
    let encoded = public.get(start..).unwrap_or_default();
    let encoded = EncodedVerifyingKey::<P>::try_from(encoded).map_err(|_| Refusal::BadMechanism)?;
    let Ok(signature) = ml_dsa::Signature::<P>::try_from(signature) else {
        return Err(Refusal::NotAuthentic);
    };
    if ml_dsa::VerifyingKey::<P>::decode(&encoded).verify_mu(&mu, &signature) {
        Ok(Output::default())
    } else {
        Err(Refusal::NotAuthentic)
    }
}

/// A SHA-512 hash that the caller computed, in the shape of a hasher that has just finished:
/// `ed25519-dalek` asks for one.
#[derive(Clone)]
struct Prehashed([u8; 64]);

impl Prehashed {
    fn of(message: &Message) -> Result<Self, Refusal> {
        match message {
            Message::Raw(message) => {
                let digest = digest::digest(&digest::SHA512, message);
                Self::of_bytes(digest.as_ref())
            }
            Message::Digest(given) => Self::of_bytes(given),
            Message::ExternalMu(_) => Err(Refusal::BadMechanism),
        }
    }

    fn of_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        bytes.try_into().map(Self).map_err(|_| Refusal::BadLength)
    }
}

impl Default for Prehashed {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl OutputSizeUser for Prehashed {
    type OutputSize = U64;
}

impl Update for Prehashed {
    /// Not called: the hash is complete.
    fn update(&mut self, _data: &[u8]) {}
}

impl FixedOutput for Prehashed {
    fn finalize_into(self, out: &mut DigestOutput<Self>) {
        out.copy_from_slice(&self.0);
    }
}

impl HashMarker for Prehashed {}
