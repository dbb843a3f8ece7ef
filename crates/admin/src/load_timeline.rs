use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::load_scenario::EditKind;

/// A line of `timeline.jsonl`, which grows while a run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TimelineLine {
    /// What arrived and ended within a second.
    Second(LoadSecond),
    /// A phase, written when it ends.
    Phase(LoadSpan),
}

/// What arrived and ended within one second of a load run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadSecond {
    /// The number of the second, 0 for the first.
    pub second: u64,
    /// Its length in milliseconds: 1,000, but for the last.
    pub duration_ms: u64,
    /// The phase at its end.
    pub phase: LoadPhase,
    /// How many calls have an intended send time that lies in it.
    pub arrived: u64,
    /// How many arrivals were dropped because the queue of late ones was full.
    pub shed: u64,
    /// How many late arrivals waited for a connection at its end.
    pub late: u64,
    /// How many calls succeeded.
    pub succeeded: u64,
    /// How many calls failed.
    pub failed: u64,
    /// The median latency of the successes of all operations, in microseconds; null without any.
    pub latency_us_p50: Option<u64>,
    /// What 99 of 100 successes were faster than, in microseconds; null without any.
    pub latency_us_p99: Option<u64>,
    /// The longest latency of a success, in microseconds; null without any.
    pub latency_us_max: Option<u64>,
    /// The same by the name of the operation; those that did not occur are left out.
    pub operations: BTreeMap<String, OperationSecond>,
    /// How many calls failed, by the name of the exception.
    pub errors: BTreeMap<String, u64>,
}

/// What ended of one operation within a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OperationSecond {
    /// How many calls succeeded.
    pub succeeded: u64,
    /// How many calls failed.
    pub failed: u64,
    /// The median latency of the successes, in microseconds; null without any.
    pub latency_us_p50: Option<u64>,
    /// What 99 of 100 successes were faster than, in microseconds; null without any.
    pub latency_us_p99: Option<u64>,
    /// The longest latency of a success, in microseconds; null without any.
    pub latency_us_max: Option<u64>,
}

/// A phase of a load run with its exact start and end, in microseconds since the load began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadSpan {
    /// The number of the cycle, 0 before the first.
    pub cycle: u32,
    /// The phase that lasted from start to end.
    pub phase: LoadPhase,
    /// What is edited in this cycle; null before the first.
    pub edit: Option<EditKind>,
    /// Microseconds from the start of the load to its own.
    pub start_us: u64,
    /// Microseconds from the start of the load to its end.
    pub end_us: u64,
}

/// A phase of a key store's life under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LoadPhase {
    /// The key store was seen CONNECTED; lasts until DisconnectCustomKeyStore is called.
    Connected,
    /// The key store is being disconnected, until DISCONNECTED is seen.
    Disconnecting,
    /// The key store is disconnected, until the edit begins.
    Disconnected,
    /// The key store is being edited, until ConnectCustomKeyStore is called.
    Editing,
    /// The key store is being connected, until CONNECTED is seen.
    Connecting,
}

impl LoadPhase {
    /// Each, in the order in which a cycle has them.
    pub const ALL: [Self; 5] = [
        Self::Connected,
        Self::Disconnecting,
        Self::Disconnected,
        Self::Editing,
        Self::Connecting,
    ];

    /// As it stands in a timeline.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnecting => "disconnecting",
            Self::Disconnected => "disconnected",
            Self::Editing => "editing",
            Self::Connecting => "connecting",
        }
    }
}
