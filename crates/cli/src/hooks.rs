//! Scripts of the user's that run when everything is ready, to make what a world file cannot say.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portcullis_api::Scope;

use crate::restart;
use crate::urls::Urls;

/// Rule CONF-06: runs the scripts of a folder one after the other, in the order of their names, with an
/// environment that points AWS clients and `portcullis` here. Files that are executable are run as they are
/// and others that end in `.sh` by sh; the rest is passed over. Gives how many were run.
///
/// # Errors
/// A text for the user: the first script that fails.
pub(crate) fn run(folder: &Path, urls: &Urls, scope: &Scope) -> Result<usize, String> {
    let scripts = scripts(folder).map_err(|error| {
        let folder = folder.display();
        format!("The ready hooks in {folder} cannot be read: {error}. Give another --ready-hooks.")
    })?;
    for script in &scripts {
        let mut command = if is_executable(script) {
            Command::new(script)
        } else {
            let mut shell = Command::new("sh");
            shell.arg(script);
            shell
        };
        // What a script prints is for people: stdout has one line, for scripts.
        let ended = command
            .env("AWS_ENDPOINT_URL", &urls.endpoint)
            .envs(urls.admin_variables())
            .env("AWS_ACCESS_KEY_ID", scope.account.as_str())
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", scope.region.as_str())
            .env("AWS_DEFAULT_REGION", scope.region.as_str())
            .env("AWS_PAGER", "")
            .env("PATH", path_with_ourselves())
            // Not for a Portcullis that a script may start.
            .env_remove(restart::PORT)
            .env_remove(restart::ADMIN_PORT)
            .env_remove(restart::RESETS)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status();
        let script = script.display();
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => {
                return Err(format!(
                    "The ready hook {script} failed ({status}). Mend it, or start without \
                     --ready-hooks."
                ));
            }
            Err(error) => return Err(format!("The ready hook {script} does not start: {error}.")),
        }
    }
    Ok(scripts.len())
}

fn scripts(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_shell = path.extension().is_some_and(|ending| ending == "sh");
        if path.is_file() && (is_shell || is_executable(&path)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o111 != 0)
}

/// Scripts find the `portcullis` that runs them.
fn path_with_ourselves() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ours = std::env::current_exe().ok();
    let folder = ours.as_deref().and_then(Path::parent);
    let folders = folder.map(Path::to_path_buf).into_iter();
    std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap_or(path)
}
