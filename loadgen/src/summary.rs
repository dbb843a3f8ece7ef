use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_admin::{LoadPhase, LoadScenario, LoadSpan};
use serde::{Deserialize, Serialize};

use crate::quantity::micros;
use crate::record::{RunLatency, Totals};
use crate::worker::Journal;

/// `summary.json`: a whole run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunSummary {
    /// The version of the load generator.
    pub(crate) version: String,
    /// Whether every threshold was met and nothing leaked or came out wrong.
    pub(crate) passed: bool,
    /// Why the run stopped early, if it did.
    pub(crate) stopped: Option<String>,
    pub(crate) scenario: LoadScenario,
    pub(crate) endpoint: String,
    pub(crate) key_id: String,
    pub(crate) key_store_id: Option<String>,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) started_at_ms: u64,
    pub(crate) seed: u64,
    pub(crate) connections: u16,
    pub(crate) closed_loop: bool,
    pub(crate) duration_seconds: f64,
    /// Calls a second that were meant to be sent; absent when there was no limit.
    pub(crate) intended_rate: Option<f64>,
    /// Calls a second that were answered, with a success or an exception, while the load went on.
    pub(crate) achieved_rate: f64,
    pub(crate) arrived: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Arrivals that were dropped because too many were late already.
    pub(crate) shed: u64,
    /// Arrivals that were still late at the end and never sent.
    pub(crate) abandoned: u64,
    pub(crate) gate_leaks: u64,
    pub(crate) wrong_plaintexts: u64,
    pub(crate) wrong_errors_while_disconnected: u64,
    pub(crate) disconnected_errors_while_connected: u64,
    pub(crate) unexpected_errors: u64,
    pub(crate) plaintexts_compared: u64,
    /// Ciphertexts of this run that did not open, by the exception's name.
    pub(crate) undecryptable: BTreeMap<String, u64>,
    /// Ciphertexts that were kept but not decrypted after the run, for want of time.
    pub(crate) unchecked: u64,
    pub(crate) edits_made: u32,
    /// Failures by the exception's name.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Successes of all operations together.
    pub(crate) latency: Option<RunLatency>,
    pub(crate) operations: BTreeMap<String, CallResults>,
    pub(crate) by_phase: BTreeMap<LoadPhase, PhaseResults>,
    pub(crate) phases: Vec<LoadSpan>,
    /// By how much this program was late to send, though a connection was free.
    pub(crate) own_lag: Option<RunLatency>,
    pub(crate) thresholds: Vec<RunThreshold>,
}

/// What came of the calls of one operation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallResults {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Of the successes.
    #[serde(flatten)]
    pub(crate) latency: Option<RunLatency>,
    /// Of the failures.
    pub(crate) failures: Option<RunLatency>,
}

/// All stretches of one phase.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PhaseResults {
    pub(crate) seconds: f64,
    #[serde(flatten)]
    pub(crate) part: CallResults,
}

/// A threshold after the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunThreshold {
    /// As the user wrote it.
    pub(crate) threshold: String,
    /// The measured value; absent when nothing was measured.
    pub(crate) measured: Option<f64>,
    /// microseconds, share, count or per second.
    pub(crate) unit: String,
    pub(crate) passed: bool,
}

/// What is known of a run before it begins.
#[derive(Debug)]
pub(crate) struct Header {
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
pub(crate) struct Ending {
    /// How long calls were sent.
    pub(crate) sent_for: Duration,
    pub(crate) phases: Vec<LoadSpan>,
    pub(crate) unchecked: u64,
    pub(crate) edits_made: u32,
    pub(crate) stopped: Option<String>,
}

impl RunSummary {
    pub(crate) fn new(header: Header, journal: &Journal, ending: Ending) -> Self {
        let (recorder, findings) = (&journal.recorder, &journal.findings);
        let operations = recorder
            .operations
            .iter()
            .filter(|(_, totals)| !totals.succeeded.is_empty() || !totals.failed.is_empty())
            .map(|(operation, totals)| (operation.name().to_owned(), CallResults::of(totals)))
            .collect();
        Self {
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
            latency: RunLatency::of(&recorder.all.succeeded),
            operations,
            by_phase: by_phase(&recorder.phases, &ending.phases),
            phases: ending.phases,
            own_lag: RunLatency::of(&journal.lag),
            thresholds: Vec::new(),
        }
    }

    pub(crate) fn undecryptable_in_all(&self) -> u64 {
        self.undecryptable.values().sum()
    }

    /// What no run may show, whatever the thresholds are.
    // Rule LG-10: a gate leak or a wrong plaintext fails every run.
    pub(crate) const fn is_sound(&self) -> bool {
        self.gate_leaks == 0 && self.wrong_plaintexts == 0
    }

    /// Failures of a kind, as a share of all that was answered.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub(crate) fn share(&self, failures: u64) -> Option<f64> {
        let answered = self.succeeded + self.failed;
        (answered > 0).then(|| failures as f64 / answered as f64)
    }
}

impl CallResults {
    fn of(totals: &Totals) -> Self {
        Self {
            succeeded: totals.succeeded.len(),
            failed: totals.failed.len(),
            latency: RunLatency::of(&totals.succeeded),
            failures: RunLatency::of(&totals.failed),
        }
    }
}

fn by_phase(
    totals: &[(LoadPhase, Totals)],
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
                    part: CallResults::of(totals),
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
