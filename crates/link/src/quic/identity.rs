use std::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::Zeroizing;

use crate::LinkError;

/// Who a facade is towards its HSMs: a self-signed certificate that they pin, and its key.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key, PKCS #8 DER.
    pub private_key: Arc<Zeroizing<Vec<u8>>>,
}

impl ClientIdentity {
    /// A fresh identity.
    ///
    /// # Errors
    /// When the key or the certificate cannot be made.
    pub fn generate() -> Result<Self, LinkError> {
        let unusable = |error: rcgen::Error| LinkError::Unusable(error.to_string());
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
        let params =
            CertificateParams::new(vec!["facade.portcullis".to_owned()]).map_err(unusable)?;
        let certificate = params.self_signed(&key).map_err(unusable)?;
        Ok(Self {
            certificate: certificate.der().to_vec(),
            private_key: Arc::new(Zeroizing::new(key.serialize_der())),
        })
    }

    /// Both in a form to be kept. Wiped when dropped; it must lie sealed or be readable by its
    /// owner only.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = u32::try_from(self.certificate.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let parts: [&[u8]; 3] = [&length, &self.certificate, &self.private_key];
        Zeroizing::new(parts.concat())
    }

    /// What [`ClientIdentity::to_bytes`] made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (certificate, private_key) = rest.split_at_checked(length)?;
        Some(Self {
            certificate: certificate.to_vec(),
            private_key: Arc::new(Zeroizing::new(private_key.to_vec())),
        })
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ClientIdentity({} byte certificate)",
            self.certificate.len()
        )
    }
}
