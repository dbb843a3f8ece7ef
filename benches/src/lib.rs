//! Benchmarks of the gate, the HSM, the link and the facade, and what they share.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, Quotas};
use portcullis_fleet::MemoryDisks;
use portcullis_hsm::{DeviceKey, Settings};
use portcullis_kms::{AttestationTrust, Kms, KmsConfig};
use portcullis_link::{ClientIdentity, QuicSettings, QuicTransport, Transport};
use portcullis_seam::{Entropy, SystemClock, SystemEntropy, ThreadPool};
use portcullis_store::Store;
use portcullis_time::{Pace, Pacing};

/// Processor time of all threads so far, in microseconds; zero where Linux does not tell it.
#[must_use]
pub fn cpu_us() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e3
}

/// The one in the middle; zero of none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// CloudHSM and KMS over memory and QUIC, as `portcullis up --ephemeral` puts them together.
///
/// # Panics
/// When they cannot be opened.
#[expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]
pub async fn services() -> (Arc<CloudHsm>, Arc<Kms>) {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let device_key = Arc::new(DeviceKey::draw(&*entropy));
    let client = ClientIdentity::generate().unwrap();
    let transport: Arc<dyn Transport> = Arc::new(QuicTransport::new(QuicSettings {
        accepted_clients: vec![client.certificate.clone()],
        client,
        entropy: Arc::clone(&entropy),
    }));
    let cloudhsm = CloudHsm::open(CloudHsmConfig {
        store: Store::memory(),
        disks: Arc::new(MemoryDisks::default()),
        transport: Arc::clone(&transport),
        entropy: Arc::clone(&entropy),
        clock: Arc::new(SystemClock),
        pacing: Pacing::new(Pace::Immediate),
        pool: Arc::new(ThreadPool::per_core()),
        device_key: Arc::clone(&device_key),
        hsm_settings: Settings::default(),
        quotas: Quotas::None,
        bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    });
    let cloudhsm = cloudhsm.await.unwrap();
    let kms = Kms::open(KmsConfig {
        store: Store::memory(),
        clusters: Arc::<CloudHsm>::clone(&cloudhsm),
        transport,
        entropy,
        clock: Arc::new(SystemClock),
        device_key,
        hsm_settings: Settings::default(),
        pool: Arc::new(ThreadPool::per_core()),
        rename_while_connected: false,
        pacing: Pacing::new(Pace::Immediate),
        attestation: AttestationTrust::default(),
        operation_deadline: Duration::from_secs(10),
    });
    (cloudhsm, kms.await.unwrap())
}
