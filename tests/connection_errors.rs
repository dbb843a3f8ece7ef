//! Every way in which a connect fails, made by what a user or a fault does, read by boto3, fixed
//! as the documentation says, until the key store is CONNECTED again.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, binary, root};

/// Rule KS-60: every error code has its cause and its repair.
#[test]
fn every_connection_error_code_is_made_read_and_mended() {
    let world = root().join("tests/clients/connection_errors.toml");
    let portcullis = Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"]);
    let folder = binary().parent().unwrap().display();
    let script = root().join("tests/clients/connection_errors.py");
    let line = format!("PATH={folder}:$PATH python3 {}", script.display());
    let printed = portcullis.shell(&line);
    assert!(printed.contains("all ten codes"), "{printed}");
}
