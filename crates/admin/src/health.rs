use serde::{Deserialize, Serialize};

/// Whether Portcullis runs, and can write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Health {
    /// `running`, or `read-only` while nothing can be written.
    pub status: String,
    /// Why nothing can be written; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The version of Portcullis.
    pub version: String,
    /// Seconds since it was started.
    pub uptime: u64,
    /// How often the world was begun anew since then.
    pub resets: u64,
    /// The services, as LocalStack names them.
    pub services: Services,
}

/// The services, each with its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Services {
    /// The state of KMS: `running`.
    pub kms: String,
    /// The state of CloudHSM: `running`.
    pub cloudhsm: String,
}

/// How often the world will have been begun anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ResetCount {
    /// It is done when the health shows this number.
    pub resets: u64,
}
