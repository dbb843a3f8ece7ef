//! An HSM on another host: the line to the host, and the messages that travel on it.

mod hsm;
mod join;
mod line;
mod protocol;
mod token;

pub(crate) use hsm::RemoteHsm;
pub use join::{Admission, JOIN_BYTES_MAX, Join};
pub use line::HostLine;
pub(crate) use protocol::{
    Content, Fittings, HostRequest, HsmReply, HsmRequest, KeyRequest, MESSAGE_BYTES_MAX,
    NodeStatus, Tally,
};
pub use protocol::{decode, encode};
pub use token::{EnrolmentToken, InvalidToken, TokenSecret};

/// Whether `bytes` are a message between a host and the control plane. For the fuzzer: whatever it
/// answers, it does so without panicking.
#[must_use]
pub fn is_host_message(bytes: &[u8]) -> bool {
    decode::<HostRequest>(bytes).is_ok()
        || decode::<HsmReply>(bytes).is_ok()
        || decode::<Join>(bytes).is_ok()
        || decode::<Admission>(bytes).is_ok()
}
