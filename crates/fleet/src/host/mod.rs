//! The host's end of a line: it joins, stays connected, and runs an HSM as it is told.

mod hsm_host;
mod perform;

pub use hsm_host::{HostConfig, HostEnd, HsmHost, Joined, MakeTransport, is_host_folder};
