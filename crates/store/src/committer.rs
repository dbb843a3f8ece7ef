use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::store::Shared;
use crate::{StoreError, Transaction};

/// Transactions that may wait for the disk. At a millisecond a sync and groups of this size, a
/// full queue is gone in one sync.
const QUEUE_MAX: usize = 1024;

/// A transaction and where its outcome goes.
pub(crate) struct Job {
    pub(crate) transaction: Transaction,
    pub(crate) outcome: oneshot::Sender<Result<u64, StoreError>>,
}

/// Starts the thread that commits groups until every store handle is gone.
///
/// Rule ST-02: what waits when the disk becomes free is committed together with one sync.
pub(crate) fn start(shared: Arc<Shared>) -> Result<mpsc::Sender<Job>, StoreError> {
    let (sender, mut queue) = mpsc::channel::<Job>(QUEUE_MAX);
    let run = move || {
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < QUEUE_MAX {
                let Ok(next) = queue.try_recv() else { break };
                group.push(next);
            }
            shared.commit_group(group);
        }
    };
    std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(run)
        .map_err(|error| StoreError::Closed(format!("no thread to commit on: {error}")))?;
    Ok(sender)
}
