use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::phase::{LoadPhase, LoadSpan};

/// A line of `timeline.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum TimelineLine {
    /// What ended within a second.
    Second(LoadSecond),
    /// A phase, written when it ends.
    Phase(LoadSpan),
}

/// What arrived and ended within one second of the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoadSecond {
    /// 0 for the first.
    pub(crate) second: u64,
    /// 1,000, but for the last.
    pub(crate) duration_ms: u64,
    /// The phase at its end.
    pub(crate) phase: LoadPhase,
    /// Calls whose intended send time lies in it.
    pub(crate) arrived: u64,
    /// Arrivals dropped because the queue of late ones was full.
    pub(crate) shed: u64,
    /// Late arrivals that wait for a connection at its end.
    pub(crate) late: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// Latencies of the successes of all operations.
    pub(crate) latency_us_p50: Option<u64>,
    pub(crate) latency_us_p99: Option<u64>,
    pub(crate) latency_us_max: Option<u64>,
    /// By operation; those that did not occur are left out.
    pub(crate) operations: BTreeMap<String, OperationSecond>,
    /// Failures by the exception's name.
    pub(crate) errors: BTreeMap<String, u64>,
}

/// One operation within a second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OperationSecond {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) latency_us_p50: Option<u64>,
    pub(crate) latency_us_p99: Option<u64>,
    pub(crate) latency_us_max: Option<u64>,
}
