use serde::{Deserialize, Serialize};

/// How far the clock is put forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AdvanceRequest {
    /// Seconds, at most those of 400 days.
    pub seconds: u64,
}

/// How fast the clock shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimeScaleRequest {
    /// How many times faster than real time: 1 to 1,000,000.
    pub time_scale: u32,
}

/// How long changes of state shall take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StateChangesRequest {
    /// `immediate`, `after:SECONDS`, `describes:N` or `aws`.
    pub state_changes: String,
}

/// The services' clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Clock {
    /// The date that the services have, such as `2026-08-30T12:36:00Z`.
    pub now: String,
    /// The date that the machine has.
    pub real: String,
    /// How many times faster than real time the services' clock runs.
    pub time_scale: u32,
    /// How long changes of state take: `immediate`, `after:SECONDS`, `describes:N` or `aws`.
    pub state_changes: String,
}
