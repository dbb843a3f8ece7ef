//! The documented repair of a key store, driven by boto3 and the CloudHSM CLI: the cluster is
//! lost, restored from a backup and substituted, and everything that may be wrong with a
//! substitute is tried.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, binary, root};

/// Rules KS-42 and BK-02: a substitute has exactly what its backup had.
#[test]
fn the_runbook_repairs_a_key_store_whatever_its_backup_had() {
    let world = root().join("tests/clients/runbook.toml");
    let portcullis = Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"]);
    let folder = binary().parent().unwrap().display();
    let script = root().join("tests/clients/runbook.py");
    let line = format!("PATH={folder}:$PATH python3 {}", script.display());
    let printed = portcullis.shell(&line);
    assert!(printed.contains("the runbook works"), "{printed}");
}
