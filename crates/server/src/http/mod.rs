//! HTTP: sockets, one runtime for each core, the AWS endpoint `POST /` and the way to the rest.
//!
//! `core.rs` accepts and gives each connection a place of `places.rs`; `connection.rs` serves it over
//! `stream.rs`, which bounds what it waits for; `edge.rs` answers a request. What all connections
//! together may hold is in `bounds.rs`.

mod listen;

mod core;
mod places;
mod refuse;
mod room;
mod secure;
mod signed;

mod connection;
mod stall;
mod state;
mod stream;
mod wiping;

mod authenticate;
mod body;
mod edge;
mod head;
mod origin;
mod query;
mod reply;
mod routed;

mod bounds;
mod budget;
mod notices;

pub(crate) use authenticate::authenticate;
pub(crate) use bounds::Bounds;
pub(crate) use edge::{Edge, Front, SharedByCores};
pub(crate) use origin::{FOREIGN_PAGE, is_of_another_page, is_own_or_none};
pub(crate) use places::ConnectionPhase;
pub(crate) use room::{ConnectionRoom, Purpose};
pub(crate) use routed::{counted, stream, unavailable};

pub(crate) use self::core::run;
pub(crate) use self::listen::bind;
