//! Real sockets on loopback.

mod identity;
mod misbehave;
mod operate;
mod support;
