//! Seeded worlds: the product's own code over a network, disks and a clock that a seed decides.
//!
//! A world has two Availability Zones, clusters of real HSMs, one facade, clients and an operator.
//! While clients call, an HSM loses its power, a zone is cut off, messages are late or break their
//! connection, and the operator disconnects, edits and reconnects the key store. Then everything is
//! healed. The history of all calls goes to a checker of pure functions; a seed replays exactly.
//!
//! This crate has no model of the product. It knows what must always be true and reads histories;
//! how the product keeps its promises is not its business. Planted bugs prove that it would notice.
//!
//! Start reading at [`run`], then `world` for what happens and [`check`](mod@check) for what must be true.
//!
//! ```
//! let verdict = portcullis_sim::run(7, None, portcullis_sim::Lines::Dropped).unwrap();
//! assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);
//! ```

mod canary;
pub mod check;
mod clock;
mod digest;
mod disk;
mod disk_image;
mod finder;
pub mod history;
mod network;
mod power_cuts;
mod random;
mod record;
mod run;
mod shrink;
mod world;

pub use canary::Canaries;
pub use clock::SimClock;
pub use disk::{Attached, ProcessDisks, SimDisk, SimDisks};
pub use disk_image::DiskImage;
pub use network::{BIND_IP, Carrier, Counts, Network, ProcessNetwork, Way, Weather};
pub use power_cuts::{PowerCuts, power_cuts};
pub use random::{Random, SimEntropy};
pub use record::{Lines, WorldRecord, WorldRecorder};
pub use run::{Coverage, SeedVerdict, run, run_plan, run_plan_twice, run_twice};
pub use shrink::{Shrunk, shrink, shrink_plan};
pub use world::{
    Crash, EditKind, FacadeEnd, FullDisk, Members, NetworkPartition, PasswordGuesses, PlannedFault,
    Restart, SecondOperatorPlan, StoreOutage, Storm, Vanish, WorldError, WorldOrigin, WorldPlan,
};
