use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
