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
