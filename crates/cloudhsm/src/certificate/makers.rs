use portcullis_seam::{Entropy, Timestamp};
use rcgen::{DnType, Issuer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::issue::{authority, subject};
use super::key::{CertificateSigner, PrivateKey};

/// The two root authorities that vouch for HSMs: AWS, and the maker of the hardware. Made once
/// for a data folder.
#[derive(Debug)]
pub(crate) struct Makers {
    pub(super) aws: Root,
    pub(super) manufacturer: Root,
}

#[derive(Debug)]
pub(super) struct Root {
    certificate: String,
    key: PrivateKey,
}

/// The root certificates (PEM) under which an owner checks the certificates of an HSM, as the
/// User Guide's "Verify the identity and authenticity of your cluster's HSM" does with those of
/// AWS and Cavium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// Signs every AwsHardwareCertificate.
    pub aws: String,
    /// Signs every ManufacturerHardwareCertificate.
    pub manufacturer: String,
}

/// How the roots lie in the store, before they are sealed.
#[derive(Serialize, Deserialize)]
struct KeptMakers {
    aws: (String, Zeroizing<Vec<u8>>),
    manufacturer: (String, Zeroizing<Vec<u8>>),
}

impl Makers {
    pub(crate) fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, rcgen::Error> {
        Ok(Self {
            aws: Root::generate(
                entropy,
                now,
                "Amazon Web Services INC.",
                "Portcullis AWS root",
            )?,
            manufacturer: Root::generate(entropy, now, "Cavium", "Portcullis maker root")?,
        })
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots {
            aws: self.aws.certificate.clone(),
            manufacturer: self.manufacturer.certificate.clone(),
        }
    }

    /// The bytes to be sealed and stored.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let keep = |root: &Root| (root.certificate.clone(), root.key.pkcs8().clone());
        let kept = KeptMakers {
            aws: keep(&self.aws),
            manufacturer: keep(&self.manufacturer),
        };
        Zeroizing::new(crate::record::encode(&kept))
    }

    /// Reads back what [`Makers::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let kept: KeptMakers = crate::record::decode(bytes)?;
        let root = |(certificate, key)| Root {
            certificate,
            key: PrivateKey::from_pkcs8(key),
        };
        Ok(Self {
            aws: root(kept.aws),
            manufacturer: root(kept.manufacturer),
        })
    }
}

impl Root {
    fn generate(
        entropy: &dyn Entropy,
        now: Timestamp,
        organization: &str,
        name: &str,
    ) -> Result<Self, rcgen::Error> {
        let key = PrivateKey::generate(entropy);
        let subject = subject(&[
            (DnType::CountryName, "US"),
            (DnType::OrganizationName, organization),
            (DnType::CommonName, name),
        ]);
        let certificate = authority(subject, now).self_signed(&key.pair()?)?.pem();
        Ok(Self { certificate, key })
    }

    pub(super) fn issuer(&self) -> Result<Issuer<'static, CertificateSigner>, rcgen::Error> {
        Issuer::from_ca_cert_pem(&self.certificate, self.key.pair()?)
    }
}
