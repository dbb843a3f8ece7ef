//! Messages, frames and the transport between a facade and its HSMs.

mod transport;

pub use transport::{
    CallError, Channel, Done, Identity, LinkError, Listener, Listening, ReplyFrame, Request,
    Service, Target, Transport,
};
