use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_seam::plant::{Bug, planted};
use redb::backends::InMemoryBackend;
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, TableError,
};

use crate::guard::{self, GuardFile};
use crate::state::{Changes, Record, StoreState};
use crate::watched_storage::{StorageFailure, StorageLocation, WatchedStorage, Whereabouts};
use crate::{Room, StoreError};

/// Key to `revision (8 bytes, little endian) ‖ value`.
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");

/// Facts about the file itself.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Raised when the form of keys or values changes so that older versions would misread them.
const SCHEMA: u64 = 1;

const REVISION_BYTES: usize = 8;

const EMPTY: &str = "the file is empty, and a store never is";

/// The extension of a file that is being made.
const MAKING: &str = "making";

/// The records' redb database, on storage that may be full and lies where it can be removed.
#[derive(Debug)]
pub(crate) struct RecordFile {
    /// None for storage that is no file.
    place: Option<Box<dyn StorageLocation>>,
    /// None where room is not looked after: what a write says must do.
    room: Option<Room>,
    engine: Mutex<Engine>,
}

#[derive(Debug)]
struct Engine {
    /// None after it found no room, until it has been opened again.
    database: Option<Database>,
    storage: WatchedStorage,
    guard: Option<GuardFile>,
}

/// Why a commit is not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommitFailure {
    /// There is no room. Nothing was written, and what was there is there.
    Full(String),
    /// The file was removed or replaced. It is of no use to write into it.
    Vanished(String),
    /// What is on the disk is unknown.
    Broken(String),
}

impl RecordFile {
    /// Opens a file that is there.
    ///
    /// Rule ST-17: a file that is absent or empty is not made anew: it was lost, or cut off.
    ///
    /// Rule ST-26: nor does a file serve whose last acknowledged write is gone.
    pub(crate) fn open(path: &Path, room: Option<Room>) -> Result<(Self, StoreState), StoreError> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StoreError::Absent(path.display().to_string()));
            }
            Err(error) => return Err(failed(path, &error)),
        };
        let bytes = file.metadata().map_err(|error| failed(path, &error))?.len();
        if bytes == 0 {
            return Err(failed(path, &EMPTY));
        }
        let storage = WatchedStorage::of_file(file).map_err(|error| failed(path, &error))?;
        let database = database(&storage).map_err(|error| refused(path, &error))?;
        let state = named(path, load(&database))?;
        guard::check(path, state.revision).map_err(|why| failed(path, &why))?;
        let guard = GuardFile::beside(path);
        let engine = Engine {
            database: Some(database),
            storage,
            guard: Some(guard),
        };
        Ok((Self::in_file(path, engine, room)?, state))
    }

    /// What is in a file, which stays as it is: redb recovers a copy in memory.
    pub(crate) fn read_copy(path: &Path) -> Result<StoreState, StoreError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StoreError::Absent(path.display().to_string()));
            }
            Err(error) => return Err(failed(path, &error)),
        };
        if bytes.is_empty() {
            return Err(failed(path, &EMPTY));
        }
        let copy = InMemoryBackend::new();
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let filled = copy.set_len(length).and_then(|()| copy.write(0, &bytes));
        filled.map_err(|error| failed(path, &error))?;
        let (_, state) = named(path, Self::on(WatchedStorage::on(copy), None))?;
        guard::check(path, state.revision).map_err(|why| failed(path, &why))?;
        Ok(state)
    }

    /// Makes a file that is not there.
    ///
    /// Rule ST-09: the file appears under its name only when it is a whole store, so that a
    /// process that ends in between leaves nothing that cannot be opened.
    pub(crate) fn create(
        path: &Path,
        contents: &Changes,
        room: Option<Room>,
    ) -> Result<(Self, StoreState), StoreError> {
        if path.exists() {
            return Err(failed(path, &"it is there already"));
        }
        guard::remove(path).map_err(|error| failed(path, &error))?;
        let making = path.with_extension(MAKING);
        let made = Self::begin(path, &making, contents, room);
        if made.is_err() {
            let _of_no_use = std::fs::remove_file(&making);
        }
        made
    }

    fn begin(
        path: &Path,
        making: &Path,
        contents: &Changes,
        room: Option<Room>,
    ) -> Result<(Self, StoreState), StoreError> {
        let storage =
            WatchedStorage::of_file(begin(making)?).map_err(|error| failed(path, &error))?;
        let database = database(&storage).map_err(|error| refused(path, &error))?;
        let mut state = named(path, load(&database))?;
        if !contents.is_empty() {
            let written = write(&database, contents);
            written.map_err(|error| failed(path, &error))?;
            state = read(&database).map_err(unreadable)?;
        }
        std::fs::rename(making, path).map_err(|error| failed(path, &error))?;
        sync_folder(path)?;
        let mut guard = GuardFile::beside(path);
        guard.note(state.revision);
        let engine = Engine {
            database: Some(database),
            storage,
            guard: Some(guard),
        };
        Ok((Self::in_file(path, engine, room)?, state))
    }

    fn in_file(path: &Path, engine: Engine, room: Option<Room>) -> Result<Self, StoreError> {
        let place = Whereabouts::of(path).map_err(|error| failed(path, &error))?;
        Ok(Self {
            place: Some(Box::new(place)),
            room,
            engine: Mutex::new(engine),
        })
    }

    pub(crate) fn on(
        storage: WatchedStorage,
        place: Option<Box<dyn StorageLocation>>,
    ) -> Result<(Self, StoreState), StoreError> {
        let database =
            database(&storage).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let state = load(&database)?;
        let engine = Engine {
            database: Some(database),
            storage,
            guard: None,
        };
        let disk = Self {
            place,
            room: None,
            engine: Mutex::new(engine),
        };
        Ok((disk, state))
    }

    pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, &error)),
            _ => guard::remove(path).map_err(|error| failed(path, &error)),
        }
    }

    /// Writes and syncs. When it returns, the writes are where the next start looks for them.
    pub(crate) fn commit(&self, changes: &Changes) -> Result<(), CommitFailure> {
        let mut engine = self.engine.lock();
        if !changes.pressing {
            self.check_room(changes.bytes())?;
        }
        engine.write(changes, self.room.as_ref())?;
        // After the sync: a removal before the acknowledgement is seen.
        self.check_place()?;
        if let Some(guard) = &mut engine.guard {
            guard.note(changes.revision);
        }
        Ok(())
    }

    /// Rule ST-21: whether the file is still where it was opened.
    pub(crate) fn check_place(&self) -> Result<(), CommitFailure> {
        if planted(Bug::VanishedFileAcknowledged) {
            return Ok(());
        }
        self.place.as_ref().map_or(Ok(()), |place| {
            place.check().map_err(CommitFailure::Vanished)
        })
    }

    /// Rule ST-24: a commit that may not fit is refused before redb hears of it.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), CommitFailure> {
        match &self.room {
            Some(room) if !(room.holds() && room.has(bytes)) => {
                Err(CommitFailure::Full(room.tell()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a pressing commit may still find room.
    pub(crate) fn has_last_room(&self) -> bool {
        self.room.as_ref().is_none_or(Room::has_last)
    }

    /// Whether there was no room when it was looked at last.
    pub(crate) fn is_full(&self) -> bool {
        self.room.as_ref().is_some_and(Room::is_full)
    }
}

impl Engine {
    /// A commit that finds no room gets the reserve.
    fn write(&mut self, changes: &Changes, room: Option<&Room>) -> Result<(), CommitFailure> {
        match self.attempt(changes) {
            Err(CommitFailure::Full(_))
                if room.is_some_and(|room| room.give_away(changes.pressing)) =>
            {
                self.attempt(changes)
            }
            outcome => outcome,
        }
    }

    /// Rule ST-25: a write that finds no room undoes the commit that it belongs to, and nothing else:
    /// redb is opened again and recovers as after a crash. After a failed sync it is unknown what is on the disk.
    fn attempt(&mut self, changes: &Changes) -> Result<(), CommitFailure> {
        let written = self.database().and_then(|open| write(open, changes));
        let Err(error) = written else {
            return Ok(());
        };
        let why = error.to_string();
        if self.storage.take_failure() != Some(StorageFailure::NoRoom) {
            return Err(CommitFailure::Broken(why));
        }
        self.database = None;
        let found = self.database().and_then(last_revision);
        match (found, self.storage.take_failure()) {
            // All of it had been written before.
            (Ok(revision), _) if revision == changes.revision => Ok(()),
            (Ok(_), _) | (Err(_), Some(StorageFailure::NoRoom))
                if planted(Bug::FullDiskAcknowledged) =>
            {
                Ok(())
            }
            (Ok(_), _) | (Err(_), Some(StorageFailure::NoRoom))
                if planted(Bug::FullDiskIsForEver) =>
            {
                Err(CommitFailure::Broken(why))
            }
            (Ok(_), _) | (Err(_), Some(StorageFailure::NoRoom)) => Err(CommitFailure::Full(why)),
            (Err(error), _) => Err(CommitFailure::Broken(error.to_string())),
        }
    }

    fn database(&mut self) -> Result<&Database, redb::Error> {
        let open = match self.database.take() {
            Some(open) => open,
            None => database(&self.storage)?,
        };
        Ok(self.database.insert(open))
    }
}

fn database(storage: &WatchedStorage) -> Result<Database, DatabaseError> {
    Database::builder().create_with_backend(storage.clone())
}

fn load(database: &Database) -> Result<StoreState, StoreError> {
    claim_schema(database)?;
    read(database).map_err(unreadable)
}

/// Rule ST-06: a file of another schema is refused before anything is read from it.
fn claim_schema(database: &Database) -> Result<(), StoreError> {
    match schema(database).map_err(unreadable)? {
        Some(SCHEMA) => Ok(()),
        Some(other) => Err(StoreError::OtherSchema(format!(
            "it has schema {other}, and this version of Portcullis reads schema {SCHEMA}; \
             use the version that wrote it, or another data folder"
        ))),
        None => write_schema(database).map_err(unreadable),
    }
}

fn schema(database: &Database) -> Result<Option<u64>, redb::Error> {
    meta(database, "schema")
}

fn last_revision(database: &Database) -> Result<u64, redb::Error> {
    Ok(meta(database, "revision")?.unwrap_or(0))
}

fn meta(database: &Database, name: &str) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get(name)?.map(|guard| guard.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn write_schema(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(META)?.insert("schema", SCHEMA)?;
    write.open_table(RECORDS)?;
    write.commit()?;
    Ok(())
}

fn read(database: &Database) -> Result<StoreState, redb::Error> {
    let read = database.begin_read()?;
    let mut state = StoreState::default();
    for row in read.open_table(RECORDS)?.iter()? {
        let (key, stored) = row?;
        if let Some(record) = decode(stored.value()) {
            state.revision = state.revision.max(record.revision);
            state.records.insert(key.value().to_owned(), record);
        }
    }
    if let Some(revision) = read.open_table(META)?.get("revision")? {
        state.revision = state.revision.max(revision.value());
    }
    Ok(state)
}

fn write(database: &Database, changes: &Changes) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    if planted(Bug::CommitNotSynced) {
        write.set_durability(Durability::None)?;
    }
    {
        let mut table = write.open_table(RECORDS)?;
        for (key, record) in &changes.writes {
            match record {
                Some(record) => table.insert(key.as_str(), encode(record).as_slice())?,
                None => table.remove(key.as_str())?,
            };
        }
        // A deletion leaves no record behind that would carry the revision.
        write
            .open_table(META)?
            .insert("revision", changes.revision)?;
    }
    write.commit()?;
    Ok(())
}

/// An empty file that only its owner can read. What a process left that ended while it made this one
/// is removed.
fn begin(making: &Path) -> Result<File, StoreError> {
    match std::fs::remove_file(making) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(making, &error)),
        _ => {}
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(making)
        .map_err(|error| failed(making, &error))
}

fn refused(path: &Path, error: &DatabaseError) -> StoreError {
    // Rule ST-04: one process at a time has a store open.
    if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
        StoreError::InUse(path.display().to_string())
    } else {
        failed(path, error)
    }
}

/// An entry of a folder is durable when the folder has been synced.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(folder, &error))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable(format!("{}: {error}", path.display()))
}

/// Says in which file the failure is.
fn named<T>(path: &Path, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
    let name = path.display();
    outcome.map_err(|error| match error {
        StoreError::OtherSchema(why) => StoreError::OtherSchema(format!("{name}: {why}")),
        StoreError::Unreadable(why) => StoreError::Unreadable(format!("{name}: {why}")),
        other @ (StoreError::Conflict { .. }
        | StoreError::TooLarge { .. }
        | StoreError::Closed(_)
        | StoreError::Full(_)
        | StoreError::Vanished(_)
        | StoreError::Absent(_)
        | StoreError::InUse(_)) => other,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn unreadable(error: redb::Error) -> StoreError {
    StoreError::Unreadable(error.to_string())
}

fn encode(record: &Record) -> Vec<u8> {
    [&record.revision.to_le_bytes()[..], &record.value].concat()
}

fn decode(stored: &[u8]) -> Option<Record> {
    let (revision, value) = stored.split_first_chunk::<REVISION_BYTES>()?;
    Some(Record {
        revision: u64::from_le_bytes(*revision),
        value: Arc::from(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule ST-06
    #[test]
    fn a_file_of_a_newer_schema_is_refused_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let (disk, _) = RecordFile::create(&path, &Changes::default(), None).unwrap();
        let engine = disk.engine.lock();
        let database = engine.database.as_ref().unwrap();
        let write = database.begin_write().unwrap();
        write
            .open_table(META)
            .unwrap()
            .insert("schema", SCHEMA + 1)
            .unwrap();
        write.commit().unwrap();
        drop(engine);
        drop(disk);
        let Err(StoreError::OtherSchema(why)) = RecordFile::open(&path, None) else {
            panic!("it was opened")
        };
        assert!(why.contains(&format!("schema {}", SCHEMA + 1)), "{why}");
        assert!(why.contains(&path.display().to_string()), "{why}");
    }

    /// Rule ST-09
    #[test]
    fn what_was_left_half_made_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let making = path.with_extension(MAKING);
        for torn in [&b""[..], b"redb", &[0; 4096], &[7; 10_000]] {
            std::fs::write(&making, torn).unwrap();
            let (disk, state) = RecordFile::create(&path, &Changes::default(), None).unwrap();
            assert!(state.records.is_empty() && !making.exists());
            drop(disk);
            std::fs::remove_file(&path).unwrap();
        }
    }

    /// Rule ST-17
    #[test]
    fn a_file_that_is_lost_or_was_cut_off_is_not_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let Err(StoreError::Absent(named)) = RecordFile::open(&path, None) else {
            panic!("it was opened")
        };
        assert!(named.ends_with("store.redb"), "{named}");
        assert!(!path.exists());
        let (disk, _) = RecordFile::create(&path, &Changes::default(), None).unwrap();
        assert!(
            RecordFile::create(&path, &Changes::default(), None).is_err(),
            "there"
        );
        drop(disk);
        let whole = std::fs::metadata(&path).unwrap().len();
        for bytes in [0, 1, 512, 4096, whole - 1] {
            let copy = folder.path().join("copy.redb");
            std::fs::copy(&path, &copy).unwrap();
            let cut = OpenOptions::new().write(true).open(&copy).unwrap();
            cut.set_len(bytes).unwrap();
            let Err(StoreError::Unreadable(why)) = RecordFile::open(&copy, None) else {
                panic!("{bytes} bytes were opened")
            };
            assert!(why.contains("copy.redb"), "{why}");
            assert_eq!(std::fs::metadata(&copy).unwrap().len(), bytes);
        }
    }

    /// Rule ST-22
    #[test]
    fn only_its_owner_can_read_a_file() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let _made = RecordFile::create(&path, &Changes::default(), None).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
