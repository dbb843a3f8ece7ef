//! Core dumps of a process that holds keys.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sees to it that no core of this process is written, and that no other process of the same user
/// can read its memory. Gives why that could not be done.
///
/// Rule SEC-01: a core would hold the device key and every key that is in use.
pub(crate) fn forbid() -> Result<(), String> {
    let told = |error| format!("Core dumps could not be switched off: {error}.");
    // Only the soft limit: scripts that are started from here may raise theirs again.
    let limit = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Core).maximum,
    };
    setrlimit(Resource::Core, limit).map_err(told)?;
    // The limit does not count where the kernel hands cores to a program.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(told)?;
    }
    Ok(())
}
