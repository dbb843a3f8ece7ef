//! Cryptographic operations: which key, in which state, is the gate open; the rest is the HSM's.

mod ciphertext;
mod context;
mod operations;

pub(crate) use ciphertext::Ciphertext;
pub(crate) use context::additional_data;
pub(crate) use operations::stop_dry_run;
