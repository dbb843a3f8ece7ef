//! Fences and lockouts: what an HSM has refused once it refuses for ever, also after a power cut;
//! and no connection bears the number of an earlier one.

use std::collections::BTreeMap;

use portcullis_hsm::Epoch;

use super::{Invariant, Violation};
use crate::history::{History, HistoryEvent, LoginAnswer};

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a reader names what it reads"
)]
pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let mut heights: BTreeMap<_, Epoch> = BTreeMap::new();
    // The highest number of all connections before the last restart, and of all so far.
    let (mut floors, mut highest) = (BTreeMap::new(), BTreeMap::new());
    for event in &history.events {
        match event {
            HistoryEvent::Login {
                at,
                hsm,
                scope,
                epoch,
                answer,
            } => {
                let height = heights.get(&(hsm, scope)).copied();
                let looked = !matches!(answer, LoginAnswer::Fenced | LoginAnswer::Unheard);
                if looked && let Some(height) = height.filter(|height| epoch < height) {
                    let what = format!(
                        "{hsm} looked at a login of epoch {}, although it has accepted {}",
                        epoch.0, height.0
                    );
                    found.push(Violation::new(Invariant::Fence, *at, what));
                }
                if *answer != LoginAnswer::Accepted {
                    continue;
                }
                let height = heights.entry((hsm, scope)).or_insert(*epoch);
                *height = (*height).max(*epoch);
                if floors.get(scope).is_some_and(|floor| epoch <= floor) {
                    let what = format!("epoch {} was used again after a restart", epoch.0);
                    found.push(Violation::new(Invariant::Fence, *at, what));
                }
                let top = highest.entry(*scope).or_insert(*epoch);
                *top = (*top).max(*epoch);
            }
            HistoryEvent::Restarted { shared: false, .. } => floors.clone_from(&highest),
            HistoryEvent::Probed { at, hsm, fenced } if !fenced => {
                let what = format!("{hsm} still takes the connection that was disconnected");
                found.push(Violation::new(Invariant::Fence, *at, what));
            }
            HistoryEvent::Guessed {
                at,
                hsm,
                wrong,
                locked,
            } if !locked => {
                let what = format!("{hsm} did not lock kmsuser out after {wrong} wrong passwords");
                found.push(Violation::new(Invariant::Lockout, *at, what));
            }
            HistoryEvent::Leaked { at, what } => {
                found.push(Violation::new(Invariant::I9, *at, what.clone()));
            }
            _ => (),
        }
    }
}
