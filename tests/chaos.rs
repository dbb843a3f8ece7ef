//! A rehearsal tells the truth: what a fresh backup saves, and what an old one costs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail loudly"
)]

use portcullis_tests::Portcullis;
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
