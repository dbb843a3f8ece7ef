//! States that an operator brings about on purpose are answered with the exception that AWS documents
//! for them, never with KMSInternalException.
//!
//! It began with CreateKey: while a disconnect passed, and with one HSM down, it answered
//! KMSInternalException, which SDKs repeat and programs take for a defect of the service.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_imports,
    dead_code,
    unused_imports,
    reason = "tests fail loudly, and each uses a part of the world"
)]

mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use portcullis_admin::{FaultField, FaultKind, FaultOrder};
use portcullis_api::cloudhsm as hsm_api;
use portcullis_api::kms::*;
use portcullis_api::{ClusterId, Code, Exception, Operation, Scope, Service};
use portcullis_cloudhsm::{CloudHsm, FaultError};
use portcullis_clusters::Clusters;
use portcullis_kms::{Connection, Kms};
use serde_json::{Value, json};

use world::*;

/// How a call ended.
type Ended = (Operation, Result<(), Exception>);

/// Calls an operation with a request in JSON.
macro_rules! call {
    ($service:expr, $scope:expr, $operation:ident $method:ident $request:tt) => {{
        let request = serde_json::from_value(json!($request)).unwrap();
        let outcome = $service.$method(&$scope, request).await;
        (Operation::$operation, outcome.map(drop))
    }};
}

/// What is wrong with how a call ended in a state that is expected: an exception of the service's own
/// failure, or one that the operation does not declare.
fn wrong(situation: &str, (operation, outcome): &Ended) -> Option<String> {
    let exception = outcome.as_ref().err()?;
    let internal = [
        Code::KmsInternal,
        Code::CloudHsmInternalFailure,
        Code::InternalFailure,
    ];
    let common = [Code::Throttling, Code::Validation];
    let is_declared = operation.declared().contains(&exception.code);
    let is_fine = is_declared && !internal.contains(&exception.code);
    let name = operation.name();
    (!is_fine && !common.contains(&exception.code))
        .then(|| format!("{situation}: {name}: {exception:?}"))
}

/// A key of a connected key store, and what was made with it.
struct Place {
    world: World,
    cluster: ClusterId,
    store: String,
    key: String,
    blob: String,
}

impl Place {
    async fn with(zones: &[&str]) -> Self {
        let world = World::new().await;
        let cluster = world.cluster(zones, None).await;
        let store = world.create(world.request("Keys", &cluster)).await.unwrap();
        world.connected(&store).await;
        let key = world.create_key(Some(&store)).await.unwrap();
        let blob = world.encrypt(&key).await.unwrap();
        let Value::String(blob) = serde_json::to_value(&blob).unwrap() else {
            panic!("a blob is a text");
        };
        Self {
            world,
            cluster,
            store,
            key,
            blob,
        }
    }

    /// Breaks the whole cluster, or its first HSM; says whether there is such a fault.
    async fn break_with(&self, kind: FaultKind, whole: bool) -> bool {
        let mut order = json!({"kind": kind, "cluster": self.cluster});
        if !whole {
            let view = self
                .world
                .cloudhsm
                .cluster(&self.world.scope, &self.cluster);
            order["hsm"] = json!(view.unwrap().hsms[0].id);
        }
        let about = kind.describe();
        if about.takes(FaultField::Delay) {
            order["delay_ms"] = json!(1_500);
        }
        if about.takes(FaultField::Percent) {
            order["percent"] = json!(40);
        }
        let order: FaultOrder = serde_json::from_value(order).unwrap();
        let scope = self.world.scope.clone();
        match self.world.cloudhsm.faults().inject(scope, &order).await {
            Ok(_) => true,
            // It befalls whole clusters only.
            Err(FaultError::BadOrder(_)) if !whole => false,
            Err(error) => panic!("{}: {error}", kind.name()),
        }
    }

    async fn create_key(&self) -> Ended {
        let (kms, scope, store) = (&self.world.kms, &self.world.scope, &self.store);
        call!(kms, scope, CreateKey create_key {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": store})
    }

    /// Cryptographic operations and CreateKey, all at once.
    async fn use_it(&self) -> Vec<Ended> {
        let (kms, scope) = (&self.world.kms, &self.world.scope);
        let (key, blob, store) = (&self.key, &self.blob, &self.store);
        let all = tokio::join!(
            self.create_key(),
            async { call!(kms, scope, Encrypt encrypt {"KeyId": key, "Plaintext": "YQ=="}) },
            async { call!(kms, scope, Decrypt decrypt {"CiphertextBlob": blob}) },
            async {
                call!(kms, scope, ReEncrypt re_encrypt
                    {"CiphertextBlob": blob, "DestinationKeyId": key})
            },
            async {
                call!(kms, scope, GenerateDataKey generate_data_key
                    {"KeyId": key, "KeySpec": "AES_256"})
            },
            async {
                call!(kms, scope, GenerateDataKeyWithoutPlaintext generate_data_key_without_plaintext
                    {"KeyId": key, "KeySpec": "AES_256"})
            },
            async {
                call!(kms, scope, GenerateRandom generate_random
                    {"CustomKeyStoreId": store, "NumberOfBytes": 16})
            },
        );
        let (one, two, three, four, five, six, seven) = all;
        vec![one, two, three, four, five, six, seven]
    }

    /// Everything that changes a key of the store without the cluster's help.
    async fn manage_it(&self, tag: &str) -> Vec<Ended> {
        let (kms, scope, key) = (&self.world.kms, &self.world.scope, &self.key);
        let alias = format!("alias/{tag}");
        let grantee = "arn:aws:iam::111122223333:role/reader";
        let policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\
                      \"Principal\":\"*\",\"Action\":\"kms:*\",\"Resource\":\"*\"}]}";
        vec![
            call!(kms, scope, CreateAlias create_alias {"AliasName": alias, "TargetKeyId": key}),
            call!(kms, scope, UpdateAlias update_alias {"AliasName": alias, "TargetKeyId": key}),
            call!(kms, scope, DeleteAlias delete_alias {"AliasName": alias}),
            call!(kms, scope, CreateGrant create_grant
                {"KeyId": key, "GranteePrincipal": grantee, "Operations": ["Encrypt"], "Name": tag}),
            call!(kms, scope, PutKeyPolicy put_key_policy {"KeyId": key, "Policy": policy}),
            call!(kms, scope, TagResource tag_resource
                {"KeyId": key, "Tags": [{"TagKey": tag, "TagValue": "v"}]}),
            call!(kms, scope, UntagResource untag_resource {"KeyId": key, "TagKeys": [tag]}),
            call!(kms, scope, UpdateKeyDescription update_key_description
                {"KeyId": key, "Description": tag}),
            call!(kms, scope, DescribeKey describe_key {"KeyId": key}),
            call!(kms, scope, ScheduleKeyDeletion schedule_key_deletion {"KeyId": key}),
            call!(kms, scope, CancelKeyDeletion cancel_key_deletion {"KeyId": key}),
            call!(kms, scope, DisableKey disable_key {"KeyId": key}),
            call!(kms, scope, EnableKey enable_key {"KeyId": key}),
            call!(kms, scope, EnableKeyRotation enable_key_rotation {"KeyId": key}),
            call!(kms, scope, RotateKeyOnDemand rotate_key_on_demand {"KeyId": key}),
            call!(kms, scope, DeleteImportedKeyMaterial delete_imported_key_material {"KeyId": key}),
            call!(kms, scope, ReplicateKey replicate_key
                {"KeyId": key, "ReplicaRegion": "eu-west-1"}),
            call!(kms, scope, GetPublicKey get_public_key {"KeyId": key}),
            call!(kms, scope, GenerateDataKeyPair generate_data_key_pair
                {"KeyId": key, "KeyPairSpec": "ECC_NIST_P256"}),
        ]
    }

    /// The operations of the key store itself, and of its cluster.
    async fn operate_the_store(&self) -> Vec<Ended> {
        let World {
            kms,
            cloudhsm,
            scope,
            ..
        } = &self.world;
        let (store, cluster) = (&self.store, &self.cluster);
        let mut ended = vec![
            call!(kms, scope, DescribeCustomKeyStores describe_custom_key_stores {}),
            call!(kms, scope, UpdateCustomKeyStore update_custom_key_store
                {"CustomKeyStoreId": store, "NewCustomKeyStoreName": "Other"}),
            call!(kms, scope, DisconnectCustomKeyStore disconnect_custom_key_store
                {"CustomKeyStoreId": store}),
            call!(kms, scope, DisconnectCustomKeyStore disconnect_custom_key_store
                {"CustomKeyStoreId": store}),
        ];
        let is_settled = |it| it != Connection::Disconnecting && it != Connection::Connecting;
        self.world.until(store, is_settled).await;
        ended.push(
            call!(kms, scope, ConnectCustomKeyStore connect_custom_key_store
                {"CustomKeyStoreId": store}),
        );
        self.world.until(store, is_settled).await;
        ended.extend(self.use_it().await);
        if self.world.connection(store) != Connection::Disconnected {
            self.world.disconnected(store).await;
        }
        ended.push(
            call!(kms, scope, UpdateCustomKeyStore update_custom_key_store
                {"CustomKeyStoreId": store, "CloudHsmClusterId": cluster}),
        );
        ended.push(
            call!(kms, scope, DeleteCustomKeyStore delete_custom_key_store
                {"CustomKeyStoreId": store}),
        );
        let view = cloudhsm.cluster(scope, cluster);
        let hsm = view.as_ref().map(|view| view.hsms[0].id.clone());
        ended.push(call!(cloudhsm, scope, CreateHsm create_hsm
                {"ClusterId": cluster, "AvailabilityZone": "us-east-1c"}));
        ended.push(
            call!(cloudhsm, scope, DeleteHsm delete_hsm {"ClusterId": cluster, "HsmId": hsm}),
        );
        ended.push(call!(cloudhsm, scope, DescribeClusters describe_clusters {}));
        ended.push(call!(cloudhsm, scope, DeleteCluster delete_cluster {"ClusterId": cluster}));
        ended
    }
}

/// Rules KEY-27, KEY-28 and KEY-29: every fault there is, on one HSM of two and on the whole cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_is_answered_as_a_failure_of_the_service() {
    let mut cases = Vec::new();
    for kind in FaultKind::ALL.iter().copied() {
        for whole in [false, true] {
            cases.push(tokio::spawn(async move {
                let place = Place::with(&["a", "b"]).await;
                if !place.break_with(kind, whole).await {
                    return Vec::new();
                }
                let mut ended = place.use_it().await;
                ended.extend(place.manage_it("t").await);
                ended.extend(place.operate_the_store().await);
                let situation = format!("{} {}", kind.name(), if whole { "all" } else { "one" });
                ended
                    .iter()
                    .filter_map(|it| wrong(&situation, it))
                    .collect()
            }));
        }
    }
    let mut findings = Vec::new();
    for case in cases {
        findings.extend(case.await.unwrap());
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// How many times the key store is disconnected and connected again. `PORTCULLIS_CYCLES=10000` looks
/// longer.
fn cycles() -> usize {
    let asked = std::env::var("PORTCULLIS_CYCLES").ok();
    asked.map_or(100, |text| text.parse().expect("a number of cycles"))
}

/// Calls under way at once.
const CALLERS: usize = 4;

/// Rules KEY-13 and KEY-27: while disconnects and connects pass, calls succeed or are told that the
/// key store is not connected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passing_disconnect_is_told_as_what_it_is() {
    let place = Arc::new(Place::with(&["a", "b"]).await);
    let ended = Arc::new(AtomicBool::new(false));
    let callers = (0..CALLERS).map(|caller| {
        let (place, over) = (Arc::clone(&place), Arc::clone(&ended));
        tokio::spawn(async move {
            let (mut findings, mut keys, mut refused) = (Vec::new(), 0, 0);
            while !over.load(Ordering::Relaxed) {
                let mut all = place.use_it().await;
                all.extend(place.manage_it(&format!("t{caller}")).await);
                for one in &all {
                    findings.extend(wrong("disconnecting", one));
                    let is_create = one.0 == Operation::CreateKey;
                    keys += usize::from(is_create && one.1.is_ok());
                    refused += usize::from(is_create && one.1.is_err());
                }
            }
            (findings, keys, refused)
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..cycles() {
        place.world.disconnected(&place.store).await;
        place.world.connected(&place.store).await;
    }
    ended.store(true, Ordering::Relaxed);
    let (mut keys, mut refused) = (0, 0);
    for caller in callers {
        let (findings, made, turned_away) = caller.await.unwrap();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
        keys += made;
        refused += turned_away;
    }
    println!("{} cycles: {keys} keys made, {refused} refused", cycles());
    assert!(
        keys > 0 && refused > 0,
        "{keys} keys made, {refused} refused"
    );
}
