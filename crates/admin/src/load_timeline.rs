use serde::{Deserialize, Serialize};

use crate::load_scenario::EditKind;

/// A line of a run's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TimelineLine {
    /// What ended within a second.
    Second(LoadSecond),
    /// A phase that is over.
    Phase(LoadSpan),
}

/// What ended within a second of a load run. It has more members than these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadSecond {
    /// 0 for the first.
    pub second: u64,
    /// 1,000, but for the last.
    pub duration_ms: u64,
    /// The phase at its end.
    pub phase: LoadPhase,
    /// How many calls succeeded.
    pub succeeded: u64,
    /// How many calls failed.
    pub failed: u64,
    /// How many calls waited for a connection at its end.
    pub late: u64,
    /// The median latency of the successes in microseconds.
    pub latency_us_p50: Option<u64>,
    /// What 99 of 100 successes were faster than, in microseconds.
    pub latency_us_p99: Option<u64>,
}

/// A phase of a load run that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadSpan {
    /// The number of the cycle, 0 before the first.
    pub cycle: u32,
    /// The phase that is over.
    pub phase: LoadPhase,
    /// What was edited.
    pub edit: Option<EditKind>,
    /// Microseconds from the start of the run to its own.
    pub start_us: u64,
    /// Microseconds from the start of the run to its end.
    pub end_us: u64,
}

/// A phase of a key store's life under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LoadPhase {
    /// It is connected.
    Connected,
    /// It is being disconnected.
    Disconnecting,
    /// It is disconnected.
    Disconnected,
    /// It is being edited.
    Editing,
    /// It is being connected.
    Connecting,
}
