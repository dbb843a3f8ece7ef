//! A data folder that an earlier version wrote opens with everything in it: records, HSM images,
//! certificates, and what was sealed by a key store, the fleet, imported and rotated material.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::path::{Path, PathBuf};

use portcullis_tests::{Portcullis, root};

/// A snapshot of the world `guide` with some keys more, and what was sealed with them. Neither is
/// written again: a change of what a folder holds gets a pair of its own beside this one, by
/// `PORTCULLIS_FIXTURE=1 cargo test -p portcullis-tests --test kept`, which makes files that are not
/// there. The certificates of its HSMs are valid until November 2036.
const SNAPSHOT: &str = "tests/fixtures/data-1.snapshot";
const SEALED: &str = "tests/fixtures/data-1.json";

fn place(name: &str) -> PathBuf {
    root().join(name)
}

fn make(snapshot: &Path, sealed: &Path) {
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    std::fs::write(sealed, portcullis.python("kept.py", &["make"])).unwrap();
    portcullis.shell(&format!("portcullis snapshot save {}", snapshot.display()));
}

/// Rules CR-07 and LIFE-01.
#[test]
fn a_data_folder_of_version_1_opens_with_everything_in_it() {
    let (snapshot, sealed) = (place(SNAPSHOT), place(SEALED));
    if std::env::var_os("PORTCULLIS_FIXTURE").is_some() && !snapshot.exists() {
        make(&snapshot, &sealed);
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let helper = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let snapshot = snapshot.display();
    helper.shell(&format!(
        "portcullis snapshot load {snapshot} --data {data}"
    ));

    let portcullis = Portcullis::up(&["--world", "guide", "--data", data]);
    portcullis.shell(&format!(
        "portcullis wait --endpoint {} --key-store cks-1234567890abcdef0 --state CONNECTED",
        portcullis.endpoint()
    ));
    portcullis.python("kept.py", &["open", sealed.to_str().unwrap()]);
    // It is not only read: the keys still seal.
    portcullis.shell("aws kms encrypt --key-id alias/guide --plaintext aGVsbG8=");
}
