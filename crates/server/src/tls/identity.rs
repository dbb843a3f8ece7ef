use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The certificate and the key that a listener presents.
#[derive(Clone)]
pub struct TlsIdentity(Arc<ServerConfig>);

/// Why a certificate and a key cannot be presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidIdentity(pub(super) String);

/// What is spoken inside. HTTP/2 is not there, so it is not offered.
const ALPN: &[u8] = b"http/1.1";

impl TlsIdentity {
    /// A chain of certificates, the server's own first, and its private key, both in PEM.
    ///
    /// # Errors
    /// When either holds none, or the key is that of another certificate.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidIdentity> {
        let invalid = |what: &str, error: &dyn fmt::Display| {
            InvalidIdentity(format!("{what} cannot be read as PEM ({error})."))
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| invalid("The certificate", &error))?;
        if chain.is_empty() {
            return Err(InvalidIdentity(
                "The file of the certificate holds none in PEM.".to_owned(),
            ));
        }
        let key = PrivateKeyDer::from_pem_slice(key);
        Self::new(
            chain,
            key.map_err(|error| invalid("The private key", &error))?,
        )
    }

    /// TLS 1.3, and 1.2 for clients that have no more.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, InvalidIdentity> {
        let unfit = |error: rustls::Error| {
            InvalidIdentity(format!(
                "The certificate and the private key do not fit: {error}."
            ))
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0))
    }
}

/// By hand: it holds the private key.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsIdentity(..)")
    }
}

impl fmt::Display for InvalidIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for InvalidIdentity {}
