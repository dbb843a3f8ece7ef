//! Real sockets on loopback.

mod control;
mod identity;
mod misbehave;
mod operate;
mod support;
