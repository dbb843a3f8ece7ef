use std::fmt;
use std::sync::Arc;

use portcullis_link::{Identity, pem_to_der};
use portcullis_store::versioned::{decode, encode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What an HSM keeps as its identity, in its own record and in every backup: the cluster's
/// private key from the first HSM's birth on, and the certificate once there is one.
#[derive(Serialize, Deserialize)]
pub struct KeptIdentity {
    private_key: Zeroizing<Vec<u8>>,
    certificate: Option<String>,
}

impl KeptIdentity {
    /// Before the request is signed: a private key as PKCS #8 DER alone.
    #[must_use]
    pub const fn unsigned(private_key: Zeroizing<Vec<u8>>) -> Self {
        Self {
            private_key,
            certificate: None,
        }
    }

    /// With the signed cluster certificate (PEM).
    pub(crate) fn signed(self, certificate: &str) -> Self {
        Self {
            certificate: Some(certificate.to_owned()),
            ..self
        }
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(encode(self))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        decode(bytes)
    }

    /// What the HSM presents to every client that connects; none before the certificate is installed.
    ///
    /// Rule CL-10: every HSM of a cluster presents the cluster certificate.
    pub(crate) fn presented(self) -> Option<Identity> {
        Some(Identity {
            certificate: pem_to_der(&self.certificate?).ok()?,
            private_key: Arc::new(self.private_key),
        })
    }
}

impl fmt::Debug for KeptIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeptIdentity(..)")
    }
}
