//! Beginning anew: the process ends what it does and becomes a new one in its place, with the same
//! arguments, on the same port, under the same process ID.
//!
//! Nothing of before is left in memory, whatever was going on.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// How the new process learns the port of the old one, which port 0 does not say.
pub(crate) const PORT: &str = "PORTCULLIS_AGAIN_ON_PORT";

/// The same for the address of the admin API, if that is another one.
pub(crate) const ADMIN_PORT: &str = "PORTCULLIS_AGAIN_ON_ADMIN_PORT";

/// How often the world was begun anew.
pub(crate) const RESETS: &str = "PORTCULLIS_RESETS";

/// How often this world was begun anew so far.
pub(crate) fn resets() -> u64 {
    number(RESETS).unwrap_or(0)
}

/// The port to come back on.
pub(crate) fn port() -> Option<u16> {
    number(PORT)
}

/// The port of the admin API to come back on.
pub(crate) fn admin_port() -> Option<u16> {
    number(ADMIN_PORT)
}

fn number<N: std::str::FromStr>(name: &str) -> Option<N> {
    std::env::var(name).ok()?.parse().ok()
}

/// Becomes a new process. Comes back only if that cannot be, with the reason.
pub(crate) fn begin(port: u16, admin_port: u16) -> String {
    let executable = match std::env::current_exe() {
        Ok(path) => path,
        Err(error) => return format!("The path of portcullis is not known any more: {error}."),
    };
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let error = Command::new(&executable)
        .args(arguments)
        .env(PORT, port.to_string())
        .env(ADMIN_PORT, admin_port.to_string())
        .env(RESETS, resets().saturating_add(1).to_string())
        .exec();
    let executable = executable.display();
    format!("{executable} cannot be started again: {error}. Start it by hand.")
}
