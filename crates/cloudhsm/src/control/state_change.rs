use std::time::Duration;

/// A change of state of a cluster, an HSM or a backup that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateChange {
    /// A cluster leaves CREATE_IN_PROGRESS.
    CreateCluster,
    /// A cluster goes from INITIALIZE_IN_PROGRESS to INITIALIZED.
    InitializeCluster,
    /// A cluster goes from INITIALIZED to ACTIVE.
    ActivateCluster,
    /// A cluster goes from DELETE_IN_PROGRESS to its end.
    DeleteCluster,
    /// An HSM goes from CREATE_IN_PROGRESS to ACTIVE.
    CreateHsm,
    /// An HSM goes from DELETE_IN_PROGRESS to its end.
    DeleteHsm,
    /// A backup that the calendar asks for goes from CREATE_IN_PROGRESS to READY. One that is taken
    /// because an HSM comes or goes, or a cluster is activated, lasts as long as that.
    CreateBackup,
    /// A backup's copy goes from CREATE_IN_PROGRESS to READY.
    CopyBackup,
}

impl StateChange {
    /// How long it takes on AWS. The activation and the deletion of a cluster were observed, making HSMs
    /// and clusters takes "commonly 5 to 15 minutes", and the others are assumptions; docs/time.md has
    /// the table.
    pub(crate) const fn aws_duration(self) -> Duration {
        let seconds = match self {
            Self::CreateCluster
            | Self::InitializeCluster
            | Self::DeleteCluster
            | Self::CopyBackup => 5 * 60,
            Self::ActivateCluster => 80,
            Self::CreateHsm => 10 * 60,
            // A backup, no longer than the removal of an HSM, of which one is a part.
            Self::DeleteHsm | Self::CreateBackup => 120,
        };
        Duration::from_secs(seconds)
    }
}
