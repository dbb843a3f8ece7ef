use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_admin::{CallResults, LoadPhase, LoadScenario, LoadSpan, PhaseResults, RunSummary};

use crate::quantity::micros;
use crate::record::{CallTotals, latency_of};
use crate::worker::RunJournal;

/// What is known of a run before it begins.
#[derive(Debug)]
pub(crate) struct RunHeader {
    pub(crate) scenario: LoadScenario,
    pub(crate) endpoint: String,
    pub(crate) key_id: String,
    pub(crate) key_store_id: Option<String>,
    pub(crate) started_at_ms: u64,
    pub(crate) seed: u64,
    pub(crate) connections: u16,
    pub(crate) closed_loop: bool,
    pub(crate) intended_rate: Option<f64>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct RunEnding {
    /// How long calls were sent.
    pub(crate) sent_for: Duration,
    pub(crate) phases: Vec<LoadSpan>,
    pub(crate) unchecked: u64,
    pub(crate) edits_made: u32,
    pub(crate) stopped: Option<String>,
}

/// What came of a run, before its thresholds are judged.
pub(crate) fn summary_of(header: RunHeader, journal: &RunJournal, ending: RunEnding) -> RunSummary {
    let (recorder, findings) = (&journal.recorder, &journal.findings);
    let operations = recorder
        .operations
        .iter()
        .filter(|(_, totals)| !totals.succeeded.is_empty() || !totals.failed.is_empty())
        .map(|(operation, totals)| (operation.name().to_owned(), results_of(totals)))
        .collect();
    RunSummary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        passed: false,
        stopped: ending.stopped,
        scenario: header.scenario,
        endpoint: header.endpoint,
        key_id: header.key_id,
        key_store_id: header.key_store_id,
        started_at_ms: header.started_at_ms,
        seed: header.seed,
        connections: header.connections,
        closed_loop: header.closed_loop,
        duration_seconds: seconds(ending.sent_for),
        intended_rate: header.intended_rate,
        achieved_rate: rate(journal.answered_in_time, ending.sent_for),
        arrived: recorder.arrived,
        succeeded: recorder.all.succeeded.len(),
        failed: recorder.all.failed.len(),
        shed: recorder.shed,
        abandoned: journal.abandoned,
        gate_leaks: findings.gate_leaks,
        wrong_plaintexts: findings.wrong_plaintexts,
        wrong_errors_while_disconnected: findings.wrong_errors_while_disconnected,
        disconnected_errors_while_connected: findings.disconnected_errors_while_connected,
        unexpected_errors: findings.unexpected_errors,
        plaintexts_compared: findings.plaintexts_compared,
        undecryptable: findings.undecryptable.clone(),
        unchecked: ending.unchecked,
        edits_made: ending.edits_made,
        errors: recorder.errors.clone(),
        latency: latency_of(&recorder.all.succeeded),
        operations,
        by_phase: by_phase(&recorder.phases, &ending.phases),
        phases: ending.phases,
        own_lag: latency_of(&journal.lag),
        thresholds: Vec::new(),
    }
}

/// How many ciphertexts of the run did not open, whatever the exception.
pub(crate) fn undecryptable_in_all(summary: &RunSummary) -> u64 {
    summary.undecryptable.values().sum()
}

/// What no run may show, whatever the thresholds are.
// Rule LG-10: a gate leak or a wrong plaintext fails every run.
pub(crate) const fn is_sound(summary: &RunSummary) -> bool {
    summary.gate_leaks == 0 && summary.wrong_plaintexts == 0
}

/// Failures of a kind, as a share of all that was answered.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(crate) fn share(summary: &RunSummary, failures: u64) -> Option<f64> {
    let answered = summary.succeeded + summary.failed;
    (answered > 0).then(|| failures as f64 / answered as f64)
}

/// What came of calls that were counted together.
fn results_of(totals: &CallTotals) -> CallResults {
    CallResults {
        succeeded: totals.succeeded.len(),
        failed: totals.failed.len(),
        latency: latency_of(&totals.succeeded),
        failures: latency_of(&totals.failed),
    }
}

fn by_phase(
    totals: &[(LoadPhase, CallTotals)],
    spans: &[LoadSpan],
) -> BTreeMap<LoadPhase, PhaseResults> {
    let lasted = |phase: LoadPhase| {
        let spans = spans.iter().filter(|span| span.phase == phase);
        Duration::from_micros(spans.map(|span| span.end_us - span.start_us).sum())
    };
    totals
        .iter()
        .filter(|(phase, _)| spans.iter().any(|span| span.phase == *phase))
        .map(|(phase, totals)| {
            (
                *phase,
                PhaseResults {
                    seconds: seconds(lasted(*phase)),
                    calls: results_of(totals),
                },
            )
        })
        .collect()
}

/// Seconds with milliseconds.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(calls: u64, duration: Duration) -> f64 {
    let per_second = calls as f64 * 1e6 / micros(duration).max(1) as f64;
    (per_second * 10.0).round() / 10.0
}

/// Adds up counts by name, largest first; equal ones by name.
pub(crate) fn largest_first(errors: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut sorted: Vec<(&str, u64)> = errors
        .iter()
        .map(|(name, times)| (name.as_str(), *times))
        .collect();
    sorted.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    sorted
}
