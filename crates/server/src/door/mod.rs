//! The control plane's door: who may use what is served beside the AWS endpoint.
//!
//! `guard.rs` stands before every route; `host.rs` judges the Host, `token.rs` the admin token,
//! `guesses.rs` bounds wrong ones.

mod guard;
mod guesses;
mod host;
mod token;

pub use host::{HostNames, InvalidHostName};
pub use token::{AdminToken, InvalidToken};

pub use guard::AdminAccess;

pub(crate) use guard::{DoorGuard, Doorkeeper, layer};
