use std::fmt;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_seam::WallClock;
use serde_json::json;

use super::{KeptEvent, cloudtrail};
use crate::admin::date;
use crate::line_queue::{LineQueue, LineSink};

/// What may wait to be written, as it lies in memory: some 70,000 records of usual size, which are
/// seconds of the fastest load there is.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// A file that events are appended to. Opening it never waits.
#[derive(Debug)]
pub struct EventsFile {
    path: PathBuf,
    file: fs::File,
    /// Device and inode, of what is a file and no pipe or terminal.
    identity: Option<(u64, u64)>,
}

impl EventsFile {
    /// Opens the file at `path`; makes it when there is none, readable by its owner only.
    ///
    /// Rule EV-09: what is in it is the owner's business. Rule EV-08: a named pipe is opened whether
    /// it has a reader or not.
    ///
    /// # Errors
    /// When it cannot be opened to be appended to.
    pub fn open(path: &Path) -> io::Result<Self> {
        // A pipe that is also open for reading needs no other reader to be opened, and does not
        // break when its reader leaves.
        let is_pipe = fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
        let file = OpenOptions::new()
            .read(is_pipe)
            .append(true)
            .create(!is_pipe)
            .mode(0o600)
            .open(path)?;
        let found = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            file,
            identity: found.is_file().then(|| identity(&found)),
        })
    }

    /// The permissions of a file that others than its owner may read, such as 0o644.
    #[must_use]
    pub fn read_by_others(&self) -> Option<u32> {
        let found = self.file.metadata().ok().filter(Metadata::is_file)?;
        let mode = found.mode() & 0o777;
        (mode & 0o044 != 0).then_some(mode)
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Appends every record to a file, as a line of JSON, without ever holding up a call.
///
/// Rule EV-06: the file has the records in the order in which the calls ended; what finds no room to
/// wait is dropped and counted. Closing writes what still waits.
pub(crate) struct File(LineQueue<Arc<KeptEvent>>);

impl File {
    pub(crate) fn start(file: EventsFile, clock: Arc<dyn WallClock>) -> io::Result<Self> {
        let sink = Appending { file, clock };
        LineQueue::start("events", WAITING_BYTES_MAX, sink).map(Self)
    }

    pub(crate) fn write(&self, event: Arc<KeptEvent>) {
        let bytes = event.bytes();
        self.0.offer(event, bytes);
    }

    /// Records that are not in the file.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped().get()
    }

    pub(crate) fn close(&self) {
        let left = self.0.close();
        if left > 0 {
            tracing::warn!(left, "the last events are not in their file");
        }
    }
}

struct Appending {
    file: EventsFile,
    clock: Arc<dyn WallClock>,
}

impl LineSink for Appending {
    type Line = Arc<KeptEvent>;

    fn format(&mut self, event: &Arc<KeptEvent>, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _written = writeln!(out, "{}", cloudtrail(event));
    }

    /// Rule EV-07: a record tells how many are missing in its place.
    fn format_gap(&mut self, missing: u64, out: &mut Vec<u8>) {
        let gap = json!({
            "eventVersion": "1.08",
            "eventTime": date(self.clock.now()),
            "eventSource": "portcullis",
            "eventName": "EventsMissing",
            "additionalEventData": { "missing": missing },
        });
        let _written = writeln!(out, "{gap}");
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.file.write(bytes)
    }

    /// Rule EV-08: when the file was moved away or removed, as log rotation does, a new one is made
    /// at its path.
    fn renew(&mut self) -> io::Result<bool> {
        let Some(ours) = self.file.identity else {
            return Ok(false);
        };
        let is_ours = match fs::metadata(&self.file.path) {
            Ok(found) => identity(&found) == ours,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        if !is_ours {
            self.file = EventsFile::open(&self.file.path)?;
        }
        Ok(!is_ours)
    }

    // A failed write of an event does not end the process; it is told once.
    fn refused(&mut self, error: &io::Error) {
        let path = self.file.path.display();
        tracing::error!(%error, %path, "events cannot be written to their file");
    }
}

impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "File({:?})", self.0)
    }
}
