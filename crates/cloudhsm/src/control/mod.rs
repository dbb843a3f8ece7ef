//! What the control plane does by itself: changes of state are carried out step by step, in their time,
//! and tried again when they fail.

mod backups;
mod devices;
mod progress;
mod reconcile;
mod state_change;
mod turns;
mod unfinished;

pub(crate) use reconcile::{start, warn};
pub(crate) use turns::{Subject, Turns};
pub(crate) use unfinished::Unfinished;
