use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{mpsc, oneshot};

use crate::{StoreError, Transaction};

/// Transactions that may wait for the disk. At a millisecond a sync and groups of this size, a
/// full queue is gone in one sync.
const QUEUE_MAX: usize = 1024;

/// A transaction and where its outcome goes.
pub(crate) struct CommitJob {
    pub(crate) transaction: Transaction,
    pub(crate) outcome: oneshot::Sender<Result<u64, StoreError>>,
}

/// Whether the file of a store has been closed, which is when every handle on the store is gone and
/// what was queued is on disk.
#[derive(Clone, Default)]
pub struct Closing(Arc<Closed>);

#[derive(Default)]
struct Closed {
    is: Mutex<bool>,
    told: Condvar,
}

impl Closing {
    /// Waits until the file has been closed, and no longer than `at_most`: false when it is open
    /// then.
    #[must_use]
    pub fn wait(&self, at_most: Duration) -> bool {
        let mut is = self.0.is.lock();
        let _timeout = self.0.told.wait_while_for(&mut is, |is| !*is, at_most);
        *is
    }

    fn tell(&self) {
        *self.0.is.lock() = true;
        let _woken = self.0.told.notify_all();
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Closing({})", *self.0.is.lock())
    }
}

/// Starts the thread that hands groups to `commit` until every store handle is gone.
///
/// Rule ST-02: what waits when the disk becomes free is committed together with one sync.
pub(crate) fn start(
    commit: impl Fn(Vec<CommitJob>) + Send + 'static,
) -> Result<(mpsc::Sender<CommitJob>, Closing), StoreError> {
    let (sender, mut queue) = mpsc::channel::<CommitJob>(QUEUE_MAX);
    let closing = Closing::default();
    let closed = closing.clone();
    let run = move || {
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < QUEUE_MAX {
                let Ok(next) = queue.try_recv() else { break };
                group.push(next);
            }
            commit(group);
        }
        // With the last reference the file is closed.
        drop(commit);
        closed.tell();
    };
    std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(run)
        .map_err(|error| StoreError::Closed(format!("no thread to commit on: {error}")))?;
    Ok((sender, closing))
}
