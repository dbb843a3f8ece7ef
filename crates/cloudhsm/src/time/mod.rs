//! How time passes in the simulated services: the calendar that can be put forward, and how long a
//! change of state takes.
//!
//! [`Pace`] decides, purely, whether a step may be taken; [`Pacing`] is what waits for it. Both
//! services ask the same one, and both live on the same [`Calendar`].

mod calendar;
mod pace;
mod pacing;
mod turns;

pub use calendar::{Calendar, CalendarError, Reading};
pub use pace::{InvalidPace, Pace, StateChange, Verdict};
pub use pacing::{Pacing, Turn};
pub(crate) use turns::{Subject, Turns};
