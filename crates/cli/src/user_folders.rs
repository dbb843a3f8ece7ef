//! The folders that a user's environment names.
//!
//! Rule OUT-05: a variable that is empty or names a relative path counts as unset, as the XDG Base
//! Directory Specification has it; nothing is ever put below the working directory for its sake.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where state is kept: `XDG_DATA_HOME`, or `.local/share` in `HOME`.
pub(crate) fn data() -> Option<PathBuf> {
    let home = || Some(named("HOME")?.join(".local/share"));
    named("XDG_DATA_HOME").or_else(home)
}

/// Where files of a login session are kept: `XDG_RUNTIME_DIR`, or where temporary files are.
pub(crate) fn runtime() -> PathBuf {
    named("XDG_RUNTIME_DIR").unwrap_or_else(temporary)
}

/// Where temporary files are: `TMPDIR`, or `/tmp`.
pub(crate) fn temporary() -> PathBuf {
    named("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"))
}

fn named(variable: &str) -> Option<PathBuf> {
    absolute(std::env::var_os(variable))
}

fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule OUT-05.
    #[test]
    fn a_variable_that_is_empty_or_relative_counts_as_unset() {
        for (value, expected) in [
            (None, None),
            (Some(""), None),
            (Some("."), None),
            (Some("data"), None),
            (Some("~/data"), None),
            (Some("/data"), Some("/data")),
        ] {
            let found = absolute(value.map(OsString::from));
            assert_eq!(found, expected.map(PathBuf::from), "{value:?}");
        }
    }
}
