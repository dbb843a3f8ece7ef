//! Clients that others wrote: the AWS SDK for JavaScript, and the AWS Encryption SDK for Python,
//! each through a disconnect and a reconnect of the key store.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests fail loudly, and say what they leave out"
)]

use std::process::Command;

use portcullis_tests::{Portcullis, root};

/// Envelope encryption with data keys of a key store's key: while the store is disconnected the
/// error reaches the application, and afterwards the same messages open again.
#[test]
fn the_encryption_sdk_recovers_when_the_key_store_is_connected_again() {
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    portcullis.python("encryption_sdk.py", &[]);
}

/// Errors are typed, blobs are bytes, pages are followed.
#[test]
fn the_javascript_sdk_works_and_its_errors_are_typed() {
    let has_node = Command::new("node").arg("--version").output();
    if !has_node.is_ok_and(|version| version.status.success()) {
        eprintln!("left out: node is not installed, so the SDK for JavaScript is not tried");
        return;
    }
    let folder = root().join("tests/clients/js");
    if !folder.join("node_modules").is_dir() {
        let install = ["ci", "--no-audit", "--no-fund", "--silent"];
        let installed = Command::new("npm")
            .args(install)
            .current_dir(&folder)
            .status()
            .unwrap();
        assert!(installed.success(), "npm ci in tests/clients/js");
    }
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    let ran = portcullis
        .client("node")
        .arg(folder.join("kms.mjs"))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}{}\n-- log --\n{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
        portcullis.log()
    );
}
