//! A CloudHSM on memory disks, and the steps that most stories begin with.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_api::cloudhsm::{
    Backup, Cluster, CreateClusterRequest, CreateHsmRequest, DescribeBackupsRequest,
    DescribeClustersRequest,
};
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, Quotas, default_subnets};
use portcullis_clusters::{ClusterView, Clusters};
use portcullis_fleet::{Disks, MemoryDisks};
use portcullis_hsm::{
    Call, Command, DeviceKey, HsmKeyId, KeyTemplate, Operation, Reply, Role, Secret, SessionId,
    Settings,
};
use portcullis_link::{CallError, Channel, Target, Transport, pem_to_der};
use portcullis_seam::{InlinePool, SystemEntropy, Timestamp, WallClock};
use portcullis_store::Store;
use portcullis_time::{Pace, Pacing};
use tokio::time::Instant;

use crate::link::Loopback;

pub(crate) const ADMIN: &str = "adminPassword1";
pub(crate) const KMSUSER: &str = "kmsPswd1";

/// A date that moves when told to.
#[derive(Debug)]
pub(crate) struct Calendar(AtomicU64);

impl Calendar {
    pub(crate) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl WallClock for Calendar {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct World<T = Loopback> {
    pub(crate) cloud: Arc<CloudHsm>,
    pub(crate) transport: Arc<T>,
    pub(crate) scope: Scope,
    pub(crate) calendar: Arc<Calendar>,
    pub(crate) store: Store,
    pub(crate) disks: Arc<dyn Disks>,
    pub(crate) device_key: Arc<DeviceKey>,
    pub(crate) pacing: Arc<Pacing>,
    pub(crate) quotas: Quotas,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Loopback::default()).await
    }
}

impl<T: Transport + 'static> World<T> {
    pub(crate) async fn with(transport: T) -> Self {
        let mut world = Self {
            store: Store::memory(),
            disks: Arc::new(MemoryDisks::default()),
            transport: Arc::new(transport),
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            calendar: Arc::new(Calendar(AtomicU64::new(1_700_000_000_000))),
            device_key: Arc::new(DeviceKey::draw(&SystemEntropy)),
            pacing: Pacing::new(Pace::Immediate),
            quotas: Quotas::None,
            cloud: Self::placeholder().await,
        };
        world.start().await;
        world
    }

    /// A CloudHSM over nothing, until the world's own is there.
    async fn placeholder() -> Arc<CloudHsm> {
        let config = CloudHsmConfig {
            store: Store::memory(),
            disks: Arc::new(MemoryDisks::default()),
            transport: Arc::new(Loopback::default()),
            entropy: Arc::new(SystemEntropy),
            clock: Arc::new(Calendar(AtomicU64::new(0))),
            pacing: Pacing::new(Pace::Immediate),
            pool: Arc::new(InlinePool),
            device_key: Arc::new(DeviceKey::draw(&SystemEntropy)),
            hsm_settings: Settings::default(),
            quotas: Quotas::None,
            bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        CloudHsm::open(config).await.unwrap()
    }

    /// Opens the CloudHSM on the world's store and disks: at first, or as after a restart of the
    /// process.
    pub(crate) async fn start(&mut self) {
        self.cloud = Self::placeholder().await;
        self.cloud = CloudHsm::open(self.config()).await.unwrap();
    }

    pub(crate) fn config(&self) -> CloudHsmConfig {
        CloudHsmConfig {
            store: self.store.clone(),
            disks: Arc::clone(&self.disks),
            transport: Arc::clone(&self.transport) as Arc<dyn Transport>,
            entropy: Arc::new(SystemEntropy),
            clock: Arc::clone(&self.calendar) as Arc<dyn WallClock>,
            pacing: Arc::clone(&self.pacing),
            pool: Arc::new(InlinePool),
            device_key: Arc::clone(&self.device_key),
            hsm_settings: Settings {
                password_iterations: NonZeroU32::MIN,
                ..Settings::default()
            },
            quotas: self.quotas,
            bind_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    pub(crate) fn create_cluster_request(&self) -> CreateClusterRequest {
        CreateClusterRequest {
            hsm_type: "hsm2m.medium".to_owned(),
            mode: Some("FIPS".to_owned()),
            subnet_ids: default_subnets(&self.scope.region).into_values().collect(),
            ..CreateClusterRequest::default()
        }
    }

    pub(crate) async fn create_cluster(&self, backup: Option<String>) -> ClusterId {
        let request = CreateClusterRequest {
            source_backup_id: backup,
            ..self.create_cluster_request()
        };
        let made = self
            .cloud
            .create_cluster(&self.scope, request)
            .await
            .unwrap();
        let cluster = made.cluster.unwrap();
        assert_eq!(cluster.state.as_deref(), Some("CREATE_IN_PROGRESS"));
        cluster.cluster_id.unwrap().parse().unwrap()
    }

    pub(crate) async fn create_hsm(&self, cluster: &ClusterId, zone: &str) -> HsmId {
        let request = CreateHsmRequest {
            cluster_id: cluster.to_string(),
            availability_zone: format!("us-east-1{zone}"),
            ip_address: None,
        };
        let made = self.cloud.create_hsm(&self.scope, request).await.unwrap();
        let hsm = made.hsm.unwrap();
        assert_eq!(hsm.state.as_deref(), Some("CREATE_IN_PROGRESS"));
        hsm.hsm_id.unwrap().parse().unwrap()
    }

    /// An activated cluster with an HSM in each of `zones`, and the crypto user `kmsuser`.
    pub(crate) async fn active_cluster(&self, zones: &[&str]) -> (ClusterId, Vec<HsmId>) {
        let cluster = self.create_cluster(None).await;
        let mut hsms = vec![self.create_hsm(&cluster, zones[0]).await];
        let issued = self.cloud.issue_certificates(&self.scope, &cluster).await;
        issued.unwrap();
        let activated = self
            .cloud
            .users()
            .activate(&self.scope, &cluster, Secret::new(ADMIN))
            .await;
        activated.unwrap();
        self.create_kmsuser(&cluster).await;
        for zone in &zones[1..] {
            hsms.push(self.create_hsm(&cluster, zone).await);
        }
        (cluster, hsms)
    }

    pub(crate) async fn create_kmsuser(&self, cluster: &ClusterId) {
        let admin = self.admin(cluster).await;
        let kmsuser = Secret::new(KMSUSER);
        let created = self
            .cloud
            .users()
            .create(&admin, "kmsuser", Role::CryptoUser, kmsuser)
            .await;
        created.unwrap();
        self.cloud.users().logout(&admin).await.unwrap();
    }

    /// An admin's token.
    pub(crate) async fn admin(&self, cluster: &ClusterId) -> String {
        let password = Secret::new(ADMIN);
        let login = self
            .cloud
            .users()
            .login(&self.scope, cluster, "admin", Role::Admin, password)
            .await;
        login.unwrap()
    }

    pub(crate) fn view(&self, cluster: &ClusterId) -> Arc<ClusterView> {
        self.cloud.cluster(&self.scope, cluster).unwrap()
    }

    pub(crate) async fn describe(&self, cluster: &ClusterId) -> Option<Cluster> {
        let request = DescribeClustersRequest {
            filters: Some([("clusterIds".to_owned(), vec![cluster.to_string()])].into()),
            ..DescribeClustersRequest::default()
        };
        let shown = self.cloud.describe_clusters(&self.scope, request).await;
        shown.unwrap().clusters.unwrap().pop()
    }

    /// All pages of them, the newest first.
    pub(crate) async fn backups(&self) -> Vec<Backup> {
        let mut all = Vec::new();
        let mut request = DescribeBackupsRequest::default();
        loop {
            let page = self.cloud.describe_backups(&self.scope, request).await;
            let page = page.unwrap();
            all.extend(page.backups.unwrap());
            if page.next_token.is_none() {
                return all;
            }
            request = DescribeBackupsRequest {
                next_token: page.next_token,
                ..DescribeBackupsRequest::default()
            };
        }
    }

    /// A client of one HSM, logged in as `kmsuser`.
    pub(crate) async fn client(&self, cluster: &ClusterId, hsm: &HsmId) -> Client {
        let password = Secret::new(KMSUSER);
        let client = self.try_client(cluster, hsm, password).await;
        client.unwrap()
    }

    pub(crate) async fn try_client(
        &self,
        cluster: &ClusterId,
        hsm: &HsmId,
        password: Secret,
    ) -> Result<Client, CallError> {
        let view = self.view(cluster);
        let found = view.hsms.iter().find(|one| one.id == *hsm).unwrap();
        let channel = self.transport.dial(Target {
            name: hsm.to_string(),
            address: found.address.expect("the HSM listens"),
            trust_anchor: pem_to_der(view.trust_anchor.as_ref().unwrap()).unwrap(),
            cluster_certificate: pem_to_der(view.certificate.as_ref().unwrap()).unwrap(),
        });
        let login = Command::Login {
            username: "kmsuser".to_owned(),
            role: Role::CryptoUser,
            password,
            fence: None,
            exclusive: false,
            holder: 0,
        };
        match channel.manage(login, soon()).await? {
            Reply::Session(session) => Ok(Client { channel, session }),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

pub(crate) struct Client {
    channel: Arc<dyn Channel>,
    session: SessionId,
}

impl Client {
    pub(crate) async fn logout(&self) {
        let command = Command::Logout {
            session: self.session,
        };
        assert_eq!(self.channel.manage(command, soon()).await, Ok(Reply::Done));
    }

    pub(crate) async fn generate(&self, id: HsmKeyId) -> Result<Reply, CallError> {
        let command = Command::GenerateKey {
            session: self.session,
            id,
            template: KeyTemplate::sealing(id, "arn:aws:kms:us-east-1:111122223333:key/example"),
        };
        self.channel.manage(command, soon()).await
    }

    pub(crate) async fn insert(&self, generated: Reply) -> Result<Reply, CallError> {
        let Reply::Key(key) = generated else {
            panic!("{generated:?}");
        };
        let command = Command::InsertMasked {
            session: self.session,
            key,
        };
        self.channel.manage(command, soon()).await
    }

    pub(crate) async fn delete(&self, id: HsmKeyId) {
        let command = Command::DeleteKey {
            session: self.session,
            id,
        };
        assert_eq!(self.channel.manage(command, soon()).await, Ok(Reply::Done));
    }

    pub(crate) async fn keys(&self) -> Vec<HsmKeyId> {
        let command = Command::ListKeys {
            session: self.session,
            criteria: Vec::new(),
            after: None,
            limit: 1000,
        };
        match self.channel.manage(command, soon()).await {
            Ok(Reply::Keys(keys)) => keys.into_iter().map(|key| key.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn encrypt(&self, key: HsmKeyId, text: &[u8]) -> Result<Vec<u8>, CallError> {
        let operation = Operation::Encrypt {
            key,
            additional_data: b"context",
            plaintext: text,
        };
        self.run(operation).await
    }

    pub(crate) async fn decrypt(&self, key: HsmKeyId, sealed: &[u8]) -> Result<Vec<u8>, CallError> {
        let operation = Operation::Decrypt {
            key,
            additional_data: b"context",
            sealed,
        };
        self.run(operation).await
    }

    async fn run(&self, operation: Operation<'_>) -> Result<Vec<u8>, CallError> {
        let call = Call {
            session: self.session,
            operation,
        };
        let output = self.channel.execute(call, soon()).await?;
        Ok(output.0.to_vec())
    }
}
