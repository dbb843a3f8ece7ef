use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What happens while the load goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Nothing but the load
    Steady,
    /// The key store is disconnected, edited and connected again, over and over
    EditCycle,
}

/// One of the three settings of a custom key store that can be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditKind {
    /// The friendly name: to a made-up one and back
    Name,
    /// The password of kmsuser: changed in the cluster, then in the key store
    Password,
    /// The cluster: to another one with the same certificate
    Cluster,
}

impl EditKind {
    /// The word of the command line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Password => "password",
            Self::Cluster => "cluster",
        }
    }
}
