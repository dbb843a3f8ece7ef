//! Lines on their way to a file, a pipe or a terminal that may be slow, full or gone.
//!
//! The callers of [`LineQueue::offer`] never wait for the destination: a thread of its own writes, and
//! while the destination takes nothing the queue fills up to its bound. Lines that find no room
//! are dropped and counted, and a line that says how many are missing is written in their place.
//! The log of a server, its line on stdout and its file of events go this way.

mod batch;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use self::batch::LineBatch;

/// How long a destination that refused a write is left alone before the next attempt: a disk gets
/// room again, and a terminal that does not block takes more in a moment.
const RETRY: Duration = Duration::from_millis(100);

/// How long [`LineQueue::flush`] waits while nothing at all is taken.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many times [`PATIENCE`] it waits while lines are still being taken: five seconds, half of
/// the ten that a container runtime gives a server to stop.
const PATIENCE_ROUNDS: u32 = 10;

/// Entries that are formatted at once before they are written: enough to save most writes, few
/// enough to hold little memory.
const BATCH_ENTRIES_MAX: usize = 64;

/// Where the lines of a queue go, and what they look like there. Used by the writing thread alone.
pub trait LineSink: Send + 'static {
    /// What is offered to the queue.
    type Line: Send + 'static;

    /// Appends `line` as it is written, line end included.
    fn format(&mut self, line: &Self::Line, out: &mut Vec<u8>);

    /// Appends what stands in the place of `missing` lines that were dropped.
    fn format_gap(&mut self, missing: u64, out: &mut Vec<u8>);

    /// Writes as much of `bytes` as the destination takes; may block.
    ///
    /// # Errors
    /// When it takes nothing. The same bytes are tried again.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Called before a batch is written. Gives whether the destination is another one from here
    /// on; then a line that was written only in part is written again as a whole.
    ///
    /// # Errors
    /// When there is no destination. It is tried again.
    fn renew(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// A write failed after others did not.
    fn refused(&mut self, _error: &io::Error) {}

    /// Whether the destination will never take anything again.
    fn is_gone(&self, _error: &io::Error) -> bool {
        false
    }
}

/// How many lines were dropped; shared by all its clones.
#[derive(Debug, Clone, Default)]
pub struct DropCount(Arc<AtomicU64>);

impl DropCount {
    /// The number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, lines: u64) {
        self.0.fetch_add(lines, Ordering::Relaxed);
    }
}

/// A bounded queue of lines in front of a destination that may be slow, full or gone.
///
/// Rule OUT-01: offering a line never waits for the destination.
pub struct LineQueue<L>(Arc<SharedQueue<L>>);

struct SharedQueue<L> {
    /// The bound of the queue: bytes of lines that are not written, as they were offered.
    bytes_max: usize,
    state: Mutex<State<L>>,
    /// Notified when there is something to write, or nothing any more.
    offered: Condvar,
    /// Notified when what was taken last is written.
    written: Condvar,
    /// Notified when nothing is to be written any more.
    abandoned: Condvar,
    dropped: DropCount,
}

struct State<L> {
    waiting: VecDeque<Entry<L>>,
    /// Lines that are not written, what the writing thread holds included.
    lines: u64,
    /// The bytes of these.
    bytes: usize,
    /// Lines dropped after the last one that waits.
    missing: u64,
    /// How often the destination took something.
    writes: u64,
    /// Whether the writing thread holds entries.
    is_writing: bool,
    phase: QueuePhase,
}

impl<L> State<L> {
    /// Whether everything is written, or nothing is to be written any more.
    fn is_settled(&self) -> bool {
        let is_empty = self.waiting.is_empty() && self.missing == 0 && !self.is_writing;
        is_empty || self.phase == QueuePhase::Abandoned
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueuePhase {
    Open,
    /// What waits is written, and nothing more is taken.
    Closing,
    /// Nothing is written any more.
    Abandoned,
}

enum Entry<L> {
    Line {
        line: L,
        bytes: usize,
    },
    /// So many lines are missing here.
    Gap(u64),
}

impl<L: Send + 'static> LineQueue<L> {
    /// Starts the writing thread, which goes by `name`. At most `bytes_max` bytes wait.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start<S>(name: &str, bytes_max: usize, sink: S) -> io::Result<Self>
    where
        S: LineSink<Line = L>,
    {
        let shared = Arc::new(SharedQueue {
            bytes_max,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                lines: 0,
                bytes: 0,
                missing: 0,
                writes: 0,
                is_writing: false,
                phase: QueuePhase::Open,
            }),
            offered: Condvar::new(),
            written: Condvar::new(),
            abandoned: Condvar::new(),
            dropped: DropCount::default(),
        });
        let writing = Arc::clone(&shared);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writing.write_all(sink))?;
        Ok(Self(shared))
    }

    /// Hands over a line of about `bytes` bytes; drops it when there is no room. Never waits for the
    /// destination.
    pub fn offer(&self, line: L, bytes: usize) {
        let mut state = self.0.state.lock();
        let has_room = state.bytes.saturating_add(bytes) <= self.0.bytes_max;
        if state.phase != QueuePhase::Open || !has_room {
            state.missing += 1;
            self.0.dropped.add(1);
            // The line is freed outside the lock.
            return drop(state);
        }
        if state.missing > 0 {
            let missing = std::mem::take(&mut state.missing);
            state.waiting.push_back(Entry::Gap(missing));
        }
        state.lines += 1;
        state.bytes += bytes;
        state.waiting.push_back(Entry::Line { line, bytes });
        drop(state);
        self.0.offered.notify_one();
    }

    /// The lines dropped so far.
    pub fn dropped(&self) -> DropCount {
        self.0.dropped.clone()
    }

    /// Waits until what waits is written: half a second while the destination takes nothing, five
    /// seconds while it takes some.
    pub fn flush(&self) {
        let mut state = self.0.state.lock();
        for _round in 0..PATIENCE_ROUNDS {
            let before = state.writes;
            let waited =
                self.0
                    .written
                    .wait_while_for(&mut state, |state| !state.is_settled(), PATIENCE);
            if !waited.timed_out() || state.writes == before {
                return;
            }
        }
    }

    /// Takes no more lines, and writes those that wait as [`flush`](Self::flush) does. Gives how many
    /// are left over, which count as dropped.
    pub fn close(&self) -> u64 {
        let mut state = self.0.state.lock();
        if state.phase == QueuePhase::Open {
            state.phase = QueuePhase::Closing;
        }
        drop(state);
        self.flush();
        self.0.abandon()
    }
}

impl<L> SharedQueue<L> {
    /// The writing thread.
    fn write_all(&self, mut sink: impl LineSink<Line = L>) {
        let mut is_refusing = false;
        while let Some(mut batch) = self.next_batch(&mut sink) {
            while !batch.is_written() {
                match batch.write(&mut sink) {
                    Ok(()) => {
                        is_refusing = false;
                        self.state.lock().writes += 1;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        if !is_refusing {
                            sink.refused(&error);
                        }
                        is_refusing = true;
                        if sink.is_gone(&error) {
                            self.abandon();
                        }
                        if !self.wait_to_retry() {
                            return;
                        }
                    }
                }
            }
            let mut state = self.state.lock();
            state.is_writing = false;
            state.lines = state.lines.saturating_sub(batch.lines);
            state.bytes = state.bytes.saturating_sub(batch.cost);
            drop(state);
            self.written.notify_all();
        }
    }

    /// What is written next; none when nothing is to be written any more.
    fn next_batch(&self, sink: &mut impl LineSink<Line = L>) -> Option<LineBatch> {
        let mut state = self.state.lock();
        loop {
            let count = state.waiting.len().min(BATCH_ENTRIES_MAX);
            let mut entries: Vec<Entry<L>> = state.waiting.drain(..count).collect();
            if state.waiting.is_empty() && state.missing > 0 {
                entries.push(Entry::Gap(std::mem::take(&mut state.missing)));
            }
            if !entries.is_empty() {
                state.is_writing = true;
                // Formatted outside the lock.
                drop(state);
                return Some(LineBatch::of(&entries, sink));
            }
            if state.phase == QueuePhase::Abandoned {
                return None;
            }
            self.offered.wait(&mut state);
        }
    }

    /// Waits until another attempt may be made; false when none is to be made any more.
    fn wait_to_retry(&self) -> bool {
        let mut state = self.state.lock();
        if state.phase != QueuePhase::Abandoned {
            self.abandoned.wait_for(&mut state, RETRY);
        }
        state.phase != QueuePhase::Abandoned
    }

    /// Gives up what is not written, and counts it.
    fn abandon(&self) -> u64 {
        let mut state = self.state.lock();
        state.phase = QueuePhase::Abandoned;
        state.waiting.clear();
        state.bytes = 0;
        let left = std::mem::take(&mut state.lines);
        drop(state);
        self.offered.notify_one();
        self.abandoned.notify_one();
        self.written.notify_all();
        self.dropped.add(left);
        left
    }
}

impl<L> fmt::Debug for LineQueue<L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped = self.0.dropped.get();
        write!(formatter, "LineQueue({dropped} dropped)")
    }
}
