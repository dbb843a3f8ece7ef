//! I6: the states that DescribeCustomKeyStores tells, against the product's own table.

use std::collections::BTreeSet;

use portcullis_kms::{ConnectionEvent as Cause, TRANSITIONS};

use super::{Invariant, Violation};
use crate::history::{History, HistoryEvent, Moment, RecordedCall, RecordedRequest};

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let mut last: Option<(Moment, &str)> = None;
    let mut told = Moment::default();
    let of_state = |call: &&RecordedCall| {
        matches!(
            call.request,
            RecordedRequest::Connect | RecordedRequest::Disconnect
        )
    };
    let requests: Vec<&RecordedCall> = history.calls().filter(of_state).collect();
    for event in &history.events {
        let HistoryEvent::Seen { invoked, at, store } = event else {
            continue;
        };
        // Two facades may be asked at the same time, and which of them looked first is not known.
        if history.shared && *invoked < told {
            continue;
        }
        told = *at;
        let state = &store.state;
        let (since, before) = last.unwrap_or_else(|| (Moment::default(), "DISCONNECTED"));
        if !reachable(before, &permitted(&requests, since, *at)).contains(state.as_str()) {
            let what = format!("the store was {before} at {since} and is {state}");
            found.push(Violation::new(Invariant::I6, *at, what));
        }
        last = Some((*invoked, state));
    }
}

/// Which requests may have had an effect between two looks: those that were under way.
fn permitted(requests: &[&RecordedCall], since: Moment, until: Moment) -> Vec<Cause> {
    let asked = |request: &RecordedRequest| {
        let mut calls = requests.iter();
        // What was never answered may show after the next restart only.
        let lasts = |call: &RecordedCall| call.completed > since || call.is_unknown();
        calls.any(|call| call.request == *request && call.invoked < until && lasts(call))
    };
    let mut causes = Vec::new();
    if asked(&RecordedRequest::Connect) {
        causes.push(Cause::ConnectRequested);
    }
    if asked(&RecordedRequest::Disconnect) {
        causes.push(Cause::DisconnectRequested);
    }
    causes
}

/// Every state that the table leads to from `state`, when nothing but `causes` was requested.
fn reachable<'a>(state: &'a str, causes: &[Cause]) -> BTreeSet<&'a str> {
    let may = |event: Cause| match event {
        Cause::ConnectRequested | Cause::DisconnectRequested => causes.contains(&event),
        Cause::ConnectSucceeded | Cause::ConnectFailed(_) | Cause::DisconnectFinished => true,
    };
    let mut reached = BTreeSet::from([state]);
    let mut grown = true;
    while grown {
        grown = false;
        for row in TRANSITIONS.iter().filter(|row| may(row.event)) {
            if reached.contains(row.from.name()) {
                grown |= reached.insert(row.to.name());
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_request_a_store_only_finishes_what_it_began() {
        let cases: [(&str, &[Cause], &[&str]); 4] = [
            ("CONNECTED", &[], &["CONNECTED"]),
            ("CONNECTING", &[], &["CONNECTED", "CONNECTING", "FAILED"]),
            ("DISCONNECTING", &[], &["DISCONNECTED", "DISCONNECTING"]),
            (
                "CONNECTED",
                &[Cause::DisconnectRequested],
                &["CONNECTED", "DISCONNECTED", "DISCONNECTING"],
            ),
        ];
        for (from, causes, expected) in cases {
            let expected: BTreeSet<&str> = expected.iter().copied().collect();
            assert_eq!(reachable(from, causes), expected, "{from} {causes:?}");
        }
    }
}
