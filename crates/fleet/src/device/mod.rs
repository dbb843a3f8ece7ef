//! What a real device would take for its work: rates, latency, a bounded queue.
//!
//! `profile` says how a device is, `queue` decides purely when an operation is through, `station`
//! is one device at work beside a node.

mod profile;
mod queue;
mod station;

pub use profile::{InvalidProfile, Latency, Profile};
pub(crate) use station::Station;
