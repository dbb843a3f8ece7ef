use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What came of a rehearsal, as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rehearsal {
    /// What was rehearsed, as the script describes it.
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

/// What became of the calls that were sent in a stage of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RehearsalStage {
    /// The stage that lasted from start to end.
    pub stage: RepairStage,
    /// Milliseconds from the start of the load to its own.
    pub start_ms: u64,
    /// Milliseconds from the start of the load to its end.
    pub end_ms: u64,
    /// How many calls succeeded.
    pub succeeded: u64,
    /// How many calls failed, by the name of what they failed with.
    pub failed: BTreeMap<String, u64>,
}

/// A stage of the repair that is rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RepairStage {
    /// All is well, until the cluster is destroyed.
    Before,
    /// The cluster is gone, and the operator has not noticed.
    Lost,
    /// A new cluster is made from a backup.
    Restoring,
    /// The key store is disconnected and given the new cluster, and a password if need be.
    Substituting,
    /// The key store is being connected, until CONNECTED or FAILED is seen.
    Connecting,
    /// All is well again, until the load ends.
    After,
}

/// A limit of a rehearsal and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RehearsalThreshold {
    /// What is limited, such as `outage_ms`.
    pub name: String,
    /// The most that may be found, in the unit that the name says.
    pub limit: u64,
    /// What was found; null when it was not measured, which is a miss.
    pub found: Option<u64>,
    /// Whether the limit was kept.
    pub passed: bool,
}

impl RehearsalStage {
    /// How many calls failed, whatever they failed with.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

impl RepairStage {
    /// As it stands in a result.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Lost => "lost",
            Self::Restoring => "restoring",
            Self::Substituting => "substituting",
            Self::Connecting => "connecting",
            Self::After => "after",
        }
    }
}
