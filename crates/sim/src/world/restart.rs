//! How the process of the product starts, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, Quotas};
use portcullis_hsm::Settings;
use portcullis_kms::{AttestationTrust, Kms, KmsConfig};
use portcullis_seam::{Entropy, InlinePool};
use portcullis_store::Store;
use portcullis_time::{Pace, Pacing};
use tokio::time::timeout;

use super::facade::{Reaches, Relay};
use super::plan::{Restart, Vanish};
use super::process::{FacadeParts, Process};
use super::wait::wait;
use super::{World, WorldError};
use crate::BIND_IP;
use crate::disk::give_up;
use crate::history::HistoryEvent;

/// What every call may take. Two attempts, and some more, as the product's own default.
const OPERATION_DEADLINE: Duration = Duration::from_secs(3);

/// How long a power cut in the midst of a write is waited for.
const FUSE_BURNS_FOR: Duration = Duration::from_millis(400);

/// Passwords are hashed with one iteration: a world hashes some thirty.
fn settings() -> Settings {
    Settings {
        password_iterations: std::num::NonZeroU32::MIN,
        ..Settings::default()
    }
}

impl World {
    /// CloudHSM, while there is a process.
    pub(super) fn cloud(&self) -> Option<Arc<CloudHsm>> {
        self.parts().map(|parts| parts.cloud)
    }

    pub(super) fn parts(&self) -> Option<FacadeParts> {
        let process = self.process.lock();
        process.as_ref().map(|process| process.parts.clone())
    }

    /// Starts the process over the disks as they are.
    pub(super) async fn start(&self) -> Result<(), WorldError> {
        self.control.put_back();
        let store = Store::on_storage_at(self.control.attach(), self.control.place())
            .map_err(|error| WorldError::of("the control plane's disk", error))?;
        if self.facades > 1 {
            store.keep_log();
        }
        let network = self.network.of_process();
        let cloud = CloudHsm::open(CloudHsmConfig {
            store: store.clone(),
            disks: Arc::new(self.disks.of_process()),
            transport: Arc::new(network.clone()),
            entropy: Arc::clone(&self.hsm_entropy) as Arc<dyn Entropy>,
            clock: Arc::new(self.clock),
            pacing: Pacing::new(Pace::Immediate),
            pool: Arc::new(InlinePool),
            device_key: Arc::clone(&self.device_key),
            hsm_settings: settings(),
            quotas: Quotas::None,
            bind_ip: SocketAddr::new(BIND_IP, 0).ip(),
        })
        .await
        .map_err(|error| WorldError::of("CloudHSM does not open", error))?;
        let parts = FacadeParts {
            store,
            cloud,
            network,
            life: Arc::default(),
            relay: Relay::default(),
        };
        if self.facades > 1 {
            parts.relay.start(&parts.cloud);
        }
        let mut facades = Vec::new();
        for number in 0..self.facades {
            facades.push(Some(self.start_facade_at_last(number, &parts).await?));
        }
        *self.process.lock() = Some(Process { facades, parts });
        Ok(())
    }

    pub(super) async fn open_kms(
        &self,
        store: Store,
        reaches: Reaches,
    ) -> Result<Arc<Kms>, WorldError> {
        Kms::open(KmsConfig {
            store,
            clusters: reaches.clusters,
            transport: reaches.transport,
            entropy: Arc::clone(&self.kms_entropy) as Arc<dyn Entropy>,
            clock: Arc::new(self.clock),
            device_key: Arc::clone(&self.device_key),
            hsm_settings: settings(),
            pool: Arc::new(InlinePool),
            rename_while_connected: false,
            pacing: Pacing::new(Pace::Immediate),
            attestation: AttestationTrust::default(),
            operation_deadline: OPERATION_DEADLINE,
        })
        .await
        .map_err(|error| WorldError::of("KMS does not open", error))
    }

    /// Ends the process at once: nothing of it reaches anybody any more.
    pub(super) fn end(&self, power_cut: bool) {
        let Some(process) = self.process.lock().take() else {
            return;
        };
        process.end_facades();
        self.network.end_process();
        self.disks.end_process();
        self.control.let_go(power_cut);
        give_up(&process.parts.store);
        for (_, view) in process.parts.cloud.clusters() {
            for hsm in &view.hsms {
                self.disks.let_go(&hsm.id, power_cut);
                let _was_up = process.parts.cloud.controls().crash(&hsm.id);
            }
        }
        self.known.lock().down.clear();
        self.connected.store(false, Ordering::Relaxed);
    }

    /// Ends the process in order: with the last of its tasks, its stores are closed.
    pub(super) fn close(&self) {
        let process = self.process.lock().take();
        process.iter().for_each(Process::end_facades);
        self.network.end_process();
        self.disks.end_process();
        self.disks.close();
        drop(process);
        self.connected.store(false, Ordering::Relaxed);
    }

    /// The process ends, in a power cut or killed, and is started again.
    pub(super) async fn restart_process(&self, restart: Restart) -> Result<(), WorldError> {
        wait(restart.at).await;
        if self.process.lock().is_none() {
            // Another restart is under way.
            return Ok(());
        }
        self.fault(if restart.power_cut {
            "power cut of everything"
        } else {
            "process killed"
        });
        let power_cut = match restart.mid_write {
            Some(writes) => {
                self.control.cut_power_after(writes);
                let cut = self.control.when_cut();
                timeout(FUSE_BURNS_FOR, cut.notified()).await.is_ok() || restart.power_cut
            }
            None => restart.power_cut,
        };
        if self.process.lock().is_none() {
            return Ok(());
        }
        self.end(power_cut);
        wait(restart.down).await;
        let shared = self.facades > 1;
        self.recorder
            .tell(|at| HistoryEvent::Restarted { at, shared });
        self.start().await?;
        self.tell_members();
        Ok(())
    }

    /// The control plane's disk is taken from its place while the process runs. Cryptographic
    /// operations notice nothing; then the process is killed, the disk put back, and all is started
    /// again.
    pub(super) async fn vanish(&self, vanish: Vanish) -> Result<(), WorldError> {
        wait(vanish.at).await;
        if self.process.lock().is_none() {
            return Ok(());
        }
        self.disturb("data folder removed");
        self.control.take_away();
        wait(vanish.lasts).await;
        if self.process.lock().is_none() || !self.control.is_away() {
            // Another restart has put it back.
            return Ok(());
        }
        self.fault("process killed");
        self.end(false);
        let shared = self.facades > 1;
        self.recorder
            .tell(|at| HistoryEvent::Restarted { at, shared });
        self.start().await?;
        self.tell_members();
        Ok(())
    }

    /// What was begun before the restart is finished after it: HSMs may have come.
    fn tell_members(&self) {
        let clusters = self.cloud().map(|cloud| cloud.clusters());
        for (_, view) in clusters.unwrap_or_default() {
            for hsm in &view.hsms {
                let (hsm, cluster) = (hsm.id.clone(), view.id.clone());
                self.recorder
                    .tell(|at| HistoryEvent::Member { at, hsm, cluster });
            }
        }
    }
}
