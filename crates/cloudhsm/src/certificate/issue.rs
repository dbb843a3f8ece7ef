use portcullis_seam::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose,
};

use super::{VALID_BEFORE, VALID_FOR};

/// A subject: pairs in the order in which they stand in the certificate.
pub(super) fn subject(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

/// What a certificate of `subject` made at `now` says.
pub(super) fn certificate(subject: DistinguishedName, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    let made = rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_millis(now.millis());
    params.not_before = made - VALID_BEFORE;
    params.not_after = made + VALID_FOR;
    params.distinguished_name = subject;
    params.use_authority_key_identifier_extension = true;
    params
}

/// The same for a certificate that signs others.
pub(super) fn authority(subject: DistinguishedName, now: Timestamp) -> CertificateParams {
    let mut params = certificate(subject, now);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
