//! Back to the world's start without a new process ID or port, scripts that run when everything is
//! ready, IDs that are chosen, and very many keys.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::path::Path;

use portcullis_tests::{Portcullis, eventually, root};
use serde_json::Value;

const ID: &str = "11111111-2222-4333-8444-555555555555";

fn health(portcullis: &Portcullis) -> Option<Value> {
    let line = format!("curl -sf {}/_localstack/health", portcullis.endpoint());
    let shown = portcullis.try_shell(&line);
    serde_json::from_slice(&shown.stdout).ok()
}

fn reset(portcullis: &Portcullis, path: &str) {
    let line = format!(
        "curl -sf -X POST -H 'content-type: application/json' -d '{{}}' {}{path}",
        portcullis.endpoint()
    );
    let told: Value = serde_json::from_str(&portcullis.shell(&line)).unwrap();
    let resets = told["data"]["resets"].as_u64().unwrap();
    eventually("the world is at its start again", || {
        let health = health(portcullis)?;
        (health["resets"].as_u64() == Some(resets)).then_some(())
    });
}

fn keys(portcullis: &Portcullis) -> usize {
    portcullis.aws("kms list-keys")["Keys"]
        .as_array()
        .unwrap()
        .len()
}

fn goes_back(arguments: &[&str]) {
    let mut portcullis = Portcullis::up(&[&["--world", "guide"], arguments].concat());
    let began = keys(&portcullis);
    for path in ["/_portcullis/reset", "/_localstack/state/reset"] {
        let made = portcullis.aws(&format!(
            "kms create-key --tags TagKey=_custom_id_,TagValue={ID} TagKey=a,TagValue=b"
        ));
        assert_eq!(made["KeyMetadata"]["KeyId"], ID);
        let tags = portcullis.aws(&format!("kms list-resource-tags --key-id {ID}"));
        assert_eq!(tags["Tags"].as_array().unwrap().len(), 1, "{tags}");
        let again = portcullis.shell_fails(&format!(
            "aws kms create-key --tags TagKey=_custom_id_,TagValue={ID}"
        ));
        assert!(again.contains("already"), "{again}");
        portcullis.shell("portcullis clock advance 3d");
        reset(&portcullis, path);
        assert_eq!(keys(&portcullis), began);
    }
    // What it was started with still holds: the key of the world works.
    portcullis.shell("aws kms encrypt --key-id alias/guide --plaintext aGVsbG8=");
    assert!(portcullis.terminate().success());
}

/// Rules CONF-04 and CONF-05.
#[test]
fn a_reset_goes_back_to_the_start_of_the_world_in_memory_and_on_disk() {
    goes_back(&["--ephemeral"]);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    goes_back(&["--data", data.to_str().unwrap()]);
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Rule CONF-06.
#[test]
fn ready_hooks_run_in_order_before_the_ready_line() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "1-alias.sh",
        "aws kms create-alias --alias-name alias/hook --target-key-id \
           $(aws kms describe-key --key-id alias/quickstart --query KeyMetadata.KeyId --output text)\n",
    );
    write(
        folder.path(),
        "2-check.sh",
        "aws kms describe-key --key-id alias/hook\n",
    );
    write(folder.path(), "notes.txt", "exit 1\n");
    let hooks = folder.path().to_str().unwrap();
    let path = format!(
        "{}:{}",
        root().join(".venv/bin").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let portcullis =
        Portcullis::up_with(&["--ephemeral", "--ready-hooks", hooks], &[("PATH", &path)]);
    portcullis.shell("aws kms describe-key --key-id alias/hook");
    assert!(portcullis.log().contains("Ready hooks: 2 run."));

    write(folder.path(), "3-fail.sh", "exit 3\n");
    let line = format!("portcullis up --port 0 --ephemeral --ready-hooks {hooks}");
    let refused = portcullis.shell_fails(&line);
    assert!(refused.contains("3-fail.sh failed"), "{refused}");
}

/// A world of very many keys: pages go through all of them once.
#[test]
fn twenty_thousand_keys_are_made_in_one_line_of_a_world() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("many.toml");
    std::fs::write(&world, "[[keys]]\ncount = 20000\n").unwrap();
    let portcullis = Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"]);
    let listed = portcullis.aws("kms list-keys --page-size 1000 --query 'length(Keys)'");
    assert_eq!(listed, 20_000);
}
