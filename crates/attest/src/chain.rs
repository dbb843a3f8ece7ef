use portcullis_seam::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::refused::Refused;
use crate::trust::Trust;

/// The certificates of a document, from the first issuer down to the one whose key signed it.
pub(crate) struct Path<'a> {
    issuers: Vec<X509Certificate<'a>>,
    leaf: X509Certificate<'a>,
}

impl<'a> Path<'a> {
    pub(crate) fn of(issuers: &[&'a [u8]], leaf: &'a [u8]) -> Result<Self, Refused> {
        let issuers = issuers.iter().map(|der| parse(der));
        Ok(Self {
            issuers: issuers.collect::<Result<_, _>>()?,
            leaf: parse(leaf)?,
        })
    }

    /// Checks the path and gives the key at its end, as a point of P-384.
    ///
    /// Rule ATT-04: every certificate is valid at `now`, was signed by the one before, which must be
    /// an authority that may sign certificates and has room for as many below it; the last one may
    /// make signatures. With roots, the first one is a root or was signed by one.
    pub(crate) fn check(&self, now: Timestamp, trust: &Trust) -> Result<&[u8], Refused> {
        let roots = match trust {
            Trust::Unchecked | Trust::AnyRoot => None,
            Trust::Roots(roots) => Some(roots),
        };
        let mut path: Vec<&X509Certificate<'_>> = self.issuers.iter().collect();
        path.push(&self.leaf);
        let root;
        if let (Some(roots), Some(first)) = (roots, path.first()) {
            let known = roots.iter().any(|der| der.as_slice() == first.as_raw());
            if !known {
                root = signer_among(roots, first).ok_or(Refused::Untrusted)?;
                path.insert(0, &root);
            }
        }
        let seconds = i64::try_from(now.millis() / 1000).unwrap_or(i64::MAX);
        let date = ASN1Time::from_timestamp(seconds).map_err(|_| Refused::Expired)?;
        if !path.iter().all(|one| one.validity().is_valid_at(date)) {
            return Err(Refused::Expired);
        }
        for (at, pair) in path.windows(2).enumerate() {
            if let [issuer, issued] = pair {
                let below = path.len() - 2 - at;
                may_issue(issuer, below)?;
                signed_by(issued, issuer)?;
            }
        }
        may_sign(&self.leaf)
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Refused> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(Refused::Chain("one of them is not an X.509 certificate")),
    }
}

fn signer_among<'r>(
    roots: &'r [Vec<u8>],
    issued: &X509Certificate<'_>,
) -> Option<X509Certificate<'r>> {
    let mut roots = roots.iter().filter_map(|der| parse(der).ok());
    roots.find(|root| signed_by(issued, root).is_ok())
}

fn signed_by(issued: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Result<(), Refused> {
    let named = issued.issuer().as_raw() == issuer.subject().as_raw();
    if named && issued.verify_signature(Some(issuer.public_key())).is_ok() {
        Ok(())
    } else {
        Err(Refused::Chain(
            "one of them was not signed by the one before it",
        ))
    }
}

/// Whether a certificate may issue others, with so many more authorities below it.
fn may_issue(issuer: &X509Certificate<'_>, below: usize) -> Result<(), Refused> {
    let twice = |_| Refused::Chain("one of them has an extension twice");
    let constraints = issuer.basic_constraints().map_err(twice)?;
    let usage = issuer.key_usage().map_err(twice)?;
    let Some(constraints) = constraints.filter(|found| found.value.ca) else {
        return Err(Refused::Chain(
            "one of them issued another and is no authority",
        ));
    };
    let room = constraints.value.path_len_constraint;
    let room = room.and_then(|room| usize::try_from(room).ok());
    if room.is_some_and(|room| room < below) {
        return Err(Refused::Chain("there are more of them than one permits"));
    }
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(Refused::Chain(
            "one of them may not sign certificates and did",
        ));
    }
    Ok(())
}

/// The key of a certificate that may make signatures.
fn may_sign<'c>(leaf: &'c X509Certificate<'_>) -> Result<&'c [u8], Refused> {
    let usage = leaf.key_usage();
    let usage = usage.map_err(|_| Refused::Chain("one of them has an extension twice"))?;
    if usage.is_some_and(|usage| !usage.value.digital_signature()) {
        return Err(Refused::Chain("the last one may not make signatures"));
    }
    Ok(&leaf.public_key().subject_public_key.data)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
        PKCS_ECDSA_P384_SHA384,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// What a certificate says of itself.
    fn params(name: &str, is_ca: IsCa, usage: KeyUsagePurpose) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = is_ca;
        params.key_usages = vec![usage];
        params
    }

    fn authority(name: &str, below: u8) -> CertificateParams {
        let room = IsCa::Ca(BasicConstraints::Constrained(below));
        params(name, room, KeyUsagePurpose::KeyCertSign)
    }

    fn leaf() -> CertificateParams {
        params(
            "leaf",
            IsCa::ExplicitNoCa,
            KeyUsagePurpose::DigitalSignature,
        )
    }

    /// Each is signed by the one before, the first by itself.
    fn chain(all: Vec<CertificateParams>) -> Vec<Vec<u8>> {
        let mut chain = Vec::new();
        let mut issuer: Option<Issuer<'_, KeyPair>> = None;
        for params in all {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
            let made = match &issuer {
                Some(issuer) => params.signed_by(&key, issuer),
                None => params.self_signed(&key),
            };
            chain.push(made.unwrap().der().to_vec());
            issuer = Some(Issuer::new(params, key));
        }
        chain
    }

    fn check(chain: &[Vec<u8>], trust: &Trust) -> Result<(), Refused> {
        let (leaf, issuers) = chain.split_last().unwrap();
        let issuers: Vec<&[u8]> = issuers.iter().map(Vec::as_slice).collect();
        Path::of(&issuers, leaf)?.check(NOW, trust).map(|_key| ())
    }

    fn refused(chain: &[Vec<u8>]) -> bool {
        matches!(check(chain, &Trust::AnyRoot), Err(Refused::Chain(_)))
    }

    /// Rule ATT-04.
    #[test]
    fn a_chain_leads_from_a_root_by_authorities_to_one_that_signs() {
        let good = chain(vec![authority("root", 1), authority("between", 0), leaf()]);
        assert_eq!(check(&good, &Trust::AnyRoot), Ok(()));
        let root = Trust::Roots(vec![good[0].clone()]);
        assert_eq!(check(&good, &root), Ok(()));
        // The root need not be in the bundle, and a certificate may be its own root.
        assert_eq!(check(&good[1..], &root), Ok(()));
        assert_eq!(check(&good[2..], &root), Err(Refused::Untrusted));
        assert_eq!(check(&good[2..], &Trust::AnyRoot), Ok(()));
        assert_eq!(
            check(&good[2..], &Trust::Roots(vec![good[2].clone()])),
            Ok(())
        );
    }

    #[test]
    fn a_chain_with_one_that_may_not_do_what_it_did_is_refused() {
        let root = |below| authority("root", below);
        let no_authority = params("x", IsCa::ExplicitNoCa, KeyUsagePurpose::KeyCertSign);
        let silent = params("x", IsCa::NoCa, KeyUsagePurpose::KeyCertSign);
        let unlimited = IsCa::Ca(BasicConstraints::Unconstrained);
        let no_signer = params("x", unlimited, KeyUsagePurpose::DigitalSignature);
        for between in [no_authority, silent, no_signer] {
            assert!(refused(&chain(vec![root(1), between, leaf()])));
        }
        // The root has no room for an authority below it.
        assert!(refused(&chain(vec![
            root(0),
            authority("between", 0),
            leaf()
        ])));
        let encrypts = params("leaf", IsCa::ExplicitNoCa, KeyUsagePurpose::KeyEncipherment);
        assert!(refused(&chain(vec![root(1), encrypts])));
    }

    #[test]
    fn certificates_that_do_not_follow_from_each_other_are_refused() {
        let one = chain(vec![authority("root", 1), leaf()]);
        let other = chain(vec![authority("root", 1), leaf()]);
        let mixed = [one[0].clone(), other[1].clone()];
        assert!(refused(&mixed));
        let reversed = [one[1].clone(), one[0].clone()];
        assert!(refused(&reversed));
        assert!(refused(&[vec![1, 2, 3], one[1].clone()]));
    }
}
