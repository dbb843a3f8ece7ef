use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use portcullis_admin::{RunSummary, TimelineLine};

use crate::failure::Unusable;

/// The folder of a run. The timeline grows during the run, so that a run that was killed leaves
/// what it had seen.
#[derive(Debug)]
pub(crate) struct RunFiles {
    folder: PathBuf,
    timeline: BufWriter<File>,
    failed: Option<std::io::Error>,
}

const TIMELINE: &str = "timeline.jsonl";
const SUMMARY: &str = "summary.json";

impl RunFiles {
    pub(crate) fn create(folder: &Path) -> Result<Self, Unusable> {
        let made = fs::create_dir_all(folder).and_then(|()| File::create(folder.join(TIMELINE)));
        let timeline = made.map_err(|error| unwritable(folder, &error))?;
        let timeline = BufWriter::new(timeline);
        Ok(Self {
            folder: folder.to_owned(),
            timeline,
            failed: None,
        })
    }

    /// Appends to the timeline. An error is kept for the end: a full disk does not stop the load.
    pub(crate) fn append(&mut self, line: &TimelineLine) {
        let text = serde_json::to_string(line).map_err(std::io::Error::other);
        let written = text.and_then(|text| {
            writeln!(self.timeline, "{text}").and_then(|()| self.timeline.flush())
        });
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    /// Writes the summary. Gives the folder.
    pub(crate) fn close(self, summary: &RunSummary) -> Result<PathBuf, Unusable> {
        if let Some(error) = self.failed {
            return Err(unwritable(&self.folder, &error));
        }
        let text = serde_json::to_string_pretty(summary)
            .map_err(|error| unwritable(&self.folder, &std::io::Error::other(error)))?;
        write(&self.folder.join(SUMMARY), &(text + "\n"))?;
        Ok(self.folder)
    }
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Unusable> {
    fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Unusable {
    Unusable(format!(
        "{} cannot be written: {error}. Name a folder that can with --out.",
        path.display()
    ))
}

pub(crate) fn read_summary(folder: &Path) -> Result<RunSummary, Unusable> {
    let path = folder.join(SUMMARY);
    let text = read(&path)?;
    serde_json::from_str(&text).map_err(|error| not_ours(&path, &error))
}

pub(crate) fn read_timeline(folder: &Path) -> Result<Vec<TimelineLine>, Unusable> {
    let path = folder.join(TIMELINE);
    let text = read(&path)?;
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).map_err(|error| not_ours(&path, &error)))
        .collect()
}

fn read(path: &Path) -> Result<String, Unusable> {
    fs::read_to_string(path).map_err(|error| {
        Unusable(format!(
            "{} cannot be read: {error}. Name the folder that `load run --out` wrote.",
            path.display()
        ))
    })
}

fn not_ours(path: &Path, error: &serde_json::Error) -> Unusable {
    Unusable(format!(
        "{} is not what this version of the load generator writes: {error}. Run the load again.",
        path.display()
    ))
}
