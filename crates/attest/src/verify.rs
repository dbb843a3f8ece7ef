use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use portcullis_seam::Timestamp;

use crate::cbor::Malformed;
use crate::chain::Path;
use crate::document::Document;
use crate::envelope::RecipientKey;
use crate::trust::Trust;

/// What a believed document attests.
#[derive(Debug)]
pub struct Attested {
    /// Which enclave it is.
    pub module_id: String,
    /// Its measurements, by their index.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    /// To which key plaintexts are sealed.
    pub public_key: RecipientKey,
}

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

/// Verifies a document as it stands at `now`: structure, certificates from the root down, its
/// signature, and that there is a key to seal to.
///
/// A document may be used again and again while its certificates are valid, as with KMS: neither
/// its timestamp nor its nonce is compared with anything.
///
/// # Errors
/// The first of these that does not hold.
pub fn verify(document: &[u8], now: Timestamp, trust: &Trust) -> Result<Attested, Refused> {
    let document = Document::parse(document)?;
    if *trust != Trust::Unchecked {
        let path = Path::of(&document.cabundle, document.certificate)?;
        let key = path.check(now, trust)?;
        // Rule ATT-03: the signature is ES384 by the key of the document's certificate.
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key)
            .verify(&document.signed.to_be_signed(), document.signed.signature)
            .map_err(|_| Refused::Signature)?;
    }
    let public_key = document.public_key.ok_or(Refused::NoPublicKey)?;
    let pcrs = document.pcrs.iter();
    Ok(Attested {
        module_id: document.module_id.to_owned(),
        pcrs: pcrs.map(|(index, pcr)| (*index, pcr.to_vec())).collect(),
        public_key: RecipientKey::parse(public_key).ok_or(Refused::PublicKey)?,
    })
}
