//! What KMS did without a call, as CloudTrail records it: a bounded log in memory.
//!
//! The service event DeleteKey is recorded here. A record has what every CloudTrail record has and
//! a list of additional members, so that records of calls fit in beside it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::OnceLock;

use parking_lot::Mutex;
use portcullis_api::Scope;
use portcullis_seam::{Entropy, Timestamp, draw};

/// How many records are kept: at some 500 bytes each, two megabytes.
pub const EVENTS_MAX: usize = 4096;

/// A record. Rule EV-02: it names things and says what became of them; no password, key or
/// plaintext has a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// `eventID`: a UUID that no other record has.
    pub id: String,
    /// `eventTime`: when it happened, on the services' clock.
    pub at: Timestamp,
    /// `recipientAccountId` and `awsRegion`: the account and the Region of the key.
    pub scope: Scope,
    /// `eventName`: what KMS did, such as `DeleteKey`.
    pub name: &'static str,
    /// The ARN of the key it is about.
    pub key_arn: String,
    /// `additionalEventData`: names and texts, in this order. CloudTrail has lists in here as JSON
    /// in a text.
    pub additional: Vec<(&'static str, String)>,
}

/// The records kept, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// The records that are still kept, oldest first.
    pub records: Vec<EventRecord>,
    /// How many older ones were dropped.
    pub dropped: u64,
}

/// A log that forgets its oldest records.
///
/// Rule EV-01: it is bounded; the oldest record is dropped for a new one, and that is counted.
pub struct EventLog {
    records_max: usize,
    kept: Mutex<KeptEvent>,
    listener: OnceLock<EventListener>,
}

/// Is called with every event while the event is recorded, so it must return at once.
pub type EventListener = Box<dyn Fn(&EventRecord) + Send + Sync>;

#[derive(Debug, Default)]
struct KeptEvent {
    records: VecDeque<EventRecord>,
    dropped: u64,
}

impl Default for EventLog {
    fn default() -> Self {
        Self::holding(EVENTS_MAX)
    }
}

impl EventLog {
    /// A log of at most `records_max` records.
    #[must_use]
    pub fn holding(records_max: usize) -> Self {
        Self {
            records_max,
            kept: Mutex::default(),
            listener: OnceLock::new(),
        }
    }

    /// Calls `listener` with every event from here on, and first with those that are kept.
    pub(crate) fn listen(&self, listener: EventListener) {
        let kept = self.kept.lock();
        if self.listener.get().is_none() {
            kept.records.iter().for_each(&listener);
            // No other thread sets it: the lock is held.
            let _set = self.listener.set(listener);
        }
    }

    /// Appends a record.
    pub fn record(&self, event: EventRecord) {
        let mut kept = self.kept.lock();
        if let Some(listener) = self.listener.get() {
            listener(&event);
        }
        kept.records.push_back(event);
        while kept.records.len() > self.records_max {
            kept.records.pop_front();
            kept.dropped += 1;
        }
    }

    /// What is kept at this instant.
    #[must_use]
    pub fn events(&self) -> Events {
        let kept = self.kept.lock();
        Events {
            records: kept.records.iter().cloned().collect(),
            dropped: kept.dropped,
        }
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "EventLog({} kept)",
            self.kept.lock().records.len()
        )
    }
}

/// A fresh event ID: a version-4 UUID.
pub(crate) fn event_id(entropy: &dyn Entropy) -> String {
    // A key ID is a UUID too.
    portcullis_api::KeyId::from_random(draw(entropy)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &'static str) -> EventRecord {
        EventRecord {
            id: name.to_owned(),
            at: Timestamp::from_millis(0),
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            name,
            key_arn: String::new(),
            additional: Vec::new(),
        }
    }

    /// Rule EV-01.
    #[test]
    fn the_oldest_record_is_dropped_and_counted() {
        let log = EventLog::holding(2);
        for name in ["one", "two", "three", "four"] {
            log.record(event(name));
        }
        let events = log.events();
        let names: Vec<_> = events.records.iter().map(|event| event.name).collect();
        assert_eq!(names, ["three", "four"]);
        assert_eq!(events.dropped, 2);
    }
}
