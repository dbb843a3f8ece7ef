use std::process::Command;

use portcullis_link::{pem_to_der, verify_certificate_signed_by};
use portcullis_seam::{SystemEntropy, Timestamp};

use super::key::PrivateKey;
use super::request::Birth;
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn birth() -> (Roots, Birth) {
    let makers = Makers::generate(&SystemEntropy, NOW).unwrap();
    let hsm = "hsm-abcdefghijk".parse().unwrap();
    let birth = give_birth(&makers, &hsm, &SystemEntropy, NOW).unwrap();
    (makers.roots(), birth)
}

fn owner() -> CustomerAuthority {
    CustomerAuthority::generate(&SystemEntropy, NOW).unwrap()
}

fn signs(anchor: &str, certificate: &str) -> bool {
    let (anchor, certificate) = (
        pem_to_der(anchor).unwrap(),
        pem_to_der(certificate).unwrap(),
    );
    verify_certificate_signed_by(&certificate, &anchor).is_ok()
}

#[test]
fn an_hsms_certificate_verifies_under_both_makers_roots() {
    let (roots, birth) = birth();
    assert!(signs(&roots.aws, &birth.aws_hardware));
    assert!(signs(&roots.manufacturer, &birth.manufacturer_hardware));
    assert!(signs(&birth.aws_hardware, &birth.hsm));
    assert!(signs(&birth.manufacturer_hardware, &birth.hsm));
    assert!(!signs(&roots.aws, &birth.manufacturer_hardware));
}

#[test]
fn the_makers_roots_are_made_once_for_a_data_folder() {
    let makers = Makers::generate(&SystemEntropy, NOW).unwrap();
    let again = Makers::from_bytes(&makers.to_bytes()).unwrap();
    assert_eq!(again.roots(), makers.roots());
    let hsm = "hsm-abcdefghijk".parse().unwrap();
    let birth = give_birth(&again, &hsm, &SystemEntropy, NOW).unwrap();
    assert!(signs(&makers.roots().aws, &birth.aws_hardware));
}

#[test]
fn what_the_owner_signed_is_accepted() {
    let (_, birth) = birth();
    let owner = owner();
    let signed = owner.sign(&birth.request).unwrap();
    assert_eq!(
        check_pair(&birth.request, &signed, owner.trust_anchor()),
        Ok(())
    );
}

/// Rule CL-05: each way in which the certificates can be wrong has its own explanation.
#[test]
fn certificates_that_do_not_fit_are_refused_with_the_reason() {
    let (_, own) = birth();
    let (_, other) = birth();
    // Both have the same name: only the signature tells them apart.
    let (owner, stranger) = (owner(), owner());
    let root = owner.trust_anchor();
    let signed = owner.sign(&own.request).unwrap();
    let long = format!("{}{signed}", "a".repeat(5_000));
    let chain = format!("{signed}{root}");
    let rows = [
        (
            owner.sign(&other.request).unwrap(),
            root,
            "another public key",
        ),
        (root.to_owned(), root, "another public key"),
        (
            stranger.sign(&own.request).unwrap(),
            root,
            "not signed by TrustAnchor",
        ),
        (signed.clone(), signed.as_str(), "not a self-signed root"),
        (
            signed.clone(),
            own.aws_hardware.as_str(),
            "not a self-signed root",
        ),
        (long, root, "at most 5000"),
        (chain, root, "more than one"),
        (own.request.clone(), root, "CERTIFICATE REQUEST"),
        (
            "nonsense".to_owned(),
            root,
            "SignedCert holds no certificate",
        ),
        (signed.clone(), "", "TrustAnchor holds no certificate"),
        (
            signed.replacen("MII", "MIJ", 1),
            root,
            "is not an X.509 certificate",
        ),
    ];
    for (signed, anchor, why) in rows {
        let refused = check_pair(&own.request, &signed, anchor).unwrap_err();
        assert!(refused.contains(why), "{why}: {refused}");
    }
}

/// A seed replays the sizes of what it writes.
#[test]
fn the_same_randomness_makes_the_same_keys_and_certificates_of_the_same_length() {
    #[derive(Debug)]
    struct Counter(std::sync::atomic::AtomicU8);
    impl portcullis_seam::Entropy for Counter {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }
    let made = || {
        let entropy = Counter(1.into());
        let makers = Makers::generate(&entropy, NOW).unwrap();
        let hsm = "hsm-abcdefghijk".parse().unwrap();
        give_birth(&makers, &hsm, &entropy, NOW).unwrap()
    };
    let first = made();
    for _run in 0..20 {
        let again = made();
        assert_eq!(again.key.pkcs8(), first.key.pkcs8());
        assert_eq!(again.request.len(), first.request.len());
        assert_eq!(again.hsm.len(), first.hsm.len());
        assert_eq!(again.aws_hardware.len(), first.aws_hardware.len());
    }
}

#[test]
fn a_key_pair_is_never_printed() {
    let key = PrivateKey::generate(&SystemEntropy);
    assert_eq!(
        format!("{key:?} {:?}", owner()),
        "PrivateKey(..) CustomerAuthority(..)"
    );
}

/// Runs openssl in `folder`.
fn openssl(folder: &std::path::Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
}

/// The User Guide's way: the request verifies, and what `openssl x509 -req` makes is accepted,
/// with RSA and with elliptic curve roots.
#[test]
fn openssl_signs_the_request() {
    let (_, birth) = birth();
    for key in [
        &["rsa:2048"][..],
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"][..],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        write("cluster.csr", &birth.request).unwrap();
        openssl(
            folder.path(),
            &["req", "-in", "cluster.csr", "-verify", "-noout"],
        );
        let mut root = vec![
            "req",
            "-x509",
            "-nodes",
            "-days",
            "3652",
            "-subj",
            "/CN=Example Root",
        ];
        root.extend(["-keyout", "ca.key", "-out", "ca.crt", "-newkey"]);
        root.extend(key);
        openssl(folder.path(), &root);
        let sign = "x509 -req -days 3652 -in cluster.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
                    -out cluster.crt";
        openssl(folder.path(), &sign.split_whitespace().collect::<Vec<_>>());
        let (signed, anchor) = (read("cluster.crt"), read("ca.crt"));
        assert_eq!(
            check_pair(&birth.request, &signed, &anchor),
            Ok(()),
            "{key:?}"
        );
    }
}

/// What the User Guide tells owners to check before they initialise a cluster.
#[test]
fn openssl_verifies_the_chain_of_an_hsm() {
    let (roots, birth) = birth();
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("aws.pem", &roots.aws),
        ("maker.pem", &roots.manufacturer),
        ("aws_hardware.pem", &birth.aws_hardware),
        ("maker_hardware.pem", &birth.manufacturer_hardware),
        ("hsm.pem", &birth.hsm),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (root, hardware) in [
        ("aws.pem", "aws_hardware.pem"),
        ("maker.pem", "maker_hardware.pem"),
    ] {
        let verify = ["verify", "-CAfile", root, "-untrusted", hardware, "hsm.pem"];
        // The certificates are of the test's date, not of today.
        let arguments = [&verify[..1], &["-attime", "1700000000"], &verify[1..]].concat();
        openssl(folder.path(), &arguments);
    }
}
