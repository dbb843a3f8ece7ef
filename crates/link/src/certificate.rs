use std::fmt;

use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateError {
    /// It is not an X.509 certificate.
    Malformed(String),
    /// The other certificate's key did not sign it.
    NotSignedBy(String),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(formatter, "it is not an X.509 certificate: {why}"),
            Self::NotSignedBy(why) => write!(formatter, "it was not signed by that root: {why}"),
        }
    }
}

impl std::error::Error for CertificateError {}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    let parsed = X509Certificate::from_der(der);
    parsed
        .map(|(_, certificate)| certificate)
        .map_err(malformed)
}

fn malformed(error: impl fmt::Display) -> CertificateError {
    CertificateError::Malformed(error.to_string())
}

/// The certificate in the first PEM block of `pem`.
///
/// # Errors
/// When there is none, or it is no certificate.
pub fn pem_to_der(pem: &str) -> Result<Vec<u8>, CertificateError> {
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(malformed)?;
    parse(&block.contents)?;
    Ok(block.contents)
}

/// Rule LINK-03: whether the key of `anchor` signed `certificate` (both DER).
///
/// Names, dates and extensions are not looked at: cluster certificates made with `openssl x509
/// -req` are often of version 1 and have none, and both ends know the one certificate they expect.
///
/// # Errors
/// When one is malformed or the signature does not verify.
pub fn verify_certificate_signed_by(
    certificate: &[u8],
    anchor: &[u8],
) -> Result<(), CertificateError> {
    let (certificate, anchor) = (parse(certificate)?, parse(anchor)?);
    certificate
        .verify_signature(Some(anchor.public_key()))
        .map_err(|error| CertificateError::NotSignedBy(error.to_string()))
}

/// The subject's public key as DER.
pub(crate) fn public_key(certificate: &[u8]) -> Result<Vec<u8>, CertificateError> {
    Ok(parse(certificate)?.public_key().raw.to_vec())
}
