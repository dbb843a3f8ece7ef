use std::time::Duration;

/// A change of state of a key store or a key that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateChange {
    /// A key store goes from CONNECTING to CONNECTED or FAILED.
    Connect,
    /// A key store goes from DISCONNECTING to DISCONNECTED.
    Disconnect,
    /// A replica of a multi-Region key leaves Creating.
    ReplicateKey,
    /// Both primaries of a multi-Region key leave Updating.
    UpdatePrimaryRegion,
}

impl StateChange {
    /// How long it takes on AWS. The first figure is a documented bound, the others are assumptions;
    /// docs/time.md has the table.
    pub(crate) const fn aws_duration(self) -> Duration {
        match self {
            Self::Connect => Duration::from_secs(20 * 60),
            Self::Disconnect | Self::ReplicateKey | Self::UpdatePrimaryRegion => {
                Duration::from_secs(60)
            }
        }
    }
}
