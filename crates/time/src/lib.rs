//! How time passes in the simulated services: the calendar that can be put forward, and how long a
//! change of state takes.
//!
//! [`Pace`] decides, purely, whether a step may be taken; [`Pacing`] is what waits for it. The services
//! ask the same one, and all live on the same [`Calendar`].
//!
//! ```
//! use portcullis_time::Pace;
//!
//! assert_eq!("after:2.5".parse::<Pace>().unwrap().to_string(), "after:2.5");
//! ```

mod calendar;
mod pace;
mod pacing;

pub use calendar::{Calendar, CalendarError, Reading};
pub use pace::{InvalidPace, Pace, Verdict};
pub use pacing::{Pacing, Turn, sleep_or_ring};
