use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_api::{ClusterId, Scope};
use portcullis_clusters::{ClusterView, Clusters};
use portcullis_seam::watch;
use portcullis_store::{Expect, Transaction};

use crate::certificate::{CustomerAuthority, Makers, Roots};
use crate::chaos::{Controls, Faults};
use crate::config::{CloudHsmConfig, OpenError};
use crate::control::{Backups, Devices, Provisioning, Reconciler};
use crate::decide::HsmsOn;
use crate::hosts::{HostLines, Hosts};
use crate::keys::HsmKeys;
use crate::network::Networks;
use crate::record::layout;
use crate::service_core::ServiceCore;
use crate::users::HsmUsers;

/// CloudHSM: the clusters of every account and Region, and the HSMs that run. It has one method an
/// operation of the API; what else can be done is behind one door each.
///
/// Operations on different clusters are carried out one at a time too: they are rare, and a state
/// that only one of them changes is easy to reason about. Descriptions never wait.
pub struct CloudHsm {
    pub(crate) core: Arc<ServiceCore>,
    pub(crate) reconciler: Arc<Reconciler>,
    pub(crate) backups: Arc<Backups>,
    pub(crate) lines: Arc<HostLines>,
    pub(crate) customer: Mutex<Option<Arc<CustomerAuthority>>>,
    provisioning: Arc<Provisioning>,
    devices: Arc<Devices>,
    networks: Arc<Networks>,
    controls: Arc<Controls>,
    faults: Arc<Faults>,
    hosts: Arc<Hosts>,
    users: Arc<HsmUsers>,
    keys: HsmKeys,
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
        let cloud = Arc::new(Self::of(config, makers));
        let core = &cloud.core;
        core.faults.load(core.clock.real_now())?;
        cloud.provisioning.start_hsms().await;
        cloud.reconciler.reconcile_once().await;
        cloud.faults.resume_faults().await;
        cloud.reconciler.start();
        Ok(cloud)
    }

    fn of(config: CloudHsmConfig, makers: Makers) -> Self {
        let core = Arc::new(ServiceCore::new(config));
        let backups = Arc::new(Backups::new(Arc::clone(&core)));
        let devices = Arc::new(Devices::new(Arc::clone(&core)));
        let lines = Arc::new(HostLines::new(Arc::clone(&core)));
        let networks = Arc::new(Networks::new(Arc::clone(&core)));
        let controls = Arc::new(Controls::new(Arc::clone(&core), Arc::clone(&networks)));
        let faults = Arc::new(Faults::new(Arc::clone(&core), Arc::clone(&controls)));
        let provisioning = Arc::new(Provisioning {
            core: Arc::clone(&core),
            backups: Arc::clone(&backups),
            devices: Arc::clone(&devices),
            lines: Arc::clone(&lines),
            makers,
        });
        let reconciler = Arc::new(Reconciler::new(
            Arc::clone(&core),
            Arc::clone(&backups),
            Arc::clone(&provisioning),
            Arc::clone(&lines),
        ));
        let hosts = Hosts::new(
            Arc::clone(&core),
            Arc::clone(&reconciler),
            Arc::clone(&lines),
        );
        let users = HsmUsers::new(Arc::clone(&core), Arc::clone(&reconciler));
        let users = Arc::new(users);
        Self {
            keys: HsmKeys::new(Arc::clone(&core), Arc::clone(&users)),
            users,
            hosts: Arc::new(hosts),
            customer: Mutex::default(),
            core,
            reconciler,
            backups,
            lines,
            provisioning,
            devices,
            networks,
            controls,
            faults,
        }
    }

    /// The root certificates under which every HSM's certificates verify.
    #[must_use]
    pub fn roots(&self) -> Roots {
        self.provisioning.makers.roots()
    }

    /// Every cluster, in the order of account, Region and ID.
    #[must_use]
    pub fn clusters(&self) -> Vec<(Scope, Arc<ClusterView>)> {
        self.core.clusters()
    }

    /// One round over every cluster: what is due by now is done. What fails is logged and tried
    /// again in the next round.
    pub async fn reconcile_once(&self) {
        self.reconciler.reconcile_once().await;
    }

    /// Says where HSMs are made of clusters that have no tag for it. Until the next start.
    pub fn set_default_placement(&self, place: HsmsOn) {
        self.lines.set_default_placement(place);
    }

    /// Which device profiles the HSMs have.
    #[must_use]
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// The networks that clusters lie in.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// What the real service does without being asked, done on request.
    #[must_use]
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// What is broken on purpose.
    #[must_use]
    pub const fn faults(&self) -> &Arc<Faults> {
        &self.faults
    }

    /// Other processes that run HSMs.
    #[must_use]
    pub const fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    /// Users of HSMs, as the CloudHSM CLI manages them.
    #[must_use]
    pub fn users(&self) -> &HsmUsers {
        &self.users
    }

    /// Keys in HSMs, as the CloudHSM CLI manages them.
    #[must_use]
    pub const fn keys(&self) -> &HsmKeys {
        &self.keys
    }
}

impl Clusters for CloudHsm {
    fn cluster(&self, scope: &Scope, id: &ClusterId) -> Option<Arc<ClusterView>> {
        self.core.cluster(scope, id)
    }

    fn tags(&self, scope: &Scope, id: &str) -> Vec<(String, String)> {
        // What cannot be read has no tags that anybody could be sure of.
        let tags = self.core.ledger.tags(scope, id).unwrap_or_default();
        tags.into_iter().collect()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.core.changes()
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

impl fmt::Debug for CloudHsm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CloudHsm({:?})", self.core)
    }
}
