use portcullis_api::HsmId;
use portcullis_seam::{Entropy, Timestamp};
use rcgen::{CertificateParams, DnType, Issuer};

use super::Makers;
use super::issue::{authority, certificate, subject};
use super::key::PrivateKey;

/// What the first HSM of a cluster brings with it.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The cluster's private key.
    pub(crate) key: PrivateKey,
    /// Everything else, as PEM.
    pub(crate) request: String,
    pub(crate) hsm: String,
    pub(crate) aws_hardware: String,
    pub(crate) manufacturer_hardware: String,
}

/// Makes the key pair of a cluster on its first HSM, the request to sign it, and the chain that
/// proves the HSM genuine.
pub(crate) fn give_birth(
    makers: &Makers,
    hsm: &HsmId,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Birth, rcgen::Error> {
    let serial = hsm.as_str().trim_start_matches("hsm-").to_uppercase();
    let hardware = PrivateKey::generate(entropy).pair()?;
    // Both hardware certificates name one subject and one key, so that the HSM's certificate
    // verifies under either.
    let hardware_says = authority(hardware_subject(&serial), now);
    let aws_hardware = hardware_says.signed_by(&hardware, &makers.aws.issuer()?)?;
    let manufacturer_hardware =
        hardware_says.signed_by(&hardware, &makers.manufacturer.issuer()?)?;

    let key = PrivateKey::generate(entropy);
    let pair = key.pair()?;
    let partition = format!("HSM:{serial}:PARTN:1, for FIPS mode");
    let by_hardware = Issuer::from_params(&hardware_says, &hardware);
    let hsm = certificate(partition_subject(&partition), now).signed_by(&pair, &by_hardware)?;
    let mut request = CertificateParams::default();
    request.distinguished_name = partition_subject(&partition);
    Ok(Birth {
        request: request.serialize_request(&pair)?.pem()?,
        hsm: hsm.pem(),
        aws_hardware: aws_hardware.pem(),
        manufacturer_hardware: manufacturer_hardware.pem(),
        key,
    })
}

fn hardware_subject(serial: &str) -> rcgen::DistinguishedName {
    subject(&[
        (DnType::CountryName, "US"),
        (DnType::StateOrProvinceName, "CA"),
        (DnType::OrganizationName, "Cavium"),
        (DnType::OrganizationalUnitName, "N3FIPS"),
        (DnType::LocalityName, "SanJose"),
        (DnType::CommonName, &format!("HSM:{serial}")),
    ])
}

/// The subject of a ClusterCsr as the User Guide's "Initialize the cluster" shows it.
fn partition_subject(partition: &str) -> rcgen::DistinguishedName {
    subject(&[
        (DnType::CountryName, "US"),
        (DnType::StateOrProvinceName, "CA"),
        (DnType::OrganizationName, "Cavium"),
        (DnType::OrganizationalUnitName, "N3FIPS"),
        (DnType::LocalityName, "SanJose"),
        (DnType::CommonName, partition),
    ])
}
