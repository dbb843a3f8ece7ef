//! Rule ST-22: what lies in a data folder can be read by its owner only, also when the folder was
//! there before, or was copied by something that does not keep modes.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::layout::{
    ADMIN_TOKEN, CONTROL, DEVICE_KEY, HSMS, KEPT, LOAD_RUNS, LOCK, RESERVE, TLS_AUTHORITY,
    UNFINISHED, VERSION, WORLD,
};

/// What group and others may do.
const OTHERS: u32 = 0o077;

/// Load runs have folders with reports in them, and no deeper ones.
const DEPTH_MAX: u32 = 3;

const FILES: [&str; 11] = [
    LOCK,
    VERSION,
    WORLD,
    UNFINISHED,
    KEPT,
    DEVICE_KEY,
    CONTROL,
    RESERVE,
    "control.guard",
    ADMIN_TOKEN,
    TLS_AUTHORITY,
];

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tightened {
    /// How many files and folders others could read, and cannot any more.
    pub(super) count: usize,
    /// Whether the folder itself was left as it is, since there is more in it than ours.
    pub(super) is_shared: bool,
    /// Why some stay as they are.
    pub(super) failed: Option<String>,
}

/// Takes the rights of others away, and says so.
pub(super) fn tighten(path: &Path) {
    let found = tighten_all(path);
    let path = path.display();
    if found.count > 0 {
        let count = found.count;
        tracing::warn!(%path, count, "others could read the data folder; its owner alone can now");
    }
    if found.is_shared {
        tracing::warn!(%path, "others can look into the data folder, and there is more in it than ours: its mode is left");
    }
    if let Some(why) = found.failed {
        tracing::warn!(%path, why, "others can read parts of the data folder, and that cannot be changed");
    }
}

pub(super) fn tighten_all(path: &Path) -> Tightened {
    let mut found = Tightened::default();
    for name in FILES {
        found.tighten(&path.join(name), 0);
    }
    found.tighten(&path.join(HSMS), 1);
    found.tighten(&path.join(LOAD_RUNS), DEPTH_MAX);
    // A folder that is not for us alone, such as a home or /tmp, keeps its mode.
    if is_ours_alone(path) {
        found.tighten(path, 0);
    } else {
        let mode = std::fs::metadata(path).map(|found| found.permissions().mode());
        found.is_shared = mode.is_ok_and(|mode| mode & OTHERS != 0);
    }
    found
}

impl Tightened {
    /// A file, or a folder and what is in it down to `depth`.
    fn tighten(&mut self, path: &Path, depth: u32) {
        match tighten_one(path) {
            Ok(changed) => self.count += usize::from(changed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => self.failed = Some(format!("{}: {error}", path.display())),
        }
        let entries = (depth > 0).then(|| std::fs::read_dir(path));
        for entry in entries.into_iter().flatten().flatten().flatten() {
            self.tighten(&entry.path(), depth - 1);
        }
    }
}

/// Whether anything changed. A link is not followed.
fn tighten_one(path: &Path) -> io::Result<bool> {
    let found = std::fs::symlink_metadata(path)?;
    let mode = found.permissions().mode();
    if found.is_symlink() || mode & OTHERS == 0 {
        return Ok(false);
    }
    let tight = PermissionsExt::from_mode(mode & 0o7777 & !OTHERS);
    std::fs::set_permissions(path, tight)?;
    Ok(true)
}

fn is_ours_alone(path: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(path) else {
        return false;
    };
    entries.all(|entry| {
        let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
        let name = name.to_string_lossy();
        let known = FILES.contains(&&*name) || [HSMS, LOAD_RUNS].contains(&&*name);
        known || name.ends_with(".making")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn loosen(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in [HSMS, "load-runs/1"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in [
            CONTROL,
            DEVICE_KEY,
            "hsms/a.redb",
            "load-runs/1/report.json",
        ] {
            std::fs::write(folder.path().join(name), "x").unwrap();
            loosen(&folder.path().join(name), 0o644);
        }
        for name in ["", HSMS, LOAD_RUNS, "load-runs/1"] {
            loosen(&folder.path().join(name), 0o755);
        }
        folder
    }

    /// Rule ST-22
    #[test]
    fn a_folder_that_others_could_read_is_its_owners_alone_after_a_start() {
        let folder = folder();
        let found = tighten_all(folder.path());
        let expected = Tightened {
            count: 8,
            ..Tightened::default()
        };
        assert_eq!(found, expected);
        for name in ["", HSMS, LOAD_RUNS, "load-runs/1"] {
            assert_eq!(mode(&folder.path().join(name)), 0o700, "{name}");
        }
        for name in [
            CONTROL,
            DEVICE_KEY,
            "hsms/a.redb",
            "load-runs/1/report.json",
        ] {
            assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
        }
        assert_eq!(tighten_all(folder.path()), Tightened::default());
    }

    /// Rule ST-22: `--data /tmp` must not shut other users out of it.
    #[test]
    fn a_folder_with_more_in_it_than_ours_keeps_its_mode() {
        let folder = folder();
        let other = folder.path().join("notes.txt");
        std::fs::write(&other, "x").unwrap();
        loosen(&other, 0o644);
        let found = tighten_all(folder.path());
        assert!(found.is_shared && found.count == 7, "{found:?}");
        assert_eq!((mode(folder.path()), mode(&other)), (0o755, 0o644));
        assert_eq!(mode(&folder.path().join(CONTROL)), 0o600);
    }

    /// Rule ST-22
    #[test]
    fn a_link_is_not_followed_out_of_the_folder() {
        let (folder, elsewhere) = (folder(), tempfile::tempdir().unwrap());
        let target = elsewhere.path().join("target");
        std::fs::write(&target, "x").unwrap();
        loosen(&target, 0o644);
        std::os::unix::fs::symlink(&target, folder.path().join(WORLD)).unwrap();
        let _found = tighten_all(folder.path());
        assert_eq!(mode(&target), 0o644);
    }
}
