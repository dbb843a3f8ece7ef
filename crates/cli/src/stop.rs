//! The end of a server: after the calls under way have been answered, or cut off when the time to drain
//! is over, what is left has little time, so that a stop takes 12 s at most.
//!
//! Nothing that was acknowledged is at stake: it is on disk already.

use std::future::Future;
use std::time::Duration;

use portcullis_store::Closing;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// For dates that are written at the end, for convenience. On a disk that works it takes milliseconds.
const SAVE_WITHIN: Duration = Duration::from_millis(500);

/// For tasks that are in the middle of a step, such as the copy of a snapshot.
const TASKS_END_WITHIN: Duration = Duration::from_millis(250);

/// For the files of the data folder. Closed in order, they need no repair at the next start.
const FILES_CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Runs a server to its end, and waits no longer than a moment for what it leaves on the runtime.
///
/// Rule WORK-05: a runtime that is dropped waits for its blocking tasks, however long they take.
pub(crate) fn run<T>(runtime: Runtime, server: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(server);
    runtime.shutdown_timeout(TASKS_END_WITHIN);
    outcome
}

/// Waits for a last write, if the disk takes it.
pub(crate) async fn save(writing: impl Future<Output = ()>) {
    if tokio::time::timeout(SAVE_WITHIN, writing).await.is_err() {
        tracing::warn!("the disk is slow: the latest dates of the use of keys are not saved");
    }
}

/// Waits until `files` have been closed, which they are when the last task that used them is gone.
///
/// Rule WORK-09: they are closed before the process ends.
pub(crate) fn wait_for(files: &[Closing]) {
    let deadline = Instant::now() + FILES_CLOSE_WITHIN;
    let is_open = |file: &&Closing| {
        let left = deadline.saturating_duration_since(Instant::now());
        !file.wait(left)
    };
    let open = files.iter().filter(is_open).count();
    if open > 0 {
        tracing::warn!(
            files = open,
            "not closed in time; the next start checks them, and nothing acknowledged is lost"
        );
    }
}
