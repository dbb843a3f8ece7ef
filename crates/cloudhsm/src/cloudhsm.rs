//! The control plane as it runs: decisions are committed, then carried out on the fleet.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use portcullis_api::{ClusterId, Scope};
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_link::Transport;
use portcullis_seam::{Entropy, WallClock, WorkPool};
use portcullis_store::{Expect, Store, StoreError, Transaction};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::certificate::{CustomerAuthority, Makers, Roots};
use crate::chaos::Registry;
use crate::control::{Turns, Unfinished, start};
use crate::hosts::Hosts;
use crate::quota::Quotas;
use crate::record::{Cluster, Ledger, layout};
use crate::users::Sessions;
use portcullis_clusters::{ClusterView, HsmState};
use portcullis_fleet::{Disks, Equipment, Fleet};
use portcullis_time::Pacing;

/// What a [`CloudHsm`] works with.
#[derive(Debug)]
pub struct CloudHsmConfig {
    /// Where clusters and backups are recorded.
    pub store: Store,
    /// Where HSMs keep their disks.
    pub disks: Arc<dyn Disks>,
    /// How HSMs are reached.
    pub transport: Arc<dyn Transport>,
    /// Keys, ids, salts.
    pub entropy: Arc<dyn Entropy>,
    /// Dates.
    pub clock: Arc<dyn WallClock>,
    /// How long changes of state take.
    pub pacing: Arc<Pacing>,
    /// Where passwords are hashed and large frames are worked on.
    pub pool: Arc<dyn WorkPool>,
    /// Under which disks and backups are sealed. Another key cannot open them.
    pub device_key: Arc<DeviceKey>,
    /// Limits of each HSM.
    pub hsm_settings: Settings,
    /// Whether the service's quotas are kept.
    pub quotas: Quotas,
    /// The address on which HSMs listen; each chooses a free port.
    pub bind_ip: IpAddr,
}

/// CloudHSM: the clusters of every account and Region, and the HSMs that run.
///
/// Operations on different clusters are carried out one at a time too: they are rare, and a state
/// that only one of them changes is easy to reason about. Descriptions never wait.
pub struct CloudHsm {
    pub(crate) ledger: Ledger,
    pub(crate) fleet: Fleet,
    pub(crate) makers: Makers,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) device_key: Arc<DeviceKey>,
    pub(crate) quotas: Quotas,
    /// Held by whoever changes a cluster. Taken before any other lock.
    pub(crate) control: tokio::sync::Mutex<()>,
    pub(crate) views: RwLock<BTreeMap<(Scope, ClusterId), Arc<ClusterView>>>,
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) sessions: Sessions,
    pub(crate) customer: Mutex<Option<Arc<CustomerAuthority>>>,
    pub(crate) reconciling: Mutex<Option<AbortHandle>>,
    /// Passing states that wait for their end.
    pub(crate) turns: Arc<Turns>,
    pub(crate) unfinished: Arc<Unfinished>,
    /// What is broken on purpose. Taken before the views.
    pub(crate) faults: Mutex<Registry>,
    /// Other processes that run HSMs.
    pub(crate) hosts: Hosts,
}

/// Why CloudHSM cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// The store failed.
    Store(StoreError),
    /// What is stored was sealed under another device key, or is damaged.
    Unreadable(String),
    /// The makers' root certificates could not be made.
    Certificates(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => fmt::Display::fmt(error, formatter),
            Self::Unreadable(why) => write!(
                formatter,
                "the data folder cannot be read ({why}): use the device key it was made with, or \
                 another folder"
            ),
            Self::Certificates(why) => {
                write!(formatter, "the root certificates cannot be made: {why}")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl CloudHsm {
    /// Loads what the store has, starts every HSM from its disk and finishes what was begun.
    ///
    /// An HSM that does not start is logged and stays down; its cluster is there without it.
    ///
    /// # Errors
    /// When the store fails, or was sealed under another device key.
    pub async fn open(config: CloudHsmConfig) -> Result<Arc<Self>, OpenError> {
        let makers = makers(&config).await?;
        let (changes, _) = watch::channel(0);
        let turns = Arc::new(Turns::new(config.pacing, Arc::clone(&config.clock)));
        let cloud = Arc::new(Self {
            ledger: Ledger::new(config.store),
            makers,
            transport: Arc::clone(&config.transport),
            entropy: Arc::clone(&config.entropy),
            clock: Arc::clone(&config.clock),
            device_key: Arc::clone(&config.device_key),
            quotas: config.quotas,
            fleet: Fleet::new(Equipment {
                disks: config.disks,
                transport: config.transport,
                entropy: config.entropy,
                clock: config.clock,
                pool: config.pool,
                device_key: config.device_key,
                settings: config.hsm_settings,
                bind: SocketAddr::new(config.bind_ip, 0),
            }),
            control: tokio::sync::Mutex::new(()),
            views: RwLock::default(),
            changes,
            sessions: Sessions::default(),
            customer: Mutex::default(),
            reconciling: Mutex::default(),
            turns,
            unfinished: Arc::default(),
            faults: Mutex::default(),
            hosts: Hosts::default(),
        });
        cloud.load_faults()?;
        cloud.start_hsms().await;
        cloud.reconcile_once().await;
        cloud.resume_faults().await;
        *cloud.reconciling.lock() = Some(start(&cloud));
        Ok(cloud)
    }

    /// Every HSM in service, after all disks of its cluster are open: they catch up from each
    /// other.
    pub(crate) async fn start_hsms(&self) {
        for (scope, id) in self.ledger.clusters() {
            let Ok(Some(cluster)) = self.ledger.cluster(&scope, &id) else {
                continue;
            };
            let hsms: Vec<_> = cluster
                .hsms
                .iter()
                .filter(|(_, hsm)| hsm.state != HsmState::CreateInProgress)
                .map(|(id, _)| id.clone())
                .collect();
            self.place_hsms(&cluster);
            for hsm in hsms.iter().filter(|hsm| !self.fleet.is_placed(hsm)) {
                // What fails here fails again when it is started, and is logged then.
                let _peers_read_it = self.fleet.attach(hsm);
            }
            for hsm in &hsms {
                self.equip(&scope, &cluster, hsm);
                if self.fleet.is_placed(hsm) || self.is_kept_down(hsm) {
                    // It starts when its host calls; or when the fault is undone.
                    continue;
                }
                let Err(error) = self.fleet.start(hsm, &hsms).await else {
                    continue;
                };
                let found = cluster.hsms.get(hsm);
                if found.is_some_and(|found| found.state == HsmState::DeleteInProgress) {
                    // Rule ST-23: its disk may be gone already, and the rest of it goes now.
                    tracing::debug!(%error, "an HSM that is being deleted does not start");
                } else {
                    tracing::error!(%error, "an HSM stays down");
                }
            }
        }
    }

    /// Lets the fleet know which HSMs of a cluster are on other hosts.
    pub(crate) fn place_hsms(&self, cluster: &Cluster) {
        for (id, hsm) in &cluster.hsms {
            if let Some(number) = hsm.host {
                self.fleet.place(id, self.line_to(number, &hsm.zone));
            }
        }
    }

    /// The root certificates under which every HSM's certificates verify.
    #[must_use]
    pub fn roots(&self) -> Roots {
        self.makers.roots()
    }
}

/// The makers' roots of this data folder, made at the first start.
async fn makers(config: &CloudHsmConfig) -> Result<Makers, OpenError> {
    let unreadable = |why: String| OpenError::Unreadable(format!("{}: {why}", layout::ROOTS));
    if let Some(record) = config.store.get(layout::ROOTS) {
        let opened = config
            .device_key
            .open(layout::ROOTS, &record.value)
            .map_err(|error| unreadable(error.to_string()))?;
        return Makers::from_bytes(&opened).map_err(unreadable);
    }
    let makers = Makers::generate(&*config.entropy, config.clock.now())
        .map_err(|error| OpenError::Certificates(error.to_string()))?;
    let sealed = config
        .device_key
        .seal(layout::ROOTS, &makers.to_bytes(), &*config.entropy);
    let transaction = Transaction::new()
        .expect(layout::ROOTS, Expect::Absent)
        .put(layout::ROOTS, sealed);
    config.store.commit(transaction).await?;
    Ok(makers)
}

impl Drop for CloudHsm {
    fn drop(&mut self) {
        if let Some(task) = self.reconciling.lock().take() {
            task.abort();
        }
    }
}

impl fmt::Debug for CloudHsm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CloudHsm({} clusters)", self.views.read().len())
    }
}
