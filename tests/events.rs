//! Every call is told as CloudTrail tells it, in memory and in a file, and no secret is in it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::collections::BTreeMap;

use portcullis_tests::Portcullis;
use serde_json::Value;

/// Rules EV-02, EV-03, EV-04 and EV-06. `events.py` makes the calls and looks at the records.
#[test]
fn calls_are_told_with_what_they_were_about_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let path = file.to_str().unwrap();
    let arguments = ["--world", "guide", "--ephemeral", "--events-file", path];
    let mut portcullis = Portcullis::up(&arguments);
    let printed = portcullis.python("events.py", &[]);
    let told: Value = serde_json::from_str(&printed).unwrap();
    assert!(portcullis.terminate().success());

    let written = std::fs::read_to_string(&file).unwrap();
    let in_file: BTreeMap<String, Value> = written
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|record| (record["eventID"].as_str().unwrap().to_owned(), record))
        .collect();
    let in_memory = told["Records"].as_array().unwrap();
    assert!(in_memory.len() > 20, "{} records", in_memory.len());
    for record in in_memory {
        let id = record["eventID"].as_str().unwrap();
        assert_eq!(in_file.get(id), Some(record), "the file has every record");
    }
    for canary in told["canaries"].as_array().unwrap() {
        let canary = canary.as_str().unwrap();
        assert!(!written.contains(canary), "{canary} was told");
    }
}
