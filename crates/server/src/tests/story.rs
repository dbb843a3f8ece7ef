//! From an empty Portcullis to an encrypted message, over HTTP only, as a user's tools do it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_cloudhsm::CloudHsm;
use portcullis_seam::InlinePool;
use serde_json::{Value, json};

use super::client::EventClient;
use crate::config::ServerConfig;
use crate::running::Running;
use crate::surface::{Listeners, NotStarted};
use crate::system::{System, SystemConfig};

pub(super) struct World {
    pub(super) running: Running,
    cloudhsm: Arc<CloudHsm>,
    client: EventClient,
}

impl World {
    pub(super) fn address(&self) -> SocketAddr {
        self.running.address
    }

    pub(super) async fn start() -> Self {
        Self::with(ServerConfig::on_free_port()).await
    }

    pub(super) async fn listening(listeners: Listeners) -> Self {
        Self::with(ServerConfig {
            listeners,
            ..ServerConfig::default()
        })
        .await
    }

    pub(super) async fn with(config: ServerConfig) -> Self {
        Self::try_with(config).await.unwrap()
    }

    pub(super) async fn try_with(config: ServerConfig) -> Result<Self, NotStarted> {
        let system = System::open(SystemConfig {
            pool: Arc::new(InlinePool),
            ..SystemConfig::default()
        });
        let system = system.await.unwrap();
        let running = system.serve(config)?;
        let client = EventClient::connect(running.admin).await;
        Ok(Self {
            running,
            cloudhsm: system.cloudhsm,
            client,
        })
    }

    pub(super) async fn aws(&mut self, target: &str, input: Value) -> Value {
        let reply = self.client.call(target, &input.to_string()).await;
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        serde_json::from_str(&reply.body).unwrap_or_default()
    }

    async fn admin(&mut self, method: &str, path: &str, input: Value) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let body = if method == "GET" {
            String::new()
        } else {
            input.to_string()
        };
        let body = Bytes::from(body);
        let reply = self.client.send(method, path, &headers, body).await;
        let body: Value = serde_json::from_str(&reply.body).expect(&reply.body);
        assert_eq!(
            body["error_code"] == 0,
            reply.status == 200,
            "{path}: {reply:?}"
        );
        (reply.status, body["data"].clone())
    }

    /// A cluster with two HSMs, its certificates signed.
    async fn initialized_cluster(&mut self) -> String {
        let defaults = ServerConfig::default().defaults;
        let subnets = portcullis_cloudhsm::default_subnets(&defaults.region);
        let subnets: Vec<&String> = subnets.values().take(2).collect();
        let input = json!({ "HsmType": "hsm2m.medium", "SubnetIds": subnets });
        let created = self.aws("BaldrApiService.CreateCluster", input).await;
        let cluster = created["Cluster"]["ClusterId"].as_str().unwrap().to_owned();
        let input = json!({ "ClusterId": cluster, "AvailabilityZone": "us-east-1a" });
        self.aws("BaldrApiService.CreateHsm", input).await;
        let id = cluster.parse().unwrap();
        self.cloudhsm
            .issue_certificates(&defaults, &id)
            .await
            .unwrap();
        cluster
    }

    async fn login(&mut self, path: &str) -> String {
        let admin = json!({ "username": "admin", "role": "admin", "password": "adminPassword" });
        let (_, data) = self.admin("POST", &format!("{path}/login"), admin).await;
        assert_eq!(
            (&data["username"], &data["role"]),
            (&json!("admin"), &json!("admin"))
        );
        data["token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verbs_of_the_cloudhsm_cli_manage_the_users_of_a_cluster() {
    let mut world = World::start().await;
    let cluster = world.initialized_cluster().await;
    let path = format!("/_portcullis/cloudhsm/{cluster}");
    let password = json!({ "password": "adminPassword" });
    let (_, data) = world
        .admin("POST", &format!("{path}/activate"), password.clone())
        .await;
    assert_eq!(data, "Cluster activation successful");
    let (status, why) = world
        .admin("POST", &format!("{path}/activate"), password)
        .await;
    assert_eq!(status, 400, "{why}");

    let token = world.login(&path).await;
    let with_token = |mut input: Value| {
        input["token"] = json!(token);
        input
    };
    let kmsuser = json!({ "username": "kmsuser", "role": "crypto-user" });
    let created =
        with_token(json!({ "username": "kmsuser", "role": "crypto-user", "password": "kmsPswd" }));
    let (_, data) = world
        .admin("POST", &format!("{path}/users"), created.clone())
        .await;
    assert_eq!(data, kmsuser);
    let (status, why) = world
        .admin("POST", &format!("{path}/users"), created.clone())
        .await;
    assert_eq!(status, 400, "{why}");
    let (_, data) = world
        .admin("POST", &format!("{path}/users/change-password"), created)
        .await;
    assert_eq!(data, kmsuser);

    let (_, listed) = world
        .admin("GET", &format!("{path}/users"), json!({}))
        .await;
    let listed = listed["users"].as_array().unwrap();
    let row = listed
        .iter()
        .find(|row| row["username"] == "kmsuser")
        .unwrap();
    let expected = json!({
        "username": "kmsuser", "role": "crypto-user", "locked": "false", "mfa": [], "quorum": [],
        "cluster-coverage": "full",
    });
    assert_eq!(*row, expected);

    let deleted = with_token(kmsuser.clone());
    let (_, data) = world
        .admin("POST", &format!("{path}/users/delete"), deleted)
        .await;
    assert_eq!(data, kmsuser);
    let (_, data) = world
        .admin("POST", &format!("{path}/logout"), with_token(json!({})))
        .await;
    assert_eq!(data, "Logout successful");
    let (status, _) = world
        .admin("POST", &format!("{path}/users"), with_token(kmsuser))
        .await;
    assert_eq!(status, 400);
    let (status, why) = world
        .admin(
            "GET",
            "/_portcullis/cloudhsm/cluster-abcdefghijk/users?region=eu-west-1",
            json!({}),
        )
        .await;
    assert_eq!(status, 400, "{why}");
    world.running.shutdown().await;
}

/// Rules WIRE-13, WIRE-15 and WIRE-19.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_metrics_are_where_scripts_look_for_them() {
    let mut world = World::start().await;
    for path in ["/_portcullis/health", "/_localstack/health"] {
        let reply = world.client.send("GET", path, &[], Bytes::new()).await;
        let health: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(health["services"]["kms"], "running");
    }
    world.aws("TrentService.ListKeys", json!({})).await;
    let metrics = world
        .client
        .send("GET", "/metrics", &[], Bytes::new())
        .await;
    assert!(
        metrics
            .body
            .contains("operation=\"ListKeys\",outcome=\"success\"} 1")
    );
    world.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_encrypted_in_a_key_store_made_over_http() {
    let mut world = World::start().await;
    let cluster = world.initialized_cluster().await;
    let path = format!("/_portcullis/cloudhsm/{cluster}");
    let password = json!({ "password": "adminPassword" });
    world
        .admin("POST", &format!("{path}/activate"), password)
        .await;
    let token = world.login(&path).await;
    let user = json!({
        "token": token, "username": "kmsuser", "role": "crypto-user", "password": "kmsPswd",
    });
    world.admin("POST", &format!("{path}/users"), user).await;
    world
        .admin("POST", &format!("{path}/logout"), json!({ "token": token }))
        .await;
    let second = json!({ "ClusterId": cluster, "AvailabilityZone": "us-east-1b" });
    world.aws("BaldrApiService.CreateHsm", second).await;

    let id = cluster.parse().unwrap();
    let defaults = ServerConfig::default().defaults;
    let view = portcullis_clusters::Clusters::cluster(&*world.cloudhsm, &defaults, &id).unwrap();
    let input = json!({
        "CustomKeyStoreName": "Store", "CloudHsmClusterId": cluster,
        "TrustAnchorCertificate": view.trust_anchor, "KeyStorePassword": "kmsPswd",
    });
    let created = world.aws("TrentService.CreateCustomKeyStore", input).await;
    let store = json!({ "CustomKeyStoreId": created["CustomKeyStoreId"] }).to_string();
    let connected = world
        .client
        .call("TrentService.ConnectCustomKeyStore", &store);
    // Rule WIRE-19: an output shape without members is an empty object.
    assert_eq!(connected.await.body, "{}");
    while world.state().await != "CONNECTED" {
        tokio::task::yield_now().await;
    }
    let input = json!({
        "Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": created["CustomKeyStoreId"],
    });
    let key = world.aws("TrentService.CreateKey", input).await["KeyMetadata"]["KeyId"].clone();
    let alias = json!({ "AliasName": "alias/story", "TargetKeyId": key }).to_string();
    let reply = world.client.call("TrentService.CreateAlias", &alias).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    let input = json!({ "KeyId": "alias/story", "Plaintext": "aGVsbG8=" });
    let sealed = world.aws("TrentService.Encrypt", input).await;
    let input = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
    assert_eq!(
        world.aws("TrentService.Decrypt", input).await["Plaintext"],
        "aGVsbG8="
    );
    let metrics = world
        .client
        .send("GET", "/metrics", &[], Bytes::new())
        .await;
    assert!(
        metrics.body.contains("state=\"CONNECTED\"} 1"),
        "{}",
        metrics.body
    );
    world.running.shutdown().await;
}

impl World {
    /// The state of the only key store, and a look at the only cluster.
    async fn state(&mut self) -> String {
        let reply = self
            .client
            .send("GET", "/_portcullis/status", &[], Bytes::new())
            .await;
        let status: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(status["clusters"][0]["state"], "ACTIVE", "{status}");
        let store = &status["key_stores"][0];
        assert_ne!(store["state"], "FAILED", "{status}");
        store["state"].as_str().unwrap().to_owned()
    }
}
