//! The process that everything of the product runs in: how it starts, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, Clusters, Pace, Pacing, Quotas};
use portcullis_hsm::Settings;
use portcullis_kms::{AttestationTrust, Kms, KmsConfig};
use portcullis_link::Transport;
use portcullis_seam::{Entropy, InlinePool, WallClock};
use portcullis_store::Store;
use tokio::time::timeout;

use super::{Restart, World, WorldError, wait};
use crate::BIND_IP;
use crate::history::Event;

/// What every call may take. Two attempts, and some more, as the product's own default.
const OPERATION_DEADLINE: Duration = Duration::from_secs(3);

/// How long a power cut in the midst of a write is waited for.
const FUSE_BURNS_FOR: Duration = Duration::from_millis(400);

/// KMS, CloudHSM and, within it, every HSM.
#[derive(Clone)]
pub(super) struct Process {
    kms: Arc<Kms>,
    cloud: Arc<CloudHsm>,
}

/// Passwords are hashed with one iteration: a world hashes some thirty.
fn settings() -> Settings {
    Settings {
        password_iterations: std::num::NonZeroU32::MIN,
        ..Settings::default()
    }
}

impl World {
    /// KMS, while there is a process.
    pub(super) fn kms(&self) -> Option<Arc<Kms>> {
        let process = self.process.lock();
        process.as_ref().map(|process| Arc::clone(&process.kms))
    }

    /// CloudHSM, while there is a process.
    pub(super) fn cloud(&self) -> Option<Arc<CloudHsm>> {
        let process = self.process.lock();
        process.as_ref().map(|process| Arc::clone(&process.cloud))
    }

    /// Starts the process over the disks as they are.
    pub(super) async fn start(&self) -> Result<(), WorldError> {
        let store = Store::on_backend(self.control.attach())
            .map_err(|error| WorldError::of("the control plane's disk", error))?;
        let transport: Arc<dyn Transport> = Arc::new(self.network.of_process());
        let clock: Arc<dyn WallClock> = Arc::new(self.clock);
        let cloud = CloudHsm::open(CloudHsmConfig {
            store: store.clone(),
            disks: Arc::new(self.disks.of_process()),
            transport: Arc::clone(&transport),
            entropy: Arc::clone(&self.hsm_entropy) as Arc<dyn Entropy>,
            clock: Arc::clone(&clock),
            pacing: Pacing::new(Pace::Immediate),
            pool: Arc::new(InlinePool),
            device_key: Arc::clone(&self.device_key),
            hsm_settings: settings(),
            quotas: Quotas::None,
            bind_ip: SocketAddr::new(BIND_IP, 0).ip(),
        })
        .await
        .map_err(|error| WorldError::of("CloudHSM does not open", error))?;
        let kms = Kms::open(KmsConfig {
            store,
            clusters: Arc::<CloudHsm>::clone(&cloud) as Arc<dyn Clusters>,
            transport,
            entropy: Arc::clone(&self.kms_entropy) as Arc<dyn Entropy>,
            clock,
            device_key: Arc::clone(&self.device_key),
            hsm_settings: settings(),
            pool: Arc::new(InlinePool),
            rename_while_connected: false,
            pacing: Pacing::new(Pace::Immediate),
            attestation: AttestationTrust::default(),
            operation_deadline: OPERATION_DEADLINE,
        })
        .await
        .map_err(|error| WorldError::of("KMS does not open", error))?;
        *self.process.lock() = Some(Process { kms, cloud });
        Ok(())
    }

    /// Ends the process at once: nothing of it reaches anybody any more.
    pub(super) fn end(&self, power_cut: bool) {
        let Some(process) = self.process.lock().take() else {
            return;
        };
        self.ends.notify_waiters();
        self.network.end_process();
        self.disks.end_process();
        self.control.let_go(power_cut);
        for (_, view) in process.cloud.clusters() {
            for hsm in &view.hsms {
                self.disks.let_go(&hsm.id, power_cut);
                let _was_up = process.cloud.crash(&hsm.id);
            }
        }
        self.known.lock().down.clear();
        self.connected.store(false, Ordering::Relaxed);
    }

    /// Ends the process in order: with the last of its tasks, its stores are closed.
    pub(super) fn close(&self) {
        let process = self.process.lock().take();
        self.ends.notify_waiters();
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
        self.recorder.tell(|at| Event::Restarted { at });
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
                self.recorder.tell(|at| Event::Member { at, hsm, cluster });
            }
        }
    }
}
