//! The parts of a running Portcullis, put together over a data folder or over memory.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, HostGate, Quotas, records_of_hosts};
use portcullis_clusters::Clusters;
use portcullis_fleet::{Disks, MemoryDisks, is_host_folder};
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_kms::{Kms, KmsConfig};
use portcullis_link::{
    ClientIdentity, FaultyTransport, LinkFaults, QuicSettings, QuicTransport, Transport,
};
use portcullis_seam::{Entropy, SystemClock, SystemEntropy, ThreadPool, Timestamp, WorkPool, draw};
use portcullis_server::{Running, Server, ServerConfig, Services, TlsAuthority};
use portcullis_store::{Closing, Store, Transaction};
use portcullis_time::{Calendar, Pacing};
use zeroize::Zeroizing;

use crate::door::Urls;
use crate::folder::{DataFolder, DeviceKeyBytes, FolderKind, LOAD_RUNS};
use crate::load_runs::LoadRunner;
use crate::snapshot::Live;
use crate::user_folders;
use crate::world::World;

/// How long a cryptographic operation may take before the caller hears that it failed; SDKs wait
/// for 60 seconds.
const OPERATION_DEADLINE: Duration = Duration::from_secs(10);

/// Where state is kept.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// Nowhere.
    Memory,
    /// In this folder.
    Folder(PathBuf),
}

/// Everything but the endpoint.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) store: Store,
    pub(crate) cloudhsm: Arc<CloudHsm>,
    pub(crate) kms: Arc<Kms>,
    pub(crate) calendar: Arc<Calendar>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// As which it calls HSMs and receives hosts.
    identity: ClientIdentity,
    pool: Arc<dyn WorkPool>,
    snapshots: Arc<Live>,
    load_runs: Arc<LoadRunner>,
    folder: Option<DataFolder>,
}

impl System {
    /// Opens the data and starts what it describes.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn open(data: &Data, world: &World) -> Result<Self, String> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let (live, folder) = open_data(data, &*entropy).await?;
        let store = live.store.clone();
        let pacing = Pacing::new(world.state_changes);
        let calendar = Calendar::open(
            store.clone(),
            Arc::new(SystemClock),
            world.time_scale,
            Arc::clone(&pacing),
        );
        let calendar = Arc::new(calendar.await.map_err(|error| error.to_string())?);
        let device_key = Arc::new(DeviceKey::from_bytes(&live.device_key.0));
        let identity = facade_identity(&store, &device_key, &*entropy).await?;
        let transport = transport(&identity, &entropy);
        let pool: Arc<dyn WorkPool> = Arc::new(ThreadPool::per_core());
        let cloudhsm = CloudHsm::open(CloudHsmConfig {
            store: store.clone(),
            disks: Arc::clone(&live.disks),
            transport: Arc::clone(&transport),
            entropy: Arc::clone(&entropy),
            clock: calendar.clock(),
            pacing: Arc::clone(&pacing),
            pool: Arc::clone(&pool),
            device_key: Arc::clone(&device_key),
            hsm_settings: Settings::default(),
            quotas: world.quota,
            bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        })
        .await
        .map_err(|error| error.to_string())?;
        let clusters: Arc<dyn Clusters> = Arc::<CloudHsm>::clone(&cloudhsm);
        let kms = Kms::open(KmsConfig {
            store: store.clone(),
            clusters,
            transport,
            entropy: Arc::clone(&entropy),
            clock: calendar.clock(),
            device_key,
            hsm_settings: Settings::default(),
            pool: Arc::clone(&pool),
            rename_while_connected: world.rename_while_connected,
            pacing,
            attestation: world.attestation()?,
            operation_deadline: OPERATION_DEADLINE,
        })
        .await
        .map_err(|error| error.to_string())?;
        kms.keep_last_uses();
        Ok(Self {
            store,
            cloudhsm,
            kms,
            calendar,
            entropy,
            identity,
            pool,
            snapshots: Arc::new(live),
            load_runs: Arc::new(LoadRunner::new(load_folder(data))),
            folder,
        })
    }

    /// What the world says of everything that comes after it.
    pub(crate) fn keep(&self, world: &World) {
        self.cloudhsm.set_default_placement(world.hsms_on);
        if world.quota == Quotas::Aws {
            self.kms.keep_quotas();
        }
    }

    /// The world is made: what is in the data folder counts from here on.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn finished(&self) -> Result<(), String> {
        match &self.folder {
            Some(folder) => folder.finished(&*self.entropy).await,
            None => Ok(()),
        }
    }

    /// Writes down which world was made in the data folder, if there is one.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn name_world(&self, world: &str) -> Result<(), String> {
        let folder = self.folder.as_ref();
        folder.map_or(Ok(()), |folder| folder.name_world(world))
    }

    /// Which world was made in the data folder, as far as that is known.
    pub(crate) fn world(&self) -> Option<String> {
        self.folder.as_ref().and_then(DataFolder::world)
    }

    /// What is in the data folder does not count any more: the next start begins the world anew.
    ///
    /// Rule HOST-14: hosts that have joined are kept, and the certificate by which they know this
    /// control plane.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn abandon(&self) -> Result<(), String> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let mut kept = records_of_hosts(&self.store);
        if let Some(identity) = self.store.get(IDENTITY).filter(|_| !kept.is_empty()) {
            kept.push((IDENTITY.to_owned(), identity.value.to_vec()));
        }
        // Rule TLS-01: clients go on believing it.
        if let Some(authority) = self.store.get(TLS_AUTHORITY) {
            kept.push((TLS_AUTHORITY.to_owned(), authority.value.to_vec()));
        }
        folder.abandon(&kept)
    }

    /// Tells when the files of the data folder have been closed.
    pub(crate) fn closing(&self) -> Vec<Closing> {
        let folder = self.folder.as_ref();
        let disks = folder.map(|folder| folder.disks.closing());
        let mut closing = disks.unwrap_or_default();
        closing.extend(self.store.closing());
        closing
    }

    /// Begins no more long work for callers, and refuses what waits. Rule WORK-05.
    pub(crate) fn end_long_work(&self) {
        self.pool.close();
    }

    /// The authority that signs what clients are presented: made when it is first needed, kept sealed
    /// with the data.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn tls_authority(&self, now: Timestamp) -> Result<TlsAuthority, String> {
        let device_key = DeviceKey::from_bytes(&self.snapshots.device_key.0);
        if let Some(record) = self.store.get(TLS_AUTHORITY) {
            let opened = device_key.open(TLS_AUTHORITY, &record.value);
            let opened = opened.map_err(|error| format!("{TLS_AUTHORITY}: {error}"))?;
            let damaged = || format!("{TLS_AUTHORITY} in the data folder is damaged.");
            return TlsAuthority::from_bytes(&opened).ok_or_else(damaged);
        }
        let authority = TlsAuthority::generate(now).map_err(|error| error.to_string())?;
        let sealed = device_key.seal(TLS_AUTHORITY, &authority.to_bytes(), &*self.entropy);
        let put = Transaction::new().put(TLS_AUTHORITY, sealed);
        let committed = self.store.commit(put).await;
        committed.map_err(|error| error.to_string())?;
        Ok(authority)
    }

    /// Receives hosts at the endpoint's address, over UDP.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn receive_hosts(&self, endpoint: SocketAddr) -> Result<(), String> {
        let gate = HostGate {
            bind: endpoint,
            identity: self.identity.clone(),
        };
        self.cloudhsm.receive_hosts(gate)
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn serve(&self, config: ServerConfig) -> Result<Running, String> {
        let config = ServerConfig {
            snapshots: Some(Arc::<Live>::clone(&self.snapshots)),
            load_runs: Some(Arc::<LoadRunner>::clone(&self.load_runs)),
            ..config
        };
        let services = Services {
            kms: Arc::clone(&self.kms),
            cloudhsm: Arc::clone(&self.cloudhsm),
            calendar: Arc::clone(&self.calendar),
            entropy: Arc::clone(&self.entropy),
            wall: Arc::new(SystemClock),
            pool: Arc::clone(&self.pool),
        };
        Server::start(config, services).map_err(|error| error.to_string())
    }

    /// Sends the load of runs that are started here to this address.
    pub(crate) fn send_load_to(&self, urls: Urls) {
        self.load_runs.set_urls(urls);
    }
}

/// Where load runs are kept: with the data, or until the machine clears its temporary files.
fn load_folder(data: &Data) -> PathBuf {
    match data {
        Data::Folder(folder) => folder.join(LOAD_RUNS),
        Data::Memory => {
            let name = format!("portcullis-{}-load-runs", std::process::id());
            user_folders::temporary().join(name)
        }
    }
}

/// Where the authority of our own for TLS is, sealed.
const TLS_AUTHORITY: &str = "edge/tls-authority";

/// Where the facade's key and certificate are, sealed.
const IDENTITY: &str = "facade/identity";

/// The facade's key and certificate, made with the data folder.
///
/// Rule HOST-04: hosts know the control plane by its certificate, also after a restart.
async fn facade_identity(
    store: &Store,
    device_key: &DeviceKey,
    entropy: &dyn Entropy,
) -> Result<ClientIdentity, String> {
    if let Some(record) = store.get(IDENTITY) {
        let opened = device_key.open(IDENTITY, &record.value);
        let opened = opened.map_err(|error| format!("{IDENTITY}: {error}"))?;
        let damaged = || format!("{IDENTITY} in the data folder is damaged.");
        return ClientIdentity::from_bytes(&opened).ok_or_else(damaged);
    }
    let identity = ClientIdentity::generate().map_err(|error| error.to_string())?;
    let sealed = device_key.seal(IDENTITY, &identity.to_bytes(), entropy);
    let put = Transaction::new().put(IDENTITY, sealed);
    store.commit(put).await.map_err(|error| error.to_string())?;
    Ok(identity)
}

fn transport(client: &ClientIdentity, entropy: &Arc<dyn Entropy>) -> Arc<dyn Transport> {
    let settings = QuicSettings {
        accepted_clients: vec![client.certificate.clone()],
        client: client.clone(),
        entropy: Arc::clone(entropy),
    };
    let quic = Arc::new(QuicTransport::new(settings));
    let faults = Arc::new(LinkFaults::new(Arc::clone(entropy)));
    Arc::new(FaultyTransport::new(quic, faults))
}

async fn open_data(
    data: &Data,
    entropy: &dyn Entropy,
) -> Result<(Live, Option<DataFolder>), String> {
    match data {
        Data::Memory => {
            let live = Live {
                store: Store::memory(),
                disks: Arc::new(MemoryDisks::default()),
                device_key: DeviceKeyBytes(Zeroizing::new(draw(entropy))),
            };
            Ok((live, None))
        }
        Data::Folder(path) => {
            let folder = DataFolder::open(path, FolderKind::ControlPlane, entropy)?;
            if is_host_folder(&folder.store) {
                return Err(
                    "The data folder is that of a host, which `portcullis hsm serve` uses. Choose \
                     another folder with --data."
                        .to_owned(),
                );
            }
            folder.bring_back_kept().await?;
            let live = Live {
                store: folder.store.clone(),
                disks: Arc::<dyn Disks>::clone(&folder.disks),
                device_key: folder.device_key.clone(),
            };
            Ok((live, Some(folder)))
        }
    }
}
