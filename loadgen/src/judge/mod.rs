//! What every answer is held against.

mod findings;
mod gate;
mod samples;

pub(crate) use findings::{Findings, Outcome};
pub(crate) use gate::{Gate, Verdict};
pub(crate) use samples::{Digest, Sample, SampleComparison, Samples, digest};
