//! I1 and I2: when operations pass, and when they do not.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::{Code, KeyId};
use portcullis_hsm::HsmKeyId;

use super::{ByEnd, Invariant, Violation, by_end};
use crate::history::{
    History, HistoryEvent, Moment, RecordedAnswer, RecordedCall, RecordedRequest,
};

/// A time in which the store had no connection: from the end of a Disconnect to the beginning of
/// the next Connect.
#[derive(Debug, Clone, Copy)]
struct Gap {
    asked: Moment,
    from: Moment,
    to: Moment,
}

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    closed_gates(history, found);
    open_gates(history, found);
}

/// I1. The gate is down when a Disconnect has been acknowledged, so no reply leaves after that;
/// and a reply of the old connection does not leave under the next one either. Where several facades
/// share the store, what was called before may still be answered: it took its leave at one facade
/// before the disconnect took effect, and the word of that is late.
fn closed_gates(history: &History, found: &mut Vec<Violation>) {
    let gaps = gaps(history);
    for call in history.calls().filter(|call| call.succeeded()) {
        if !call.request.needs_connection() {
            continue;
        }
        for gap in &gaps {
            let late = history.shared && call.invoked < gap.from;
            let violation = if late {
                continue;
            } else if call.completed > gap.from && call.completed < gap.to {
                "succeeded while the store was disconnected"
            } else if call.invoked < gap.asked
                && call.completed > gap.to
                && call.request != RecordedRequest::CreateKey
            {
                "a reply of an earlier connection left"
            } else {
                continue;
            };
            found.push(Violation::of_call(Invariant::I1, call, violation));
        }
    }
}

fn gaps(history: &History) -> Vec<Gap> {
    let end = Moment {
        step: u64::MAX,
        millis: u64::MAX,
    };
    let disconnects = history
        .calls()
        .filter(|call| call.succeeded() && call.request == RecordedRequest::Disconnect);
    let gap = |disconnect: &RecordedCall| {
        let connects = history
            .calls()
            .filter(|call| call.request == RecordedRequest::Connect);
        // One that overlaps the disconnect may have come after it.
        let later = connects.filter(|call| call.completed > disconnect.invoked);
        Gap {
            asked: disconnect.invoked,
            from: disconnect.completed,
            to: later.map(|call| call.invoked).min().unwrap_or(end),
        }
    };
    disconnects
        .map(gap)
        .filter(|gap| gap.from < gap.to)
        .collect()
}

/// A time in which everything should work.
#[derive(Debug, Default)]
struct Window {
    calm: Option<Moment>,
    connected: Option<Moment>,
    keys: BTreeSet<KeyId>,
}

/// The key that each ciphertext was made under.
type MadeUnder<'a> = BTreeMap<ByEnd<'a>, KeyId>;

impl Window {
    fn since(&self) -> Option<Moment> {
        Some(self.calm?.max(self.connected?))
    }
}

/// I2, read in the order of the events.
fn open_gates(history: &History, found: &mut Vec<Violation>) {
    let mut window = Window {
        calm: Some(Moment::default()),
        ..Window::default()
    };
    let mut labels = BTreeMap::new();
    let mut made_under = MadeUnder::new();
    let disconnects: Vec<&RecordedCall> = history
        .calls()
        .filter(|call| call.request == RecordedRequest::Disconnect)
        .collect();
    for event in &history.events {
        match event {
            HistoryEvent::Made { id, label, .. } => {
                if let Some(key) = key_of(label) {
                    labels.insert(*id, key);
                }
            }
            HistoryEvent::Holds { at, keys } => {
                window.connected = Some(*at);
                window.keys = named(keys, &labels);
            }
            HistoryEvent::FaultBegins { .. } => window.calm = None,
            HistoryEvent::Calm { at } => window.calm = Some(*at),
            HistoryEvent::Call(call) => {
                if let (RecordedRequest::CreateKey, Ok(RecordedAnswer::Key(key))) =
                    (&call.request, &call.outcome)
                {
                    window.keys.insert(*key);
                }
                remember(call, &mut made_under);
                if call.request == RecordedRequest::Disconnect {
                    window.connected = None;
                }
                let during = |other: &&&RecordedCall| {
                    other.invoked < call.completed && other.completed > call.invoked
                };
                let is_inside = window.since().is_some_and(|since| since < call.invoked)
                    && disconnects.iter().find(during).is_none();
                if is_inside
                    && failed_as_disconnected(call)
                    && has_keys(call, &window.keys, &made_under)
                {
                    let what = "failed as disconnected while all was well";
                    found.push(Violation::of_call(Invariant::I2, call, what));
                }
            }
            HistoryEvent::Seen { .. }
            | HistoryEvent::Uses { .. }
            | HistoryEvent::Healed { .. }
            | HistoryEvent::Well { .. }
            | HistoryEvent::Placed { .. }
            | HistoryEvent::Asked { .. }
            | HistoryEvent::Sealed { .. }
            | HistoryEvent::Login { .. }
            | HistoryEvent::Deleted { .. }
            | HistoryEvent::Happens { .. }
            | HistoryEvent::Stored { .. }
            | HistoryEvent::Counted { .. }
            | HistoryEvent::Guessed { .. }
            | HistoryEvent::Probed { .. }
            | HistoryEvent::Baffled { .. }
            | HistoryEvent::Restarted { .. }
            | HistoryEvent::Leaked { .. }
            | HistoryEvent::Member { .. } => (),
        }
    }
}

fn failed_as_disconnected(call: &RecordedCall) -> bool {
    call.request.needs_connection()
        && matches!(
            call.outcome,
            Err(Code::KmsInvalidState | Code::CustomKeyStoreInvalidState)
        )
}

fn remember<'a>(call: &'a RecordedCall, made_under: &mut MadeUnder<'a>) {
    let ciphertext = call
        .outcome
        .as_ref()
        .ok()
        .and_then(|answer| answer.ciphertext());
    if let (
        Some(ciphertext),
        RecordedRequest::Encrypt { key, .. }
        | RecordedRequest::GenerateDataKey { key, .. }
        | RecordedRequest::ReEncrypt { key, .. },
    ) = (ciphertext, &call.request)
    {
        made_under.insert(by_end(ciphertext), *key);
    }
}

/// Whether the connected cluster has the keys that `call` uses.
fn has_keys(call: &RecordedCall, keys: &BTreeSet<KeyId>, made_under: &MadeUnder<'_>) -> bool {
    let opens = |ciphertext: &Vec<u8>| {
        made_under
            .get(&by_end(ciphertext))
            .is_some_and(|key| keys.contains(key))
    };
    match &call.request {
        RecordedRequest::Encrypt { key, .. } | RecordedRequest::GenerateDataKey { key, .. } => {
            keys.contains(key)
        }
        RecordedRequest::Decrypt { ciphertext, .. } => opens(ciphertext),
        RecordedRequest::ReEncrypt {
            ciphertext, key, ..
        } => opens(ciphertext) && keys.contains(key),
        RecordedRequest::CreateKey => true,
        RecordedRequest::DescribeKey { .. }
        | RecordedRequest::Connect
        | RecordedRequest::Disconnect
        | RecordedRequest::Update(_) => false,
    }
}

/// The KMS keys whose material is among `ids`.
pub(super) fn named(
    ids: &BTreeSet<HsmKeyId>,
    labels: &BTreeMap<HsmKeyId, KeyId>,
) -> BTreeSet<KeyId> {
    ids.iter()
        .filter_map(|id| labels.get(id).copied())
        .collect()
}

/// The KMS key whose material carries `label`, its ARN.
pub(super) fn key_of(label: &str) -> Option<KeyId> {
    label.rsplit('/').next()?.parse().ok()
}
