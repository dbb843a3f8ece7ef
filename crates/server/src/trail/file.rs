use std::fmt;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::{Told, cloudtrail};

/// How many records may wait to be written. A disk that is slower than the calls makes the calls
/// wait: a record is not lost for its sake.
const WAITING_MAX: usize = 65_536;

/// A file to which every record is appended, as a line of JSON, by a thread of its own.
///
/// Rule EV-06: it has every record, in the order in which the calls ended; closing it writes what
/// still waits.
pub(crate) struct File {
    queue: SyncSender<Line>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

enum Line {
    Record(Arc<Told>),
    /// The last one.
    Close,
}

impl File {
    pub(crate) fn start(file: std::fs::File) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(WAITING_MAX);
        let writer = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || write_all(&lines, file))?;
        Ok(Self {
            queue,
            writer: Mutex::new(Some(writer)),
        })
    }

    pub(crate) fn write(&self, told: Arc<Told>) {
        // Nobody reads any more after the close.
        let _closed = self.queue.send(Line::Record(told));
    }

    pub(crate) fn close(&self) {
        let _closed = self.queue.send(Line::Close);
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of events ended in a panic");
        }
    }
}

/// Writes what comes, and flushes whenever nothing more waits.
fn write_all(lines: &Receiver<Line>, file: std::fs::File) {
    let mut file = BufWriter::new(file);
    let mut is_failing = false;
    while let Ok(Line::Record(told)) = lines.recv() {
        let mut next = Some(told);
        let mut is_last = false;
        let mut written = Ok(());
        while let Some(told) = next.take() {
            written = written.and_then(|()| writeln!(file, "{}", cloudtrail(&told)));
            match lines.try_recv() {
                Ok(Line::Record(told)) => next = Some(told),
                Ok(Line::Close) => is_last = true,
                Err(_none) => {}
            }
        }
        // A failed write of a log line does not end the process; it is told once.
        match written.and_then(|()| file.flush()) {
            Ok(()) => is_failing = false,
            Err(error) if !is_failing => {
                tracing::error!(%error, "events cannot be written to their file");
                is_failing = true;
            }
            Err(_again) => {}
        }
        if is_last {
            return;
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("File")
    }
}
