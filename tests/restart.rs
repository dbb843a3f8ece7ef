//! Stopping and starting: nothing acknowledged is lost, and nothing secret is left readable.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use portcullis_tests::{Portcullis, all_bytes_below, binary, eventually};

fn up(data: &str) -> Portcullis {
    Portcullis::up(&["--world", "guide", "--data", data])
}

const ENCRYPT: &str = "printf 'canary plaintext 7f3a' > p; aws kms encrypt --key-id alias/guide \
                       --plaintext fileb://p --query CiphertextBlob --output text";

#[test]
fn after_a_restart_the_same_stores_keys_and_clusters_are_there_and_old_ciphertext_opens() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut first = up(data);
    let blob = first.shell(ENCRYPT);
    let describe = "kms describe-custom-key-stores";
    let (stores, keys) = (first.aws(describe), first.aws("kms list-keys"));
    let clusters = first.aws("cloudhsmv2 describe-clusters");
    // Rule LIFE-41: stopping saves the last use.
    let usage = "kms get-key-last-usage --key-id 1234abcd-12ab-34cd-56ef-1234567890ab";
    let used = first.aws(usage);
    assert_eq!(used["KeyLastUsage"]["Operation"], "Encrypt", "{used}");
    assert_eq!(
        first.terminate().code(),
        Some(0),
        "SIGTERM drains and exits 0"
    );

    let mut second = up(data);
    eventually("the key store is connected again", || {
        (second.aws(describe) == stores).then_some(())
    });
    assert_eq!(second.aws("kms list-keys"), keys);
    assert_eq!(second.aws(usage), used);
    assert_eq!(second.aws("cloudhsmv2 describe-clusters"), clusters);
    let decrypt = format!(
        "printf %s '{}' | base64 -d > b; aws kms decrypt --ciphertext-blob fileb://b --query \
         Plaintext --output text | base64 -d",
        blob.trim()
    );
    assert_eq!(second.shell(&decrypt), "canary plaintext 7f3a");

    // A power cut instead of a shutdown.
    second.kill();
    let third = up(data);
    eventually("the key store is connected after a kill", || {
        (third.aws(describe) == stores).then_some(())
    });
    assert_eq!(third.shell(&decrypt), "canary plaintext 7f3a");
}

#[test]
fn passwords_and_plaintexts_are_in_no_file_and_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let portcullis = Portcullis::up(&[
        "--world",
        "guide",
        "--data",
        folder.path().to_str().unwrap(),
    ]);
    portcullis.shell(ENCRYPT);
    let canaries = ["guide-admin", "ExamplePassword", "canary plaintext 7f3a"];
    let mut files = all_bytes_below(folder.path());
    assert!(files.len() > 3, "state is on disk");
    files.push(("the log".into(), portcullis.log().into_bytes()));
    for (path, bytes) in files {
        for canary in canaries {
            let found = bytes
                .windows(canary.len())
                .any(|window| window == canary.as_bytes());
            assert!(!found, "{canary:?} stands in {}", path.display());
        }
    }
}

/// Rule ST-16.
#[test]
fn a_folder_that_holds_another_world_says_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut first = up(data);
    assert!(!first.log().contains("holds the world"), "{}", first.log());
    first.terminate();
    let mut again = up(data);
    assert!(!again.log().contains("holds the world"), "{}", again.log());
    again.terminate();
    let other = Portcullis::up(&["--world", "empty", "--data", data]);
    let log = eventually("the note", || {
        let log = other.log();
        log.contains("Note:").then_some(log)
    });
    assert!(log.contains("holds the world guide"), "{log}");
    let hsm = "portcullis status --output json | python3 -c \
               'import json,sys; print(json.load(sys.stdin)[\"clusters\"][0][\"hsms\"][0][\"id\"])'";
    other.shell(&format!("portcullis wait --hsm $({hsm}) --state ACTIVE"));
    let vain = other
        .shell_fails("portcullis wait --cluster cluster-zzzzzzzzzzz --state ACTIVE --timeout 0");
    assert!(
        vain.contains("there is no cluster cluster-zzzzzzzzzzz"),
        "{vain}"
    );
}

#[test]
fn a_second_instance_on_the_same_data_says_who_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let first = up(data);
    let refused = first.shell_fails(&format!("portcullis up --port 0 --data {data}"));
    assert!(refused.contains("another"), "{refused}");
}

#[test]
fn a_port_that_is_taken_says_how_to_get_another() {
    let first = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let port = first.authority().rsplit(':').next().unwrap().to_owned();
    let refused = first.shell_fails(&format!(
        "portcullis up --world empty --ephemeral --port {port}"
    ));
    assert!(refused.contains("--port"), "{refused}");
}

#[test]
fn every_command_explains_itself_with_examples() {
    for arguments in [
        &["--help"][..],
        &["up", "--help"],
        &["wait", "--help"],
        &["hsm", "--help"],
    ] {
        let shown = std::process::Command::new(binary())
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            String::from_utf8_lossy(&shown.stdout).contains("Examples:"),
            "{arguments:?}"
        );
    }
}
