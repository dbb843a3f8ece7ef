//! What happened in a world, in one order: for the checker, for the trace and for the replay.

use std::fmt::{self, Write as _};
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::digest::Digest;
use crate::history::{History, HistoryEvent, Moment};

/// Collects everything that happens in one world.
///
/// Everything goes into a hash, so that two runs of a seed can be compared; lines for a reader are
/// written only on request, since that takes longer. Bytes of messages go into the hash and never
/// into a line.
pub struct WorldRecorder {
    began: Instant,
    /// How much time had passed when it began.
    before: Duration,
    inner: Mutex<RecorderInner>,
}

struct RecorderInner {
    hash: Digest,
    lines: Option<Vec<String>>,
    steps: u64,
    history: History,
}

/// What was recorded so far, for others to go on from.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    hash: Digest,
    lines: Vec<String>,
    steps: u64,
    history: History,
    pub(crate) lasted: Duration,
}

#[cfg(test)]
impl Past {
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.finish()
    }
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
pub struct WorldRecord {
    /// Equal for two runs exactly when they were the same.
    pub hash: [u8; 8],
    /// The trace, where it was asked for.
    pub lines: Vec<String>,
    /// What the checker reads.
    pub history: History,
}

impl WorldRecorder {
    /// A recorder that begins at this instant of tokio's clock.
    #[must_use]
    pub fn start(lines: Lines) -> Self {
        Self {
            began: Instant::now(),
            before: Duration::ZERO,
            inner: Mutex::new(RecorderInner {
                hash: Digest::default(),
                lines: (lines == Lines::Kept).then(Vec::new),
                steps: 0,
                history: History::default(),
            }),
        }
    }

    /// A recorder that goes on, from this instant of tokio's clock, where another one ended.
    pub(crate) fn resume(past: &Past, lines: Lines) -> Self {
        let mut history = past.history.clone();
        history.before = history.events.len();
        Self {
            began: Instant::now(),
            before: past.lasted,
            inner: Mutex::new(RecorderInner {
                hash: past.hash.clone(),
                lines: (lines == Lines::Kept).then(|| past.lines.clone()),
                steps: past.steps,
                history,
            }),
        }
    }

    /// What was recorded so far.
    pub(crate) fn past(&self) -> Past {
        let inner = self.inner.lock();
        Past {
            hash: inner.hash.clone(),
            lines: inner.lines.clone().unwrap_or_default(),
            steps: inner.steps,
            history: inner.history.clone(),
            lasted: self.lasted(),
        }
    }

    fn lasted(&self) -> Duration {
        self.before + self.began.elapsed()
    }

    /// Writes a line and says when that was.
    pub fn note(&self, what: fmt::Arguments<'_>) -> Moment {
        self.inner.lock().note(self.lasted(), what)
    }

    /// Writes a line with a message, whose bytes are hashed and not shown.
    pub fn note_message(&self, what: fmt::Arguments<'_>, message: &[u8]) -> Moment {
        let mut inner = self.inner.lock();
        inner.hash.write(message);
        inner.note(
            self.lasted(),
            format_args!("{what} ({} bytes)", message.len()),
        )
    }

    /// Adds an event to the history.
    pub fn tell(&self, event: impl FnOnce(Moment) -> HistoryEvent) -> Moment {
        let mut inner = self.inner.lock();
        let now = inner.next(self.lasted());
        let event = event(now);
        event.hash(&mut inner.hash);
        inner.keep(now, format_args!("{event}"));
        inner.history.events.push(event);
        now
    }

    /// Ends the recording.
    #[must_use]
    pub fn finish(&self) -> WorldRecord {
        let mut inner = self.inner.lock();
        WorldRecord {
            hash: inner.hash.finish().to_be_bytes(),
            lines: inner.lines.take().unwrap_or_default(),
            history: std::mem::take(&mut inner.history),
        }
    }
}

impl RecorderInner {
    fn next(&mut self, lasted: Duration) -> Moment {
        self.steps += 1;
        let millis = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
        Moment {
            step: self.steps,
            millis,
        }
    }

    fn note(&mut self, lasted: Duration, what: fmt::Arguments<'_>) -> Moment {
        let now = self.next(lasted);
        now.hash(&mut self.hash);
        // Writing to a hash or a string cannot fail.
        let _written = self.hash.write_fmt(what);
        self.keep(now, what);
        now
    }

    fn keep(&mut self, now: Moment, what: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            // With some of the hash so far: two traces differ from where two runs went apart.
            let [.., high, low] = self.hash.finish().to_be_bytes();
            let hash = u16::from_be_bytes([high, low]);
            lines.push(format!("{now} {hash:04x} {what}"));
        }
    }
}

impl fmt::Debug for WorldRecorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Recorder({} steps)", self.inner.lock().steps)
    }
}
