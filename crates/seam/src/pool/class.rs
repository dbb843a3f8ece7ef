use std::num::NonZeroUsize;

/// What kind of work a job is.
///
/// Rule WORK-01: a job waits for others of its own class only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkClass {
    /// A command to an HSM that hashes a password: 3 ms. People, connects and disconnects wait for
    /// it.
    Control,
    /// A frame of operations that outweighs the hand-off to a worker: up to a millisecond.
    Batch,
    /// The use of an RSA key, and other arithmetic of its size: 0.1 to 10 ms.
    Asymmetric,
    /// The making of an RSA key: from 50 ms to some seconds.
    KeyGeneration,
}

impl WorkClass {
    /// Every class of work.
    pub const ALL: [Self; 4] = [
        Self::Control,
        Self::Batch,
        Self::Asymmetric,
        Self::KeyGeneration,
    ];

    /// The name in metrics and in the names of threads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Batch => "batch",
            Self::Asymmetric => "asymmetric",
            Self::KeyGeneration => "key-generation",
        }
    }

    /// Jobs that may wait.
    ///
    /// Rule WORK-04: every class has a bound. The reasons are those of two threads.
    pub(super) const fn jobs_max(self) -> usize {
        match self {
            // 0.4 s of password hashes: a connect gives each command 2 s.
            Self::Control => 256,
            // 0.1 s of frames of 256 KiB: an operation asks another HSM after 1 s.
            Self::Batch => 256,
            // 2.5 s of RSA_4096 signatures. Longer jobs are refused by their expected wait.
            Self::Asymmetric => 1024,
            // 13 s of RSA_2048 keys, more than a caller waits. Longer jobs are refused by their
            // expected wait, so this counts only before a first one has been measured.
            Self::KeyGeneration => 256,
        }
    }

    pub(super) fn threads(self, cores: NonZeroUsize) -> NonZeroUsize {
        match self {
            // Few at a time: the commands of one HSM are carried out one after the other.
            Self::Control => cores.min(CONTROL_THREADS_MAX),
            Self::Batch | Self::Asymmetric | Self::KeyGeneration => cores,
        }
    }

    /// Whether its threads give way to all others.
    pub(super) const fn gives_way(self) -> bool {
        match self {
            Self::Control | Self::Batch | Self::Asymmetric => false,
            Self::KeyGeneration => true,
        }
    }

    /// Whether what waits is dropped when the pool is closed: what takes long and changes nothing by
    /// itself. Commands and frames are parts of something that is under way.
    pub(super) const fn ends_when_closed(self) -> bool {
        match self {
            Self::Control | Self::Batch => false,
            Self::Asymmetric | Self::KeyGeneration => true,
        }
    }
}

/// Four threads hash more than 1,000 passwords a second.
const CONTROL_THREADS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
