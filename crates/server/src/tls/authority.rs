use std::fmt;
use std::time::Duration;

use portcullis_seam::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use super::identity::{InvalidIdentity, TlsIdentity};

/// An authority of our own: clients that have its certificate believe what it signs.
pub struct TlsAuthority {
    /// The certificate of the authority, in PEM.
    certificate: String,
    /// The private key of the authority, in PKCS #8.
    key: Zeroizing<Vec<u8>>,
}

/// Ten years: who installed the certificate need not do so again.
const AUTHORITY_FOR: Duration = Duration::from_secs(3652 * DAY);

/// 825 days, the longest that Apple's clients accept. It is made anew at every start.
const SERVER_FOR: Duration = Duration::from_secs(825 * DAY);

/// Clients whose clock is behind find it valid too.
const VALID_BEFORE: Duration = Duration::from_secs(DAY);

const DAY: u64 = 24 * 60 * 60;

impl TlsAuthority {
    /// A fresh one, valid by the machine's date `now`.
    ///
    /// # Errors
    /// When the key or the certificate cannot be made.
    pub fn generate(now: Timestamp) -> Result<Self, InvalidIdentity> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|it| unmade(&it))?;
        let mut params = params(now, AUTHORITY_FOR, "Portcullis local authority");
        // It signs servers and nothing that signs on.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(|it| unmade(&it))?.pem();
        Ok(Self {
            certificate,
            key: Zeroizing::new(key.serialize_der()),
        })
    }

    /// Its certificate in PEM, for clients.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Both, in a form to be sealed and kept: the length of the certificate, the certificate, the key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = u32::try_from(self.certificate.len()).unwrap_or(u32::MAX);
        let parts: [&[u8]; 3] = [
            &length.to_be_bytes(),
            self.certificate.as_bytes(),
            &self.key,
        ];
        Zeroizing::new(parts.concat())
    }

    /// What [`TlsAuthority::to_bytes`] made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (certificate, key) = rest.split_at_checked(length)?;
        Some(Self {
            certificate: String::from_utf8(certificate.to_vec()).ok()?,
            key: Zeroizing::new(key.to_vec()),
        })
    }

    /// A certificate with a fresh key for a server of these names and addresses.
    ///
    /// # Errors
    /// When the authority is damaged or a name cannot stand in a certificate.
    pub fn issue(
        &self,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<TlsIdentity, InvalidIdentity> {
        let own = PrivatePkcs8KeyDer::from(self.key.as_slice());
        let own = KeyPair::from_pkcs8_der_and_sign_algo(&own, &PKCS_ECDSA_P256_SHA256);
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, own.map_err(|it| unmade(&it))?);
        let issuer = issuer.map_err(|it| unmade(&it))?;
        let mut params = params(now, SERVER_FOR, "Portcullis");
        let named = CertificateParams::new(names).map_err(|it| unmade(&it))?;
        params.subject_alt_names = named.subject_alt_names;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|it| unmade(&it))?;
        let certificate = params.signed_by(&key, &issuer).map_err(|it| unmade(&it))?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        TlsIdentity::new(vec![certificate.der().clone()], key.into())
    }
}

fn params(now: Timestamp, valid_for: Duration, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let made = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(now.millis());
    params.not_before = made - VALID_BEFORE;
    params.not_after = made + valid_for - VALID_BEFORE;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn unmade(error: &rcgen::Error) -> InvalidIdentity {
    InvalidIdentity(format!("The certificate cannot be made: {error}."))
}

/// By hand: it holds the private key.
impl fmt::Debug for TlsAuthority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsAuthority(..)")
    }
}

#[cfg(test)]
mod tests {
    use portcullis_seam::{SystemClock, WallClock};

    use super::*;

    /// Rule TLS-01
    #[test]
    fn an_authority_that_was_kept_signs_for_names_and_addresses() {
        let now = SystemClock.now();
        let made = TlsAuthority::generate(now).unwrap();
        let kept = TlsAuthority::from_bytes(&made.to_bytes()).unwrap();
        assert_eq!(kept.certificate(), made.certificate());
        let names = ["localhost", "127.0.0.1", "::1", "portcullis"];
        let names = names.map(str::to_owned).to_vec();
        kept.issue(names, now).unwrap();
        assert!(kept.issue(vec!["ä".to_owned()], now).is_err());
        for cut in [0, 3, 10, 100] {
            let bytes = made.to_bytes();
            let read = TlsAuthority::from_bytes(&bytes[..cut]);
            assert!(
                read.is_none_or(|it| it.issue(Vec::new(), now).is_err()),
                "{cut}"
            );
        }
        assert_eq!(format!("{made:?}"), "TlsAuthority(..)");
    }

    /// Rule TLS-02
    #[test]
    fn a_certificate_and_a_key_that_do_not_belong_together_are_refused() {
        let pair = || {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
            let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap().pem();
            (certificate, key.serialize_pem())
        };
        let ((certificate, key), (_, other)) = (pair(), pair());
        let read = |certificate: &str, key: &str| {
            TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes()).map(drop)
        };
        read(&certificate, &key).unwrap();
        for (certificate, key, why) in [
            (certificate.as_str(), other.as_str(), "do not fit"),
            ("", key.as_str(), "holds none"),
            (certificate.as_str(), "", "private key"),
            (key.as_str(), certificate.as_str(), "holds none"),
        ] {
            let refused = read(certificate, key).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
