//! The parts of a running Portcullis, put together.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, HostGate, Quotas, records_of_hosts};
use portcullis_fleet::{Disks, MemoryDisks};
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_kms::{AttestationTrust, Kms, KmsConfig};
use portcullis_link::{
    ClientIdentity, FaultyTransport, LinkFaults, QuicSettings, QuicTransport, Transport,
};
use portcullis_seam::{
    Entropy, SystemClock, SystemEntropy, ThreadPool, TimeScale, Timestamp, WallClock, WorkPool,
};
use portcullis_store::{Store, Transaction};
use portcullis_time::{Calendar, Pace, Pacing};

use crate::hsm_threads::HsmThreads;
use crate::tls::TlsAuthority;

/// What a [`System`] is opened over, and how its services behave.
///
/// The default keeps everything in memory, changes states at once and keeps no quotas.
#[derive(Debug)]
pub struct SystemConfig {
    /// Where clusters, key stores and keys are recorded.
    pub store: Store,
    /// Where HSMs keep their disks.
    pub disks: Arc<dyn Disks>,
    /// Under which secrets lie in both. What another one has sealed is not opened.
    pub device_key: Arc<DeviceKey>,
    /// How many times faster than real time the services' clock runs; without, as fast as it did
    /// before.
    pub time_scale: Option<TimeScale>,
    /// How long changes of state take.
    pub state_changes: Pace,
    /// Whether CloudHSM's quotas are kept; KMS's are from [`Kms::keep_quotas`] on.
    pub quotas: Quotas,
    /// Permit renaming a CONNECTED key store, as today's API does.
    pub rename_while_connected: bool,
    /// Whose attestation documents are believed.
    pub attestation: AttestationTrust,
    /// Of every HSM, those of the built-in fleet too.
    pub hsm_settings: Settings,
    /// Where work is done that takes long.
    pub pool: Arc<dyn WorkPool>,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            store: Store::memory(),
            disks: Arc::new(MemoryDisks::default()),
            device_key: Arc::new(DeviceKey::draw(&SystemEntropy)),
            time_scale: None,
            state_changes: Pace::Immediate,
            quotas: Quotas::None,
            rename_while_connected: false,
            attestation: AttestationTrust::default(),
            hsm_settings: Settings::default(),
            pool: Arc::new(ThreadPool::per_core()),
        }
    }
}

/// Why a [`System`] cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError(String);

impl OpenError {
    fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// How long a cryptographic operation may take before the caller hears that it failed; SDKs wait
/// for 60 seconds.
const OPERATION_DEADLINE: Duration = Duration::from_secs(10);

/// CloudHSM with its HSMs, KMS in front of them, and what both stand on: everything but the endpoint.
///
/// It can be called without one, operation by operation; [`System::serve`] opens one.
#[derive(Debug)]
pub struct System {
    /// Where everything is recorded.
    pub store: Store,
    /// The service CloudHSM with its clusters and HSMs.
    pub cloudhsm: Arc<CloudHsm>,
    /// The service KMS, which uses the clusters of CloudHSM.
    pub kms: Arc<Kms>,
    /// The calendar that both live on.
    pub calendar: Arc<Calendar>,
    /// Where ids and keys come from.
    pub entropy: Arc<dyn Entropy>,
    /// Judges the dates of signatures. Clients sign with the machine's time, so this is the
    /// machine's clock also where the services live on a faster one.
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) pool: Arc<dyn WorkPool>,
    device_key: Arc<DeviceKey>,
    /// As which it calls HSMs and receives hosts.
    identity: ClientIdentity,
}

impl System {
    /// Puts the parts together, and starts every HSM that is recorded.
    ///
    /// What it starts runs on the tokio runtime this is called in.
    ///
    /// # Errors
    /// When the store fails, or was sealed under another device key.
    pub async fn open(config: SystemConfig) -> Result<Self, OpenError> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let wall: Arc<dyn WallClock> = Arc::new(SystemClock);
        let SystemConfig {
            store,
            device_key,
            pool,
            hsm_settings,
            ..
        } = config;
        let pacing = Pacing::new(config.state_changes);
        let calendar = Calendar::open(
            store.clone(),
            Arc::clone(&wall),
            config.time_scale,
            Arc::clone(&pacing),
        );
        let calendar = Arc::new(calendar.await.map_err(OpenError::new)?);
        let identity = facade_identity(&store, &device_key, &*entropy).await?;
        let hsm_threads = HsmThreads::start().map_err(OpenError::new)?;
        let transport = transport(&identity, &entropy, hsm_threads);
        let cloudhsm = CloudHsm::open(CloudHsmConfig {
            store: store.clone(),
            disks: config.disks,
            transport: Arc::clone(&transport),
            entropy: Arc::clone(&entropy),
            clock: calendar.clock(),
            pacing: Arc::clone(&pacing),
            pool: Arc::clone(&pool),
            device_key: Arc::clone(&device_key),
            hsm_settings,
            quotas: config.quotas,
            bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        });
        let cloudhsm = cloudhsm.await.map_err(OpenError::new)?;
        let kms = Kms::open(KmsConfig {
            store: store.clone(),
            clusters: Arc::<CloudHsm>::clone(&cloudhsm),
            transport,
            entropy: Arc::clone(&entropy),
            clock: calendar.clock(),
            device_key: Arc::clone(&device_key),
            hsm_settings,
            pool: Arc::clone(&pool),
            rename_while_connected: config.rename_while_connected,
            pacing,
            attestation: config.attestation,
            operation_deadline: OPERATION_DEADLINE,
        });
        let kms = kms.await.map_err(OpenError::new)?;
        kms.keep_last_uses();
        Ok(Self {
            store,
            cloudhsm,
            kms,
            calendar,
            entropy,
            wall,
            pool,
            device_key,
            identity,
        })
    }

    /// Receives hosts at the endpoint's address, over UDP.
    ///
    /// # Errors
    /// A text for the user.
    pub fn receive_hosts(&self, endpoint: SocketAddr) -> Result<(), String> {
        let gate = HostGate {
            bind: endpoint,
            identity: self.identity.clone(),
        };
        self.cloudhsm.hosts().receive(gate)
    }

    /// Begins no more long work for callers, and refuses what waits. Rule WORK-05.
    pub fn end_long_work(&self) {
        self.pool.close();
    }

    /// The authority that signs what clients are presented: made when it is first needed, kept sealed
    /// with the data.
    ///
    /// # Errors
    /// A text for the user.
    pub async fn tls_authority(&self, now: Timestamp) -> Result<TlsAuthority, String> {
        if let Some(record) = self.store.get(TLS_AUTHORITY) {
            let opened = self.device_key.open(TLS_AUTHORITY, &record.value);
            let opened = opened.map_err(|error| format!("{TLS_AUTHORITY}: {error}"))?;
            let damaged = || format!("{TLS_AUTHORITY} in the data folder is damaged.");
            return TlsAuthority::from_bytes(&opened).ok_or_else(damaged);
        }
        let authority = TlsAuthority::generate(now).map_err(|error| error.to_string())?;
        let bytes = authority.to_bytes();
        let sealed = self.device_key.seal(TLS_AUTHORITY, &bytes, &*self.entropy);
        let put = Transaction::new().put(TLS_AUTHORITY, sealed);
        let committed = self.store.commit(put).await;
        committed.map_err(|error| error.to_string())?;
        Ok(authority)
    }

    /// The records that stay when everything else begins anew.
    ///
    /// Rule HOST-14: hosts that have joined, and the certificate by which they know this control
    /// plane. Rule TLS-01: the authority for TLS, which clients go on believing.
    #[must_use]
    pub fn records_kept_at_reset(&self) -> Vec<(String, Vec<u8>)> {
        let mut kept = records_of_hosts(&self.store);
        let identity = (!kept.is_empty()).then_some(IDENTITY);
        for name in identity.into_iter().chain([TLS_AUTHORITY]) {
            if let Some(record) = self.store.get(name) {
                kept.push((name.to_owned(), record.value.to_vec()));
            }
        }
        kept
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
) -> Result<ClientIdentity, OpenError> {
    if let Some(record) = store.get(IDENTITY) {
        let opened = device_key.open(IDENTITY, &record.value);
        let opened = opened.map_err(|error| OpenError(format!("{IDENTITY}: {error}")))?;
        let damaged = || OpenError(format!("{IDENTITY} in the data folder is damaged."));
        return ClientIdentity::from_bytes(&opened).ok_or_else(damaged);
    }
    let identity = ClientIdentity::generate().map_err(OpenError::new)?;
    let sealed = device_key.seal(IDENTITY, &identity.to_bytes(), entropy);
    let put = Transaction::new().put(IDENTITY, sealed);
    store.commit(put).await.map_err(OpenError::new)?;
    Ok(identity)
}

fn transport(
    client: &ClientIdentity,
    entropy: &Arc<dyn Entropy>,
    threads: HsmThreads,
) -> Arc<dyn Transport> {
    let settings = QuicSettings {
        accepted_clients: vec![client.certificate.clone()],
        client: client.clone(),
        entropy: Arc::clone(entropy),
    };
    let quic = Arc::new(QuicTransport::new(settings).serving_on(Arc::new(threads)));
    let faults = Arc::new(LinkFaults::new(Arc::clone(entropy)));
    Arc::new(FaultyTransport::new(quic, faults))
}
