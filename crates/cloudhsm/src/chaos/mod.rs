//! Faults: what is broken on purpose, where, for how long, and how it is undone.
//!
//! The kinds of faults are listed in [`portcullis_admin::FaultKind`]; `effect` says what each does.
//! `order` reads what was asked for into a [`FaultEffect`] and a [`BrokenPlace`]; `registry` lists what is
//! broken and derives from it how HSMs and links behave; `kept` is what of it outlives the
//! process. Carrying a fault out, and undoing it, is in `faults`.

mod controls;
mod effect;
mod error;
mod faults;
mod kept;
mod list;
mod order;
mod registry;

pub use controls::Controls;
pub(crate) use effect::{FaultEffect, HsmEffect, NetworkEffect};
pub use error::FaultError;
pub use faults::Faults;
pub(crate) use kept::{Active, Dates, FaultUndo, HsmUndo, KeptFault};
pub(crate) use list::FaultList;
pub use order::BadOrder;
pub(crate) use order::{BrokenPlace, lasts, read};
pub(crate) use registry::{Registry, hsms};

#[cfg(test)]
mod tests;
