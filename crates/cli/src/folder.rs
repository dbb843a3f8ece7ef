//! The data folder: what lies where, which version it has, and who has it open.
//!
//! ```text
//! lock            held by the process that uses the folder
//! version         the version of this layout, one number
//! world           the name of the world that was made here
//! unfinished      there until the world is made: nothing here has been served yet
//! kept            there from a reset until the world is made anew: records that are no part of it
//! device.key      32 bytes under which everything secret is sealed
//! control.redb    clusters, backups, key stores, keys
//! hsms/<id>.redb  the disk of an HSM
//! load-runs/      load runs of the console with their reports; may be removed at any time
//! ```

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_cloudhsm::{Disks, FileDisks};
use portcullis_seam::{Entropy, draw};
use portcullis_store::{Store, StoreError, Transaction};
use zeroize::Zeroizing;

/// Raised when files come, go or change their meaning so that older versions would misread them.
pub(crate) const LAYOUT: u64 = 1;

/// The bytes of a device key.
pub(crate) type KeyBytes = Zeroizing<[u8; 32]>;

const LOCK: &str = "lock";
const VERSION: &str = "version";
const WORLD: &str = "world";
const UNFINISHED: &str = "unfinished";
const KEPT: &str = "kept";
const DEVICE_KEY: &str = "device.key";
const CONTROL: &str = "control.redb";
const HSMS: &str = "hsms";

/// A data folder that this process has open.
#[derive(Debug)]
pub(crate) struct DataFolder {
    pub(crate) path: PathBuf,
    pub(crate) store: Store,
    pub(crate) disks: Arc<dyn Disks>,
    pub(crate) device_key: DeviceKeyBytes,
    /// Released when the process ends, however it ends.
    _lock: File,
}

/// A device key in the open, which is not printed.
#[derive(Clone)]
pub(crate) struct DeviceKeyBytes(pub(crate) KeyBytes);

impl std::fmt::Debug for DeviceKeyBytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DeviceKeyBytes(..)")
    }
}

impl DataFolder {
    /// Opens the folder, and makes what is missing of a new one.
    ///
    /// # Errors
    /// A text for the user: in use, of another version, or unreadable.
    pub(crate) fn open(path: &Path, entropy: &dyn Entropy) -> Result<Self, String> {
        make_folder(path).map_err(|error| unusable(path, error))?;
        let lock = lock(path)?;
        check_version(path)?;
        if path.join(UNFINISHED).exists() {
            // Rule ST-11: a world is served when it is whole; what was left half made is made anew.
            clear(path).map_err(|error| unusable(path, error))?;
        } else {
            remove_if_there(&path.join(KEPT)).map_err(|error| unusable(path, error))?;
        }
        if !path.join(CONTROL).exists() {
            write_whole(path, UNFINISHED, b"").map_err(|error| unusable(path, error))?;
        }
        let version = format!("{LAYOUT}\n");
        write_whole(path, VERSION, version.as_bytes()).map_err(|error| unusable(path, error))?;
        make_device_key(path, entropy)?;
        Self::open_files(path, lock)
    }

    /// Opens the folder of a Portcullis that is stopped, and makes nothing.
    ///
    /// # Errors
    /// As [`DataFolder::open`], and when there is no finished data folder.
    pub(crate) fn open_existing(path: &Path) -> Result<Self, String> {
        let there = path.join(CONTROL).exists() && path.join(DEVICE_KEY).exists();
        if !there || path.join(UNFINISHED).exists() {
            return Err(format!(
                "{} is not a data folder whose world has been made. Name the folder that \
                 `portcullis up --data` was given.",
                path.display()
            ));
        }
        let lock = lock(path)?;
        check_version(path)?;
        Self::open_files(path, lock)
    }

    fn open_files(path: &Path, lock: File) -> Result<Self, String> {
        let device_key = read_device_key(path)?;
        let store = Store::open(&path.join(CONTROL)).map_err(|error| unreadable(path, &error))?;
        let disks = FileDisks::new(path.join(HSMS));
        check_disks(&disks).map_err(|error| unreadable(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            store,
            disks: Arc::new(disks),
            device_key,
            _lock: lock,
        })
    }

    /// The world is made: from here on the folder is kept whatever happens.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn finished(&self) -> Result<(), String> {
        remove_if_there(&self.path.join(UNFINISHED))
            .and_then(|()| remove_if_there(&self.path.join(KEPT)))
            .and_then(|()| File::open(&self.path)?.sync_all())
            .map_err(|error| unusable(&self.path, error))
    }
}

impl DataFolder {
    /// Writes down which world was made here.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn name_world(&self, world: &str) -> Result<(), String> {
        let written = write_whole(&self.path, WORLD, world.as_bytes());
        written.map_err(|error| unusable(&self.path, error))
    }

    /// Which world was made here, unless that was before names were written down, or the folder
    /// came from a snapshot.
    pub(crate) fn world(&self) -> Option<String> {
        std::fs::read_to_string(self.path.join(WORLD)).ok()
    }

    /// What is here does not count any more but these records, which are sealed under the device
    /// key if they are secret: whoever opens the folder next makes everything else anew.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn abandon(&self, kept: &[(String, Vec<u8>)]) -> Result<(), String> {
        let unusable = |error: std::io::Error| unusable(&self.path, error);
        if !kept.is_empty() {
            let kept = serde_json::to_vec(kept).map_err(|error| unusable(error.into()))?;
            write_whole(&self.path, KEPT, &kept).map_err(unusable)?;
        }
        write_whole(&self.path, UNFINISHED, b"").map_err(unusable)
    }

    /// Writes what a reset has kept into the store of the world that is made anew.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn bring_back_kept(&self) -> Result<(), String> {
        let broken = |error: std::io::Error| unusable(&self.path, error);
        let kept = match std::fs::read(self.path.join(KEPT)) {
            Ok(kept) => kept,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(broken(error)),
        };
        let kept: Vec<(String, Vec<u8>)> =
            serde_json::from_slice(&kept).map_err(|error| broken(error.into()))?;
        let put = |transaction: Transaction, (key, value)| transaction.put(key, value);
        let all = kept.into_iter().fold(Transaction::new(), put);
        let written = self.store.commit(all).await;
        written.map(drop).map_err(|error| error.to_string())
    }
}

/// Makes an empty folder that only its owner can read, if it is absent.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Fills an empty folder with files that another folder or memory held.
///
/// # Errors
/// A text for the user.
pub(crate) fn fill(
    path: &Path,
    device_key: &DeviceKeyBytes,
    control: &portcullis_store::Contents,
    hsms: &[(portcullis_api::HsmId, portcullis_store::Contents)],
) -> Result<(), String> {
    let broken = |error| unusable(path, error);
    make_folder(&path.join(HSMS)).map_err(broken)?;
    write_whole(path, DEVICE_KEY, &*device_key.0).map_err(broken)?;
    let make = |name: PathBuf, contents| {
        Store::make(&path.join(name), contents).map_err(|error| unreadable(path, &error))
    };
    for (id, contents) in hsms {
        make(Path::new(HSMS).join(format!("{id}.redb")), contents)?;
    }
    make(CONTROL.into(), control)?;
    write_whole(path, VERSION, format!("{LAYOUT}\n").as_bytes()).map_err(broken)
}

/// Rule ST-04: one process at a time has a data folder open.
fn lock(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.join(LOCK))
        .map_err(|error| unusable(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
    }
}

/// Rule ST-10: a folder of another version is refused before anything in it is touched. One from
/// before the file was written has this layout and is taken over.
fn check_version(path: &Path) -> Result<(), String> {
    let text = match std::fs::read_to_string(path.join(VERSION)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(path, error)),
    };
    let folder = path.display();
    match text.trim().parse::<u64>() {
        Ok(LAYOUT) => Ok(()),
        Ok(other) => Err(format!(
            "The data folder {folder} has version {other}, and this Portcullis reads version \
             {LAYOUT}. Use the Portcullis that wrote it, or another folder with --data."
        )),
        Err(_not_a_number) => Err(format!(
            "The file `version` in {folder} holds no version, so this is not a data folder of \
             Portcullis, or it is damaged. Use another folder with --data."
        )),
    }
}

/// Rule ST-10: a disk of another version is refused with the folder. One that is damaged keeps its
/// own HSM down, and the others serve.
fn check_disks(disks: &dyn Disks) -> Result<(), StoreError> {
    for (_, disk) in disks.all()? {
        if let Err(error @ StoreError::OtherSchema(_)) = disk {
            return Err(error);
        }
    }
    Ok(())
}

/// The key under which everything secret in the folder is sealed: 32 bytes that only the owner
/// of the folder can read, made with the folder.
fn make_device_key(path: &Path, entropy: &dyn Entropy) -> Result<(), String> {
    if path.join(DEVICE_KEY).exists() {
        return Ok(());
    }
    if path.join(CONTROL).exists() {
        return Err(format!(
            "The data folder {} has lost its `device.key`, without which nothing in it can be \
             opened. Put the file back, or use another folder with --data.",
            path.display()
        ));
    }
    let bytes: KeyBytes = Zeroizing::new(draw(entropy));
    write_whole(path, DEVICE_KEY, &*bytes).map_err(|error| unusable(path, error))
}

fn read_device_key(path: &Path) -> Result<DeviceKeyBytes, String> {
    let mut bytes: KeyBytes = Zeroizing::new([0; 32]);
    File::open(path.join(DEVICE_KEY))
        .and_then(|mut file| file.read_exact(&mut *bytes))
        .map_err(|error| {
            format!(
                "The file `device.key` in {} cannot be read: {error}. Put the right file back, \
                 or use another folder with --data.",
                path.display()
            )
        })?;
    Ok(DeviceKeyBytes(bytes))
}

/// Writes a small file so that it is there whole or not at all, and synced.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = folder.join(name);
    let making = folder.join(format!("{name}.making"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&making)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&making, &path)?;
    File::open(folder)?.sync_all()
}

/// Removes what a world left that was never made to its end.
fn clear(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path.join(HSMS)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    remove_if_there(&path.join(CONTROL))?;
    // What was kept is sealed under the key.
    if path.join(KEPT).exists() {
        return Ok(());
    }
    remove_if_there(&path.join(DEVICE_KEY))
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> String {
    format!(
        "The data folder {} cannot be used: {error}. Name a folder of your own with --data, or \
         one that can be made, or use --ephemeral.",
        path.display()
    )
}

fn in_use(path: &Path) -> String {
    format!(
        "The data folder {} is in use by another Portcullis. Stop that one, or choose another \
         folder with --data, or use --ephemeral.",
        path.display()
    )
}

fn unreadable(path: &Path, error: &StoreError) -> String {
    match error {
        StoreError::InUse(_) => in_use(path),
        StoreError::Conflict { .. }
        | StoreError::TooLarge { .. }
        | StoreError::Closed(_)
        | StoreError::OtherSchema(_)
        | StoreError::Unreadable(_) => format!("The data folder cannot be read: {error}."),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_api::HsmId;
    use portcullis_cloudhsm::FoundDisk;
    use portcullis_seam::SystemEntropy;

    use super::*;

    fn open(path: &Path) -> Result<DataFolder, String> {
        DataFolder::open(path, &SystemEntropy)
    }

    async fn commit(folder: &DataFolder) {
        let put = Transaction::new().put("a", vec![1]);
        folder.store.commit(put).await.unwrap();
    }

    /// The committers close their files a moment after the folder was let go.
    fn reopened(path: &Path) -> DataFolder {
        loop {
            match open(path) {
                Err(error) if error.contains("in use") => std::thread::yield_now(),
                outcome => return outcome.unwrap(),
            }
        }
    }

    /// Rule ST-10
    #[test]
    fn a_folder_of_another_version_is_refused_and_left_as_it_is() {
        for (version, named) in [
            ("2\n", "version 2"),
            ("0", "version 0"),
            ("x", "no version"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(VERSION), version).unwrap();
            let refused = open(folder.path()).unwrap_err();
            assert!(refused.contains(named), "{refused}");
            let files = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(files, 2, "the version and the lock");
        }
    }

    /// Disks of which one cannot be opened.
    #[derive(Debug)]
    struct OneBad(StoreError);

    impl Disks for OneBad {
        fn open(&self, _hsm: &HsmId) -> Result<Store, StoreError> {
            Err(self.0.clone())
        }

        fn remove(&self, _hsm: &HsmId) -> Result<(), StoreError> {
            Ok(())
        }

        fn all(&self) -> Result<Vec<FoundDisk>, StoreError> {
            let id = |text: &str| text.parse().unwrap();
            Ok(vec![
                (id("hsm-aaaaaaaaaaa"), Ok(Store::memory())),
                (id("hsm-bbbbbbbbbbb"), Err(self.0.clone())),
            ])
        }
    }

    /// Rule ST-10
    #[test]
    fn a_disk_of_another_version_is_refused_and_a_damaged_one_is_not() {
        let other = StoreError::OtherSchema("schema 2".to_owned());
        assert_eq!(check_disks(&OneBad(other.clone())), Err(other));
        let damaged = StoreError::Unreadable("torn".to_owned());
        assert_eq!(check_disks(&OneBad(damaged)), Ok(()));
    }

    /// Rule ST-10
    #[tokio::test]
    async fn a_folder_from_before_versions_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).unwrap();
        commit(&first).await;
        first.finished().unwrap();
        drop(first);
        std::fs::remove_file(folder.path().join(VERSION)).unwrap();
        assert!(reopened(folder.path()).store.get("a").is_some());
        assert!(folder.path().join(VERSION).exists());
    }

    /// Rule ST-11
    #[tokio::test]
    async fn a_folder_whose_world_was_not_made_to_its_end_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).unwrap();
        commit(&first).await;
        drop(first);
        assert!(DataFolder::open_existing(folder.path()).is_err());
        let second = reopened(folder.path());
        assert!(second.store.get("a").is_none());
        commit(&second).await;
        second.finished().unwrap();
        drop(second);
        assert!(reopened(folder.path()).store.get("a").is_some());
    }

    /// Rule ST-04
    #[test]
    fn a_folder_without_its_device_key_is_refused_and_so_is_one_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).unwrap();
        assert!(open(folder.path()).unwrap_err().contains("in use"));
        first.finished().unwrap();
        drop(first);
        std::fs::remove_file(folder.path().join(DEVICE_KEY)).unwrap();
        let refused = open(folder.path()).unwrap_err();
        assert!(refused.contains("device.key"), "{refused}");
        assert!(!folder.path().join(DEVICE_KEY).exists());
    }
}
