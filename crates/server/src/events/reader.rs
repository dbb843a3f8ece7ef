use std::io::Write;
use std::sync::Arc;

use super::{EventFilter, EventLog, cloudtrail};

/// Records that are looked at for one piece, whether they are wanted or not: some milliseconds.
const LOOKED_AT_MAX: usize = 128;

/// Bytes from which on a piece is large enough. A record has some 2 KB, and 10 at most.
const PIECE_BYTES: usize = 16 << 10;

/// Reads the records that were there when it was made, oldest first, piece by piece: as a CloudTrail
/// log file has them, with how many are kept no more at the end.
///
/// Between two pieces it keeps only where it is, so that a reader who takes his time holds no
/// record. What is dropped meanwhile he does not see, but counted.
#[derive(Debug)]
pub(crate) struct EventsReader {
    pub(super) events: Arc<EventLog>,
    pub(super) filter: EventFilter,
    /// The number of the next record.
    pub(super) next: u64,
    /// The number at which to end.
    pub(super) end: u64,
}

impl EventsReader {
    /// All that there is in one piece.
    #[cfg(test)]
    pub(crate) fn whole(self) -> serde_json::Value {
        let whole: Vec<u8> = self.pieces().flatten().collect();
        serde_json::from_slice(&whole).unwrap()
    }

    /// The pieces of `{"Records":[...],"dropped":0}`; some may be empty.
    pub(crate) fn pieces(mut self) -> impl Iterator<Item = Vec<u8>> + Send {
        let mut has_begun = false;
        let mut has_records = false;
        let mut has_ended = false;
        std::iter::from_fn(move || {
            if has_ended {
                return None;
            }
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            if !std::mem::replace(&mut has_begun, true) {
                piece.extend_from_slice(b"{\"Records\":[");
            }
            has_ended = self.add_records(&mut piece, &mut has_records);
            if has_ended {
                // Writing to memory does not fail.
                let _written = write!(
                    piece,
                    "],\"dropped\":{}}}",
                    self.events.dropped(self.filter.admin)
                );
            }
            Some(piece)
        })
    }

    /// Adds records until the piece is large enough. Gives whether there are no more.
    fn add_records(&mut self, piece: &mut Vec<u8>, has_records: &mut bool) -> bool {
        let some = self
            .events
            .some(self.filter.admin, self.next..self.end, LOOKED_AT_MAX);
        let is_last = some.len() < LOOKED_AT_MAX;
        for (number, event) in &some {
            if piece.len() >= PIECE_BYTES {
                return false;
            }
            self.next = number + 1;
            if !self.filter.may_pass(event) {
                continue;
            }
            let record = cloudtrail(event);
            if self.filter.passes(&record) {
                let comma = if *has_records { "," } else { "" };
                *has_records = true;
                let _written = write!(piece, "{comma}{record}");
            }
        }
        is_last
    }
}

#[cfg(test)]
mod tests {
    use portcullis_kms::EventRecord;
    use portcullis_seam::{SystemClock, SystemEntropy, Timestamp};

    use super::*;
    use crate::events::EventsConfig;

    fn event(name: &'static str) -> EventRecord {
        EventRecord {
            id: "1234585c-4b0c-4340-ab11-662414b79239".to_owned(),
            at: Timestamp::from_millis(1_635_291_687_999),
            scope: portcullis_api::Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            name,
            key_arn: format!("arn:aws:kms:us-east-1:111122223333:key/{}", "x".repeat(500)),
            additional: Vec::new(),
        }
    }

    fn events(kept_max: usize, count: usize) -> Arc<EventLog> {
        let config = EventsConfig {
            kept_max,
            ..EventsConfig::default()
        };
        let clock = Arc::new(SystemClock);
        let events = EventLog::new(config, clock, Arc::new(SystemEntropy)).unwrap();
        for index in 0..count {
            events.tell_service(&event(if index % 300 == 7 { "Rare" } else { "Common" }));
        }
        Arc::new(events)
    }

    /// Rule WIRE-30.
    #[test]
    fn records_come_in_small_pieces_which_are_one_document() {
        let events = events(1000, 1010);
        let pieces: Vec<Vec<u8>> = events.reader(EventFilter::default()).pieces().collect();
        assert!(pieces.len() > 50, "{} pieces", pieces.len());
        assert!(pieces.iter().all(|piece| piece.len() < 2 * PIECE_BYTES));
        let whole: serde_json::Value = serde_json::from_slice(&pieces.concat()).unwrap();
        assert_eq!(whole["Records"].as_array().unwrap().len(), 1000);
        assert_eq!(whole["dropped"], 10);
        let rare = EventFilter {
            name: Some("Rare".to_owned()),
            ..EventFilter::default()
        };
        let whole = events.reader(rare).whole();
        assert_eq!(whole["Records"].as_array().unwrap().len(), 3);
        let none = EventFilter {
            name: Some("None".to_owned()),
            ..EventFilter::default()
        };
        assert_eq!(
            events.reader(none).whole()["Records"],
            serde_json::json!([])
        );
    }

    /// Rule EV-01, WIRE-30.
    #[test]
    fn a_slow_reader_sees_what_is_kept_and_nothing_newer() {
        let events = events(100, 100);
        let mut pieces = events.reader(EventFilter::default()).pieces();
        let mut whole = pieces.next().unwrap();
        for _ in 0..90 {
            events.tell_service(&event("Newer"));
        }
        whole.extend(pieces.flatten());
        let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        let records = whole["Records"].as_array().unwrap();
        assert!(records.len() < 100, "{} records", records.len());
        assert!(records.iter().all(|record| record["eventName"] != "Newer"));
        assert_eq!(whole["dropped"], 90);
        drop(events.reader(EventFilter::default()));
        assert_eq!(Arc::strong_count(&events), 1);
    }
}
