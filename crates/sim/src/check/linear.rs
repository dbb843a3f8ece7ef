//! I7: the control-plane operations of a key store, as if each happened at one instant.
//!
//! A search over what may have happened: a set of possible stores, each with the operations under
//! way that have had their effect in it. When an operation ends, it must have had its effect, and
//! only the possibilities in which it could give the answer that it gave remain. None left means
//! that no order explains the answers. What the service does by itself (a connect succeeds or
//! fails, a disconnect finishes) may happen at any time, after the product's own table.

use std::collections::BTreeSet;

use portcullis_api::Code;
use portcullis_kms::{ConnectionEvent as Cause, TRANSITIONS};

use super::{Invariant, Violation};
use crate::history::{
    DescribedStore, History, HistoryEvent, Moment, RecordedEdit, RecordedRequest,
};

/// What a key store may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Store<'a> {
    state: &'a str,
    name: &'a str,
    cluster: &'a str,
}

/// A possible store, and the operations under way that have had their effect in it.
type Possible<'a> = (Store<'a>, BTreeSet<usize>);

/// What an operation does to a store, where that is possible at all.
enum StoreEffect<'a> {
    /// It goes along the table, and the store changes so.
    Requested(Cause),
    Renamed(&'a str),
    Substituted(&'a str),
    /// Another setting was edited.
    Edited,
    /// It was refused for the store's state.
    Refused(Option<Cause>),
    Looked(&'a DescribedStore),
}

struct Operation<'a> {
    begins: Moment,
    ends: Moment,
    effect: StoreEffect<'a>,
    /// It may as well have had none.
    is_unknown: bool,
}

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let Some(first) = history.events.iter().find_map(told) else {
        return;
    };
    let mut possible: BTreeSet<Possible<'_>> = BTreeSet::from([(
        Store {
            state: "DISCONNECTED",
            name: &first.name,
            cluster: &first.cluster,
        },
        BTreeSet::new(),
    )]);
    let operations = operations(history);
    let mut under_way = BTreeSet::new();
    for (at, index, ends) in points(&operations) {
        let Some(operation) = operations.get(index) else {
            continue;
        };
        if !ends {
            under_way.insert(index);
            continue;
        }
        possible = after(&possible, &under_way, &operations, index);
        under_way.remove(&index);
        if possible.is_empty() {
            let what = format!(
                "no order of the operations explains what {} was told that began at {}",
                operation.effect.name(),
                operation.begins.step
            );
            found.push(Violation::new(Invariant::I7, at, what));
            return;
        }
    }
}

/// The begins and ends of all operations, in order.
fn points(operations: &[Operation<'_>]) -> Vec<(Moment, usize, bool)> {
    let both = |(index, operation): (usize, &Operation<'_>)| {
        [
            (operation.begins, index, false),
            (operation.ends, index, true),
        ]
    };
    let mut points: Vec<_> = operations.iter().enumerate().flat_map(both).collect();
    points.sort_unstable();
    points
}

/// What is possible when the operation `index` has ended.
fn after<'a>(
    before: &BTreeSet<Possible<'a>>,
    under_way: &BTreeSet<usize>,
    operations: &[Operation<'a>],
    index: usize,
) -> BTreeSet<Possible<'a>> {
    let mut seen = before.clone();
    let mut open: Vec<Possible<'a>> = before.iter().cloned().collect();
    let mut kept = BTreeSet::new();
    let unknown = operations.get(index).is_some_and(|it| it.is_unknown);
    while let Some((store, done)) = open.pop() {
        if done.contains(&index) || unknown {
            let mut others = done.clone();
            others.remove(&index);
            kept.insert((store, others));
        }
        let mut reach = |next: Possible<'a>| {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        };
        for state in by_itself(store.state) {
            reach((Store { state, ..store }, done.clone()));
        }
        for other in under_way.difference(&done) {
            let effect = operations.get(*other).map(|operation| &operation.effect);
            if let Some(changed) = effect.and_then(|effect| effect.on(store)) {
                let mut done = done.clone();
                done.insert(*other);
                reach((changed, done));
            }
        }
    }
    kept
}

impl<'a> StoreEffect<'a> {
    /// The store afterwards; none when the operation would have been answered otherwise.
    fn on(&self, store: Store<'a>) -> Option<Store<'a>> {
        let disconnected = store.state == "DISCONNECTED";
        match self {
            Self::Requested(cause) => {
                along(store.state, *cause).map(|state| Store { state, ..store })
            }
            Self::Renamed(name) => disconnected.then_some(Store { name, ..store }),
            Self::Substituted(cluster) => disconnected.then_some(Store { cluster, ..store }),
            Self::Edited => disconnected.then_some(store),
            Self::Refused(None) => (!disconnected).then_some(store),
            Self::Refused(Some(cause)) => along(store.state, *cause).is_none().then_some(store),
            Self::Looked(told) => (told.state == store.state
                && told.name == store.name
                && told.cluster == store.cluster)
                .then_some(store),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Requested(Cause::ConnectRequested) => "the ConnectCustomKeyStore",
            Self::Requested(_) => "the DisconnectCustomKeyStore",
            Self::Renamed(_) | Self::Substituted(_) | Self::Edited => "the UpdateCustomKeyStore",
            Self::Refused(_) => "the refused operation",
            Self::Looked(_) => "the DescribeCustomKeyStores",
        }
    }
}

fn along(state: &str, cause: Cause) -> Option<&'static str> {
    let mut rows = TRANSITIONS.iter();
    rows.find(|row| row.from.name() == state && row.event == cause)
        .map(|row| row.to.name())
}

fn by_itself(state: &str) -> impl Iterator<Item = &'static str> {
    let own = |event| match event {
        Cause::ConnectSucceeded | Cause::ConnectFailed(_) | Cause::DisconnectFinished => true,
        Cause::ConnectRequested | Cause::DisconnectRequested => false,
    };
    TRANSITIONS
        .iter()
        .filter(move |row| row.from.name() == state && own(row.event))
        .map(|row| row.to.name())
}

fn told(event: &HistoryEvent) -> Option<&DescribedStore> {
    if let HistoryEvent::Seen { store, .. } = event {
        Some(store)
    } else {
        None
    }
}

fn operations(history: &History) -> Vec<Operation<'_>> {
    let restarts: Vec<Moment> = history
        .events
        .iter()
        .filter_map(|event| {
            if let HistoryEvent::Restarted { at, .. } = event {
                Some(*at)
            } else {
                None
            }
        })
        .collect();
    history
        .events
        .iter()
        .filter_map(|event| operation(event, &restarts))
        .collect()
}

fn operation<'a>(event: &'a HistoryEvent, restarts: &[Moment]) -> Option<Operation<'a>> {
    if let HistoryEvent::Seen { invoked, at, store } = event {
        return Some(Operation {
            begins: *invoked,
            ends: *at,
            effect: StoreEffect::Looked(store),
            is_unknown: false,
        });
    }
    let HistoryEvent::Call(call) = event else {
        return None;
    };
    let effect = match (&call.request, &call.outcome) {
        (RecordedRequest::Connect, Err(Code::CustomKeyStoreInvalidState)) => {
            StoreEffect::Refused(Some(Cause::ConnectRequested))
        }
        (RecordedRequest::Disconnect, Err(Code::CustomKeyStoreInvalidState)) => {
            StoreEffect::Refused(Some(Cause::DisconnectRequested))
        }
        (RecordedRequest::Update(_), Err(Code::CustomKeyStoreInvalidState)) => {
            StoreEffect::Refused(None)
        }
        (_, Err(_)) if !call.is_unknown() => return None,
        (RecordedRequest::Connect, _) => StoreEffect::Requested(Cause::ConnectRequested),
        (RecordedRequest::Disconnect, _) => StoreEffect::Requested(Cause::DisconnectRequested),
        (RecordedRequest::Update(RecordedEdit::Name { to }), _) => StoreEffect::Renamed(to),
        (RecordedRequest::Update(RecordedEdit::Cluster { to, .. }), _) => {
            StoreEffect::Substituted(to.as_str())
        }
        (RecordedRequest::Update(RecordedEdit::Password), _) => StoreEffect::Edited,
        _ => return None,
    };
    // What was being written when the power failed may be there after the restart.
    let restarted = restarts.iter().find(|at| **at > call.completed).copied();
    let never = Moment {
        step: u64::MAX,
        millis: u64::MAX,
    };
    Some(Operation {
        begins: call.invoked,
        ends: if call.is_unknown() {
            restarted.unwrap_or(never)
        } else {
            call.completed
        },
        effect,
        is_unknown: call.is_unknown(),
    })
}
