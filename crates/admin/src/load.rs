use std::collections::BTreeMap;

use portcullis_api::{AccountId, Region};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Secret;
use crate::load_scenario::{BackupChoice, EditKind, LoadScenario};

/// A load run that shall begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadOrder {
    /// What happens in the run.
    pub scenario: LoadScenario,
    /// Calls a second, 1 to 50,000.
    pub rate: u32,
    /// Seconds, 1 to 600; in a rehearsal before the loss and again after the repair.
    pub seconds: u32,
    /// The account that calls.
    #[cfg_attr(test, schemars(with = "String"))]
    pub account: AccountId,
    /// The Region that is called.
    #[cfg_attr(test, schemars(with = "String"))]
    pub region: Region,
    /// The ID or name of the key store; the first CONNECTED one when it is left out.
    #[serde(default)]
    pub key_store: Option<String>,
    /// What `edit-cycle` edits, in turn; only the name when it is left out.
    #[serde(default)]
    pub edits: Vec<EditKind>,
    /// The backup that a rehearsal restores; a fresh one when it is left out.
    #[serde(default)]
    pub backup: Option<BackupChoice>,
    /// How many keys a rehearsal makes after the backup, which the repair loses.
    #[serde(default)]
    pub keys_after_backup: u16,
    /// The password of the clusters' `admin`, for edits of the password and of the cluster.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub admin_password: Option<Secret>,
}

/// The order of a run as it is kept: without the password, and with its date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeptLoadOrder {
    /// What happens in the run.
    pub scenario: LoadScenario,
    /// Calls a second.
    pub rate: u32,
    /// Seconds; in a rehearsal before the loss and again after the repair.
    pub seconds: u32,
    /// The account that calls.
    #[cfg_attr(test, schemars(with = "String"))]
    pub account: AccountId,
    /// The Region that is called.
    #[cfg_attr(test, schemars(with = "String"))]
    pub region: Region,
    /// The ID or name of the key store, if one was named.
    pub key_store: Option<String>,
    /// What `edit-cycle` edits, in turn.
    pub edits: Vec<EditKind>,
    /// The backup that a rehearsal restores.
    pub backup: Option<BackupChoice>,
    /// How many keys a rehearsal makes after the backup.
    pub keys_after_backup: u16,
    /// When the run began, in milliseconds since 1970.
    pub started_at_ms: u64,
}

/// A load run that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StartedLoadRun {
    /// The ID of the run, by which other calls name it.
    pub id: String,
}

/// The load runs that are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadRunList {
    /// The newest first.
    pub runs: Vec<LoadRun>,
}

/// Whether a load run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LoadRunState {
    /// It goes on.
    Running,
    /// It is over.
    Ended,
}

/// A load run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadRun {
    /// The ID of the run, by which other calls name it.
    pub id: String,
    /// Whether it goes on.
    pub state: LoadRunState,
    /// What was asked for.
    pub order: Option<KeptLoadOrder>,
    /// What came of it, as in its `summary.json`; null before its end and of a rehearsal.
    #[cfg_attr(test, schemars(with = "Option<RunSummary>"))]
    pub summary: Option<Value>,
    /// What came of a rehearsal, as `portcullis chaos run` prints it; null before its end and of other
    /// scenarios.
    #[cfg_attr(test, schemars(with = "Option<Rehearsal>"))]
    pub rehearsal: Option<Value>,
}

/// From where on a run's timeline is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadRunQuery {
    /// How many lines of the timeline the client has already.
    #[serde(default)]
    pub from: usize,
}

/// A load run and what its timeline has grown by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadRunDetail {
    /// The run, as the list shows it.
    #[serde(flatten)]
    pub run: LoadRun,
    /// The lines of the timeline from the wanted one on; null stands for one that cannot be read.
    #[cfg_attr(test, schemars(with = "Vec<Option<TimelineLine>>"))]
    pub timeline: Vec<Value>,
    /// How many lines of the timeline the client has then.
    pub next: usize,
    /// What the run wrote beside its result.
    pub messages: String,
}

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

/// What came of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rehearsal {
    /// What was rehearsed.
    pub description: String,
    /// The ID of the key store.
    pub key_store_id: String,
    /// The ID of the cluster that was destroyed.
    pub old_cluster_id: String,
    /// The ID of the cluster that took its place.
    pub new_cluster_id: String,
    /// The ID of the backup that it was made from.
    pub backup_id: String,
    /// Milliseconds in which no call was answered; null when no call succeeded any more.
    pub outage_ms: Option<u64>,
    /// How many keys were used.
    pub keys: u64,
    /// The keys that the new cluster does not have.
    pub lost_keys: Vec<LostKey>,
    /// The codes with which connects failed on the way.
    pub connect_errors: Vec<String>,
    /// How many calls passed a gate that was shut.
    pub gate_leaks: u64,
    /// How many plaintexts came out wrong.
    pub wrong_plaintexts: u64,
    /// The stages, in order.
    pub stages: Vec<RehearsalStage>,
    /// The limits and what was found.
    pub thresholds: Vec<RehearsalThreshold>,
    /// Whether every limit was kept and nothing leaked or came out wrong.
    pub passed: bool,
}

/// A key that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LostKey {
    /// The ID of the key.
    pub key_id: String,
    /// The exception that its ciphertext is refused with.
    pub error: String,
}

/// A stage of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RehearsalStage {
    /// The name of the stage.
    pub stage: String,
    /// Milliseconds from the start of the rehearsal to its own.
    pub start_ms: u64,
    /// Milliseconds from the start of the rehearsal to its end.
    pub end_ms: u64,
    /// How many calls succeeded.
    pub succeeded: u64,
    /// How many calls failed, by the name of what they failed with.
    pub failed: BTreeMap<String, u64>,
}

/// A limit of a rehearsal and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RehearsalThreshold {
    /// What is limited.
    pub name: String,
    /// The most that may be found.
    pub limit: u64,
    /// What was found; null when it was not measured, which is a miss.
    pub found: Option<u64>,
    /// Whether the limit was kept.
    pub passed: bool,
}
