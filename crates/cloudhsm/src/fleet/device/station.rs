use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_hsm::Operation;
use portcullis_seam::{Entropy, draw};
use tokio::time::Instant;

use super::Profile;
use super::queue::Queue;

/// One device at work. Real time, at any speed of the services' clock: what is measured against it
/// is real too.
pub(crate) struct Station {
    profile: Profile,
    entropy: Arc<dyn Entropy>,
    began: Instant,
    queue: Mutex<Queue>,
}

/// The work of one frame, as it is admitted.
pub(crate) struct Metered<'a> {
    station: &'a Station,
    now: Duration,
    through: Duration,
}

impl Station {
    pub(crate) fn new(profile: Profile, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            profile,
            entropy,
            began: Instant::now(),
            queue: Mutex::default(),
        }
    }

    /// A frame has arrived.
    pub(crate) fn frame(&self) -> Metered<'_> {
        let now = self.began.elapsed();
        Metered {
            station: self,
            now,
            through: now,
        }
    }
}

impl Metered<'_> {
    /// Whether the device takes the operation; it answers "busy" otherwise.
    pub(crate) fn admits(&mut self, operation: &Operation<'_>) -> bool {
        let Station { profile, queue, .. } = self.station;
        let cost = profile.cost(operation);
        let through = queue.lock().admit(self.now, cost, profile.backlog());
        self.through = through.unwrap_or(self.through).max(self.through);
        through.is_some()
    }

    /// When the frame's answer leaves: with its last operation, and the device's latency. A frame
    /// that was refused altogether is answered at once.
    pub(crate) fn leaves(&self) -> Instant {
        let Station {
            profile,
            entropy,
            began,
            ..
        } = self.station;
        if self.through == self.now {
            return *began + self.now;
        }
        let chance = u16::from_be_bytes(draw(&**entropy));
        *began + self.through + profile.latency_us.quantile(chance)
    }
}

impl fmt::Debug for Station {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Station({:?})", self.profile)
    }
}
