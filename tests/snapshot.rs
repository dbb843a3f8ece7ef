//! Snapshots: of a running and of a stopped Portcullis, into one file, and back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::os::unix::fs::PermissionsExt;

use portcullis_tests::{Caller, Outcome, Portcullis};
use serde_json::json;

const STORE: &str = "cks-1234567890abcdef0";

fn connected(portcullis: &Portcullis) {
    portcullis.shell(&format!(
        "portcullis wait --endpoint {} --key-store {STORE} --state CONNECTED",
        portcullis.endpoint()
    ));
}

fn encrypt(portcullis: &Portcullis, text: &str) -> String {
    let body = json!({ "KeyId": "alias/guide", "Plaintext": text });
    match Caller::new(portcullis.authority()).kms("Encrypt", &body) {
        Outcome::Done(sealed) => sealed["CiphertextBlob"].as_str().unwrap().to_owned(),
        other @ (Outcome::Refused(_) | Outcome::Lost) => panic!("{other:?}"),
    }
}

fn decrypt(portcullis: &Portcullis, blob: &str) -> Outcome {
    Caller::new(portcullis.authority()).kms("Decrypt", &json!({ "CiphertextBlob": blob }))
}

/// Rule ST-12
#[test]
fn a_snapshot_of_a_running_portcullis_opens_its_ciphertexts_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (copy, file) = (place("copy"), place("file"));
    // In memory too there is something to save.
    let first = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    let blob = encrypt(&first, "aGVsbG8h");
    first.shell(&format!("portcullis snapshot save {file}"));
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600,
        "it holds the device key"
    );
    let later = match Caller::new(first.authority()).kms("CreateKey", &json!({})) {
        Outcome::Done(made) => made["KeyMetadata"]["KeyId"].clone(),
        other @ (Outcome::Refused(_) | Outcome::Lost) => panic!("{other:?}"),
    };

    first.shell(&format!("portcullis snapshot load {file} --data {copy}"));
    let second = Portcullis::up(&["--world", "guide", "--data", &copy]);
    connected(&second);
    let Outcome::Done(opened) = decrypt(&second, &blob) else {
        panic!("it does not open")
    };
    assert_eq!(opened["Plaintext"], "aGVsbG8h");
    let describe = Caller::new(second.authority()).kms("DescribeKey", &json!({ "KeyId": later }));
    assert!(matches!(describe, Outcome::Refused(_)), "{describe:?}");
}

/// Rule ST-12
#[test]
fn a_stopped_folder_is_saved_and_a_used_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, copy, file) = (place("data"), place("copy"), place("file"));
    let helper = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let mut first = Portcullis::up(&["--world", "guide", "--data", &data]);
    let blob = encrypt(&first, "aGVsbG8h");
    let save = format!("portcullis snapshot save --data {data} {file}");
    let refused = helper.shell_fails(&save);
    assert!(refused.contains("in use"), "{refused}");
    first.terminate();
    helper.shell(&save);
    let refused = helper.shell_fails(&save);
    assert!(
        refused.contains("exists"),
        "no file is overwritten: {refused}"
    );
    helper.shell(&format!("portcullis snapshot load {file} --data {copy}"));
    let second = Portcullis::up(&["--world", "guide", "--data", &copy]);
    connected(&second);
    assert!(matches!(decrypt(&second, &blob), Outcome::Done(_)));
}

#[test]
fn what_cannot_be_saved_or_loaded_is_told_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, file) = (place("data"), place("file"));
    let helper = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    for (line, told) in [
        (
            format!("snapshot save --data {data} {file}"),
            "not a data folder",
        ),
        (
            format!("snapshot load {file} --data {data}"),
            "cannot be read",
        ),
        (
            format!("snapshot save --endpoint http://127.0.0.1:1 {file}"),
            "portcullis up",
        ),
    ] {
        let refused = helper.shell_fails(&format!("portcullis {line}"));
        assert!(refused.contains(told), "{line}: {refused}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    helper.shell(&format!("portcullis snapshot save {file}"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(format!("{data}/mine"), "mine").unwrap();
    let load = format!("portcullis snapshot load {file} --data {data}");
    let refused = helper.shell_fails(&load);
    assert!(refused.contains("not empty"), "{refused}");

    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let refused = helper.shell_fails(&load);
    assert!(refused.contains("damaged"), "{refused}");
}

/// Rule ST-12
#[test]
fn a_snapshot_is_not_given_over_an_address_that_others_can_reach() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let open = Portcullis::up(&["--world", "empty", "--ephemeral", "--bind", "0.0.0.0"]);
    let port = open.authority().rsplit(':').next().unwrap().to_owned();
    let save = format!("portcullis snapshot save {}", file.display());
    let refused = open.shell_fails(&format!("{save} --admin-url http://127.0.0.1:{port}"));
    assert!(refused.contains("--admin-bind"), "{refused}");
    assert!(!file.exists());
    open.shell(&save);
    assert!(file.exists());
}

/// Rule ST-10
#[test]
fn a_folder_or_a_disk_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let up = format!(
        "portcullis up --port 0 --world guide --data {}",
        data.display()
    );
    let helper = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let mut first = Portcullis::up(&["--world", "guide", "--data", data.to_str().unwrap()]);
    first.terminate();
    let version = data.join("version");
    std::fs::write(&version, "2\n").unwrap();
    let refused = helper.shell_fails(&up);
    assert!(refused.contains("version 2"), "{refused}");

    // A folder from before there was the file is taken over.
    std::fs::remove_file(&version).unwrap();
    let mut adopted = Portcullis::up(&["--world", "guide", "--data", data.to_str().unwrap()]);
    connected(&adopted);
    adopted.terminate();
}
