//! I5: which clusters a store may have, and that the one before serves nothing any more.

use std::collections::BTreeMap;

use portcullis_api::{ClusterId, HsmId};

use super::{Invariant, Violation};
use crate::history::{History, HistoryEvent, Moment, RecordedCall, RecordedEdit, RecordedRequest};

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let mut reader = SubstitutionReader::default();
    for event in &history.events {
        match event {
            HistoryEvent::Member { hsm, cluster, .. } => {
                reader.members.insert(hsm, cluster);
            }
            HistoryEvent::Uses { cluster, .. } => reader.uses = Some(cluster),
            HistoryEvent::Sealed { hsm, text, .. } => {
                reader.sealed.push((text, hsm));
            }
            HistoryEvent::Asked { at, hsm } => reader.check_asked(history, *at, hsm, found),
            HistoryEvent::Call(call) => reader.check_call(call, found),
            HistoryEvent::Seen { store, .. } => reader.check_seen(&store.cluster),
            HistoryEvent::Holds { .. }
            | HistoryEvent::FaultBegins { .. }
            | HistoryEvent::Calm { .. }
            | HistoryEvent::Healed { .. }
            | HistoryEvent::Well { .. }
            | HistoryEvent::Placed { .. }
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
            | HistoryEvent::Made { .. } => (),
        }
    }
}

#[derive(Default)]
struct SubstitutionReader<'a> {
    members: BTreeMap<&'a HsmId, &'a ClusterId>,
    uses: Option<&'a ClusterId>,
    sealed: Vec<(&'a [u8], &'a HsmId)>,
    /// When the present cluster was accepted.
    since: Moment,
    /// An edit of which it is unknown whether it had its effect.
    perhaps: Option<(&'a ClusterId, Moment)>,
}

impl<'a> SubstitutionReader<'a> {
    /// An edit of unknown outcome did have its effect.
    fn check_seen(&mut self, cluster: &str) {
        if let Some((to, since)) = self.perhaps.filter(|(to, _)| to.as_str() == cluster) {
            self.uses = Some(to);
            self.since = since;
            self.perhaps = None;
        }
    }

    fn check_call(&mut self, call: &'a RecordedCall, found: &mut Vec<Violation>) {
        if let RecordedRequest::Update(RecordedEdit::Cluster { to, .. }) = &call.request
            && call.is_unknown()
        {
            self.perhaps = Some((to, call.completed));
        }
        if let (RecordedRequest::Update(RecordedEdit::Cluster { to, related }), true) =
            (&call.request, call.succeeded())
        {
            if !related {
                let what = "a cluster with another certificate was accepted";
                found.push(Violation::of_call(Invariant::I5, call, what));
            }
            self.uses = Some(to);
            self.since = call.completed;
        }
        let ciphertext = call
            .outcome
            .as_ref()
            .ok()
            .and_then(|answer| answer.ciphertext());
        if let Some(hsm) = ciphertext.and_then(|ciphertext| self.sealed_by(ciphertext))
            && self.is_foreign(hsm)
        {
            let what = format!("{hsm} of another cluster made a reply that left");
            found.push(Violation::of_call(Invariant::I5, call, &what));
        }
    }

    /// What was asked before the edit may still be on its way to the old cluster, or be tried
    /// there once more: no reply to it leaves. What is asked afterwards never goes there.
    fn check_asked(&self, history: &History, at: Moment, hsm: &HsmId, found: &mut Vec<Violation>) {
        let is_of_before = |call: &RecordedCall| {
            call.request.needs_connection() && call.invoked < self.since && call.completed > at
        };
        if self.is_foreign(hsm) && !history.calls().any(is_of_before) {
            let what = format!("{hsm} was asked, which is not of the store's cluster");
            found.push(Violation::new(Invariant::I5, at, what));
        }
    }

    /// Newest first: a ciphertext is returned soon after it was sealed.
    fn sealed_by(&self, ciphertext: &[u8]) -> Option<&'a HsmId> {
        let contains = |text: &[u8]| ciphertext.windows(text.len().max(1)).any(|it| it == text);
        let sealed = || self.sealed.iter().rev();
        // What was sealed is the end of a ciphertext; if that ever changes, it is found all the same.
        let at_the_end = sealed().find(|(text, _)| ciphertext.ends_with(text));
        let found = at_the_end.or_else(|| sealed().find(|(text, _)| contains(text)));
        found.map(|(_, hsm)| *hsm)
    }

    fn is_foreign(&self, hsm: &HsmId) -> bool {
        let cluster = self.members.get(hsm);
        cluster.is_some_and(|cluster| Some(*cluster) != self.uses)
    }
}
