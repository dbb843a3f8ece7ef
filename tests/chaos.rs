//! A rehearsal tells the truth: what a fresh backup saves, and what an old one costs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail loudly"
)]

use std::time::{Duration, Instant};

use portcullis_tests::{Portcullis, eventually};
use serde_json::Value;

/// Runs a rehearsal with these lines; gives its exit code and what it printed.
fn rehearse(lines: &str) -> (Option<i32>, Value) {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    std::fs::write(portcullis.home().join("script.toml"), lines).unwrap();
    let output = portcullis.try_shell("portcullis chaos run script.toml --output json");
    let printed = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&printed).unwrap_or_else(|error| {
        panic!(
            "{error}: {printed}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (output.status.code(), report)
}

fn failures(report: &Value, stage: &str) -> u64 {
    let stages = report["stages"].as_array().unwrap().iter();
    let failed = stages
        .filter(|one| one["stage"] == stage)
        .flat_map(|one| one["failed"].as_object().unwrap().values());
    failed.map(|count| count.as_u64().unwrap()).sum()
}

/// Rules LG-15 and LG-16.
#[test]
fn a_fresh_backup_saves_every_key_but_those_that_are_newer() {
    let (code, report) = rehearse(
        "description = 'fresh'\nkeys_after_backup = 1\nsteady = '1s'\n\
         [thresholds]\noutage = '50s'\nlost_keys = 1\nfailures_while_connected = 0",
    );
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["lost_keys"].as_array().unwrap().len(), 1);
    assert_eq!(report["lost_keys"][0]["error"], "KMSInvalidStateException");
    assert_eq!(report["connect_errors"].as_array().unwrap().len(), 0);
    assert_eq!(
        (report["gate_leaks"].as_u64(), report["keys"].as_u64()),
        (Some(0), Some(2))
    );
    assert!(
        report["outage_ms"].as_u64().unwrap() >= 1000,
        "nobody noticed for a second"
    );
    assert!(failures(&report, "lost") > 0, "{report:#}");
    assert_eq!(failures(&report, "after"), 0);
}

/// Rule LG-16.
#[test]
fn a_backup_that_predates_the_key_and_its_user_is_a_bad_result() {
    let (code, report) = rehearse(
        "description = 'old'\nbackup = 'oldest'\nsteady = '1s'\n\
         [admin]\npassword = 'quickstart-admin'\n[thresholds]\nlost_keys = 0",
    );
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(report["connect_errors"][0], "USER_NOT_FOUND");
    assert_eq!(report["lost_keys"].as_array().unwrap().len(), 1);
    assert!(report["outage_ms"].is_null(), "no call succeeds again");
    assert_eq!(report["passed"], false);
}

/// The faults as they are listed.
fn listed(portcullis: &Portcullis) -> Vec<Value> {
    let listed = portcullis.shell("portcullis chaos list --output json");
    let mut listed: Value = serde_json::from_str(&listed).unwrap();
    serde_json::from_value(listed["faults"].take()).unwrap()
}

/// ID, kind and place of each.
fn named(listed: &[Value]) -> Vec<(String, String, String)> {
    let text = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
    listed
        .iter()
        .map(|one| (text(one, "id"), text(one, "kind"), text(one, "place")))
        .collect()
}

/// Rule FT-08.
#[test]
fn what_was_broken_stays_broken_and_listed_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let up = || Portcullis::up(&["--world", "quickstart", "--data", data]);
    let mut first = up();
    for order in [
        "crash --zone us-east-1a",
        "delay --zone us-east-1b --delay 5ms",
        "hang --zone us-east-1b --for 2s",
    ] {
        first.shell(&format!("portcullis chaos inject {order}"));
    }
    let shown = listed(&first);
    let left = Duration::from_millis(shown[2]["left_ms"].as_u64().unwrap());
    let over = Instant::now() + left;
    let before = named(&shown);
    assert_eq!(before.len(), 3);
    first.kill();
    eventually("the third one's time is over", || {
        (Instant::now() > over).then_some(())
    });

    let second = up();
    assert_eq!(named(&listed(&second)), before[..2]);
    assert!(
        second.log().contains("2 faults from before"),
        "{}",
        second.log()
    );
    // One HSM serves, and two are needed to make a key.
    let encrypt = "aws kms encrypt --key-id alias/quickstart --plaintext aGVsbG8=";
    eventually("the other HSM serves", || {
        second.try_shell(encrypt).status.success().then_some(())
    });
    let store = "aws kms describe-custom-key-stores --query CustomKeyStores[0].CustomKeyStoreId --output text";
    let create =
        format!("aws kms create-key --origin AWS_CLOUDHSM --custom-key-store-id $({store})");
    second.shell_fails(&create);
    second.shell("portcullis chaos undo fault-1");
    eventually("both HSMs serve", || {
        second.try_shell(&create).status.success().then_some(())
    });
    second.shell("portcullis chaos clear");
    assert_eq!(named(&listed(&second)), []);
}
