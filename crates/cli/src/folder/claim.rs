//! What is being made beside its place, and what is left of that when the process is killed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::files::make_folder;

/// Something that is being made under a name of its own. As long as its process lives it is locked;
/// what is not locked is a left-over. Removed when it is dropped before it is in place.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    placed: bool,
}

impl Claim {
    /// A folder beside `target`, after left-overs of earlier processes were removed.
    pub(crate) fn folder(target: &Path) -> io::Result<Self> {
        sweep(target, LOADING);
        let path = beside(target, LOADING);
        make_folder(&path)?;
        Self::lock(path.clone(), File::open(&path)?)
    }

    /// A file beside `target`, after left-overs of earlier processes were removed.
    pub(crate) fn file(target: &Path) -> io::Result<Self> {
        sweep(target, SAVING);
        let path = beside(target, SAVING);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Self::lock(path, file)
    }

    fn lock(path: PathBuf, file: File) -> io::Result<Self> {
        file.try_lock().map_err(io::Error::from)?;
        Ok(Self {
            path,
            file,
            placed: false,
        })
    }

    /// The folder appears as `target`, which is absent or empty, whole or not at all.
    pub(crate) fn put_folder(mut self, target: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, target)?;
        self.placed = true;
        File::open(parent(target))?.sync_all()
    }

    /// The file appears as `target`, which is not there, whole or not at all.
    pub(crate) fn put_file(mut self, target: &Path) -> io::Result<()> {
        match std::fs::hard_link(&self.path, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) => {}
            // A file system without links.
            Err(_) if !target.try_exists()? => {
                std::fs::rename(&self.path, target)?;
                self.placed = true;
            }
            Err(error) => return Err(error),
        }
        File::open(parent(target))?.sync_all()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.placed {
            let _of_no_use = std::fs::remove_file(&self.path);
            let _of_no_use = std::fs::remove_dir_all(&self.path);
        }
    }
}

const LOADING: &str = "loading";
const SAVING: &str = "saving";

/// Rule ST-27: removes what killed processes left of a snapshot that they loaded into `target`.
pub(crate) fn sweep_loads(target: &Path) {
    sweep(target, LOADING);
}

/// A process that lives holds a lock on what it makes, whatever its number.
fn sweep(target: &Path, what: &str) {
    let Ok(entries) = std::fs::read_dir(parent(target)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_left = is_name_of(&name.to_string_lossy(), target, what)
            && File::open(entry.path()).is_ok_and(|left| left.try_lock().is_ok());
        if !is_left {
            continue;
        }
        let path = entry.path();
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        let path = path.display();
        match removed {
            Ok(()) => tracing::warn!(%path, "removed what a killed process had left"),
            Err(error) => tracing::warn!(%path, %error, "what a killed process left stays"),
        }
    }
}

fn is_name_of(name: &str, target: &Path, what: &str) -> bool {
    let prefix = format!("{}.{what}-", file_name(target));
    let number = name.strip_prefix(&prefix);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit()))
}

fn beside(target: &Path, what: &str) -> PathBuf {
    let name = format!("{}.{what}-{}", file_name(target), std::process::id());
    target.with_file_name(name)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule ST-27
    #[test]
    fn left_overs_go_and_what_is_still_being_made_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("data");
        let name = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(name("data.loading-17/hsms")).unwrap();
        std::fs::write(name("data.loading-17/device.key"), [7; 32]).unwrap();
        let others = [
            "data.loading-x",
            "data.loading-",
            "data2.loading-17",
            "data.backup-17",
        ];
        for other in others {
            std::fs::create_dir(name(other)).unwrap();
        }
        std::fs::create_dir(name("data.loading-18")).unwrap();
        let alive = File::open(name("data.loading-18")).unwrap();
        alive.lock().unwrap();
        let claim = Claim::folder(&target).unwrap();
        assert!(!name("data.loading-17").exists());
        assert!(name("data.loading-18").exists() && claim.path.exists());
        sweep_loads(&target);
        assert!(claim.path.exists(), "its own process lives");
        assert!(others.iter().all(|other| name(other).exists()));
        drop(alive);
        claim.put_folder(&target).unwrap();
        sweep_loads(&target);
        assert!(target.exists() && !name("data.loading-18").exists());
    }

    /// Rule ST-27
    #[test]
    fn a_file_is_put_in_place_whole_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("one.snapshot");
        std::fs::write(folder.path().join("one.snapshot.saving-17"), "half").unwrap();
        Claim::file(&target).unwrap().put_file(&target).unwrap();
        let again = Claim::file(&target).unwrap().put_file(&target).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        drop(Claim::file(&target).unwrap());
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "the snapshot alone");
    }
}
