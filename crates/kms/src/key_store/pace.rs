//! Connects and disconnects that take their time.

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::KeyStoreId;
use portcullis_seam::Timestamp;
use portcullis_time::{Turn, Verdict};

use super::driver::KeyStore;
use crate::catalogue::Partition;
use crate::kms::Kms;
use crate::state_change::StateChange;

/// How long a description waits for a connect whose turn has come: an HSM that cannot be reached
/// takes seconds.
const PATIENCE: Duration = Duration::from_secs(5);

impl Kms {
    /// A passing state of a store begins.
    pub(super) fn begin(&self, store: &KeyStore, change: StateChange) -> Arc<Turn> {
        let turn = Turn::begin(change.aws_duration(), self.config.clock.now());
        store.begin(&turn);
        turn
    }

    /// Rule TIME-05: a connect and a disconnect end when the pace permits, or when another one takes
    /// their place.
    pub(super) async fn await_turn(&self, turn: &Turn) {
        tokio::select! {
            biased;
            () = self.config.pacing.wait(turn, &*self.config.clock) => {}
            () = turn.over() => {}
        }
    }

    /// Rule TIME-06: what was described often enough is over before it is described again.
    pub(super) async fn end_described(&self, partition: &Partition) {
        self.end_those(partition, |turn, now| {
            self.config.pacing.is_described_enough(turn, now)
        })
        .await;
    }

    /// Waits for the connects and disconnects whose time is over.
    pub(crate) async fn end_due(&self, partition: &Partition) {
        self.end_those(partition, |turn, now| {
            self.config.pacing.verdict(turn, now) == Verdict::Now
        })
        .await;
    }

    async fn end_those(&self, partition: &Partition, over: impl Fn(&Turn, Timestamp) -> bool) {
        let stores: Vec<_> = partition.stores.read().values().cloned().collect();
        for turn in stores.iter().filter_map(|store| store.turn()) {
            if over(&turn, self.config.clock.now()) {
                turn.finished(PATIENCE).await;
            }
        }
    }

    /// A description has shown these stores.
    pub(super) fn count_described<'a>(
        &self,
        partition: &Partition,
        shown: impl Iterator<Item = &'a KeyStoreId>,
    ) {
        let stores = partition.stores.read();
        for turn in shown.filter_map(|id| stores.get(id)?.turn()) {
            self.config.pacing.describe(&turn);
        }
    }
}
