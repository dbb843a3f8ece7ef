use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;
use portcullis_api::{ClusterId, Exception, HsmId, Scope};
use portcullis_clusters::{ClusterView, HsmState, HsmView, NetworkTrouble};
use portcullis_fleet::{Equipment, Fleet, FleetError};
use portcullis_hsm::DeviceKey;
use portcullis_link::Transport;
use portcullis_seam::watch;
use portcullis_seam::{Entropy, WallClock};

use crate::chaos::{FaultError, FaultList};
use crate::config::CloudHsmConfig;
use crate::control::Turns;
use crate::quota::Quotas;
use crate::record::{Cluster, HsmRecord, RecordLedger, internal};

/// What every part of CloudHSM works on: the records, the HSMs that run, the seams, and what others
/// see of clusters.
pub(crate) struct ServiceCore {
    pub(crate) ledger: RecordLedger,
    pub(crate) fleet: Fleet,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) device_key: Arc<DeviceKey>,
    pub(crate) quotas: Quotas,
    /// Held by the caller that changes a cluster. Taken before any other lock.
    pub(crate) control: tokio::sync::Mutex<()>,
    /// Passing states that wait for their end.
    pub(crate) turns: Arc<Turns>,
    /// What is broken on purpose. Its lock is taken before that of the views.
    pub(crate) faults: FaultList,
    views: RwLock<BTreeMap<(Scope, ClusterId), Arc<ClusterView>>>,
    changes: watch::Sender<u64>,
}

impl ServiceCore {
    /// With nothing started yet.
    pub(crate) fn new(config: CloudHsmConfig) -> Self {
        let ledger = RecordLedger::new(config.store);
        let (changes, _) = watch::channel(0);
        Self {
            faults: FaultList::new(&ledger, &config.device_key, &config.entropy),
            ledger,
            transport: Arc::clone(&config.transport),
            entropy: Arc::clone(&config.entropy),
            clock: Arc::clone(&config.clock),
            device_key: Arc::clone(&config.device_key),
            quotas: config.quotas,
            control: tokio::sync::Mutex::new(()),
            turns: Arc::new(Turns::new(config.pacing, Arc::clone(&config.clock))),
            views: RwLock::default(),
            changes,
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
        }
    }

    /// Every cluster, in the order of account, Region and ID.
    pub(crate) fn clusters(&self) -> Vec<(Scope, Arc<ClusterView>)> {
        let views = self.views.read();
        views
            .iter()
            .map(|((scope, _), view)| (scope.clone(), Arc::clone(view)))
            .collect()
    }

    pub(crate) fn cluster(&self, scope: &Scope, id: &ClusterId) -> Option<Arc<ClusterView>> {
        let key = (scope.clone(), id.clone());
        self.views.read().get(&key).cloned()
    }

    /// Counts the changes of what is shown.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Shows a cluster as it is; tells those who watch when that is a change.
    pub(crate) fn refresh(&self, scope: &Scope, id: &ClusterId) {
        let key = (scope.clone(), id.clone());
        let view = match self.ledger.cluster(scope, id) {
            Ok(cluster) => cluster.map(|cluster| {
                let trouble = self.network_trouble(scope, &cluster);
                Arc::new(self.view(&cluster, trouble))
            }),
            // Unreadable: whatever is shown stays until the record is repaired.
            Err(_) => return,
        };
        let changed = {
            let mut views = self.views.write();
            let before = match &view {
                Some(view) => views.insert(key, Arc::clone(view)),
                None => views.remove(&key),
            };
            before != view
        };
        if changed {
            if !self.faults.is_empty() {
                self.apply_faults();
            }
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Brings the state of links and HSMs in line with the list of faults.
    ///
    /// Rule FT-07: also when an HSM comes into a place that is broken.
    pub(crate) fn apply_faults(&self) {
        let faults = self.faults.registry();
        let views = self.clusters();
        if let Some(links) = self.transport.faults() {
            links.set(faults.rules(&views));
        }
        self.fleet
            .set_behaviours(faults.behaviours(&views).into_iter());
    }

    /// The cluster that has an HSM.
    pub(crate) fn owner(&self, hsm: &HsmId) -> Result<(Scope, Arc<Cluster>), FaultError> {
        self.ledger
            .clusters()
            .into_iter()
            .filter_map(|(scope, id)| Some((self.ledger.cluster(&scope, &id).ok()??, scope)))
            .find(|(cluster, _)| cluster.hsms.contains_key(hsm))
            .map(|(cluster, scope)| (scope, cluster))
            .ok_or_else(|| FaultError::NoSuchHsm(hsm.clone()))
    }

    /// Brings the HSMs of a cluster in step, `also` one that is not in service.
    pub(crate) async fn synchronise(
        &self,
        cluster: &Cluster,
        also: Option<&HsmId>,
    ) -> Result<(), Exception> {
        let mut hsms: Vec<HsmId> = cluster.hsms_in(HsmState::Active).cloned().collect();
        hsms.extend(also.filter(|hsm| !hsms.contains(hsm)).cloned());
        let copied = self.fleet.synchronise(&hsms).await.map_err(failed)?;
        if copied > 0 {
            tracing::info!(cluster = %cluster.id, copied, "copied keys to HSMs that lacked them");
        }
        Ok(())
    }

    fn network_trouble(&self, scope: &Scope, cluster: &Cluster) -> Option<NetworkTrouble> {
        let state = self.ledger.clusters_and_network(scope).ok()?;
        let network = state.network(&scope.region);
        network.trouble(
            &cluster.subnets,
            &cluster.security_group,
            &state.hsm_addresses(),
        )
    }

    fn view(&self, cluster: &Cluster, network_trouble: Option<NetworkTrouble>) -> ClusterView {
        let issued = cluster.issued();
        let hsm = |(id, hsm): (&HsmId, &HsmRecord)| HsmView {
            id: id.clone(),
            availability_zone: hsm.zone.clone(),
            state: hsm.state,
            address: self.fleet.address(id),
        };
        ClusterView {
            state: cluster.state,
            certificate: issued.map(|(certificate, _)| certificate.to_owned()),
            trust_anchor: issued.map(|(_, anchor)| anchor.to_owned()),
            hsms: cluster.hsms.iter().map(hsm).collect(),
            id: cluster.id.clone(),
            subnets: cluster.subnets.clone(),
            network_trouble,
        }
    }
}

impl fmt::Debug for ServiceCore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ServiceCore({} clusters)",
            self.views.read().len()
        )
    }
}

/// What an operation answers with when the fleet fails.
pub(crate) fn failed(error: FleetError) -> Exception {
    internal("An HSM of the cluster failed. The service tries again by itself.").because(error)
}

pub(crate) fn warn(cluster: &ClusterId, error: &Exception) {
    let cause = error.cause.as_deref().unwrap_or("unknown");
    tracing::warn!(%cluster, cause, "a change of the cluster waits and is tried again");
}
