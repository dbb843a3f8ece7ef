use std::fmt;

use crate::cbor::Malformed;

/// Why a document is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is not an attestation document.
    Malformed(Malformed),
    /// A certificate of it is none, or signs what it may not sign.
    Chain(&'static str),
    /// A certificate of it is not valid at this date.
    Expired,
    /// Its chain does not begin at a trusted root.
    Untrusted,
    /// Its certificate's key did not sign it.
    Signature,
    /// It names no public key.
    NoPublicKey,
    /// Its public key is none of RSA with 2048 to 8192 bits.
    PublicKey,
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => {
                write!(formatter, "it is not a document of a Nitro enclave: {why}")
            }
            Self::Chain(why) => write!(formatter, "its certificates do not fit together: {why}"),
            Self::Expired => formatter
                .write_str("a certificate of it is not valid at the date of the service's clock"),
            Self::Untrusted => {
                formatter.write_str("its certificates do not lead to a root that is trusted here")
            }
            Self::Signature => {
                formatter.write_str("its signature was not made by the key of its certificate")
            }
            Self::NoPublicKey => formatter.write_str("it has no public_key to encrypt to"),
            Self::PublicKey => {
                formatter.write_str("its public_key is not an RSA key of 2048 bits or more in DER")
            }
        }
    }
}

impl std::error::Error for Refused {}
