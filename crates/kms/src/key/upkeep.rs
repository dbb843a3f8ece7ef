//! What is done with keys and key stores without a call, when its time has come.

use std::sync::Arc;
use std::time::Duration;

use super::{KeyDeletion, KeyRotation, MaterialImport, Replication};
use crate::key_store::end_due;
use crate::records::{Records, keep_doing};

/// How often keys whose day has come are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Rule TIME-04: every hour of the services' clock, if that passes sooner.
const SWEEP_EVERY_SIMULATED: Duration = Duration::from_secs(60 * 60);

/// Does what is due.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) records: Arc<Records>,
    pub(crate) deletion: Arc<KeyDeletion>,
    pub(crate) import: Arc<MaterialImport>,
    pub(crate) rotation: Arc<KeyRotation>,
    pub(crate) replication: Arc<Replication>,
}

impl Upkeep {
    /// Does what is due, for as long as this exists.
    pub(crate) fn start(self: &Arc<Self>) {
        let rest = (SWEEP_EVERY, SWEEP_EVERY_SIMULATED);
        let job = |upkeep: Arc<Self>| async move { upkeep.reconcile_once().await };
        keep_doing(self, &self.records.config, rest, job);
    }

    /// What is due by now is done: keys whose day has come are deleted, connects and disconnects
    /// whose time is over end. What fails is logged and tried again in the next round.
    pub(crate) async fn reconcile_once(&self) {
        for partition in self.records.catalogue.all() {
            self.deletion.sweep(&partition).await;
            self.import.expire_materials(&partition).await;
            self.rotation.rotate_due(&partition).await;
            self.replication.end_changes(&partition).await;
            end_due(&self.records.config, &partition).await;
        }
    }
}
