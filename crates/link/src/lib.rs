//! What crosses the network between a facade and its HSMs: messages, frames, and the transport.
//!
//! [`Transport`] is the seam: the product's is [`QuicTransport`], the simulator brings its own and
//! carries the very same frames. This crate does not know what a command means; it carries it.
//!
//! Start reading at `transport` (the traits), then [`frame`] (the bytes), then `quic`; `fault` breaks
//! links on purpose.
//!
//! ```
//! use std::time::Duration;
//! use portcullis_hsm::{Call, Operation, SessionId};
//! use portcullis_link::frame::{Message, RequestFrame, decode};
//!
//! let mut frame = RequestFrame::with_capacity(128);
//! let call = Call { session: SessionId(1), operation: Operation::Random { bytes: 32 } };
//! frame.push(&call).unwrap();
//! let Ok(Message::Request(request)) = decode(frame.seal(7, Duration::from_secs(1))) else {
//!     unreachable!()
//! };
//! assert_eq!(request.len(), 1);
//! ```

mod certificate;
mod fault;
pub mod frame;
mod quic;
mod transport;

pub use certificate::{CertificateError, pem_to_der, verify_certificate_signed_by};
pub use fault::{Direction, FaultyTransport, LinkEffect, LinkFaults, LinkRule};
pub use frame::{ReplyFrame, Request};
pub use quic::{
    ClientIdentity, ControlAnswer, ControlCaller, ControlConnection, ControlListener,
    ControlQuestion, DatagramSocket, Datagrams, QuicSettings, QuicTransport, ServingThreads,
    dial_control, keep_lanes_here,
};
pub use transport::{
    BoxFuture, CallError, Channel, Conversation, Done, Identity, LinkError, Listener, Listening,
    Service, Target, Transport,
};
