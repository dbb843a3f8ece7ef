//! Connects and disconnects that take their time.

use std::sync::Arc;
use std::time::Duration;

use portcullis_api::KeyStoreId;
use portcullis_seam::Timestamp;
use portcullis_time::{Turn, Verdict};

use super::driver::KeyStore;
use crate::catalogue::Partition;
use crate::config::KmsConfig;
use crate::state_change::StateChange;

/// How long a description waits for a connect whose turn has come: an HSM that cannot be reached
/// takes seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A passing state of a store begins.
pub(super) fn begin(config: &KmsConfig, store: &KeyStore, change: StateChange) -> Arc<Turn> {
    let turn = Turn::begin(change.aws_duration(), config.clock.now());
    store.begin(&turn);
    turn
}

/// Rule TIME-05: a connect and a disconnect end when the pace permits, or when another one takes
/// their place.
pub(super) async fn await_turn(config: &KmsConfig, turn: &Turn) {
    tokio::select! {
        biased;
        () = config.pacing.wait(turn, &*config.clock) => {}
        () = turn.over() => {}
    }
}

/// Rule TIME-06: what was described often enough is over before it is described again.
pub(super) async fn end_described(config: &KmsConfig, partition: &Partition) {
    end_those(config, partition, |turn, now| {
        config.pacing.is_described_enough(turn, now)
    })
    .await;
}

/// Waits for the connects and disconnects whose time is over.
pub(crate) async fn end_due(config: &KmsConfig, partition: &Partition) {
    end_those(config, partition, |turn, now| {
        config.pacing.verdict(turn, now) == Verdict::Now
    })
    .await;
}

async fn end_those(
    config: &KmsConfig,
    partition: &Partition,
    over: impl Fn(&Turn, Timestamp) -> bool,
) {
    let stores: Vec<_> = partition.stores.read().values().cloned().collect();
    for turn in stores.iter().filter_map(|store| store.turn()) {
        if over(&turn, config.clock.now()) {
            turn.finished(PATIENCE).await;
        }
    }
}

/// A description has shown these stores.
pub(super) fn count_described<'a>(
    config: &KmsConfig,
    partition: &Partition,
    shown: impl Iterator<Item = &'a KeyStoreId>,
) {
    let stores = partition.stores.read();
    for turn in shown.filter_map(|id| stores.get(id)?.turn()) {
        config.pacing.describe(&turn);
    }
}
