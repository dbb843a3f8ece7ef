//! Every key spec and every cryptographic operation by boto3, each result checked by another
//! implementation, OpenSSL's, and the reverse.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, root};

fn run(script: &str) {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    let script = root().join("tests/clients").join(script);
    portcullis.shell(&format!("python3 {}", script.display()));
}

/// Rules CRY-01, CRY-02, CRY-03, CRY-04, CRY-05, CRY-10, CRY-11, CRY-12, CRY-13, CRY-14 and CRY-15,
/// as a client sees them.
#[test]
fn signatures_and_macs_of_every_spec_are_what_openssl_takes_them_for() {
    run("crypto_sign.py");
}

/// Rules CRY-06, CRY-07, CRY-08, CRY-09, CRY-16, CRY-17, CRY-18 and CRY-19.
#[test]
fn what_is_encrypted_agreed_or_encapsulated_here_opens_elsewhere_and_the_reverse() {
    run("crypto_secrets.py");
}
