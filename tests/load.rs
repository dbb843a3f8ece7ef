//! Load through every kind of edit: no leak, no wrong plaintext, and only the errors that belong.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use portcullis_tests::Portcullis;
use serde_json::Value;

fn summary(portcullis: &Portcullis, folder: &str) -> Value {
    let path = portcullis.home().join(folder).join("summary.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn edits_under_load_leak_nothing_and_fail_only_while_disconnected() {
    let portcullis = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    portcullis.shell(
        "portcullis load run --scenario edit-cycle --rate 300/s --duration 12s \
         --edits name,password,cluster --cycle-every 3s --disconnected-for 500ms \
         --admin-user admin --admin-password guide-admin --out out",
    );
    let summary = summary(&portcullis, "out");
    for zero in [
        "gate_leaks",
        "wrong_plaintexts",
        "wrong_errors_while_disconnected",
        "disconnected_errors_while_connected",
    ] {
        assert_eq!(summary.get(zero), Some(&0.into()), "{zero}: {summary:#}");
    }
    let errors = summary.get("errors").unwrap().to_string();
    assert!(
        errors.contains("KMSInvalidStateException"),
        "the gate was down for a while: {errors}"
    );
    let report = std::fs::read_to_string(portcullis.home().join("out/report.html")).unwrap();
    assert!(!report.contains("src=\"http"), "the report loads nothing");
}

#[test]
fn a_missed_threshold_is_a_failure() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    portcullis.shell_fails(
        "portcullis load run --scenario steady --rate 100/s --duration 2s --threshold \
         'p99<0.000001ms' --out out",
    );
}
