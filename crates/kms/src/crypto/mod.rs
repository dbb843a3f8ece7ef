//! Cryptographic operations: which key, in which state, is the gate open; the rest is the HSM's.

mod agreement;
mod algorithm;
mod ciphertext;
mod context;
mod data_key;
mod data_key_pair;
mod encrypt;
mod mac;
mod public_key;
mod random;
mod recipient;
mod signature;
mod usable;

pub(crate) use ciphertext::Ciphertext;
pub(crate) use context::additional_data;
pub use recipient::recipient_told;
pub(crate) use usable::stop_dry_run;
