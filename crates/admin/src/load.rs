use portcullis_api::{AccountId, Region};
use serde::{Deserialize, Serialize};

use crate::Secret;
use crate::load_scenario::{BackupChoice, EditKind, LoadScenario};
use crate::load_summary::RunSummary;
use crate::load_timeline::TimelineLine;
use crate::rehearsal::Rehearsal;

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
    /// How many calls a second were asked for.
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
    /// The runs, the newest first.
    pub runs: Vec<LoadRun>,
}

/// Whether a load run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LoadRunState {
    /// The run sends calls, or checks what it has sent.
    Running,
    /// The process of the run has ended.
    Ended,
}

/// A load run that goes on or has ended.
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
    pub summary: Option<RunSummary>,
    /// What came of a rehearsal, as `portcullis chaos run` prints it; null before its end and of other
    /// scenarios.
    pub rehearsal: Option<Rehearsal>,
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
    pub timeline: Vec<Option<TimelineLine>>,
    /// How many lines of the timeline the client has then.
    pub next: usize,
    /// What the run wrote beside its result.
    pub messages: String,
}
