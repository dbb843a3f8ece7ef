//! What the control plane does by itself: changes of state are carried out step by step, in their time,
//! and tried again when they fail.

mod backups;
mod devices;
mod progress;
mod provisioning;
mod reconcile;
mod state_change;
mod step;
mod turns;
mod unfinished;

pub(crate) use backups::Backups;
pub use devices::Devices;
pub(crate) use provisioning::Provisioning;
pub(crate) use reconcile::Reconciler;
pub(crate) use turns::{TurnSubject, Turns};
