use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate of InitializeCluster in characters, as the API Reference documents it. The
/// service model would take 20,000, but a trust anchor above this could never be given to KMS.
const CERTIFICATE_CHARS_MAX: usize = 5_000;

/// What a certificate's signature may be. The guide asks for RSA.
const SIGNATURES_READ: &str = "Read are RSA (PKCS #1 v1.5; PSS with a salt as long as its hash), \
                               ECDSA on P-256 and P-384, and Ed25519.";

/// Checks the certificates of InitializeCluster against the cluster's request, all in PEM.
///
/// Rule CL-05: the trust anchor signed itself and, without any certificate between, the signed
/// certificate, which holds the public key of the request.
///
/// # Errors
/// A message for the user.
pub(crate) fn check_pair(request: &str, signed: &str, anchor: &str) -> Result<(), String> {
    let signed_der = one_certificate("SignedCert", signed)?;
    let anchor_der = one_certificate("TrustAnchor", anchor)?;
    let signed = parse("SignedCert", &signed_der)?;
    let anchor = parse("TrustAnchor", &anchor_der)?;
    if anchor.subject().as_raw() != anchor.issuer().as_raw() {
        return Err(
            "TrustAnchor is not a self-signed root certificate. An intermediate authority cannot \
             be the trust anchor; give the root certificate, and sign the ClusterCsr with it."
                .to_owned(),
        );
    }
    if anchor.verify_signature(None).is_err() {
        return Err(format!(
            "The signature of TrustAnchor is not its own, or of an algorithm that is not read. \
             {SIGNATURES_READ} Give the root certificate, or make one with an RSA key."
        ));
    }
    if public_key_of_request(request)? != signed.public_key().raw {
        return Err(
            "SignedCert holds another public key than this cluster's ClusterCsr. Sign the \
             ClusterCsr that DescribeClusters shows for this cluster, and give that certificate."
                .to_owned(),
        );
    }
    if signed.issuer().as_raw() != anchor.subject().as_raw()
        || signed.verify_signature(Some(anchor.public_key())).is_err()
    {
        return Err(format!(
            "SignedCert was not signed by TrustAnchor, or by an algorithm that is not read. Give the \
             root certificate whose key signed the ClusterCsr, with no intermediate certificate \
             between. {SIGNATURES_READ}"
        ));
    }
    Ok(())
}

/// The DER of the one certificate in a PEM text.
///
/// # Errors
/// A message for the user.
fn one_certificate(member: &str, text: &str) -> Result<Vec<u8>, String> {
    let length = text.chars().count();
    if length > CERTIFICATE_CHARS_MAX {
        return Err(format!(
            "{member} has {length} characters, and at most {CERTIFICATE_CHARS_MAX} are permitted. \
             Give the certificate alone, in PEM, without a chain or a text form."
        ));
    }
    let mut blocks = Pem::iter_from_buffer(text.as_bytes());
    match (blocks.next(), blocks.next()) {
        (Some(Ok(block)), None) if block.label == "CERTIFICATE" => Ok(block.contents),
        (Some(Ok(_)), Some(_)) => Err(format!(
            "{member} holds more than one PEM block. Give one certificate, without its chain."
        )),
        (Some(Ok(block)), None) => Err(format!(
            "{member} holds a {} where a CERTIFICATE is needed. Give the certificate in PEM.",
            block.label
        )),
        (Some(Err(_)) | None, _) => Err(format!(
            "{member} holds no certificate in PEM. Give the text from -----BEGIN CERTIFICATE----- \
             to -----END CERTIFICATE-----, for instance with file:// in the AWS CLI."
        )),
    }
}

fn parse<'a>(member: &str, der: &'a [u8]) -> Result<X509Certificate<'a>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(format!(
            "{member} is PEM, but what it holds is not an X.509 certificate. Make it again, for \
             instance with openssl x509 -req."
        )),
    }
}

fn public_key_of_request(request: &str) -> Result<Vec<u8>, String> {
    // The request was made here, so that failing means a record damaged by hand.
    let unreadable = || "The cluster's ClusterCsr cannot be read. Delete the cluster.".to_owned();
    let Some(Ok(block)) = Pem::iter_from_buffer(request.as_bytes()).next() else {
        return Err(unreadable());
    };
    let (_, parsed) =
        X509CertificationRequest::from_der(&block.contents).map_err(|_| unreadable())?;
    Ok(parsed.certification_request_info.subject_pki.raw.to_vec())
}
