use std::path::PathBuf;

use portcullis_seam::SystemEntropy;

use super::layout::LOCK;
use super::*;

fn open(path: &Path) -> Result<DataFolder, String> {
    DataFolder::open(path, FolderKind::ControlPlane, &SystemEntropy)
}

async fn commit(folder: &DataFolder) {
    let put = Transaction::new().put("a", vec![1]);
    folder.store.commit(put).await.unwrap();
}

async fn finish(folder: &DataFolder) {
    folder.finished(&SystemEntropy).await.unwrap();
}

/// The committers close their files a moment after the folder was let go.
fn retried(path: &Path) -> Result<DataFolder, String> {
    loop {
        match open(path) {
            Err(error) if error.contains("in use by another") => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
}

fn reopened(path: &Path) -> DataFolder {
    retried(path).unwrap()
}

fn hsm(letter: char) -> HsmId {
    format!("hsm-{}", letter.to_string().repeat(11))
        .parse()
        .unwrap()
}

/// A finished folder with a record and two disks.
async fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    commit(&first).await;
    for letter in ['a', 'b'] {
        first.disks.make(&hsm(letter)).unwrap();
    }
    first.name_world("guide").unwrap();
    finish(&first).await;
    folder
}

/// Every file with its bytes, but the lock.
fn files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with(LOCK) {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
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
    fn make(&self, _hsm: &HsmId) -> Result<Store, StoreError> {
        Err(self.0.clone())
    }

    fn open(&self, _hsm: &HsmId) -> Result<Store, StoreError> {
        Err(self.0.clone())
    }

    fn remove(&self, _hsm: &HsmId) -> Result<(), StoreError> {
        Ok(())
    }

    fn all(&self) -> Result<Vec<FoundDisk>, StoreError> {
        Ok(vec![
            (hsm('a'), Ok(Store::memory())),
            (hsm('b'), Err(self.0.clone())),
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

/// Rule ST-10, ST-18
#[tokio::test]
async fn a_folder_from_before_versions_and_identities_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join(DEVICE_KEY), [7; 32]).unwrap();
    let before = Record {
        revision: 4,
        value: [1].into(),
    };
    let contents = Contents {
        revision: 4,
        records: vec![("a".to_owned(), before)],
    };
    Store::make(&path.join(CONTROL), &contents).unwrap();
    let taken = open(path).unwrap();
    assert!(taken.store.get("a").is_some());
    finish(&taken).await;
    drop(taken);
    assert!(!path.join(VERSION).exists(), "what is not needed");
    std::fs::write(path.join(DEVICE_KEY), [8; 32]).unwrap();
    let refused = retried(path).unwrap_err();
    assert!(refused.contains("different folders"), "{refused}");
}

/// Rule ST-11
#[tokio::test]
async fn a_folder_whose_world_was_not_made_to_its_end_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let first = open(path).unwrap();
    commit(&first).await;
    first.disks.make(&hsm('a')).unwrap();
    drop(first);
    assert!(SavedFolder::read(path).is_err());
    let second = reopened(path);
    assert!(second.store.get("a").is_none());
    assert!(second.disks.all().unwrap().is_empty());
    commit(&second).await;
    finish(&second).await;
    drop(second);
    assert!(!path.join(UNFINISHED).exists());
    assert!(reopened(path).store.get("a").is_some());
}

/// Rule ST-11
#[tokio::test]
async fn a_world_that_was_finished_and_still_has_its_mark_serves() {
    let folder = made().await;
    let path = folder.path();
    let first = reopened(path);
    let folder_name = first.identity.as_ref().unwrap().folder.clone();
    drop(first);
    let mark = Mark {
        state: MarkState::Making,
        folder: folder_name,
        kept: None,
    };
    write_mark(path, &mark).unwrap();
    let second = reopened(path);
    assert!(second.store.get("a").is_some());
    finish(&second).await;
    assert!(!path.join(UNFINISHED).exists());
}

/// Rule ST-19
#[tokio::test]
async fn a_reset_takes_everything_but_what_it_keeps() {
    let folder = made().await;
    let path = folder.path();
    let first = reopened(path);
    let key = first.device_key.0.clone();
    let kept = [("host".to_owned(), vec![1, 2])];
    first.abandon(&kept).unwrap();
    drop(first);
    let second = reopened(path);
    second.bring_back_kept().await.unwrap();
    assert!(second.store.get("a").is_none());
    assert_eq!(&*second.store.get("host").unwrap().value, [1, 2]);
    assert!(second.disks.all().unwrap().is_empty());
    assert_eq!(*second.device_key.0, *key);
    finish(&second).await;
    assert!(!path.join(KEPT).exists() && !path.join(UNFINISHED).exists());
}

/// Rule ST-19: marks that do not cover the folder they lie in.
#[tokio::test]
async fn nothing_is_removed_for_a_mark_that_does_not_name_it() {
    let other = r#"{"state":"making","folder":"0123","kept":null}"#;
    let abandoned = r#"{"state":"abandoned","folder":"0123","kept":null}"#;
    for mark in ["", "{", "nonsense", other, abandoned] {
        let folder = made().await;
        std::fs::write(folder.path().join(UNFINISHED), mark).unwrap();
        let before = files(folder.path());
        let refused = retried(folder.path()).unwrap_err();
        assert!(refused.contains(UNFINISHED), "{mark}: {refused}");
        assert_eq!(files(folder.path()).len(), before.len(), "{mark}");
    }
}

/// Rule ST-19: what a reset has kept is needed until the world is made anew.
#[tokio::test]
async fn a_reset_without_what_it_has_kept_removes_nothing() {
    for damage in [None, Some(&b""[..]), Some(b"["), Some(b"[]")] {
        let folder = made().await;
        let path = folder.path();
        let first = reopened(path);
        first.abandon(&[("host".to_owned(), vec![1])]).unwrap();
        drop(first);
        match damage {
            None => std::fs::remove_file(path.join(KEPT)).unwrap(),
            Some(bytes) => std::fs::write(path.join(KEPT), bytes).unwrap(),
        }
        // Names alone: a store that is being closed still writes to its file.
        let names = || files(path).into_iter().map(|(name, _)| name);
        let before: Vec<_> = names().collect();
        let refused = retried(path).unwrap_err();
        assert!(refused.contains(KEPT), "{refused}");
        assert_eq!(names().collect::<Vec<_>>(), before);
    }
}

/// Rule ST-17: each file lost, empty or cut off, with and without a kill of the start after it.
#[tokio::test]
async fn a_lost_file_is_not_a_new_folder() {
    for (name, damage, named) in [
        (CONTROL, None, CONTROL),
        (CONTROL, Some(0), CONTROL),
        (CONTROL, Some(100), CONTROL),
        (CONTROL, Some(5000), CONTROL),
        (DEVICE_KEY, None, DEVICE_KEY),
        (DEVICE_KEY, Some(0), DEVICE_KEY),
        (DEVICE_KEY, Some(31), DEVICE_KEY),
        (VERSION, Some(0), VERSION),
    ] {
        let folder = made().await;
        let path = folder.path();
        match damage {
            None => std::fs::remove_file(path.join(name)).unwrap(),
            Some(bytes) => {
                let cut = std::fs::OpenOptions::new()
                    .write(true)
                    .open(path.join(name))
                    .unwrap();
                cut.set_len(bytes).unwrap();
            }
        }
        let before = files(path);
        for _ in 0..2 {
            let refused = retried(path).unwrap_err();
            assert!(refused.contains(named), "{name} {damage:?}: {refused}");
            let after: Vec<PathBuf> = files(path).into_iter().map(|(name, _)| name).collect();
            let names: Vec<PathBuf> = before.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(after, names, "{name} {damage:?}");
        }
    }
}

/// Rule ST-17: what is left when the mark of a making is lost as well.
#[tokio::test]
async fn a_world_that_was_not_made_to_its_end_is_not_served_without_its_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    drop(open(path).unwrap());
    std::fs::remove_file(path.join(UNFINISHED)).unwrap();
    let refused = retried(path).unwrap_err();
    assert!(refused.contains(UNFINISHED), "{refused}");
}

/// Rule ST-17: every place at which a first start can be cut short.
#[tokio::test]
async fn a_first_start_that_was_cut_short_anywhere_begins_anew() {
    let whole = tempfile::tempdir().unwrap();
    let first = open(whole.path()).unwrap();
    commit(&first).await;
    drop(first);
    drop(reopened(whole.path()));
    let order = [LOCK, UNFINISHED, VERSION, DEVICE_KEY, CONTROL];
    for made in 0..=order.len() {
        let folder = tempfile::tempdir().unwrap();
        for name in &order[..made] {
            std::fs::copy(whole.path().join(name), folder.path().join(name)).unwrap();
        }
        let again = retried(folder.path());
        let again = again.unwrap_or_else(|why| panic!("after {made} files: {why}"));
        assert!(again.store.get("a").is_none());
    }
}

/// Rule ST-18
#[tokio::test]
async fn files_of_different_folders_are_told_apart() {
    for name in [DEVICE_KEY, CONTROL] {
        let (one, other) = (made().await, made().await);
        std::fs::copy(other.path().join(name), one.path().join(name)).unwrap();
        let refused = retried(one.path()).unwrap_err();
        assert!(refused.contains("different folders"), "{name}: {refused}");
    }
}

/// Rule ST-18
#[tokio::test]
async fn a_folder_is_used_by_the_command_that_made_it() {
    let folder = made().await;
    drop(reopened(folder.path()));
    let refused = loop {
        match DataFolder::open(folder.path(), FolderKind::Host, &SystemEntropy) {
            Err(error) if error.contains("in use by another") => std::thread::yield_now(),
            outcome => break outcome.unwrap_err(),
        }
    };
    assert!(refused.contains("portcullis up"), "{refused}");
}

/// Rule ST-20
#[tokio::test]
async fn a_start_writes_nothing_that_is_right_already() {
    let folder = made().await;
    let again = reopened(folder.path());
    let before = files(folder.path());
    finish(&again).await;
    drop(again);
    let last = reopened(folder.path());
    finish(&last).await;
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    let after = files(folder.path());
    assert_eq!(names(&after), names(&before));
    let modified = |name: &str| {
        let metadata = std::fs::metadata(folder.path().join(name)).unwrap();
        metadata.modified().unwrap()
    };
    assert!(modified(VERSION) <= modified(WORLD));
}

/// Rule ST-04
#[tokio::test]
async fn a_folder_without_its_device_key_is_refused_and_so_is_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    assert!(open(folder.path()).unwrap_err().contains("in use"));
    finish(&first).await;
    drop(first);
    std::fs::remove_file(folder.path().join(DEVICE_KEY)).unwrap();
    let refused = open(folder.path()).unwrap_err();
    assert!(refused.contains("device.key"), "{refused}");
    assert!(!folder.path().join(DEVICE_KEY).exists());
}

/// Rule ST-28
#[tokio::test]
async fn a_folder_is_saved_without_a_byte_written_into_it() {
    let folder = made().await;
    let path = folder.path();
    let open = reopened(path);
    let refused = SavedFolder::read(path).unwrap_err();
    assert!(refused.contains("in use"), "{refused}");
    drop(open);
    // As a kill leaves it: not closed, and not locked.
    let killed = tempfile::tempdir().unwrap();
    for (name, bytes) in files(path) {
        let target = killed.path().join(name.strip_prefix(path).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
    let before = files(killed.path());
    let saved = SavedFolder::read(killed.path()).unwrap();
    assert!(saved.store.get("a").is_some());
    assert_eq!(saved.disks.len(), 2);
    assert!(saved.disks.iter().all(|(_, disk)| disk.is_ok()));
    assert_eq!(files(killed.path()), before);
    assert!(!killed.path().join(LOCK).exists());
}
