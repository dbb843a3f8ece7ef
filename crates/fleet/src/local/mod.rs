//! An HSM of this process: the node that runs it, what it does with what arrives on the link, and what
//! faults do to it.

mod hsm;
pub(crate) mod node;
mod serve;
mod tamper;

pub(crate) use hsm::LocalHsm;
pub(crate) use tamper::cannot;
pub use tamper::{CryptoUser, UserBefore};
