//! The parts of a running Portcullis, put together over a data folder or over memory.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::Scope;
use portcullis_cloudhsm::{
    Calendar, CloudHsm, CloudHsmConfig, Clusters, Disks, FileDisks, MemoryDisks, Pacing,
};
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_kms::{Kms, KmsConfig};
use portcullis_link::{
    ClientIdentity, FaultyTransport, LinkFaults, QuicSettings, QuicTransport, Transport,
};
use portcullis_seam::{Entropy, SystemClock, SystemEntropy, ThreadPool, draw};
use portcullis_server::{Auth, Running, Server, ServerConfig, Services};
use portcullis_store::{Store, StoreError};
use zeroize::Zeroizing;

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
}

impl System {
    /// Opens the data and starts what it describes.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) async fn open(data: &Data, world: &World) -> Result<Self, String> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let (store, disks, device_key) = open_data(data, &*entropy)?;
        let pacing = Pacing::new(world.state_changes);
        let calendar = Calendar::open(
            store.clone(),
            Arc::new(SystemClock),
            world.time_scale,
            Arc::clone(&pacing),
        );
        let calendar = Arc::new(calendar.await.map_err(|error| error.to_string())?);
        let device_key = Arc::new(device_key);
        let transport = transport(&entropy)?;
        let cloudhsm = CloudHsm::open(CloudHsmConfig {
            store: store.clone(),
            disks,
            transport: Arc::clone(&transport),
            entropy: Arc::clone(&entropy),
            clock: calendar.clock(),
            pacing: Arc::clone(&pacing),
            pool: Arc::new(ThreadPool::per_core()),
            device_key: Arc::clone(&device_key),
            hsm_settings: Settings::default(),
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
            rename_while_connected: world.rename_while_connected,
            pacing,
            operation_deadline: OPERATION_DEADLINE,
        })
        .await
        .map_err(|error| error.to_string())?;
        Ok(Self {
            store,
            cloudhsm,
            kms,
            calendar,
            entropy,
        })
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn serve(
        &self,
        bind: SocketAddr,
        auth: Auth,
        defaults: Scope,
    ) -> Result<Running, String> {
        let config = ServerConfig {
            bind,
            auth,
            defaults,
            ..ServerConfig::default()
        };
        let services = Services {
            kms: Arc::clone(&self.kms),
            cloudhsm: Arc::clone(&self.cloudhsm),
            calendar: Arc::clone(&self.calendar),
            entropy: Arc::clone(&self.entropy),
            wall: Arc::new(SystemClock),
        };
        Server::start(config, services).map_err(|error| {
            format!(
                "Cannot listen on {bind}: {error}. Choose another port with --port, or 0 for a \
                 free one."
            )
        })
    }
}

fn transport(entropy: &Arc<dyn Entropy>) -> Result<Arc<dyn Transport>, String> {
    let client = ClientIdentity::generate().map_err(|error| error.to_string())?;
    let settings = QuicSettings {
        accepted_clients: vec![client.certificate.clone()],
        client,
        entropy: Arc::clone(entropy),
    };
    let quic = Arc::new(QuicTransport::new(settings));
    let faults = Arc::new(LinkFaults::new(Arc::clone(entropy)));
    Ok(Arc::new(FaultyTransport::new(quic, faults)))
}

type Opened = (Store, Arc<dyn Disks>, DeviceKey);

fn open_data(data: &Data, entropy: &dyn Entropy) -> Result<Opened, String> {
    let Data::Folder(folder) = data else {
        let disks: Arc<dyn Disks> = Arc::new(MemoryDisks::default());
        return Ok((Store::memory(), disks, DeviceKey::draw(entropy)));
    };
    let why = |error: std::io::Error| {
        format!(
            "The data folder {} cannot be used: {error}.",
            folder.display()
        )
    };
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(why)?;
    let store = Store::open(&folder.join("control.redb")).map_err(|error| match error {
        StoreError::InUse(_) => format!(
            "The data folder {} is in use by another Portcullis. Stop that one, or choose another \
             folder with --data, or use --ephemeral.",
            folder.display()
        ),
        StoreError::Conflict { .. }
        | StoreError::TooLarge { .. }
        | StoreError::Closed(_)
        | StoreError::Unreadable(_) => format!("The data folder cannot be read: {error}."),
    })?;
    let device_key = device_key(&folder.join("device.key"), entropy).map_err(why)?;
    let disks: Arc<dyn Disks> = Arc::new(FileDisks::new(folder.join("hsms")));
    Ok((store, disks, device_key))
}

/// The key under which everything secret in the folder is sealed: 32 bytes that only the owner
/// of the folder can read, made with the folder.
fn device_key(path: &Path, entropy: &dyn Entropy) -> std::io::Result<DeviceKey> {
    let mut bytes = Zeroizing::new([0; 32]);
    match std::fs::File::open(path) {
        Ok(mut file) => file.read_exact(&mut *bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bytes = Zeroizing::new(draw(entropy));
            let mut options = std::fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(&*bytes)?;
            file.sync_all()?;
        }
        Err(error) => return Err(error),
    }
    Ok(DeviceKey::from_bytes(&bytes))
}
