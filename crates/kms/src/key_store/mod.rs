//! Custom key stores: their records, their lifecycle, and the six operations on them.

mod align;
mod connect;
mod connection;
mod create;
mod delete;
mod describe;
mod disconnect;
mod driver;
mod establish;
mod lifecycle;
mod login;
mod operations;
mod pace;
mod record;
mod requirement;
mod transition;
mod update;

pub use describe::KeyStoreStatus;
pub use lifecycle::{
    Action, Connection, ConnectionError, Event, Kind, TRANSITIONS, Transition, next,
};

pub(crate) use connection::{Failure, NewKey};
pub(crate) use driver::{KeyStore, Stored};
pub(crate) use operations::find;
pub(crate) use record::KeyStoreRecord;
pub(crate) use requirement::{found, two_zones};
