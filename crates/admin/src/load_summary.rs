use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::load_scenario::LoadScenario;
use crate::load_timeline::{LoadPhase, LoadSpan};

/// What came of a load run: its `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// The version of the load generator.
    pub version: String,
    /// Whether every threshold was met and nothing leaked or came out wrong.
    pub passed: bool,
    /// Why the run stopped early, if it did.
    pub stopped: Option<String>,
    /// What happened in the run.
    pub scenario: LoadScenario,
    /// The URL of the endpoint that was called.
    pub endpoint: String,
    /// The ARN of the key that was used.
    pub key_id: String,
    /// The ID of the key store that the key is in; null for a key of the Region's own.
    pub key_store_id: Option<String>,
    /// When the run began, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// The seed of the calls: the same one makes the same calls again.
    pub seed: u64,
    /// How many connections there were; each carries one call at a time.
    pub connections: u16,
    /// Whether latencies count from the real send, not from the intended one.
    pub closed_loop: bool,
    /// How many seconds calls were sent for.
    pub duration_seconds: f64,
    /// Calls a second that were meant to be sent; null when there was no limit.
    pub intended_rate: Option<f64>,
    /// Calls a second that were answered, with a success or an exception, while the load went on.
    pub achieved_rate: f64,
    /// How many calls were due.
    pub arrived: u64,
    /// How many calls succeeded.
    pub succeeded: u64,
    /// How many calls failed.
    pub failed: u64,
    /// How many arrivals were dropped because too many were late already.
    pub shed: u64,
    /// How many arrivals were still late at the end and never sent.
    pub abandoned: u64,
    /// How many calls passed a gate that was shut.
    pub gate_leaks: u64,
    /// How many plaintexts came out wrong.
    pub wrong_plaintexts: u64,
    /// How many calls to a disconnected key store failed with another exception than they must.
    pub wrong_errors_while_disconnected: u64,
    /// How many calls to a connected key store failed as if it were disconnected.
    pub disconnected_errors_while_connected: u64,
    /// How many calls failed with what no disconnected key store explains.
    pub unexpected_errors: u64,
    /// How many plaintexts were compared with what was encrypted.
    pub plaintexts_compared: u64,
    /// How many ciphertexts of this run did not open, by the name of the exception.
    pub undecryptable: BTreeMap<String, u64>,
    /// How many ciphertexts were kept but not decrypted after the run, for want of time.
    pub unchecked: u64,
    /// How many edits were made.
    pub edits_made: u32,
    /// How many calls failed, by the name of the exception.
    pub errors: BTreeMap<String, u64>,
    /// The latencies of the calls that succeeded; null when none did.
    pub latency: Option<RunLatency>,
    /// The calls by the name of the operation.
    pub operations: BTreeMap<String, CallResults>,
    /// The calls by the phase in which they were sent.
    pub by_phase: BTreeMap<LoadPhase, PhaseResults>,
    /// The phases of the run in order, without gaps.
    pub phases: Vec<LoadSpan>,
    /// By how much the load generator was late to send, though a connection was free.
    pub own_lag: Option<RunLatency>,
    /// The thresholds that were given, in their order.
    pub thresholds: Vec<RunThreshold>,
}

/// A distribution of latencies in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunLatency {
    /// The mean latency, in microseconds.
    pub latency_us_mean: f64,
    /// The latency that half of the calls were faster than, in microseconds.
    pub latency_us_p50: u64,
    /// The latency that 9 of 10 calls were faster than, in microseconds.
    pub latency_us_p90: u64,
    /// The latency that 99 of 100 calls were faster than, in microseconds.
    pub latency_us_p99: u64,
    /// The latency that 999 of 1,000 calls were faster than, in microseconds.
    pub latency_us_p99_9: u64,
    /// The latency that 9,999 of 10,000 calls were faster than, in microseconds.
    pub latency_us_p99_99: u64,
    /// The longest latency, in microseconds.
    pub latency_us_max: u64,
}

/// What came of some of the calls of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CallResults {
    /// How many calls succeeded.
    pub succeeded: u64,
    /// How many calls failed.
    pub failed: u64,
    /// The latencies of the calls that succeeded; absent when none did.
    #[serde(flatten)]
    pub latency: Option<RunLatency>,
    /// The latencies of the calls that failed; null when none did.
    pub failures: Option<RunLatency>,
}

/// What came of the calls that were sent in one phase, in all cycles together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PhaseResults {
    /// How many seconds the phase lasted.
    pub seconds: f64,
    /// The calls that were sent in it.
    #[serde(flatten)]
    pub calls: CallResults,
}

/// A threshold and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunThreshold {
    /// The threshold as the user wrote it.
    pub threshold: String,
    /// The measured value, in the unit; null when nothing was measured, which is a miss.
    pub measured: Option<f64>,
    /// The unit of the measured value.
    pub unit: ThresholdUnit,
    /// Whether the threshold was met.
    pub passed: bool,
}

/// The unit in which the value of a threshold is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ThresholdUnit {
    /// A latency in microseconds.
    Microseconds,
    /// A share of all answered calls, 0 to 1.
    Share,
    /// A number of calls.
    Count,
    /// A rate in calls a second.
    #[serde(rename = "per second")]
    PerSecond,
}
