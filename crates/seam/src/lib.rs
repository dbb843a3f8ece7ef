//! The seams through which time, chance and threads enter: three small traits and the real ones.
//!
//! Everything that a seeded run must be able to replay asks one of these traits instead of the
//! machine. The other two seams live where their meaning lives: `Transport` in
//! `portcullis-link`, storage in `portcullis-store`. Durations need no trait: they go through
//! `tokio::time`, whose clock the simulator holds. Tasks that wait for a value do it through [`watch`],
//! which draws nothing at random.
//!
//! This crate knows nothing else of Portcullis. Start reading at [`Entropy`].
//!
//! ```
//! use portcullis_seam::{Entropy, SystemEntropy};
//!
//! let id: [u8; 16] = portcullis_seam::draw(&SystemEntropy);
//! assert_ne!(id, [0; 16]);
//! ```

mod clock;
mod entropy;
pub mod plant;
mod pool;
pub mod watch;

use std::pin::Pin;

/// What an asynchronous method of a trait object gives.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub use clock::{Course, SimulatedClock, SystemClock, TimeScale, Timestamp, WallClock};
pub use entropy::{Entropy, SystemEntropy, draw};
pub use pool::{
    ClassFigures, InlinePool, JobTerms, NotDone, PoolJob, PoolTask, RefusedJob, ThreadPool,
    WorkClass, WorkPool, perform,
};
