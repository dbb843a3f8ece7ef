use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_hsm::{Command, Operation};
use portcullis_seam::{Entropy, draw};
use tokio::time::Instant;

use super::Profile;
use super::queue::DeviceQueue;

/// One device at work. Real time, at any speed of the services' clock: what is measured against it
/// is real too.
pub(crate) struct Station {
    profile: Profile,
    entropy: Arc<dyn Entropy>,
    began: Instant,
    queue: Mutex<DeviceQueue>,
    /// Of commands that manage the device.
    commands: Mutex<DeviceQueue>,
}

/// How much of them may wait: a caller has to be answered before it gives up, which KMS does
/// after two seconds.
const COMMANDS_BACKLOG: Duration = Duration::from_secs(1);

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
            commands: Mutex::default(),
        }
    }

    /// When the answer to a command leaves; none when the device answers "busy". A command of a class
    /// without a rate takes no time.
    ///
    /// Rule DEV-07: commands wait for each other, in a queue of their own that is bounded; they and
    /// operations do not hold each other up.
    pub(crate) fn admits_command(&self, command: &Command) -> Option<Instant> {
        let now = self.began.elapsed();
        let Some(cost) = self.profile.cost_of_command(command) else {
            return Some(self.began + now);
        };
        let through = self.commands.lock().admit(now, cost, COMMANDS_BACKLOG)?;
        Some(self.began + through + self.latency())
    }

    fn latency(&self) -> Duration {
        let chance = u16::from_be_bytes(draw(&*self.entropy));
        self.profile.latency_us.quantile(chance)
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
        let began = self.station.began;
        if self.through == self.now {
            return began + self.now;
        }
        began + self.through + self.station.latency()
    }
}

impl fmt::Debug for Station {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Station({:?})", self.profile)
    }
}
