//! Who may be spoken to: both ends know the one certificate that they expect.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use portcullis_seam::plant::{Bug, planted};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::certificate::{public_key, verify_certificate_signed_by};
use crate::{Identity, LinkError, Target};

use super::ClientIdentity;

/// The protocol's name in the handshake.
const ALPN: &[u8] = b"portcullis/2";

/// The name of the protocol between hosts and the control plane.
const CONTROL_ALPN: &[u8] = b"portcullis-hosts/1";

/// Why the last handshake was refused, for an error that helps.
pub(super) type Distrust = Arc<Mutex<Option<String>>>;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn unusable(error: impl std::fmt::Display) -> LinkError {
    LinkError::Unusable(error.to_string())
}

/// TLS for the side that calls `target`.
pub(super) fn client_config(
    client: &ClientIdentity,
    target: &Target,
    distrust: Distrust,
) -> Result<rustls::ClientConfig, LinkError> {
    let trust = CallerTrust::Cluster {
        certificate: target.cluster_certificate.clone(),
        trust_anchor: target.trust_anchor.clone(),
    };
    calling(client, trust, distrust, ALPN)
}

/// TLS for a host that calls the control plane, which it knows by the SHA-256 of its certificate.
pub(super) fn control_client_config(
    identity: &ClientIdentity,
    fingerprint: [u8; 32],
    distrust: Distrust,
) -> Result<rustls::ClientConfig, LinkError> {
    calling(
        identity,
        CallerTrust::Fingerprint(fingerprint),
        distrust,
        CONTROL_ALPN,
    )
}

fn calling(
    client: &ClientIdentity,
    trust: CallerTrust,
    distrust: Distrust,
    protocol: &[u8],
) -> Result<rustls::ClientConfig, LinkError> {
    let provider = provider();
    let verifier = CalledVerifier {
        trust,
        algorithms: provider.signature_verification_algorithms,
        distrust,
    };
    let key = PrivatePkcs8KeyDer::from(client.private_key.to_vec());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(
            vec![CertificateDer::from(client.certificate.clone())],
            PrivateKeyDer::Pkcs8(key),
        )
        .map_err(unusable)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// TLS for an HSM: it presents the cluster certificate and admits the facades it was given.
pub(super) fn server_config(
    identity: &Identity,
    accepted: &[Vec<u8>],
) -> Result<rustls::ServerConfig, LinkError> {
    let admitted = Admitted::These(accepted.to_vec());
    called(&identity.certificate, &identity.private_key, admitted, ALPN)
}

/// TLS for the control plane. Every certificate is let in whose key the caller has: who it is, is
/// decided by its first message.
pub(super) fn control_server_config(
    identity: &ClientIdentity,
) -> Result<rustls::ServerConfig, LinkError> {
    let (certificate, key) = (&identity.certificate, &identity.private_key);
    called(certificate, key, Admitted::Anybody, CONTROL_ALPN)
}

fn called(
    certificate: &[u8],
    private_key: &[u8],
    admitted: Admitted,
    protocol: &[u8],
) -> Result<rustls::ServerConfig, LinkError> {
    let provider = provider();
    let verifier = CallerVerifier {
        admitted,
        algorithms: provider.signature_verification_algorithms,
    };
    let key = PrivatePkcs8KeyDer::from(private_key.to_vec());
    let key = provider
        .key_provider
        .load_private_key(key.into())
        .map_err(unusable)?;
    let certified = public_key(certificate).map_err(unusable)?;
    if key.public_key().is_some_and(|own| *own != *certified) {
        return Err(unusable(
            "the certificate holds another key than the private one",
        ));
    }
    let chain = vec![CertificateDer::from(certificate.to_vec())];
    // Not `with_single_cert`: that parses the certificate, and refuses X.509 version 1, which
    // `openssl x509 -req` makes.
    let presented = PresentedCertificate(Arc::new(CertifiedKey::new(chain, key)));
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(presented));
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct PresentedCertificate(Arc<CertifiedKey>);

impl ResolvesServerCert for PresentedCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// The identity that a caller accepts of the HSM that it called.
#[derive(Debug)]
enum CallerTrust {
    /// Rule LINK-03: an HSM proves that it is of the cluster: it presents the cluster certificate,
    /// which the trust anchor signed, and signs the handshake with its key.
    Cluster {
        certificate: Vec<u8>,
        trust_anchor: Vec<u8>,
    },
    /// Rule HOST-04: a host knows the control plane by the SHA-256 of its certificate.
    Fingerprint([u8; 32]),
}

impl CallerTrust {
    fn check(&self, presented: &[u8]) -> Result<(), String> {
        match self {
            Self::Cluster { .. } if planted(Bug::CertificateCheckSkipped) => Ok(()),
            Self::Cluster { certificate, .. } if presented != certificate => {
                Err("it presents another certificate than its cluster's".to_owned())
            }
            Self::Cluster { trust_anchor, .. } => {
                verify_certificate_signed_by(presented, trust_anchor).map_err(|error| {
                    format!(
                        "its cluster certificate does not verify under the trust anchor: {error}"
                    )
                })
            }
            Self::Fingerprint(known) if digest(&SHA256, presented).as_ref() == known => Ok(()),
            Self::Fingerprint(_) => Err(
                "it presents another certificate than the one whose fingerprint is known"
                    .to_owned(),
            ),
        }
    }
}

#[derive(Debug)]
struct CalledVerifier {
    trust: CallerTrust,
    algorithms: WebPkiSupportedAlgorithms,
    distrust: Distrust,
}

impl ServerCertVerifier for CalledVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.trust
            .check(end_entity)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|why| {
                *self.distrust.lock() = Some(why);
                Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
            })
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("QUIC has no TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Which callers are let in.
#[derive(Debug)]
enum Admitted {
    /// Rule LINK-04: an HSM admits only facades whose certificates it was given.
    These(Vec<Vec<u8>>),
    /// Everybody who has the key to the certificate that it presents.
    Anybody,
}

#[derive(Debug)]
struct CallerVerifier {
    admitted: Admitted,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for CallerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let admitted = match &self.admitted {
            Admitted::These(accepted) => accepted.iter().any(|one| *one == **end_entity),
            Admitted::Anybody => public_key(end_entity).is_ok(),
        };
        if admitted {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("QUIC has no TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies with the certificate's bare key, since webpki reads no certificate of version 1.
fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = public_key(certificate)
        .map_err(|_malformed| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let key = SubjectPublicKeyInfoDer::from(key);
    verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
}
