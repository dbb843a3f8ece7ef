//! Every operation of CloudHSM v2 by boto3: what it answers, what it changes, what it refuses.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, root};

/// Rules BK-08, BK-09, BK-10, BK-12, BK-14, BK-16, BK-17, TAG-02, TAG-03, MIG-01, MIG-02 and MIG-03,
/// as a client sees them.
#[test]
fn all_eighteen_cloudhsm_operations_answer_a_real_client_as_documented() {
    let world = root().join("tests/clients/cloudhsm.toml");
    let portcullis = Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"]);
    let script = root().join("tests/clients/cloudhsm.py");
    portcullis.shell(&format!("python3 {}", script.display()));
}

/// Rules CL-04, VPC-01, VPC-02, VPC-03 and VPC-04, as a client sees them.
#[test]
fn hsms_get_addresses_of_their_subnet_and_a_broken_network_fails_the_connection() {
    let world = root().join("tests/clients/vpc.toml");
    let portcullis = Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"]);
    let script = root().join("tests/clients/vpc.py");
    portcullis.shell(&format!("python3 {}", script.display()));
}
