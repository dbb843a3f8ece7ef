use serde::{Deserialize, Serialize};

/// What came of a load run. Its `summary.json` has more members than these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// Whether every threshold was met and nothing leaked or came out wrong.
    pub passed: bool,
    /// Why the run stopped early, if it did.
    pub stopped: Option<String>,
    /// How many calls succeeded.
    pub succeeded: u64,
    /// How many calls failed.
    pub failed: u64,
    /// Calls a second that were answered.
    pub achieved_rate: f64,
    /// How many calls passed a gate that was shut.
    pub gate_leaks: u64,
    /// How many plaintexts came out wrong.
    pub wrong_plaintexts: u64,
    /// How many edits were made.
    pub edits_made: u32,
    /// The latencies of the calls that succeeded; null when none did.
    pub latency: Option<RunLatency>,
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunLatency {
    /// The latency that half of the calls were faster than, in microseconds.
    pub latency_us_p50: u64,
    /// The latency that 99 of 100 calls were faster than, in microseconds.
    pub latency_us_p99: u64,
    /// The longest latency, in microseconds.
    pub latency_us_max: u64,
}
