//! One HSM: users, sessions, keys and cryptography.

mod command;
mod operation;

pub use command::{
    Command, Epoch, Fence, KeyInfo, MaskedKey, Reply, Role, Secret, SessionId, UserInfo,
};
pub use operation::{Call, HsmKeyId, Operation, Output, Refusal};
