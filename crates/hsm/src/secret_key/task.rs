use std::fmt;

use zeroize::Zeroizing;

/// A use of a key. It owns its bytes, so that it can go to a worker.
pub enum Task {
    /// Output: the signature, of elliptic curves in DER.
    Sign {
        /// The algorithm by which the message is signed.
        algorithm: SignatureAlgorithm,
        /// The message that is signed, or its hash.
        message: Message,
    },
    /// Refused as `NotAuthentic` when the signature is not the message's. Output: nothing.
    Verify {
        /// The algorithm by which the message is signed.
        algorithm: SignatureAlgorithm,
        /// The message that is signed, or its hash.
        message: Message,
        /// The signature that is checked against the message.
        signature: Vec<u8>,
    },
    /// Output: the HMAC of the message under the key's own hash.
    Mac {
        /// The message that the MAC is of.
        message: Zeroizing<Vec<u8>>,
    },
    /// Refused as `NotAuthentic` when the MAC is not the message's. Output: nothing.
    VerifyMac {
        /// The message that the MAC is of.
        message: Zeroizing<Vec<u8>>,
        /// The whole MAC.
        mac: Vec<u8>,
    },
    /// Output: the x coordinate that the two keys share. Refused as `BadMechanism` when the
    /// public key is not one of the same curve.
    Agree {
        /// The other side's public key: DER, SubjectPublicKeyInfo.
        public_key: Vec<u8>,
    },
    /// Output: the encapsulated secret, then the shared secret of 32 bytes.
    Encapsulate,
    /// Output: the shared secret. Another one, as the algorithm wants it, if the encapsulated
    /// secret is not for this key; `BadLength` if it has not the algorithm's length.
    Decapsulate {
        /// What Encapsulate gave.
        ciphertext: Vec<u8>,
    },
    /// RSAES-OAEP with an empty label. Output: the ciphertext.
    Encrypt {
        /// Hash and mask.
        hash: OaepHash,
        /// `BadLength` when it does not fit the key.
        plaintext: Zeroizing<Vec<u8>>,
    },
    /// Output: the plaintext. Refused as `NotAuthentic` when it does not open.
    Decrypt {
        /// Hash and mask.
        hash: OaepHash,
        /// What Encrypt gave.
        ciphertext: Vec<u8>,
    },
    /// Output: the public key, DER, SubjectPublicKeyInfo. An HMAC key has none: `KeyForbids`.
    PublicKey,
}

/// A way to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PSS, with a salt as long as the hash.
    RsaPss(SignatureHash),
    /// RSASSA-PKCS1-v1_5 over this hash.
    RsaPkcs1(SignatureHash),
    /// ECDSA with the hash of the key's curve.
    Ecdsa,
    /// Ed25519 over the message itself.
    Ed25519,
    /// Ed25519ph over a SHA-512 hash.
    Ed25519ph,
    /// ML-DSA (FIPS 204) in the key's parameter set.
    MlDsa,
}

/// The hash under an RSA signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// What is signed, in which form it comes.
pub enum Message {
    /// The whole message; the algorithm hashes it.
    Raw(Zeroizing<Vec<u8>>),
    /// Its hash; `BadLength` unless as long as the algorithm's.
    Digest(Zeroizing<Vec<u8>>),
    /// ML-DSA's mu, of 64 bytes.
    ExternalMu(Zeroizing<Vec<u8>>),
}

/// Hash and mask of RSAES-OAEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OaepHash {
    /// SHA-1 for both.
    Sha1,
    /// SHA-256 for both.
    Sha256,
}

impl OaepHash {
    /// The bytes that OAEP adds to a plaintext, of two hashes and two of its own.
    #[must_use]
    pub const fn overhead_bytes(self) -> usize {
        match self {
            Self::Sha1 => 2 * 20 + 2,
            Self::Sha256 => 2 * 32 + 2,
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name only: everything else may be secret.
        formatter.write_str(match self {
            Self::Sign { .. } => "Sign",
            Self::Verify { .. } => "Verify",
            Self::Mac { .. } => "Mac",
            Self::VerifyMac { .. } => "VerifyMac",
            Self::Agree { .. } => "Agree",
            Self::Encapsulate => "Encapsulate",
            Self::Decapsulate { .. } => "Decapsulate",
            Self::Encrypt { .. } => "Encrypt",
            Self::Decrypt { .. } => "Decrypt",
            Self::PublicKey => "PublicKey",
        })
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Raw(_) => "Raw(..)",
            Self::Digest(_) => "Digest(..)",
            Self::ExternalMu(_) => "ExternalMu(..)",
        })
    }
}
