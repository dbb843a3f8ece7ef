//! What happened in a world, in one order: for the checker, for the trace and for the replay.

use std::fmt::{self, Write as _};

use aws_lc_rs::digest;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::history::{Event, History, Moment};

/// Collects everything that happens in one world.
///
/// Every line goes into a hash, so that two runs of a seed can be compared; the lines themselves
/// are kept only on request. Bytes of messages go into the hash and never into a line.
pub struct Recorder {
    began: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    hash: digest::Context,
    lines: Option<Vec<String>>,
    line: String,
    steps: u64,
    history: History,
}

/// Whether the lines of a trace are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Hash them only.
    Dropped,
    /// Keep them for a reader.
    Kept,
}

/// What remains of a world when it has ended.
#[derive(Debug)]
pub struct Record {
    /// Equal for two runs exactly when they were the same.
    pub hash: [u8; 8],
    /// The trace, where it was asked for.
    pub lines: Vec<String>,
    /// What the checker reads.
    pub history: History,
}

impl Recorder {
    /// A recorder that begins at this instant of tokio's clock.
    #[must_use]
    pub fn start(lines: Lines) -> Self {
        Self {
            began: Instant::now(),
            inner: Mutex::new(Inner {
                hash: digest::Context::new(&digest::SHA256),
                lines: (lines == Lines::Kept).then(Vec::new),
                line: String::new(),
                steps: 0,
                history: History::default(),
            }),
        }
    }

    /// Writes a line and says when that was.
    pub fn note(&self, what: fmt::Arguments<'_>) -> Moment {
        self.inner.lock().note(self.began, what)
    }

    /// Writes a line with a message, whose bytes are hashed and not shown.
    pub fn note_message(&self, what: fmt::Arguments<'_>, message: &[u8]) -> Moment {
        let mut inner = self.inner.lock();
        inner.hash.update(message);
        inner.note(self.began, format_args!("{what} ({} bytes)", message.len()))
    }

    /// Adds an event to the history.
    pub fn tell(&self, event: impl FnOnce(Moment) -> Event) -> Moment {
        let mut inner = self.inner.lock();
        let now = inner.next(self.began);
        let event = event(now);
        inner.write(now, format_args!("{event}"));
        inner.history.events.push(event);
        now
    }

    /// Ends the recording.
    #[must_use]
    pub fn finish(&self) -> Record {
        let mut inner = self.inner.lock();
        let digest = inner.hash.clone().finish();
        Record {
            hash: digest.as_ref().first_chunk().copied().unwrap_or_default(),
            lines: inner.lines.take().unwrap_or_default(),
            history: std::mem::take(&mut inner.history),
        }
    }
}

impl Inner {
    fn next(&mut self, began: Instant) -> Moment {
        self.steps += 1;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment {
            step: self.steps,
            millis,
        }
    }

    fn note(&mut self, began: Instant, what: fmt::Arguments<'_>) -> Moment {
        let now = self.next(began);
        self.write(now, what);
        now
    }

    fn write(&mut self, now: Moment, what: fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a string cannot fail.
        let _written = write!(self.line, "{now} {what}");
        self.hash.update(self.line.as_bytes());
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.clone());
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Recorder({} steps)", self.inner.lock().steps)
    }
}
