//! What the handles on a store and its committer share: the records, the disk, and how it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use portcullis_seam::watch;
use tokio::sync::oneshot;

use crate::StoreError;
use crate::committer::CommitJob;
use crate::disk::{CommitFailure, RecordFile};
use crate::state::{Changed, Changes, StoreState};

/// What the handles and the committer share.
pub(crate) struct SharedStore {
    pub(crate) state: RwLock<StoreState>,
    pub(crate) disk: Option<RecordFile>,
    /// Held from the first check of a group until its writes are visible.
    pub(crate) committing: Mutex<CommitHealth>,
    /// Whether `committing` says anything but well: looked at before calls, without its lock.
    pub(crate) ailing: AtomicBool,
    pub(crate) revisions: watch::Sender<u64>,
    /// What a replica has seen change and its owner has not taken yet.
    pub(crate) seen: Mutex<BTreeSet<String>>,
    on_failure: fn(&str),
}

/// Whether commits can succeed. Kept under the lock of who commits.
#[derive(Default)]
pub(crate) struct CommitHealth(StoreHealth);

impl CommitHealth {
    /// What a commit is answered with that is not even tried.
    pub(crate) fn refusal(&self) -> Option<StoreError> {
        match &self.0 {
            StoreHealth::Well | StoreHealth::Full(_) => None,
            StoreHealth::Vanished(why) => Some(StoreError::Vanished(why.clone())),
            StoreHealth::Failed(why) => Some(StoreError::Closed(why.clone())),
        }
    }
}

/// How a store is. Reads are served whatever it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StoreHealth {
    /// Commits are taken.
    #[default]
    Well,
    /// The disk has no room. Commits are refused until it has.
    Full(String),
    /// The file was removed or replaced. Commits are refused from then on.
    Vanished(String),
    /// The disk failed, and what it holds is unknown. Commits are refused from then on.
    Failed(String),
}

impl SharedStore {
    pub(crate) fn new(
        state: StoreState,
        disk: Option<RecordFile>,
        on_failure: fn(&str),
    ) -> Arc<Self> {
        let (revisions, _) = watch::channel(state.revision);
        Arc::new(Self {
            state: RwLock::new(state),
            disk,
            committing: Mutex::default(),
            ailing: AtomicBool::new(false),
            revisions,
            seen: Mutex::default(),
            on_failure,
        })
    }

    /// The revision of the latest commit that readers see.
    pub(crate) fn revision(&self) -> u64 {
        self.state.read().revision
    }

    /// Checks and writes every job of the group, syncs once, then tells the outcomes.
    ///
    /// Rule ST-03: an outcome is told, and a write is visible, only after the sync.
    pub(crate) fn commit_group(&self, group: Vec<CommitJob>) {
        let mut health = self.committing.lock();
        if let Some(refusal) = health.refusal() {
            group
                .into_iter()
                .for_each(|job| tell(job.outcome, Err(refusal.clone())));
            return;
        }
        let mut changes = Changes::default();
        let outcomes: Vec<_> = {
            let state = self.state.read();
            let add = |job: CommitJob| (job.outcome, changes.add(&state, job.transaction));
            group.into_iter().map(add).collect()
        };
        if let Err(failure) = self.write(&changes) {
            let error = self.endure(&mut health, failure);
            for (outcome, result) in outcomes {
                // One that conflicts with what is there is told so.
                tell(outcome, result.and_then(|_| Err(error.clone())));
            }
            return;
        }
        self.weigh(&mut health, &changes);
        let revision = changes.revision;
        self.state.write().apply(changes);
        drop(health);
        if revision > 0 {
            self.revisions.send_replace(revision);
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
        self.revisions.send_replace(revision);
    }

    fn write(&self, changes: &Changes) -> Result<(), CommitFailure> {
        match &self.disk {
            Some(disk) if !changes.writes.is_empty() => disk.commit(changes),
            _ => Ok(()),
        }
    }

    /// What becomes of the store, said once, and what the callers are told.
    fn endure(&self, health: &mut CommitHealth, failure: CommitFailure) -> StoreError {
        self.ailing.store(true, Ordering::Release);
        match failure {
            CommitFailure::Full(why) => {
                tracing::debug!("a write is refused: {why}");
                health.0 = StoreHealth::Full(why.clone());
                StoreError::Full(why)
            }
            CommitFailure::Vanished(why) => {
                tracing::error!("{why}; writes are refused from here on, reads go on");
                health.0 = StoreHealth::Vanished(why.clone());
                StoreError::Vanished(why)
            }
            CommitFailure::Broken(why) => {
                let why = format!("the disk failed: {why}");
                (self.on_failure)(&why);
                health.0 = StoreHealth::Failed(why.clone());
                StoreError::Closed(why)
            }
        }
    }

    /// After a commit: whether it has left room for another one.
    fn weigh(&self, health: &mut CommitHealth, committed: &Changes) {
        let Some(disk) = self.disk.as_ref().filter(|_| !committed.writes.is_empty()) else {
            return;
        };
        match disk.check_room(0) {
            Ok(()) => self.recover(health),
            Err(failure) => drop(self.endure(health, failure)),
        }
    }

    /// There is room again.
    fn recover(&self, health: &mut CommitHealth) {
        if health.0 != StoreHealth::Well {
            health.0 = StoreHealth::Well;
            self.ailing.store(false, Ordering::Release);
        }
    }

    /// Looks at the disk and says how the store is.
    pub(crate) fn look(&self) -> StoreHealth {
        let mut health = self.committing.lock();
        let Some(disk) = &self.disk else {
            return health.0.clone();
        };
        if health.refusal().is_none() {
            match disk.check_place().and_then(|()| disk.check_room(0)) {
                Ok(()) => self.recover(&mut health),
                Err(failure) => drop(self.endure(&mut health, failure)),
            }
        }
        health.0.clone()
    }
}

/// The product's answer to a failed sync. What reached the disk is unknown: going on could
/// acknowledge what is lost. Rule ST-07.
pub(crate) fn abort(why: &str) {
    tracing::error!("{why}; ending at once, since what was written is unknown");
    std::process::abort();
}

/// The simulator's: the store stays closed, and its host goes down.
pub(crate) const fn close(_why: &str) {}

/// The caller may wait no more: its caller's future was dropped. The commit stands.
fn tell(outcome: oneshot::Sender<Result<u64, StoreError>>, result: Result<u64, StoreError>) {
    let _abandoned = outcome.send(result);
}
