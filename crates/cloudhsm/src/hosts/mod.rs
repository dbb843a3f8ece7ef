//! Hosts: other processes, here or on other machines, that run one HSM each.
//!
//! ```text
//! (no record) ─ enrol ─▶ invited ─ joins with the token ─▶ enrolled ─ CreateHsm ─▶ has an HSM
//!                           │                                  ▲                       │
//!                           └─ the token expires               └────── DeleteHsm ──────┘
//! ```
//!
//! A host calls the control plane and stays connected; the control plane sends it errands for its
//! HSM. The data path does not change: a facade speaks to the HSM where that listens.
//!
//! Read `token`, `record` and `admit` (who is let in), then `reception` (the control plane's side)
//! and `host` (the other one).

mod admit;
mod enrol;
mod host;
mod join;
mod placement;
mod reception;
mod record;
mod report;
mod revoke;
mod token;

pub use enrol::{Enrolment, HostError};
pub use host::{HostConfig, HostEnd, HsmHost, Joined, MakeTransport, is_host_folder};
pub use reception::HostGate;
pub use record::records_of_hosts;
pub use report::{HostReport, HostState, hsms_here, hsms_on_hosts};
pub use token::{EnrolmentToken, InvalidToken};

pub(crate) use reception::Hosts;

/// Whether `bytes` are a message between a host and the control plane. For the fuzzer: whatever it
/// answers, it does so without panicking.
#[must_use]
pub fn is_host_message(bytes: &[u8]) -> bool {
    use crate::fleet::{Letter, Outcome, decode};
    decode::<Letter>(bytes).is_ok()
        || decode::<Outcome>(bytes).is_ok()
        || decode::<join::Join>(bytes).is_ok()
        || decode::<join::Admission>(bytes).is_ok()
}
