//! What a run leaves: lines on the terminal and files in a folder.

mod files;
mod hgrm;
mod progress;
mod table;

pub(crate) use files::{RunFiles, read_summary, read_timeline, write};
pub(crate) use progress::Progress;
pub(crate) use table::{measured, millis, result_table};

use portcullis_admin::RunSummary;

use crate::failure::Unusable;
use crate::report;
use crate::worker::RunningLoad;

/// Writes what is left of the timeline, the summary, the distributions and the report.
pub(crate) fn write_results(
    progress: &mut Progress,
    summary: &RunSummary,
    load: &RunningLoad,
) -> Result<(), Unusable> {
    let mut journal = load.journal.borrow_mut();
    progress.note_all(&mut journal);
    let Some(files) = progress.finish() else {
        return Ok(());
    };
    let folder = files.close(summary)?;
    for (operation, totals) in journal.recorder.operations.iter() {
        if !totals.succeeded.is_empty() {
            let path = folder.join(format!("{}.hgrm", operation.word()));
            write(&path, &hgrm::distribution(&totals.succeeded))?;
        }
    }
    report::remake(&folder).map(drop)
}
