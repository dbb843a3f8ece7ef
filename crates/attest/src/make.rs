use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use portcullis_seam::{Entropy, Timestamp, draw};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, SerialNumber,
};
use zeroize::Zeroizing;

use crate::cbor::{CborWriter, Item};
use crate::document::{ES384, to_be_signed};

/// What stands in for the hypervisor's certificate authority: makes documents that anybody without
/// an enclave can use, and that only who trusts its root believes.
pub struct Authority {
    certificate: Vec<u8>,
    private_key: Zeroizing<Vec<u8>>,
}

/// What a document shall say.
#[derive(Debug, Clone, Default)]
pub struct Claims<'a> {
    /// Which enclave it is.
    pub module_id: &'a str,
    /// Its measurements. PCR 0 to 2 are 48 zeros where they are absent, as those of an enclave in
    /// debug mode.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    /// Its public key: SubjectPublicKeyInfo, DER.
    pub public_key: Option<&'a [u8]>,
    /// What it wants to have signed.
    pub user_data: Option<&'a [u8]>,
    /// What the enclave was asked to have signed.
    pub nonce: Option<&'a [u8]>,
}

/// Why a certificate or a document cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotMake(String);

impl fmt::Display for CannotMake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for CannotMake {}

/// How long the certificate of a document is valid, as on AWS; that of the root.
const DOCUMENT_VALID_FOR: Duration = Duration::from_hours(3);
const ROOT_VALID_FOR: Duration = Duration::from_hours(24 * 365 * 30);
/// Certificates are valid from before they were made, for clocks that differ.
const VALID_BEFORE: Duration = Duration::from_mins(5);

impl Authority {
    /// A fresh one.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, CannotMake> {
        let key = PrivateKey::generate(entropy);
        let mut root = certificate("portcullis.nitro-enclaves", entropy, now, ROOT_VALID_FOR);
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let made = root.self_signed(&key.pair()?).map_err(refused)?;
        Ok(Self {
            certificate: made.der().to_vec(),
            private_key: key.0,
        })
    }

    /// One whose certificate and private key (PKCS #8 of P-384) are kept elsewhere.
    #[must_use]
    pub const fn kept(certificate: Vec<u8>, private_key: Zeroizing<Vec<u8>>) -> Self {
        Self {
            certificate,
            private_key,
        }
    }

    /// Its certificate, DER: the root to be trusted.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Its private key, PKCS #8 DER.
    #[must_use]
    pub fn private_key(&self) -> &[u8] {
        &self.private_key
    }

    /// A document that says `claims`, signed under a certificate that is valid for three hours.
    ///
    /// # Errors
    /// When its own certificate or key cannot be read.
    pub fn attest(
        &self,
        claims: &Claims<'_>,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Vec<u8>, CannotMake> {
        let root = self.certificate.as_slice().into();
        let signer = PrivateKey(self.private_key.clone()).pair()?;
        let issuer = Issuer::from_ca_cert_der(&root, signer).map_err(refused)?;
        let key = PrivateKey::generate(entropy);
        let mut leaf = certificate(claims.module_id, entropy, now, DOCUMENT_VALID_FOR);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        let leaf = leaf.signed_by(&key.pair()?, &issuer).map_err(refused)?;
        let payload = payload(claims, leaf.der(), &self.certificate, now);
        let hash = digest::digest(&digest::SHA384, &to_be_signed(&ES384, &payload));
        let signing = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &key.0);
        let signing = signing.map_err(refused)?;
        let signature = signing.sign_digest(&hash).map_err(refused)?;
        let mut writer = CborWriter::default();
        // Without the tag, as the NSM writes it.
        writer.put(Item::Array(4));
        writer.put(Item::Bytes(&ES384));
        writer.put(Item::Map(0));
        writer.put(Item::Bytes(&payload));
        writer.put(Item::Bytes(signature.as_ref()));
        Ok(writer.finish())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authority(..)")
    }
}

/// The payload in the order in which the NSM writes it.
fn payload(claims: &Claims<'_>, certificate: &[u8], root: &[u8], now: Timestamp) -> Vec<u8> {
    let mut pcrs = claims.pcrs.clone();
    for index in 0..3 {
        pcrs.entry(index).or_insert_with(|| vec![0; 48]);
    }
    let mut writer = CborWriter::default();
    writer.put(Item::Map(9));
    writer.put(Item::Text("module_id"));
    writer.put(Item::Text(claims.module_id));
    writer.put(Item::Text("digest"));
    writer.put(Item::Text("SHA384"));
    writer.put(Item::Text("timestamp"));
    writer.put(Item::Unsigned(now.millis()));
    writer.put(Item::Text("pcrs"));
    writer.put(Item::Map(pcrs.len()));
    for (index, pcr) in &pcrs {
        writer.put(Item::Unsigned(u64::from(*index)));
        writer.put(Item::Bytes(pcr));
    }
    writer.put(Item::Text("certificate"));
    writer.put(Item::Bytes(certificate));
    writer.put(Item::Text("cabundle"));
    writer.put(Item::Array(1));
    writer.put(Item::Bytes(root));
    for (name, value) in [
        ("public_key", claims.public_key),
        ("user_data", claims.user_data),
        ("nonce", claims.nonce),
    ] {
        writer.put(Item::Text(name));
        writer.put(value.map_or(Item::Null, Item::Bytes));
    }
    writer.finish()
}

fn certificate(
    name: &str,
    entropy: &dyn Entropy,
    now: Timestamp,
    valid_for: Duration,
) -> CertificateParams {
    let mut subject = DistinguishedName::new();
    for (kind, value) in [
        (DnType::CountryName, "US"),
        (DnType::OrganizationName, "Portcullis"),
        (DnType::CommonName, name),
    ] {
        subject.push(kind, value);
    }
    let made = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(now.millis());
    let mut params = CertificateParams::default();
    params.not_before = made - VALID_BEFORE;
    params.not_after = made + valid_for;
    params.distinguished_name = subject;
    params.serial_number = Some(SerialNumber::from_slice(&draw::<16>(entropy)));
    params
}

/// A P-384 private key as PKCS #8 DER.
struct PrivateKey(Zeroizing<Vec<u8>>);

/// PKCS #8 of a P-384 key (RFC 5958, RFC 5915) up to the 48 bytes of the number itself; the public
/// key, which is optional there, is left out.
const PKCS8_PREFIX: [u8; 32] = [
    0x30, 0x4e, 0x02, 0x01, 0x00, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x04, 0x37, 0x30, 0x35, 0x02, 0x01, 0x01, 0x04, 0x30,
];

impl PrivateKey {
    /// A fresh key. Drawn from `entropy` rather than by the library, as all randomness is.
    fn generate(entropy: &dyn Entropy) -> Self {
        loop {
            let number: Zeroizing<[u8; 48]> = Zeroizing::new(draw(entropy));
            let key = Self(Zeroizing::new([&PKCS8_PREFIX[..], &number[..]].concat()));
            // Refused when the number is zero or not below the order of the curve: never, in effect.
            if key.pair().is_ok() {
                return key;
            }
        }
    }

    fn pair(&self) -> Result<KeyPair, CannotMake> {
        let pkcs8 = self.0.as_slice().into();
        KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ECDSA_P384_SHA384).map_err(refused)
    }
}

fn refused(error: impl fmt::Display) -> CannotMake {
    CannotMake(format!("The cryptographic library refused: {error}."))
}
