use std::fmt;

use portcullis_seam::{Entropy, Timestamp};
use rcgen::{CertificateSigningRequestParams, DnType, Issuer};

use super::issue::{authority, certificate, subject};
use super::key::PrivateKey;

/// The root authority of an owner of clusters: what a person makes with openssl, for worlds and
/// tests that do without. One may sign for many clusters.
pub struct CustomerAuthority {
    certificate: String,
    key: PrivateKey,
    now: Timestamp,
}

/// Why a request was not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotSign(String);

impl fmt::Display for CannotSign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the certificate cannot be made: {}", self.0)
    }
}

impl std::error::Error for CannotSign {}

impl From<rcgen::Error> for CannotSign {
    fn from(error: rcgen::Error) -> Self {
        Self(error.to_string())
    }
}

impl CustomerAuthority {
    /// A fresh authority.
    ///
    /// # Errors
    /// When the certificate library refuses.
    pub fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, CannotSign> {
        let key = PrivateKey::generate(entropy);
        let name = subject(&[
            (DnType::OrganizationName, "Portcullis"),
            (DnType::CommonName, "Customer root"),
        ]);
        let certificate = authority(name, now).self_signed(&key.pair()?)?.pem();
        Ok(Self {
            certificate,
            key,
            now,
        })
    }

    /// The root certificate (PEM): the trust anchor of the clusters it signs for.
    #[must_use]
    pub fn trust_anchor(&self) -> &str {
        &self.certificate
    }

    /// Signs a cluster's request (PEM) and gives the certificate (PEM).
    ///
    /// # Errors
    /// When the request cannot be read.
    pub fn sign(&self, request: &str) -> Result<String, CannotSign> {
        let asked = CertificateSigningRequestParams::from_pem(request)?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, self.key.pair()?)?;
        let says = certificate(asked.params.distinguished_name, self.now);
        Ok(says.signed_by(&asked.public_key, &issuer)?.pem())
    }
}

impl fmt::Debug for CustomerAuthority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CustomerAuthority(..)")
    }
}
