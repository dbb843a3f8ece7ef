//! I8: what was acknowledged is there after every crash and power cut, and what was deleted is
//! not. I10: and nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::{ClusterId, Code, HsmId, KeyId};
use portcullis_hsm::HsmKeyId;

use super::connection::{key_of, named};
use super::{Invariant, Violation};
use crate::history::{
    History, HistoryEvent, Moment, RecordedAnswer, RecordedCall, RecordedEdit, RecordedRequest,
};

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let mut reader = DurabilityReader::default();
    for event in &history.events {
        reader.read(event, found);
    }
}

/// What must be there.
#[derive(Default)]
struct DurabilityReader<'a> {
    uses: Option<&'a ClusterId>,
    members: BTreeMap<&'a HsmId, &'a ClusterId>,
    labels: BTreeMap<HsmKeyId, KeyId>,
    makers: BTreeMap<HsmKeyId, &'a HsmId>,
    /// Acknowledged, and when.
    keys: BTreeMap<KeyId, Moment>,
    /// Those that were made in each cluster.
    made_in: BTreeMap<&'a ClusterId, BTreeSet<KeyId>>,
    deleted: Vec<(HsmKeyId, &'a HsmId)>,
    /// The cluster of an edit of which it is unknown whether it had its effect.
    perhaps: Option<&'a ClusterId>,
}

impl<'a> DurabilityReader<'a> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a reader names what it reads"
    )]
    fn read(&mut self, event: &'a HistoryEvent, found: &mut Vec<Violation>) {
        let mut violate = |invariant, at: &Moment, what: String| {
            found.push(Violation::new(invariant, *at, what));
        };
        match event {
            HistoryEvent::Uses { cluster, .. } => self.uses = Some(cluster),
            HistoryEvent::Member { hsm, cluster, .. } => {
                self.members.insert(hsm, cluster);
            }
            HistoryEvent::Made { at, hsm, id, label } => {
                if let Some(key) = key_of(label) {
                    self.labels.insert(*id, key);
                }
                if let Some(other) = self.makers.insert(*id, hsm).filter(|other| *other != hsm) {
                    let what = format!("{id} was made on {other} and, tried again, on {hsm}");
                    violate(Invariant::I10, at, what);
                }
            }
            HistoryEvent::Deleted { hsm, id, .. } => self.deleted.push((*id, hsm)),
            HistoryEvent::Call(call) => {
                if let Some(key) = self.is_lost(call) {
                    let what = format!("{key} was acknowledged and is not there");
                    found.push(Violation::of_call(Invariant::I8, call, &what));
                }
                self.learn(call);
            }
            HistoryEvent::Holds { at, keys } => {
                let missing = self.missing(self.uses, keys);
                if !missing.is_empty() {
                    let what = format!("the cluster has lost {missing:?}");
                    violate(Invariant::I8, at, what);
                }
            }
            HistoryEvent::Stored { at, cluster, on } => {
                for (invariant, what) in self.stored(cluster, on) {
                    violate(invariant, at, what);
                }
            }
            HistoryEvent::Seen { store, .. } => {
                let taken = self.perhaps.filter(|to| to.as_str() == store.cluster);
                self.uses = taken.or(self.uses);
            }
            HistoryEvent::Baffled { at, code } => {
                let what = format!("the store FAILED with {code}, and nobody touched kmsuser");
                violate(Invariant::I8, at, what);
            }
            HistoryEvent::Counted { at, stores } if *stores != 1 => {
                let what = format!("one key store was made, and there are {stores}");
                violate(Invariant::I10, at, what);
            }
            _ => (),
        }
    }

    fn learn(&mut self, call: &'a RecordedCall) {
        match (&call.request, &call.outcome) {
            (RecordedRequest::CreateKey, Ok(RecordedAnswer::Key(key))) => {
                self.keys.insert(*key, call.completed);
                if let Some(cluster) = self.uses {
                    self.made_in.entry(cluster).or_default().insert(*key);
                }
            }
            (RecordedRequest::Update(RecordedEdit::Cluster { to, .. }), Ok(_)) => {
                self.uses = Some(to);
            }
            (RecordedRequest::Update(RecordedEdit::Cluster { to, .. }), Err(_))
                if call.is_unknown() =>
            {
                self.perhaps = Some(to);
            }
            _ => (),
        }
    }

    /// The key that the service does not know although it said that it had made it.
    fn is_lost(&self, call: &RecordedCall) -> Option<KeyId> {
        let (RecordedRequest::Encrypt { key, .. }
        | RecordedRequest::GenerateDataKey { key, .. }
        | RecordedRequest::DescribeKey { key }) = &call.request
        else {
            return None;
        };
        let was_there = self
            .keys
            .get(key)
            .is_some_and(|since| *since < call.invoked);
        (was_there && call.outcome == Err(Code::NotFound)).then_some(*key)
    }

    fn missing(&self, cluster: Option<&ClusterId>, keys: &BTreeSet<HsmKeyId>) -> Vec<KeyId> {
        let present = named(keys, &self.labels);
        let made = cluster.and_then(|cluster| self.made_in.get(cluster));
        let missing = made.into_iter().flatten();
        missing
            .filter(|key| !present.contains(key))
            .copied()
            .collect()
    }

    /// What is wrong with the disks of a cluster in which nothing happens any more.
    fn stored(
        &self,
        cluster: &ClusterId,
        on: &BTreeMap<HsmId, BTreeSet<HsmKeyId>>,
    ) -> Vec<(Invariant, String)> {
        let mut wrong = Vec::new();
        let all: BTreeSet<HsmKeyId> = on.values().flatten().copied().collect();
        let missing = self.missing(Some(cluster), &all);
        if !missing.is_empty() {
            let what = format!("{cluster} has lost {missing:?}");
            wrong.push((Invariant::I8, what));
        }
        for (hsm, keys) in on.iter().filter(|(_, keys)| **keys != all) {
            let count = all.len() - keys.len();
            let what = format!("{hsm} lacks {count} keys that other HSMs of its cluster have");
            wrong.push((Invariant::InStep, what));
        }
        for (id, hsm) in &self.deleted {
            if self.members.get(hsm) == Some(&cluster) && all.contains(id) {
                let what = format!("{id} was deleted on {hsm} and is there again");
                wrong.push((Invariant::InStep, what));
            }
        }
        wrong
    }
}
