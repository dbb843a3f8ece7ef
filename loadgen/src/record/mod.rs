//! Counts and latencies: by second, by operation and by phase.

mod latency;
mod recorder;

pub(crate) use latency::{histogram, latency_of, observe};
pub(crate) use recorder::{CallTotals, MeasuredCall, RunRecorder};

use std::collections::BTreeMap;

/// More names than the API has exceptions; a server that makes names up fills no memory.
const ERROR_NAMES_MAX: usize = 100;

/// Adds to the count of `name`.
pub(crate) fn count(errors: &mut BTreeMap<String, u64>, name: &str, times: u64) {
    if let Some(counted) = errors.get_mut(name) {
        *counted += times;
    } else {
        let name = if errors.len() < ERROR_NAMES_MAX {
            name
        } else {
            "(other names)"
        };
        *errors.entry(name.to_owned()).or_default() += times;
    }
}
