//! What was called, as CloudTrail tells it: a bounded log in memory, and a file if one is wanted.
//!
//! While a call is answered only what it was about is put down, in one record; the form that
//! CloudTrail gives it is made when it is read. `event.rs` has the record, `show.rs` decides what of an input and an
//! output is put down, `record.rs` has the form, `file.rs` the file.

mod admin_call;
mod caller;
mod config;
mod event;
mod event_id;
mod file;
mod reader;
mod record;
mod show;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use portcullis_admin::AdminCalls;
use portcullis_api::{Exception, Operation};
use portcullis_kms::EventRecord;
use portcullis_seam::{Entropy, Timestamp, WallClock, draw};

pub(crate) use admin_call::{AdminCall, AdminCaller, AdminCredential, AdminRecord, parameters};
pub(crate) use caller::{ConnectionPeer, EventCaller, EventClient};
pub(crate) use event::{CallArrival, CallNotes, CallRecord, EventKind, KeptEvent};
pub(crate) use reader::EventsReader;
pub(crate) use record::{EventFilter, cloudtrail};
pub(crate) use show::ShownShape;

pub use config::EventsConfig;
pub use file::EventsFile;

use self::event::NamedInput;
use self::file::File;

/// Which operation was called, by which caller, and what became of it.
pub(crate) struct EventLog {
    clock: Arc<dyn WallClock>,
    entropy: Arc<dyn Entropy>,
    /// Calls that change something, and what KMS does by itself.
    changes: Ring,
    /// The rest. Rule EV-03: they are kept apart, so that a load of Encrypt does not push out the
    /// CreateKey before it.
    reads: Ring,
    /// Calls of the admin API that change nothing, and refused ones.
    admin_reads: Ring,
    sequence: AtomicU64,
    file: Option<File>,
}

/// Calls of the admin API that changed nothing, or that were refused: a minute of an open console,
/// which asks some four times a second.
const ADMIN_READS_MAX: usize = 256;

impl EventLog {
    pub(crate) fn new(
        config: EventsConfig,
        clock: Arc<dyn WallClock>,
        entropy: Arc<dyn Entropy>,
    ) -> std::io::Result<Self> {
        let open = |file| File::start(file, Arc::clone(&clock));
        let file = config.file.map(open).transpose()?;
        Ok(Self {
            clock,
            entropy,
            changes: Ring::holding(config.kept_max),
            reads: Ring::holding(config.kept_max),
            admin_reads: Ring::holding(config.kept_max.min(ADMIN_READS_MAX)),
            sequence: AtomicU64::new(0),
            file,
        })
    }

    /// Whether anybody wants records.
    pub(crate) fn is_on(&self) -> bool {
        self.file.is_some() || self.changes.records_max > 0
    }

    /// A call has come in.
    pub(crate) fn arrived(
        &self,
        operation: Operation,
        caller: Arc<EventCaller>,
        request_id: [u8; 16],
    ) -> CallArrival {
        CallArrival {
            at: self.clock.now(),
            operation,
            caller,
            request_id,
        }
    }

    /// A call was answered.
    pub(crate) fn tell(
        &self,
        arrival: CallArrival,
        mut notes: CallNotes,
        failed: Option<&Exception>,
    ) {
        if !self.is_on() {
            return;
        }
        notes.input = notes.input.map(ShownShape::bounded);
        notes.output = notes.output.map(ShownShape::bounded);
        notes.named = NamedInput::default();
        let ring = if crate::input::changes(arrival.operation) {
            &self.changes
        } else {
            &self.reads
        };
        let record = CallRecord {
            arrival,
            event_id: draw(&*self.entropy),
            notes,
            failed: failed.cloned(),
        };
        self.put(ring, EventKind::Call(record));
    }

    /// KMS did something by itself.
    pub(crate) fn tell_service(&self, event: &EventRecord) {
        self.put(&self.changes, EventKind::Service(Box::new(event.clone())));
    }

    /// The admin API was called. What changed something stands beside the other changes; the rest is
    /// apart, so that a console that asks every second, or a stranger who is refused, pushes out
    /// nothing of anybody else's.
    pub(crate) fn tell_admin(&self, record: AdminRecord) {
        let (is_change, is_read) = (record.is_change(), record.refused.is_none());
        let event = Arc::new(KeptEvent {
            kind: EventKind::Admin(Box::new(record)),
        });
        // What was read is not written down: a console would fill the disk.
        if let Some(file) = self.file.as_ref().filter(|_| is_change || !is_read) {
            file.write(Arc::clone(&event));
        }
        let ring = if is_change {
            &self.changes
        } else {
            &self.admin_reads
        };
        ring.push(event, &self.sequence);
    }

    /// The date of the services' clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An ID for a record.
    pub(crate) fn event_id(&self) -> [u8; 16] {
        draw(&*self.entropy)
    }

    fn put(&self, ring: &Ring, kind: EventKind) {
        let event = Arc::new(KeptEvent { kind });
        if let Some(file) = &self.file {
            file.write(Arc::clone(&event));
        }
        ring.push(event, &self.sequence);
    }

    /// Begins to read the records that there are now, oldest first.
    pub(crate) fn reader(self: &Arc<Self>, filter: EventFilter) -> EventsReader {
        EventsReader {
            events: Arc::clone(self),
            filter,
            next: 0,
            end: self.sequence.load(Ordering::Acquire),
        }
    }

    /// Up to `count` records with these numbers, oldest first.
    fn some(&self, wanted: AdminCalls, numbers: Range<u64>, count: usize) -> Vec<Numbered> {
        let (next, end) = (numbers.start, numbers.end);
        let mut some: Vec<_> = self
            .rings(wanted)
            .flat_map(|ring| ring.some(next, end, count))
            .collect();
        some.sort_by_key(|(number, _)| *number);
        some.truncate(count);
        some
    }

    /// Records that are kept no more.
    fn dropped(&self, wanted: AdminCalls) -> u64 {
        self.rings(wanted).map(Ring::dropped).sum()
    }

    /// Where the records are that a reader may want.
    fn rings(&self, wanted: AdminCalls) -> impl Iterator<Item = &Ring> {
        let admin_reads = match wanted {
            AdminCalls::Changes | AdminCalls::None => None,
            AdminCalls::All | AdminCalls::Only => Some(&self.admin_reads),
        };
        [&self.changes, &self.reads].into_iter().chain(admin_reads)
    }

    /// Records that the file of events lacks.
    pub(crate) fn missing_in_file(&self) -> u64 {
        self.file.as_ref().map_or(0, File::dropped)
    }

    /// Writes what is still to be written. Nothing is written afterwards.
    pub(crate) fn close(&self) {
        if let Some(file) = &self.file {
            file.close();
        }
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "EventLog({} events)",
            self.sequence.load(Ordering::Relaxed)
        )
    }
}

/// A record, and its number among all.
type Numbered = (u64, Arc<KeptEvent>);

/// Rule EV-01: a log that forgets its oldest records, and counts them.
struct Ring {
    records_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// In the order of their numbers.
    records: VecDeque<Numbered>,
    dropped: u64,
}

impl Ring {
    fn holding(records_max: usize) -> Self {
        Self {
            records_max,
            kept: Mutex::default(),
        }
    }

    /// Gives the record the next number and keeps it.
    fn push(&self, event: Arc<KeptEvent>, sequence: &AtomicU64) {
        let mut kept = self.kept.lock();
        // Under the lock, so that the numbers of this log only rise.
        let number = sequence.fetch_add(1, Ordering::AcqRel);
        kept.records.push_back((number, event));
        let oldest = if kept.records.len() > self.records_max {
            kept.dropped += 1;
            kept.records.pop_front()
        } else {
            None
        };
        drop(kept);
        // Freed outside the lock.
        drop(oldest);
    }

    fn some(&self, next: u64, end: u64, count: usize) -> Vec<Numbered> {
        let kept = self.kept.lock();
        let first = kept.records.partition_point(|(number, _)| *number < next);
        let records = kept.records.range(first..).take(count);
        let records = records.take_while(|(number, _)| *number < end);
        records.cloned().collect()
    }

    fn dropped(&self) -> u64 {
        self.kept.lock().dropped
    }
}
