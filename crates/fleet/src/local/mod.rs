//! An HSM of this process: the node that runs it, what it does with what arrives on the link, and what
//! faults do to it.

pub(crate) mod node;
mod serve;
mod tamper;

pub use tamper::Tampered;
