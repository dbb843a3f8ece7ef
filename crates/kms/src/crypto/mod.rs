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
pub(crate) use recipient::Recipients;
pub use recipient::describe_recipient;
pub(crate) use usable::{Executor, stop_dry_run};

use std::sync::Arc;

use crate::key::{KeyCreation, LastUses};
use crate::records::Records;

/// The cryptographic operations.
#[derive(Debug)]
pub(crate) struct Cryptography {
    pub(crate) records: Arc<Records>,
    pub(crate) executor: Executor,
    pub(crate) recipients: Arc<Recipients>,
    /// Makes the key of an AWS service when it is first used.
    pub(crate) creation: Arc<KeyCreation>,
    pub(crate) uses: Arc<LastUses>,
}

/// The operations that make data keys, data key pairs and random bytes.
#[derive(Debug)]
pub(crate) struct DataKeys {
    pub(crate) crypto: Arc<Cryptography>,
}
