use std::fmt;

use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whose documents are believed.
///
/// Rule ATT-02: the structure is always read. By default a document is believed whose signature and
/// chain fit, whatever root it brings along, since a caller without an enclave has none of AWS's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Anybody's: neither signature nor chain nor dates are looked at.
    Unchecked,
    /// Of any signer: signature, chain and dates must fit, and the chain may begin anywhere.
    #[default]
    AnyRoot,
    /// The same, and the chain must begin at one of these certificates (DER).
    Roots(Vec<Vec<u8>>),
}

/// Why roots cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoots(&'static str);

impl fmt::Display for NoRoots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for NoRoots {}

impl Trust {
    /// Only what AWS attests.
    ///
    /// # Errors
    /// Never: the certificate stands below.
    pub fn aws() -> Result<Self, NoRoots> {
        Self::roots(AWS_ROOT_G1)
    }

    /// Only what the roots in a PEM text attest.
    ///
    /// # Errors
    /// When there is none, or a block of it is no certificate.
    pub fn roots(pem: &str) -> Result<Self, NoRoots> {
        let mut roots = Vec::new();
        for block in Pem::iter_from_buffer(pem.as_bytes()) {
            let block = block.map_err(|_| NoRoots("It is not PEM."))?;
            let certificate = X509Certificate::from_der(&block.contents);
            if block.label != "CERTIFICATE" || !matches!(certificate, Ok(([], _))) {
                return Err(NoRoots("A block of it is not an X.509 certificate."));
            }
            roots.push(block.contents);
        }
        if roots.is_empty() {
            return Err(NoRoots("There is no certificate in it."));
        }
        Ok(Self::Roots(roots))
    }
}

/// The root of the commercial partition, valid until 2049-10-28, as AWS publishes it at
/// `https://aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip`. The User Guide names
/// its fingerprint, which a test compares.
const AWS_ROOT_G1: &str = "-----BEGIN CERTIFICATE-----
MIICETCCAZagAwIBAgIRAPkxdWgbkK/hHUbMtOTn+FYwCgYIKoZIzj0EAwMwSTEL
MAkGA1UEBhMCVVMxDzANBgNVBAoMBkFtYXpvbjEMMAoGA1UECwwDQVdTMRswGQYD
VQQDDBJhd3Mubml0cm8tZW5jbGF2ZXMwHhcNMTkxMDI4MTMyODA1WhcNNDkxMDI4
MTQyODA1WjBJMQswCQYDVQQGEwJVUzEPMA0GA1UECgwGQW1hem9uMQwwCgYDVQQL
DANBV1MxGzAZBgNVBAMMEmF3cy5uaXRyby1lbmNsYXZlczB2MBAGByqGSM49AgEG
BSuBBAAiA2IABPwCVOumCMHzaHDimtqQvkY4MpJzbolL//Zy2YlES1BR5TSksfbb
48C8WBoyt7F2Bw7eEtaaP+ohG2bnUs990d0JX28TcPQXCEPZ3BABIeTPYwEoCWZE
h8l5YoQwTcU/9KNCMEAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUkCW1DdkF
R+eWw5b6cp3PmanfS5YwDgYDVR0PAQH/BAQDAgGGMAoGCCqGSM49BAMDA2kAMGYC
MQCjfy+Rocm9Xue4YnwWmNJVA44fA0P5W2OpYow9OYCVRaEevL8uO1XYru5xtMPW
rfMCMQCi85sWBbJwKKXdS6BptQFuZbT73o/gBh1qUxl/nNr12UO8Yfwr6wPLb+6N
IwLz3/Y=
-----END CERTIFICATE-----
";

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;
    use data_encoding::HEXLOWER;

    use super::*;

    /// Nitro Enclaves User Guide, "Verifying the root of trust".
    const FINGERPRINT: &str = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";

    #[test]
    fn the_root_of_aws_is_the_one_whose_fingerprint_is_published() {
        let Ok(Trust::Roots(roots)) = Trust::aws() else {
            panic!("no root");
        };
        let hash = digest::digest(&digest::SHA256, &roots[0]);
        assert_eq!(HEXLOWER.encode(hash.as_ref()), FINGERPRINT);
        let (_, root) = X509Certificate::from_der(&roots[0]).unwrap();
        assert!(root.verify_signature(None).is_ok());
    }

    #[test]
    fn a_file_without_a_certificate_is_no_root() {
        assert!(Trust::roots("").is_err());
        assert!(
            Trust::roots("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err()
        );
    }
}
