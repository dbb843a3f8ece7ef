//! I4: where an acknowledged key is.

use std::collections::BTreeSet;

use super::{Invariant, Violation};
use crate::history::{Event, History};

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    for event in &history.events {
        let Event::Placed { at, key, on } = event else {
            continue;
        };
        let zones: BTreeSet<&String> = on.values().collect();
        if zones.len() < 2 {
            let what = format!("{key} was acknowledged and is on disk only on {on:?}");
            found.push(Violation::new(Invariant::I4, *at, what));
        }
    }
}
