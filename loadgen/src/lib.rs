//! Open-loop load against a KMS endpoint, measured through edit and reconnect cycles.
//!
//! A run sends Encrypt, Decrypt and GenerateDataKey at an intended rate, and measures each from
//! the instant at which it was *meant* to be sent: a server that stalls is seen to stall. With the
//! scenario `edit-cycle` it disconnects, edits and reconnects the custom key store meanwhile, and
//! holds every answer against what a disconnected key store may answer: a success is a *gate
//! leak*. Ciphertexts are kept and decrypted later, so that a wrong plaintext is found.
//!
//! `rehearse` destroys the key store's cluster instead, repairs the key store from a backup under
//! load, and reports how long no call was answered and which keys were lost.
//!
//! It is a client and nothing else: it knows HTTP, Signature Version 4 and the documented API,
//! but no other part of Portcullis, so that it judges any KMS endpoint by the same measure. It
//! runs on one thread, therefore its records need no lock and it needs one core.
//!
//! Start reading at `run.rs` (a run from start to end), then `judge/gate.rs` (what counts as a
//! leak) and `pace.rs` (intended send times).
//!
//! ```
//! use clap::Parser;
//! use portcullis_loadgen::LoadCommand;
//!
//! #[derive(Parser)]
//! struct Arguments {
//!     #[command(subcommand)]
//!     command: LoadCommand,
//! }
//!
//! let line = ["loadgen", "run", "--rate", "2000/s", "--duration", "20s", "--threshold", "p99<50ms"];
//! assert!(matches!(Arguments::try_parse_from(line).unwrap().command, LoadCommand::Run(_)));
//! ```

mod access;
mod args;
mod command;
mod credentials;
mod dial;
mod failure;
mod quantity;
mod scenario;
mod threshold;

mod client;
mod cycle;
mod find;
mod judge;
mod operation;
mod pace;
mod phase;
mod plan;
mod random;
mod record;
mod rehearse;
mod run;
mod worker;

mod compare;
mod output;
pub mod print;
mod report;
mod summary;

pub use access::Access;
pub use args::{
    CompareArguments, CycleArguments, LoadCommand, Output, ReportArguments, RunArguments,
};
pub use command::run;
pub use credentials::Credentials;
pub use dial::{Dial, DialStream};
pub use operation::{Mix, Operation};
pub use quantity::{Rate, parse_duration};
pub use rehearse::{RehearseArguments, Script, rehearse};
pub use threshold::Threshold;
