//! Recipients: plaintexts that only an enclave opens, with documents made by other code than the
//! product's, and opened by OpenSSL.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, root};

/// A data key for the enclave whose document lies in `document`.
const DATA_KEY: &str = "aws kms generate-data-key --key-id alias/quickstart --key-spec AES_256 \
     --recipient KeyEncryptionAlgorithm=RSAES_OAEP_SHA_256,AttestationDocument@=fileb://document";

fn attest(portcullis: &Portcullis, more: &str) {
    portcullis.shell(&format!(
        "[ -e enclave.key ] || openssl genrsa -out enclave.key 2048 2>/dev/null; \
         openssl rsa -in enclave.key -pubout -out enclave.pub 2>/dev/null; \
         portcullis attest --public-key enclave.pub --out document {more}"
    ));
}

/// Rules ATT-01, ATT-03, ATT-04, ATT-05, ATT-06, ATT-07 and ATT-09, as a client sees them.
#[test]
fn what_an_enclave_asks_for_only_the_enclave_opens() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    let told = portcullis.python("attestation.py", &[]);
    assert!(told.contains("attested"), "{told}");
}

/// Rule ATT-08.
#[test]
fn a_key_policy_lets_only_the_enclave_in_that_it_names() {
    let world = root().join("tests/clients/auth.world.toml");
    let world = world.to_str().unwrap();
    let portcullis = Portcullis::up(&["--world", world, "--ephemeral", "--auth", "enforce"]);
    let told = portcullis.python("attestation_auth.py", &[]);
    assert!(told.contains("only the enclave"), "{told}");
}

/// Rule ATT-02: three hours of a document pass with the services' clock.
#[test]
fn a_document_of_the_own_maker_serves_for_three_hours() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    attest(&portcullis, "");
    portcullis.shell(DATA_KEY);
    portcullis.shell("portcullis clock advance 4h");
    let why = portcullis.shell_fails(DATA_KEY);
    assert!(why.contains("not valid at the date"), "{why}");
    attest(&portcullis, "--ahead 4h");
    portcullis.shell(DATA_KEY);
}

/// Rule ATT-02.
#[test]
fn whose_documents_are_believed_is_chosen_when_it_is_started() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("authority");
    let folder = folder.to_str().unwrap();
    let up = |roots: &str| {
        Portcullis::up(&[
            "--world",
            "quickstart",
            "--ephemeral",
            "--attestation-roots",
            roots,
        ])
    };
    let ours = format!("--authority {folder}");
    // The authority is made with the first document.
    attest(&up("any"), &ours);
    let trusting = up(&format!("{folder}/root.pem"));
    attest(&trusting, &ours);
    trusting.shell(DATA_KEY);
    attest(&trusting, "");
    let why = trusting.shell_fails(DATA_KEY);
    assert!(
        why.contains("do not lead to a root that is trusted"),
        "{why}"
    );
    let aws = up("aws");
    attest(&aws, &ours);
    let why = aws.shell_fails(DATA_KEY);
    assert!(
        why.contains("do not lead to a root that is trusted"),
        "{why}"
    );
    let unchecked = up("unchecked");
    attest(&unchecked, "--ahead 7d");
    unchecked.shell(DATA_KEY);
    let no_file = unchecked.shell_fails("portcullis up --attestation-roots nowhere.pem --port 0");
    assert!(
        no_file.contains("neither any, aws nor unchecked"),
        "{no_file}"
    );
}
