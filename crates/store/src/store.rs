use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use redb::StorageBackend;
use tokio::sync::{mpsc, oneshot, watch};

use crate::committer::{self, Job};
use crate::disk::Disk;
use crate::log::Log;
use crate::replica::{Authority, Changed, Link};
use crate::state::{Changes, State};
use crate::{Record, StoreError, Transaction};

/// Durable records, ordered by key. Cheap to clone; all clones are one store.
///
/// Reads see what has been committed, never what is being committed.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    /// The committer's queue; none where commits happen on the caller.
    queue: Option<mpsc::Sender<Job>>,
    /// Where the store is, if this is a replica.
    link: Option<Arc<Link>>,
}

/// What the handles and the committer share.
pub(crate) struct Shared {
    pub(crate) state: RwLock<State>,
    disk: Option<Disk>,
    /// Held from the first check of a group until its writes are visible.
    pub(crate) committing: Mutex<Health>,
    revision: watch::Sender<u64>,
    /// What a replica has seen change and nobody has taken yet.
    seen: Mutex<BTreeSet<String>>,
    on_failure: fn(&str),
}

#[derive(Default)]
pub(crate) struct Health {
    pub(crate) failed: Option<String>,
}

impl Store {
    /// A store without a disk, for `--ephemeral` and tests. Commits happen on the caller.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            shared: Shared::new(State::default(), None, close),
            queue: None,
            link: None,
        }
    }

    /// The store in the file `path`, made if absent, with a committer thread of its own.
    ///
    /// # Errors
    /// When the file is in use, cannot be opened, or has another schema.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (disk, state) = Disk::open(path)?;
        let shared = Shared::new(state, Some(disk), abort);
        let queue = committer::start(Arc::clone(&shared))?;
        Ok(Self {
            shared,
            queue: Some(queue),
            link: None,
        })
    }

    /// A store on a disk of the caller's, committing on the caller: the simulator's.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn on_backend(backend: impl StorageBackend) -> Result<Self, StoreError> {
        let (disk, state) = Disk::on(backend)?;
        Ok(Self {
            shared: Shared::new(state, Some(disk), close),
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
            shared: Shared::new(State::default(), None, close),
            queue: None,
            link: Some(Arc::new(Link::to(of))),
        };
        replica.catch_up().await?;
        let _loaded_by_whoever_asks = replica.take_changed();
        Ok(replica)
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
            Some(link) => link.catch_up(self).await,
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
        self.shared.state.read().revision
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
        let job = Job {
            transaction,
            outcome,
        };
        match &self.queue {
            None => self.shared.commit_group(vec![job]),
            Some(queue) => {
                let closed = |_job| StoreError::Closed("its committer has ended".to_owned());
                queue.send(job).await.map_err(closed)?;
            }
        }
        told.await.unwrap_or_else(|_dropped| {
            Err(StoreError::Closed("its committer has ended".to_owned()))
        })
    }

    /// The revision of the latest commit, to wait for changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
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

impl Shared {
    fn new(state: State, disk: Option<Disk>, on_failure: fn(&str)) -> Arc<Self> {
        let (revision, _) = watch::channel(state.revision);
        Arc::new(Self {
            state: RwLock::new(state),
            disk,
            committing: Mutex::default(),
            revision,
            seen: Mutex::default(),
            on_failure,
        })
    }

    /// Checks and writes every job of the group, syncs once, then tells the outcomes.
    ///
    /// Rule ST-03: an outcome is told, and a write is visible, only after the sync.
    pub(crate) fn commit_group(&self, group: Vec<Job>) {
        let mut health = self.committing.lock();
        if let Some(why) = &health.failed {
            let closed = StoreError::Closed(why.clone());
            group
                .into_iter()
                .for_each(|job| tell(job.outcome, Err(closed.clone())));
            return;
        }
        let mut changes = Changes::default();
        let outcomes: Vec<_> = {
            let state = self.state.read();
            let add = |job: Job| (job.outcome, changes.add(&state, job.transaction));
            group.into_iter().map(add).collect()
        };
        if let Err(why) = self.write(&changes) {
            health.failed = Some(why.clone());
            for (outcome, _) in outcomes {
                tell(outcome, Err(StoreError::Closed(why.clone())));
            }
            return;
        }
        let revision = changes.revision;
        self.state.write().apply(changes);
        drop(health);
        if revision > 0 {
            self.revision.send_replace(revision);
        }
        outcomes
            .into_iter()
            .for_each(|(outcome, result)| tell(outcome, result));
    }

    /// What a replica has read of the store that it is a replica of.
    pub(crate) fn take_over(&self, changed: Changed) {
        let mut state = self.state.write();
        let changes = changed.against(&state.records);
        let revision = changes.revision;
        self.seen.lock().extend(changes.writes.keys().cloned());
        state.apply(changes);
        drop(state);
        self.revision.send_replace(revision);
    }

    fn write(&self, changes: &Changes) -> Result<(), String> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        if changes.writes.is_empty() {
            return Ok(());
        }
        disk.commit(changes).map_err(|error| {
            let why = format!("the disk failed: {error}");
            (self.on_failure)(&why);
            why
        })
    }
}

/// The product's answer to a failed sync. What reached the disk is unknown: going on could
/// acknowledge what is lost. Rule ST-07.
fn abort(why: &str) {
    tracing::error!("{why}; ending at once, since what was written is unknown");
    std::process::abort();
}

/// The simulator's: the store stays closed, and its host goes down.
const fn close(_why: &str) {}

/// Nobody may wait any more: the caller's future was dropped. The commit stands.
fn tell(outcome: oneshot::Sender<Result<u64, StoreError>>, result: Result<u64, StoreError>) {
    let _abandoned = outcome.send(result);
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use redb::backends::InMemoryBackend;

    use super::*;

    /// A disk whose syncs fail once `broken`, and which counts its writes.
    #[derive(Debug, Clone, Default)]
    struct Fragile {
        disk: Arc<InMemoryBackend>,
        broken: Arc<AtomicBool>,
        writes: Arc<AtomicUsize>,
    }

    impl StorageBackend for Fragile {
        fn len(&self) -> io::Result<u64> {
            self.disk.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.disk.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.disk.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            if self.broken.load(Ordering::Relaxed) {
                return Err(io::Error::other("no power"));
            }
            self.disk.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            self.disk.write(offset, data)
        }
    }

    static FAILURES: AtomicUsize = AtomicUsize::new(0);

    fn count_failure(_why: &str) {
        FAILURES.fetch_add(1, Ordering::Relaxed);
    }

    fn on(backend: &Fragile) -> Store {
        let (disk, state) = Disk::on(backend.clone()).unwrap();
        Store {
            shared: Shared::new(state, Some(disk), count_failure),
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
}
