//! Hosts: other processes, here or on other machines, that run one HSM each.
//!
//! ```text
//! (no record) ─ enrol ─▶ invited ─ joins with the token ─▶ enrolled ─ CreateHsm ─▶ has an HSM
//!                           │                                  ▲                       │
//!                           └─ the token expires               └────── DeleteHsm ──────┘
//! ```
//!
//! A host calls the control plane and stays connected; the control plane sends it requests for its
//! HSM. The data path does not change: a facade speaks to the HSM where that listens.
//!
//! Read `token`, `record` and `admit` (who is let in), then `accept` (the control plane's side)
//! and `host` (the other one).

mod accept;
mod admit;
mod enrol;
mod lines;
mod placement;
mod record;
mod report;
mod revoke;

pub use accept::{HostGate, Hosts};
pub use enrol::{Enrolment, HostError};
pub use record::records_of_hosts;
pub use report::{hsms_here, hsms_on_hosts};

pub(crate) use lines::HostLines;
