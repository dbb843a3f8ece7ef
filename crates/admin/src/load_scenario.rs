use serde::{Deserialize, Serialize};

/// What happens in a load run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LoadScenario {
    /// Nothing but the load.
    Steady,
    /// The key store is disconnected, edited and connected again, over and over.
    EditCycle,
    /// The rehearsal of a repair: the key store's cluster is destroyed, and another one, made from a
    /// backup, takes its place.
    Substitution,
}

/// One of the three settings of a custom key store that can be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum EditKind {
    /// The friendly name: to a made-up one and back.
    Name,
    /// The password of kmsuser: changed in the cluster, then in the key store.
    Password,
    /// The cluster: to another one with the same certificate.
    Cluster,
}

/// Which backup of the destroyed cluster a rehearsal restores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum BackupChoice {
    /// One that is taken beforehand, by adding an HSM and removing it.
    #[default]
    Fresh,
    /// The newest there is.
    Newest,
    /// The oldest there is.
    Oldest,
}

impl LoadScenario {
    /// Those of `portcullis load run`. A rehearsal is a `portcullis chaos run`.
    pub const OF_LOAD_RUN: [Self; 2] = [Self::Steady, Self::EditCycle];

    /// As it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::EditCycle => "edit-cycle",
            Self::Substitution => "substitution",
        }
    }
}

impl EditKind {
    /// Each, in the order in which they are made when nothing is asked for.
    pub const ALL: [Self; 3] = [Self::Name, Self::Password, Self::Cluster];

    /// As it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Password => "password",
            Self::Cluster => "cluster",
        }
    }
}
