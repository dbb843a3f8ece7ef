//! Real sockets on loopback.

mod control;
mod identity;
mod lanes;
mod misbehave;
mod operate;
mod support;
