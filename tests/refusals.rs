//! What a key store refuses: each with the documented exception or code, nothing changed, and a
//! text that says how to fix it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use portcullis_tests::{Portcullis, binary, root};

#[test]
fn every_refusal_is_the_documented_one_changes_nothing_and_can_be_repaired() {
    let world = root().join("tests/clients/refusals.toml");
    let portcullis = Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"]);
    let folder = binary().parent().unwrap().display();
    let script = root().join("tests/clients/refusals.py");
    portcullis.shell(&format!("PATH={folder}:$PATH python3 {}", script.display()));
}
