//! I4: where an acknowledged key is.
//!
//! When an HSM is removed during the call, the answer may leave after that, although the key was
//! made before: it counts where the key was when the removal began.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::HsmId;

use super::{Invariant, Violation};
use crate::history::{History, HistoryEvent};

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    for event in &history.events {
        let HistoryEvent::Placed {
            at,
            key,
            on,
            before,
        } = event
        else {
            continue;
        };
        if zones(on) < 2 && zones(before) < 2 {
            let what = format!("{key} was acknowledged and is on disk only on {on:?}");
            found.push(Violation::new(Invariant::I4, *at, what));
        }
    }
}

fn zones(on: &BTreeMap<HsmId, String>) -> usize {
    on.values().collect::<BTreeSet<_>>().len()
}
