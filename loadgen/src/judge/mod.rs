//! What every answer is held against.

mod findings;
mod gate;
mod samples;

pub(crate) use findings::{CallOutcome, RunFindings};
pub(crate) use gate::{GateKnowledge, GateVerdict};
pub(crate) use samples::{PlaintextDigest, Sample, SampleComparison, Samples, digest};
