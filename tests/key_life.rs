//! The life of keys by boto3: tags, policies, rotation on the clock, multi-Region keys, and import of
//! material that another implementation wrapped.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use portcullis_tests::{Portcullis, root};

fn run(script: &str) {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    let script = root().join("tests/clients").join(script);
    portcullis.shell(&format!("python3 {}", script.display()));
}

/// Rules LIFE-06, LIFE-08, LIFE-10, LIFE-13, LIFE-20, LIFE-40, LIFE-41 and LIFE-42: tags, policies,
/// rotation on the clock, multi-Region keys and AWS managed keys, as a client sees them.
#[test]
fn a_client_sees_a_key_through_its_life() {
    run("key_life.py");
}

/// Rules KEY-31, LIFE-15, LIFE-30, LIFE-31, LIFE-32, LIFE-33, LIFE-34 and LIFE-35.
#[test]
fn material_that_openssl_wrapped_in_every_way_is_imported_and_expires_on_the_clock() {
    run("key_import.py");
}

/// Rule LIFE-36.
#[test]
fn imported_material_of_a_multi_region_key_rotates_when_every_region_has_it() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    portcullis.python("key_import_regions.py", &[]);
}
