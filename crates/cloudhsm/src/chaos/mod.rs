//! Faults: what is broken on purpose, where, for how long, and how it is undone.
//!
//! `order` reads what was asked for into a [`Breakage`] and a [`Place`]; `registry` lists what is
//! broken and derives from it what ails each HSM and each link; `kept` is what of it outlives the
//! process. Carrying a fault out, and undoing it, is in `control::chaos`.

mod kept;
mod order;
mod registry;

pub(crate) use kept::{Dates, Kept, Remedy, Undo};
pub use order::{BadOrder, FaultKind, FaultOrder};
pub(crate) use order::{Breakage, BrokenNetwork, Place};
pub use registry::FaultReport;
pub(crate) use registry::{Active, Registry, hsms};

#[cfg(test)]
mod tests;
