use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_seam::BoxFuture;
use portcullis_seam::watch;
use tokio::sync::{mpsc, oneshot};

use crate::committer::{self, Closing, CommitJob};
use crate::disk::RecordFile;
use crate::log::Log;
use crate::replica::{Authority, Link};
use crate::shared::{SharedStore, StoreHealth, abort, close};
use crate::state::{Changed, Changes, StoreState};
use crate::watched_storage::{StorageLocation, WatchedStorage};
use crate::{Record, Room, Storage, StoreError, Transaction};

/// Durable records, ordered by key. Cheap to clone; all clones are one store.
///
/// Reads see what has been committed, never what is being committed.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<SharedStore>,
    /// The committer's queue; none where commits happen on the caller.
    queue: Option<CommitQueue>,
    /// Where the store is, if this is a replica.
    link: Option<Arc<Link>>,
}

/// The way to the committer.
#[derive(Clone)]
struct CommitQueue {
    jobs: mpsc::Sender<CommitJob>,
    closing: Closing,
}

impl Store {
    /// A store without a disk, for `--ephemeral` and tests. Commits happen on the caller.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            shared: SharedStore::new(StoreState::default(), None, close),
            queue: None,
            link: None,
        }
    }

    /// The store in the file `path`, with a committer thread of its own.
    ///
    /// # Errors
    /// When the file is absent, in use, cannot be opened, or has another schema.
    pub fn open(path: &Path, room: Option<&Room>) -> Result<Self, StoreError> {
        Self::on_disk(RecordFile::open(path, room.cloned())?)
    }

    /// What is in the file `path`, in memory. The file can be one that nothing may be written to, and
    /// is left as it is; no process may have it open.
    ///
    /// # Errors
    /// When the file is absent, cannot be read, or has another schema.
    pub fn copy_of(path: &Path) -> Result<Self, StoreError> {
        let state = RecordFile::read_copy(path)?;
        Ok(Self {
            shared: SharedStore::new(state, None, close),
            queue: None,
            link: None,
        })
    }

    /// An empty store in a file that is made.
    ///
    /// # Errors
    /// When there is such a file already, or it cannot be made.
    pub fn create(path: &Path, room: Option<&Room>) -> Result<Self, StoreError> {
        let nothing = Changes::default();
        Self::on_disk(RecordFile::create(path, &nothing, room.cloned())?)
    }

    /// Removes the file of a store that is not needed any more, if it is there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(path: &Path) -> Result<(), StoreError> {
        RecordFile::remove(path)
    }

    fn on_disk((disk, state): (RecordFile, StoreState)) -> Result<Self, StoreError> {
        let shared = SharedStore::new(state, Some(disk), abort);
        let commits = Arc::clone(&shared);
        let (jobs, closing) = committer::start(move |group| commits.commit_group(group))?;
        Ok(Self {
            shared,
            queue: Some(CommitQueue { jobs, closing }),
            link: None,
        })
    }

    /// A store on storage of the caller's, committing on the caller: the simulator's.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn on_storage(storage: impl Storage) -> Result<Self, StoreError> {
        Self::on(WatchedStorage::of_storage(storage), None)
    }

    /// The same on storage that can be taken from its place while it is in use.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn on_storage_at(
        storage: impl Storage,
        place: impl StorageLocation + 'static,
    ) -> Result<Self, StoreError> {
        Self::on(WatchedStorage::of_storage(storage), Some(Box::new(place)))
    }

    fn on(
        storage: WatchedStorage,
        place: Option<Box<dyn StorageLocation>>,
    ) -> Result<Self, StoreError> {
        let (disk, state) = RecordFile::on(storage, place)?;
        Ok(Self {
            shared: SharedStore::new(state, Some(disk), close),
            queue: None,
            link: None,
        })
    }

    /// A replica of a store that is elsewhere, with everything that is in it by now.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn replica(of: Arc<dyn Authority>) -> Result<Self, StoreError> {
        let replica = Self {
            shared: SharedStore::new(StoreState::default(), None, close),
            queue: None,
            link: Some(Arc::new(Link::to(of))),
        };
        replica.catch_up().await?;
        let _loaded_by_whoever_asks = replica.take_changed();
        Ok(replica)
    }

    /// Tells when the file has been closed; nothing where there is none.
    #[must_use]
    pub fn closing(&self) -> Option<Closing> {
        self.queue.as_ref().map(|queue| queue.closing.clone())
    }

    /// Remembers the latest writes from here on, so that replicas need not read everything.
    pub fn keep_log(&self) {
        let mut state = self.shared.state.write();
        let revision = state.revision;
        state.log.get_or_insert_with(|| Log::begin(revision));
    }

    /// Whether others commit to the same store.
    #[must_use]
    pub const fn is_replica(&self) -> bool {
        self.link.is_some()
    }

    /// Has this replica see at least what was committed before, by whomever. At once for a store
    /// that is not a replica.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        match &self.link {
            Some(link) => link.catch_up(&self.shared).await,
            None => Ok(()),
        }
    }

    /// What this replica has seen change since this was last called, by whomever: each record as it
    /// is now, none where it was deleted.
    #[must_use]
    pub fn take_changed(&self) -> Vec<(String, Option<Record>)> {
        let state = self.shared.state.read();
        let keys = std::mem::take(&mut *self.shared.seen.lock());
        keys.into_iter()
            .map(|key| {
                let record = state.records.get(&key).cloned();
                (key, record)
            })
            .collect()
    }

    /// The revision of the latest commit that readers see.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.shared.revision()
    }

    /// The record at `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Record> {
        self.shared.state.read().records.get(key).cloned()
    }

    /// Up to `limit` records whose keys start with `prefix` and come after `after`, in the order
    /// of their keys.
    #[must_use]
    pub fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<(String, Record)> {
        self.shared.state.read().scan(prefix, after, limit)
    }

    /// Commits. On return the writes are on disk and visible to readers; gives the revision. Of a
    /// replica: on the disk of the store, and visible here, unless it cannot be read just then.
    ///
    /// Rule ST-13: so whatever a caller was told survives the end of the process.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a record is not as expected; then nothing was written.
    pub async fn commit(&self, transaction: Transaction) -> Result<u64, StoreError> {
        if let Some(link) = &self.link {
            let revision = link.commit(transaction).await?;
            if self.revision() < revision
                && let Err(error) = self.catch_up().await
            {
                tracing::debug!(%error, "committed, and not read again yet");
            }
            return Ok(revision);
        }
        let (outcome, told) = oneshot::channel();
        let job = CommitJob {
            transaction,
            outcome,
        };
        match &self.queue {
            None => self.shared.commit_group(vec![job]),
            Some(queue) => {
                let closed = |_job| StoreError::Closed("its committer has ended".to_owned());
                queue.jobs.send(job).await.map_err(closed)?;
            }
        }
        told.await.unwrap_or_else(|_dropped| {
            Err(StoreError::Closed("its committer has ended".to_owned()))
        })
    }

    /// How the store is. Looks at its disk: it can be asked every second, not at every call.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        self.shared.look()
    }

    /// Refuses what would be refused when it is committed, before anything is done that the commit
    /// belongs to. Costs next to nothing while the store is well.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Vanished`] or [`StoreError::Closed`].
    pub fn check_writable(&self) -> Result<(), StoreError> {
        let full = self.shared.disk.as_ref().is_some_and(RecordFile::is_full);
        if !full && !self.shared.ailing.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.shared.look() {
            StoreHealth::Well => Ok(()),
            StoreHealth::Full(why) => Err(StoreError::Full(why)),
            StoreHealth::Vanished(why) => Err(StoreError::Vanished(why)),
            StoreHealth::Failed(why) => Err(StoreError::Closed(why)),
        }
    }

    /// Whether a pressing transaction may find room where others are refused.
    #[must_use]
    pub fn has_last_room(&self) -> bool {
        let disk = self.shared.disk.as_ref();
        disk.is_none_or(RecordFile::has_last_room)
    }

    /// The revision of the latest commit, to wait for changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.revisions.subscribe()
    }
}

/// A store of this process, for the others that share it.
impl Authority for Store {
    fn commit(&self, transaction: Transaction) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(Self::commit(self, transaction))
    }

    fn changed_after(&self, revision: u64) -> BoxFuture<'_, Result<Changed, StoreError>> {
        let changed = self.shared.state.read().changed_after(revision);
        Box::pin(std::future::ready(Ok(changed)))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.read();
        write!(
            formatter,
            "Store({} records, revision {})",
            state.records.len(),
            state.revision
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::*;

    /// A disk whose syncs fail once `broken`, whose writes find no room once `full`, and which counts
    /// its writes.
    #[derive(Debug, Clone, Default)]
    struct Fragile {
        disk: Arc<InMemoryBackend>,
        broken: Arc<AtomicBool>,
        full: Arc<AtomicBool>,
        writes: Arc<AtomicUsize>,
    }

    impl Fragile {
        fn room(&self) -> io::Result<()> {
            if self.full.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        }
    }

    impl Storage for Fragile {
        fn length(&self) -> io::Result<u64> {
            self.disk.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.disk.read(offset, out)
        }

        fn resize(&self, len: u64) -> io::Result<()> {
            if len > self.disk.len()? {
                self.room()?;
            }
            self.disk.set_len(len)
        }

        fn sync(&self) -> io::Result<()> {
            if self.broken.load(Ordering::Relaxed) {
                return Err(io::Error::other("no power"));
            }
            self.disk.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            // What is there is overwritten: the header, when redb recovers.
            if offset > 0 {
                self.room()?;
            }
            self.disk.write(offset, data)
        }
    }

    static FAILURES: AtomicUsize = AtomicUsize::new(0);

    fn count_failure(_why: &str) {
        FAILURES.fetch_add(1, Ordering::Relaxed);
    }

    fn on(backend: &Fragile) -> Store {
        let (disk, state) =
            RecordFile::on(WatchedStorage::of_storage(backend.clone()), None).unwrap();
        Store {
            shared: SharedStore::new(state, Some(disk), count_failure),
            queue: None,
            link: None,
        }
    }

    fn commit(store: &Store, transaction: Transaction) -> Result<u64, StoreError> {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(store.commit(transaction))
    }

    /// Rule ST-07
    #[test]
    fn a_failed_sync_is_fatal_and_nothing_of_it_is_ever_seen() {
        let backend = Fragile::default();
        let store = on(&backend);
        commit(&store, Transaction::new().put("a", vec![1])).unwrap();
        backend.broken.store(true, Ordering::Relaxed);
        let failed = commit(&store, Transaction::new().put("a", vec![2]));
        assert!(matches!(failed, Err(StoreError::Closed(_))), "{failed:?}");
        assert_eq!(FAILURES.load(Ordering::Relaxed), 1);
        assert_eq!(&*store.get("a").unwrap().value, [1]);
        let later = commit(&store, Transaction::new().put("b", vec![3]));
        assert!(matches!(later, Err(StoreError::Closed(_))), "{later:?}");
    }

    /// Rule ST-24, ST-25
    #[test]
    fn a_full_disk_refuses_writes_loses_nothing_and_takes_them_again() {
        let backend = Fragile::default();
        let store = Store::on_storage(backend.clone()).unwrap();
        let mut acknowledged = Vec::new();
        for round in 0_u8..20 {
            let key = format!("k{round}");
            backend.full.store(round % 3 == 1, Ordering::Relaxed);
            let put = Transaction::new().put(&*key, vec![round; 3000]);
            match commit(&store, put) {
                Ok(_) => acknowledged.push(key),
                Err(StoreError::Full(_)) => assert_eq!(round % 3, 1),
                Err(error) => panic!("{error}"),
            }
            let names = |store: &Store| -> Vec<String> {
                let all = store.scan("", None, 99).into_iter();
                all.map(|(key, _)| key).collect()
            };
            acknowledged.sort();
            assert_eq!(names(&store), acknowledged);
        }
        assert_eq!(acknowledged.len(), 13);
        assert_eq!(store.health(), StoreHealth::Well);
        drop(store);
        let again = Store::on_storage(backend).unwrap();
        assert_eq!(again.scan("", None, 99).len(), 13);
    }

    /// Rule ST-01
    #[test]
    fn a_conflict_and_a_mere_check_do_not_touch_the_disk() {
        let backend = Fragile::default();
        let store = on(&backend);
        let revision = commit(&store, Transaction::new().put("a", vec![1])).unwrap();
        let before = backend.writes.load(Ordering::Relaxed);
        let check = || Transaction::new().expect("a", crate::Expect::Revision(revision));
        assert_eq!(commit(&store, check()), Ok(revision));
        let conflict = check().expect("a", crate::Expect::Absent).put("a", vec![2]);
        assert!(matches!(
            commit(&store, conflict),
            Err(StoreError::Conflict { .. })
        ));
        assert_eq!(backend.writes.load(Ordering::Relaxed), before);
    }

    /// A store in a file, and what it is told.
    fn in_file(folder: &Path) -> Store {
        Store::create(&folder.join("store.redb"), None).unwrap()
    }

    fn put(key: &str) -> Transaction {
        Transaction::new().put(key, vec![1])
    }

    /// Rule ST-21
    #[test]
    fn nothing_is_acknowledged_once_the_file_was_removed_replaced_or_moved() {
        let remove: fn(&Path) = |path| std::fs::remove_file(path).unwrap();
        let replace: fn(&Path) = |path| {
            let copy = path.with_extension("copy");
            std::fs::copy(path, &copy).unwrap();
            std::fs::rename(&copy, path).unwrap();
        };
        let move_away: fn(&Path) = |path| {
            let folder = path.parent().unwrap();
            std::fs::rename(folder, folder.with_extension("away")).unwrap();
        };
        for (vanish, named) in [
            (remove, "removed"),
            (replace, "replaced"),
            (move_away, "removed"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("data");
            std::fs::create_dir(&folder).unwrap();
            let store = in_file(&folder);
            commit(&store, put("a")).unwrap();
            assert_eq!(store.health(), StoreHealth::Well);
            vanish(&folder.join("store.redb"));
            let left = folder.exists();
            let refused = commit(&store, put("b"));
            let Err(StoreError::Vanished(why)) = &refused else {
                panic!("{refused:?}")
            };
            assert!(why.contains(named), "{why}");
            assert_eq!(store.health(), StoreHealth::Vanished(why.clone()));
            assert_eq!(commit(&store, put("c")), refused);
            assert_eq!(store.check_writable(), refused.map(drop));
            assert!(store.get("a").is_some() && store.get("b").is_none());
            assert_eq!(folder.exists(), left, "nothing is made anew in the gap");
        }
    }

    /// Rule ST-21: without a write too.
    #[test]
    fn a_store_that_is_gone_says_so_when_it_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let store = in_file(folder.path());
        std::fs::remove_file(folder.path().join("store.redb")).unwrap();
        assert!(matches!(store.health(), StoreHealth::Vanished(_)));
        assert!(store.check_writable().is_err());
    }

    /// What a kill leaves of a store: its files as the kernel has them.
    fn killed_copy(from: &Path, to: &Path) {
        for name in ["store.redb", "store.guard"] {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }

    /// Rule ST-26: 160 single bytes of what the last commits wrote, changed after a kill.
    #[test]
    fn no_changed_byte_loses_an_acknowledged_write_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let store = in_file(folder.path());
        let path = folder.path().join("store.redb");
        for number in 0..40 {
            commit(&store, put(&format!("k{number:02}"))).unwrap();
        }
        let before = std::fs::read(&path).unwrap();
        for number in 40..44 {
            commit(&store, put(&format!("k{number:02}"))).unwrap();
        }
        let after = std::fs::read(&path).unwrap();
        let newest: Vec<usize> = (0..before.len())
            .filter(|at| before[*at] != after[*at])
            .collect();
        let mut refused = 0;
        for round in 0..160 {
            let at = newest[round * newest.len() / 160];
            let copy = tempfile::tempdir().unwrap();
            killed_copy(folder.path(), copy.path());
            let mut bytes = after.clone();
            bytes[at] ^= 1 << (round % 8);
            std::fs::write(copy.path().join("store.redb"), bytes).unwrap();
            match Store::open(&copy.path().join("store.redb"), None) {
                Ok(opened) => assert_eq!(opened.scan("", None, 99).len(), 44, "byte {at}"),
                Err(StoreError::Unreadable(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(refused > 0, "no byte that was changed mattered");
        let copy = tempfile::tempdir().unwrap();
        killed_copy(folder.path(), copy.path());
        let whole = Store::open(&copy.path().join("store.redb"), None).unwrap();
        assert_eq!(whole.scan("", None, 99).len(), 44);
    }

    /// Rule ST-26
    #[test]
    fn an_older_copy_of_a_file_is_told_and_can_be_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let store = in_file(folder.path());
        commit(&store, put("a")).unwrap();
        let older = tempfile::tempdir().unwrap();
        killed_copy(folder.path(), older.path());
        commit(&store, put("b")).unwrap();
        let guard = older.path().join("store.guard");
        std::fs::copy(folder.path().join("store.guard"), &guard).unwrap();
        let path = older.path().join("store.redb");
        let Err(StoreError::Unreadable(why)) = Store::open(&path, None) else {
            panic!("it was opened")
        };
        assert!(why.contains("revision 2 was acknowledged"), "{why}");
        assert!(why.contains("store.guard"), "{why}");
        std::fs::remove_file(&guard).unwrap();
        let accepted = Store::open(&path, None).unwrap();
        assert!(accepted.get("a").is_some() && accepted.get("b").is_none());
        assert!(guard.exists());
    }
}
