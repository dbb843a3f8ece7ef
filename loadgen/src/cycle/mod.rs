//! The scenario `edit-cycle`: disconnect, edit, connect, over and over while the load goes on.

mod edit;
mod password;

use std::rc::Rc;
use std::time::Duration;

use portcullis_admin::{EditKind, LoadPhase};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::Instant;

use crate::args::CycleArguments;
use crate::client::{ControlClient, KeyStore};
use crate::failure::Unusable;
use crate::judge::GateKnowledge;
use crate::worker::RunningLoad;

pub(crate) use edit::{Edits, prepare};
pub(crate) use password::{ClusterAdmin, generate, place};

/// The scenario at work.
#[derive(Debug)]
pub(crate) struct EditCycle {
    pub(crate) control: ControlClient,
    pub(crate) load: Rc<RunningLoad>,
    pub(crate) key_store: KeyStore,
    pub(crate) edits: Edits,
    pub(crate) timing: Timing,
}

/// When things happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    every: Duration,
    disconnected_for: Duration,
    state_timeout: Duration,
}

impl Timing {
    pub(crate) const fn of(arguments: &CycleArguments) -> Self {
        Self {
            every: arguments.cycle_every,
            disconnected_for: arguments.disconnected_for,
            state_timeout: arguments.state_timeout,
        }
    }

    /// The first cycle starts after half an interval, but never so late that a short run has
    /// none.
    fn first(&self, duration: Duration) -> Duration {
        (self.every / 2).min(duration / 3)
    }
}

/// The first look at a state that is waited for comes at once, the next ones ever later.
const LOOK_AFTER_MIN: Duration = Duration::from_millis(2);
const LOOK_AFTER_MAX: Duration = Duration::from_millis(500);

impl EditCycle {
    /// Runs cycles until `end`, or until the load ends. A cycle that has begun is finished: the
    /// key store is left connected.
    pub(crate) async fn run(&mut self, end: Instant) -> Result<(), Unusable> {
        let start = self.load.start;
        let mut at = start + self.timing.first(end.saturating_duration_since(start));
        let mut cycle = 0;
        while at < end {
            tokio::time::sleep_until(at).await;
            if self.load.arrivals.has_ended() {
                break;
            }
            let kind = self.edits.kind_of(cycle);
            cycle += 1;
            self.cycle(cycle, kind).await?;
            at = (at + self.timing.every).max(Instant::now());
        }
        Ok(())
    }

    async fn cycle(&mut self, cycle: u32, kind: EditKind) -> Result<(), Unusable> {
        let input = json!({ "CustomKeyStoreId": self.key_store.id });
        let load = Rc::clone(&self.load);
        let enter = |phase, gate| load.enter(phase, gate, cycle, Some(kind));

        enter(LoadPhase::Disconnecting, GateKnowledge::Moving);
        self.call("DisconnectCustomKeyStore", &input).await?;
        let gate = GateKnowledge::Disconnected(Instant::now());
        load.gate_is(gate);
        self.wait_for("DISCONNECTED").await?;

        enter(LoadPhase::Disconnected, gate);
        tokio::time::sleep(self.timing.disconnected_for).await;

        enter(LoadPhase::Editing, gate);
        self.edits
            .make(kind, &mut self.control, &mut self.key_store)
            .await?;

        enter(LoadPhase::Connecting, GateKnowledge::Moving);
        self.call("ConnectCustomKeyStore", &input).await?;
        self.wait_for("CONNECTED").await?;

        enter(
            LoadPhase::Connected,
            GateKnowledge::Connected(Instant::now()),
        );
        Ok(())
    }

    async fn call(&mut self, operation: &str, input: &impl Serialize) -> Result<(), Unusable> {
        self.control
            .kms::<IgnoredAny>(operation, input)
            .await
            .map(drop)
            .map_err(|error| {
                Unusable(format!(
                    "The edit cycle stopped: {error} Look at the key store with \
                 DescribeCustomKeyStores, and connect it before the next run."
                ))
            })
    }

    async fn wait_for(&mut self, state: &str) -> Result<(), Unusable> {
        let deadline = Instant::now() + self.timing.state_timeout;
        let mut pause = LOOK_AFTER_MIN;
        loop {
            let seen = match self.control.key_store(&self.key_store.id).await {
                Ok(key_store) if key_store.state == state => return Ok(()),
                Ok(key_store) if key_store.state == "FAILED" => return Err(failed(&key_store)),
                Ok(key_store) => key_store.state,
                Err(error) if error.is_passing() => error.to_string(),
                Err(error) => return Err(Unusable(format!("The edit cycle stopped: {error}"))),
            };
            if Instant::now() >= deadline {
                return Err(Unusable(format!(
                    "The edit cycle stopped: the key store {} was not {state} after {:?}; last \
                     seen: {seen}. Give it longer with --state-timeout.",
                    self.key_store.id, self.timing.state_timeout
                )));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_AFTER_MAX);
        }
    }
}

fn failed(key_store: &KeyStore) -> Unusable {
    Unusable(format!(
        "The edit cycle stopped: the key store {} is FAILED with {}. Disconnect it, repair what the \
         code names, and connect it before the next run.",
        key_store.id,
        key_store.error_code.as_deref().unwrap_or("no error code")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_a_cycle_and_connected_time_before_it() {
        let timing = |seconds| Timing {
            every: Duration::from_secs(seconds),
            disconnected_for: Duration::from_secs(1),
            state_timeout: Duration::from_secs(60),
        };
        assert_eq!(
            timing(5).first(Duration::from_secs(20)),
            Duration::from_millis(2500)
        );
        assert_eq!(
            timing(60).first(Duration::from_secs(6)),
            Duration::from_secs(2)
        );
    }
}
