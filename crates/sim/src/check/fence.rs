//! Fences: what an HSM has refused once it refuses for ever, also after a power cut.

use std::collections::BTreeMap;

use super::{Invariant, Violation};
use crate::history::{Event, History, LoginAnswer};

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let mut heights = BTreeMap::new();
    for event in &history.events {
        let Event::Login {
            at,
            hsm,
            scope,
            epoch,
            answer,
        } = event
        else {
            continue;
        };
        let height = heights.entry((hsm, scope)).or_insert(*epoch);
        match answer {
            LoginAnswer::Accepted if epoch >= height => *height = *epoch,
            LoginAnswer::Accepted | LoginAnswer::Refused if epoch < height => {
                let (epoch, height) = (epoch.0, height.0);
                let what = format!(
                    "{hsm} looked at a login of epoch {epoch}, although it has accepted {height}"
                );
                found.push(Violation::new(Invariant::Fence, *at, what));
            }
            LoginAnswer::Accepted | LoginAnswer::Refused | LoginAnswer::Fenced => (),
        }
    }
}
