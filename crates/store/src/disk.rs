use std::path::Path;
use std::sync::Arc;

use portcullis_seam::plant::{Bug, planted};
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, TableError,
};

use crate::StoreError;
use crate::state::{Changes, Record, State};

/// Key to `revision (8 bytes, little endian) ‖ value`.
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");

/// Facts about the file itself.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Raised when the form of keys or values changes so that older versions would misread them.
const SCHEMA: u64 = 1;

const REVISION_BYTES: usize = 8;

/// The extension of a file that is being made.
const MAKING: &str = "making";

/// The records' redb database.
#[derive(Debug)]
pub(crate) struct Disk(Database);

impl Disk {
    /// Opens the file, or makes it.
    ///
    /// Rule ST-09: the file appears under its name only when it is a whole store, so that a
    /// process that ends in between leaves nothing that cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<(Self, State), StoreError> {
        if path.exists() {
            return named(path, Self::load(database(path)?));
        }
        let making = path.with_extension(MAKING);
        let begun = match database(&making) {
            // What a process left that ended while it made the file.
            Err(StoreError::Unreadable(_)) => {
                std::fs::remove_file(&making).map_err(|error| failed(&making, &error))?;
                database(&making)?
            }
            outcome => outcome?,
        };
        let made = named(path, Self::load(begun))?;
        std::fs::rename(&making, path).map_err(|error| failed(path, &error))?;
        sync_folder(path)?;
        Ok(made)
    }

    pub(crate) fn on(backend: impl StorageBackend) -> Result<(Self, State), StoreError> {
        let database = Database::builder()
            .create_with_backend(backend)
            .map_err(|error| StoreError::Unreadable(error.to_string()))?;
        Self::load(database)
    }

    fn load(database: Database) -> Result<(Self, State), StoreError> {
        let disk = Self(database);
        disk.claim_schema()?;
        let state = disk.read().map_err(unreadable)?;
        Ok((disk, state))
    }

    /// Rule ST-06: a file of another schema is refused before anything is read from it.
    fn claim_schema(&self) -> Result<(), StoreError> {
        let found = self.schema().map_err(unreadable)?;
        match found {
            Some(SCHEMA) => Ok(()),
            Some(other) => Err(StoreError::OtherSchema(format!(
                "it has schema {other}, and this version of Portcullis reads schema {SCHEMA}; \
                 use the version that wrote it, or another data folder"
            ))),
            None => self.write_schema().map_err(unreadable),
        }
    }

    fn schema(&self) -> Result<Option<u64>, redb::Error> {
        match self.0.begin_read()?.open_table(META) {
            Ok(meta) => Ok(meta.get("schema")?.map(|guard| guard.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write_schema(&self) -> Result<(), redb::Error> {
        let write = self.0.begin_write()?;
        write.open_table(META)?.insert("schema", SCHEMA)?;
        write.open_table(RECORDS)?;
        write.commit()?;
        Ok(())
    }

    fn read(&self) -> Result<State, redb::Error> {
        let read = self.0.begin_read()?;
        let mut state = State::default();
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

    /// Writes and syncs.
    pub(crate) fn commit(&self, changes: &Changes) -> Result<(), redb::Error> {
        let mut write = self.0.begin_write()?;
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
}

fn database(path: &Path) -> Result<Database, StoreError> {
    Database::create(path).map_err(|error| {
        // Rule ST-04: one process at a time has a store open.
        if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
            StoreError::InUse(path.display().to_string())
        } else {
            failed(path, &error)
        }
    })
}

/// An entry of a folder is durable when the folder has been synced.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(folder, &error))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable(format!("{}: {error}", path.display()))
}

/// Says in which file the trouble is.
fn named<T>(path: &Path, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
    let name = path.display();
    outcome.map_err(|error| match error {
        StoreError::OtherSchema(why) => StoreError::OtherSchema(format!("{name}: {why}")),
        StoreError::Unreadable(why) => StoreError::Unreadable(format!("{name}: {why}")),
        other @ (StoreError::Conflict { .. }
        | StoreError::TooLarge { .. }
        | StoreError::Closed(_)
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
        let (disk, _) = Disk::open(&path).unwrap();
        let write = disk.0.begin_write().unwrap();
        write
            .open_table(META)
            .unwrap()
            .insert("schema", SCHEMA + 1)
            .unwrap();
        write.commit().unwrap();
        drop(disk);
        let Err(StoreError::OtherSchema(why)) = Disk::open(&path) else {
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
            let (disk, state) = Disk::open(&path).unwrap();
            assert!(state.records.is_empty() && !making.exists());
            drop(disk);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
