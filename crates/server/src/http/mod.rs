//! HTTP: sockets, one runtime for each core, the AWS endpoint `POST /` and the way to the rest.

mod authenticate;
mod body;
mod core;
mod edge;
mod listen;
mod origin;
mod query;
mod reply;
mod wiping;

pub(crate) use authenticate::authenticate;
pub(crate) use edge::{Edge, Shared};

pub(crate) use self::core::run;
pub(crate) use self::listen::bind;
