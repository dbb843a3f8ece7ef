//! The binary against a fake KMS over real sockets, sound and faulty.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail loudly"
)]

mod fake;

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::fake::{ADMIN_PASSWORD, Fake, Faults};

struct Ran {
    code: i32,
    stderr: String,
    stdout: String,
    out: TempDir,
}

impl Ran {
    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.out.path().join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}\n{}", self.stderr))
    }

    /// It is also what the admin API, which passes it on, says it is.
    fn summary(&self) -> Value {
        let text = self.read("summary.json");
        serde_json::from_str::<portcullis_admin::RunSummary>(&text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// It is also what the admin API, which passes it on, says it is.
    fn timeline(&self) -> Vec<Value> {
        self.read("timeline.jsonl")
            .lines()
            .map(|line| {
                serde_json::from_str::<portcullis_admin::TimelineLine>(line).unwrap();
                serde_json::from_str(line).unwrap()
            })
            .collect()
    }
}

fn loadgen(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    for name in [
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ] {
        command.env_remove(name);
    }
    command.args(arguments).output().unwrap()
}

/// `loadgen run` with arguments as one would type them.
fn run(fake: &Fake, line: &str) -> Ran {
    let out = tempfile::tempdir().unwrap();
    let mut arguments = vec!["run", "--endpoint", &fake.endpoint, "--out"];
    arguments.push(out.path().to_str().unwrap());
    arguments.extend(line.split_whitespace());
    let output = loadgen(&arguments);
    Ran {
        code: output.status.code().unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        out,
    }
}

const CYCLE: &str = "--scenario edit-cycle --rate 400/s --duration 1500ms --cycle-every 450ms \
                     --disconnected-for 100ms --connections 4";

#[test]
fn a_steady_run_reaches_its_rate_and_leaves_every_file() {
    let fake = Fake::start(Faults::default());
    let ran = run(
        &fake,
        "--rate 500/s --duration 1s --connections 4 --seed 7 --output json",
    );
    let summary = ran.summary();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for name in [
        "gate_leaks",
        "wrong_plaintexts",
        "unexpected_errors",
        "shed",
        "failed",
    ] {
        assert_eq!(summary[name], 0, "{name}: {summary:#}");
    }
    assert_eq!(
        (&summary["arrived"], &summary["seed"]),
        (&500.into(), &7.into())
    );
    assert!(
        summary["achieved_rate"].as_f64().unwrap() > 400.0,
        "{summary:#}"
    );
    assert_eq!(summary["intended_rate"], 500.0);
    assert!(summary["plaintexts_compared"].as_u64().unwrap() > 100);
    for operation in ["Encrypt", "Decrypt", "GenerateDataKey"] {
        let measured = &summary["operations"][operation];
        assert!(
            measured["latency_us_p50"].as_u64().unwrap() > 0,
            "{operation}: {measured}"
        );
    }
    for file in ["encrypt.hgrm", "decrypt.hgrm", "generate-data-key.hgrm"] {
        assert!(ran.read(file).contains("#[Mean"), "{file}");
    }
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), summary);
}

/// Rule LG-01: with four connections and a stall of half a second, the calls that were meant to
/// be sent during the stall have waited, too: some 200 of 500. Measured from the real send it
/// would be four.
#[test]
fn a_stall_shows_in_the_latency_of_every_call_that_was_meant_to_be_sent_in_it() {
    let stall = Some((100, Duration::from_millis(500)));
    let line = "--rate 400/s --duration 1500ms --connections 4 --mix encrypt";
    let open = run(
        &Fake::start(Faults {
            stall,
            ..Faults::default()
        }),
        line,
    )
    .summary();
    let p90 = open["latency"]["latency_us_p90"].as_u64().unwrap();
    assert!(p90 > 250_000, "{open:#}");

    let line = format!("{line} --closed-loop");
    let closed = run(
        &Fake::start(Faults {
            stall,
            ..Faults::default()
        }),
        &line,
    )
    .summary();
    let p90 = closed["latency"]["latency_us_p90"].as_u64().unwrap();
    assert!(p90 < 100_000, "{closed:#}");
}

/// Rule LG-04.
#[test]
fn a_closed_loop_without_a_rate_goes_as_fast_as_it_is_answered() {
    let fake = Fake::start(Faults {
        takes: Duration::from_millis(5),
        ..Faults::default()
    });
    let ran = run(&fake, "--closed-loop --connections 4 --duration 1s");
    let summary = ran.summary();
    let rate = summary["achieved_rate"].as_f64().unwrap();
    assert!((200.0..=800.0).contains(&rate), "{summary:#}");
    assert_eq!(summary["intended_rate"], Value::Null);
}

/// Rule LG-02.
#[test]
fn what_could_not_be_sent_is_told() {
    let fake = Fake::start(Faults {
        takes: Duration::from_millis(20),
        ..Faults::default()
    });
    let ran = run(&fake, "--rate 1000/s --duration 500ms --connections 1");
    let summary = ran.summary();
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert!(count("abandoned") > 400, "{summary:#}");
    let all = count("succeeded") + count("failed") + count("shed") + count("abandoned");
    assert_eq!(count("arrived"), all, "{summary:#}");
}

#[test]
fn every_kind_of_edit_is_made_and_nothing_leaks() {
    let fake = Fake::start(Faults::default());
    let ran = run(
        &fake,
        &format!("{CYCLE} --edits name,password,cluster --admin-password {ADMIN_PASSWORD}"),
    );
    let summary = ran.summary();
    assert_eq!(ran.code, 0, "{}\n{summary:#}", ran.stderr);
    for name in [
        "gate_leaks",
        "wrong_plaintexts",
        "wrong_errors_while_disconnected",
        "disconnected_errors_while_connected",
        "unexpected_errors",
    ] {
        assert_eq!(summary[name], 0, "{name}: {summary:#}");
    }
    assert_eq!(summary["edits_made"], 3, "{summary:#}");
    assert!(
        summary["errors"]["KMSInvalidStateException"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(fake.names_seen().last().unwrap(), "ExampleKeyStore");
    assert_eq!(fake.clusters_seen(), ["cluster-bbbbbbbbbbb"]);
    assert!(fake.is_connected());
    assert!(!ran.stderr.contains(ADMIN_PASSWORD) && !ran.stdout.contains(ADMIN_PASSWORD));
}

/// Rule LG-11.
#[test]
fn the_timeline_has_each_phase_of_a_cycle_once_and_in_order() {
    let fake = Fake::start(Faults::default());
    let ran = run(&fake, &format!("{CYCLE} --edits name"));
    let timeline = ran.timeline();
    let phases: Vec<&Value> = timeline
        .iter()
        .filter(|line| line["type"] == "phase")
        .collect();
    let first: Vec<&str> = phases
        .iter()
        .take(6)
        .map(|line| line["phase"].as_str().unwrap())
        .collect();
    assert_eq!(
        first,
        [
            "connected",
            "disconnecting",
            "disconnected",
            "editing",
            "connecting",
            "connected"
        ]
    );
    for pair in phases.windows(2) {
        assert_eq!(pair[0]["end_us"], pair[1]["start_us"]);
    }
    let disconnected = &ran.summary()["by_phase"]["disconnected"];
    assert_eq!(disconnected["succeeded"], 0, "{disconnected}");
    assert!(
        disconnected["failed"].as_u64().unwrap() > 0,
        "{disconnected}"
    );
    assert!(
        disconnected["seconds"].as_f64().unwrap() >= 0.2,
        "{disconnected}"
    );
}

/// Rule LG-05 and Rule LG-10.
#[test]
fn a_gate_leak_is_found_and_fails_the_run() {
    let fake = Fake::start(Faults {
        leaks: true,
        ..Faults::default()
    });
    let ran = run(&fake, &format!("{CYCLE} --edits name"));
    assert!(
        ran.summary()["gate_leaks"].as_u64().unwrap() > 0,
        "{:#}",
        ran.summary()
    );
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}

/// Rule LG-06.
#[test]
fn another_error_than_the_one_of_a_disconnected_key_store_is_found() {
    let fake = Fake::start(Faults {
        wrong_error: true,
        ..Faults::default()
    });
    let ran = run(
        &fake,
        &format!("{CYCLE} --edits name --threshold wrong_errors_while_disconnected=0"),
    );
    let summary = ran.summary();
    assert!(
        summary["wrong_errors_while_disconnected"].as_u64().unwrap() > 0,
        "{summary:#}"
    );
    assert_eq!((ran.code, &summary["gate_leaks"]), (1, &0.into()));
}

/// Rule LG-07.
#[test]
fn an_error_as_disconnected_while_connected_is_found() {
    let fake = Fake::start(Faults {
        disconnected_every: Some(50),
        ..Faults::default()
    });
    let ran = run(&fake, "--rate 400/s --duration 1s --connections 4");
    let summary = ran.summary();
    assert!(
        summary["disconnected_errors_while_connected"]
            .as_u64()
            .unwrap()
            > 0,
        "{summary:#}"
    );
}

/// Rule LG-08 and Rule LG-10.
#[test]
fn a_wrong_plaintext_is_found_and_fails_the_run() {
    let fake = Fake::start(Faults {
        wrong_plaintext_every: Some(40),
        ..Faults::default()
    });
    let ran = run(&fake, "--rate 400/s --duration 1s --connections 4");
    assert!(
        ran.summary()["wrong_plaintexts"].as_u64().unwrap() > 0,
        "{:#}",
        ran.summary()
    );
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}

/// Rule LG-03 and Rule LG-12.
#[test]
fn errors_are_counted_by_name_and_held_against_thresholds() {
    let fake = Fake::start(Faults {
        internal_error_every: Some(10),
        ..Faults::default()
    });
    let line = "--rate 400/s --duration 1s --connections 4 --threshold";
    let missed = run(&fake, &format!("{line} errors<1% --threshold p99<10s"));
    let summary = missed.summary();
    assert!(
        summary["errors"]["KMSInternalException"].as_u64().unwrap() > 20,
        "{summary:#}"
    );
    assert_eq!(missed.code, 1);
    assert_eq!(
        (
            &summary["thresholds"][0]["passed"],
            &summary["thresholds"][1]["passed"]
        ),
        (&false.into(), &true.into())
    );
    assert_eq!(run(&fake, &format!("{line} errors<50%")).code, 0);
}

/// Rule LG-09.
#[test]
fn an_edit_that_cannot_be_made_is_refused_before_the_load() {
    let fake = Fake::start(Faults {
        lonely: true,
        ..Faults::default()
    });
    for (edits, says) in [
        ("--edits password", "--password-command"),
        (
            "--edits name,cluster --kmsuser-password known-one",
            "--clusters",
        ),
    ] {
        let ran = run(&fake, &format!("{CYCLE} {edits}"));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let ran = run(&fake, CYCLE);
    assert_eq!(
        ran.code, 0,
        "what nobody asked for is left out: {}",
        ran.stderr
    );
    assert!(ran.stderr.contains("No cluster edits"), "{}", ran.stderr);
}

#[test]
fn a_key_store_that_fails_to_connect_stops_the_run_with_its_error_code() {
    let fake = Fake::start(Faults::default());
    let ran = run(
        &fake,
        &format!("{CYCLE} --edits password --kmsuser-password wrong-one"),
    );
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("INVALID_CREDENTIALS"), "{}", ran.stderr);
    let stopped = ran.summary()["stopped"].to_string();
    assert!(
        stopped.contains("FAILED"),
        "the summary is there all the same: {stopped}"
    );
}

#[test]
fn an_edit_cycle_needs_a_connected_key_store() {
    let fake = Fake::start(Faults::default());
    fake.disconnect();
    let ran = run(&fake, &format!("{CYCLE} --key-store ExampleKeyStore"));
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("ConnectCustomKeyStore"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_endpoint_where_nothing_listens_says_how_to_start_one() {
    let output = loadgen(&["run", "--endpoint", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("portcullis up"), "{stderr}");
}

#[test]
fn a_wrong_secret_is_told_in_the_words_of_the_service() {
    let fake = Fake::start(Faults::default());
    let ran = run(&fake, "--secret nonsense");
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("InvalidSignatureException"),
        "{}",
        ran.stderr
    );
}

/// Rule LG-14.
#[test]
fn the_report_stands_alone_and_shows_the_phases() {
    let fake = Fake::start(Faults::default());
    let ran = run(&fake, &format!("{CYCLE} --edits name --threshold p50<10s"));
    let report = ran.read("report.html");
    for elsewhere in ["src=", "href=", "@import", "url(", "<script", "<link"] {
        assert!(!report.contains(elsewhere), "{elsewhere}");
    }
    for phase in ["disconnecting", "disconnected", "editing", "connecting"] {
        assert!(
            report.contains(&format!("<rect class=\"band {phase}\"")),
            "{phase}"
        );
    }
    assert!(report.contains("prefers-color-scheme: dark"));
    std::fs::remove_file(ran.out.path().join("report.html")).unwrap();
    assert!(
        loadgen(&["report", ran.out.path().to_str().unwrap()])
            .status
            .success()
    );
    assert_eq!(
        ran.read("report.html"),
        report,
        "the report can be made anew"
    );
}

#[test]
fn two_runs_compare_as_a_table() {
    let fake = Fake::start(Faults::default());
    let line = "--rate 200/s --duration 300ms --connections 2";
    let (one, two) = (run(&fake, line), run(&fake, line));
    let folders = [
        one.out.path().to_str().unwrap(),
        two.out.path().to_str().unwrap(),
    ];
    let output = loadgen(&["compare", folders[0], folders[1]]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.starts_with("metric") && table.contains("B / A"),
        "{table}"
    );
    let nowhere = loadgen(&["compare", folders[0], "/nonexistent"]);
    assert_eq!(nowhere.status.code(), Some(2));
}
