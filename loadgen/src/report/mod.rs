//! `report.html`: one page without scripts, fonts or anything else from elsewhere.

mod chart;
mod page;
mod scale;

use std::path::{Path, PathBuf};

use portcullis_admin::{LoadSecond, TimelineLine};

use crate::failure::Unusable;
use crate::output::{read_summary, read_timeline, write};

/// Makes `report.html` from the timeline and the summary in `folder`. Gives its path.
pub(crate) fn remake(folder: &Path) -> Result<PathBuf, Unusable> {
    let summary = read_summary(folder)?;
    let seconds: Vec<LoadSecond> = read_timeline(folder)?
        .into_iter()
        .filter_map(|line| match line {
            TimelineLine::Second(second) => Some(second),
            TimelineLine::Phase(_) => None,
        })
        .collect();
    let path = folder.join("report.html");
    write(&path, &page::page(&summary, &seconds))?;
    Ok(path)
}
