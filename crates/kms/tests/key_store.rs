//! Key stores over real clusters and real QUIC: what each operation does in each state.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_imports,
    dead_code,
    unused_imports,
    reason = "tests fail loudly, and each uses a part of the world"
)]

mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::cloudhsm::{CreateClusterRequest, CreateHsmRequest};
use portcullis_api::kms::*;
use portcullis_api::{Blob, ClusterId, Code, Exception, Scope, SecretBlob, SecretText};
use portcullis_cloudhsm::{CloudHsm, CloudHsmConfig, default_subnets};
use portcullis_clusters::{Clusters, HsmState, NetworkTrouble};
use portcullis_fleet::MemoryDisks;
use portcullis_hsm::{DeviceKey, Role, Secret, Settings};
use portcullis_kms::{Connection, ConnectionError, Kms, KmsConfig};
use portcullis_link::{ClientIdentity, QuicSettings, QuicTransport, Transport};
use portcullis_seam::{Entropy, InlinePool, SystemClock, SystemEntropy};
use portcullis_store::{Store, Transaction};
use zeroize::Zeroizing;

use world::*;

/// Rule KS-10, KS-11, KS-12, KS-20, KS-21, KS-22, KS-24, KS-25
#[tokio::test]
async fn a_key_store_is_created_only_over_a_cluster_that_can_carry_it() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let one_hsm = world.cluster(&["a"], None).await;
    let one_zone = world.cluster(&["a", "a"], None).await;
    let bare = world.cluster(&[], None).await;
    let other = world.cluster(&["a", "b"], None).await;
    let good = || world.request("Keys", &cluster);
    let id = world.create(good()).await.unwrap();
    assert_eq!(
        world.create(good()).await.unwrap(),
        id,
        "the same values create nothing"
    );
    let missing: ClusterId = "cluster-777777777777".parse().unwrap();
    let unknown_anchor = CreateCustomKeyStoreRequest {
        trust_anchor_certificate: Some("-----BEGIN CERTIFICATE-----".to_owned()),
        ..world.request("Other", &other)
    };
    let external = CreateCustomKeyStoreRequest {
        custom_key_store_type: Some("EXTERNAL_KEY_STORE".to_owned()),
        ..world.request("Other", &other)
    };
    let no_password = CreateCustomKeyStoreRequest {
        key_store_password: None,
        ..world.request("Other", &other)
    };
    let anchored = |request: CreateCustomKeyStoreRequest| CreateCustomKeyStoreRequest {
        trust_anchor_certificate: good().trust_anchor_certificate,
        ..request
    };
    for (request, code) in [
        (world.request("Keys", &other), Code::CustomKeyStoreNameInUse),
        (
            anchored(world.request("Other", &missing)),
            Code::CloudHsmClusterNotFound,
        ),
        (
            anchored(world.request("Other", &bare)),
            Code::CloudHsmClusterNotActive,
        ),
        (world.request("Other", &cluster), Code::CloudHsmClusterInUse),
        (
            world.request("Other", &one_hsm),
            Code::CloudHsmClusterInvalidConfiguration,
        ),
        (
            world.request("Other", &one_zone),
            Code::CloudHsmClusterInvalidConfiguration,
        ),
        (unknown_anchor, Code::IncorrectTrustAnchor),
        (external, Code::UnsupportedOperation),
        (no_password, Code::Validation),
    ] {
        refused(world.create(request).await, code);
    }
    assert_eq!(
        world.kms.key_stores().len(),
        1,
        "a refused create leaves nothing behind"
    );
}

/// Rule KS-01, KS-02, KS-30, KS-32, KS-33, KS-34, KS-40, KEY-13, GATE-03, GATE-04, CR-06
#[tokio::test]
async fn every_state_permits_what_the_documentation_says() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    let random = |store: &str| GenerateRandomRequest {
        number_of_bytes: Some(16),
        custom_key_store_id: Some(store.to_owned()),
        ..GenerateRandomRequest::default()
    };
    let state = Code::CustomKeyStoreInvalidState;

    // DISCONNECTED
    refused(world.disconnect(&store).await, state);
    refused(world.create_key(Some(&store)).await, state);
    refused(
        world
            .kms
            .generate_random(&world.scope, random(&store))
            .await,
        state,
    );
    world.update(rename(&store, "Renamed")).await.unwrap();

    // CONNECTED
    world.connected(&store).await;
    world.connect(&store).await.unwrap();
    assert_eq!(world.connection(&store), Connection::Connected);
    for edit in [
        rename(&store, "X"),
        password(&store, "otherPassword"),
        substitute(&store, &cluster),
    ] {
        refused(world.update(edit).await, state);
    }
    refused(world.delete(&store).await, state);
    world
        .kms
        .generate_random(&world.scope, random(&store))
        .await
        .unwrap();
    let key = world.create_key(Some(&store)).await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();

    // From the return of Disconnect on, nothing passes.
    world.disconnect(&store).await.unwrap();
    refused(world.decrypt(&blob, &[]).await, Code::KmsInvalidState);
    world
        .until(&store, |it| it == Connection::Disconnected)
        .await;
    refused(world.decrypt(&blob, &[]).await, Code::KmsInvalidState);
    refused(world.delete(&store).await, Code::CustomKeyStoreHasCmks);

    // FAILED
    world
        .update(password(&store, "wrongPassword"))
        .await
        .unwrap();
    world.connect(&store).await.unwrap();
    let failed = world.until(&store, |it| it != Connection::Connecting).await;
    assert_eq!(
        failed,
        Connection::Failed(ConnectionError::InvalidCredentials)
    );
    refused(world.connect(&store).await, state);
    refused(world.update(rename(&store, "X")).await, state);
    refused(world.delete(&store).await, state);
    world.disconnected(&store).await;
}

/// Rule KS-41, KS-62
#[tokio::test]
async fn a_world_may_permit_renaming_and_a_connected_store_survives_a_restart_of_the_service() {
    let mut world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();
    let told = world
        .update(rename(&store, "Renamed"))
        .await
        .unwrap_err()
        .message;
    assert!(told.contains("rename_while_connected"), "{told}");

    world.restart(true).await;
    assert_eq!(world.connection(&store), Connection::Connected);
    assert_eq!(world.decrypt(&blob, &[]).await.unwrap(), b"attack at dawn");
    world.update(rename(&store, "Renamed")).await.unwrap();
    assert_eq!(world.kms.key_stores()[0].name, "Renamed");
    refused(
        world.update(password(&store, PASSWORD)).await,
        Code::CustomKeyStoreInvalidState,
    );
    let both = UpdateCustomKeyStoreRequest {
        new_custom_key_store_name: Some("Both".to_owned()),
        ..password(&store, PASSWORD)
    };
    refused(world.update(both).await, Code::CustomKeyStoreInvalidState);
    assert_eq!(
        world.kms.key_stores()[0].name,
        "Renamed",
        "all settings or none"
    );
}

/// Rule KS-13, KS-31, KS-60, KS-61
#[tokio::test]
async fn every_connection_error_code_comes_from_its_cause_and_goes_with_its_repair() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();

    world
        .update(password(&store, "wrongPassword"))
        .await
        .unwrap();
    world
        .fails_with(&store, ConnectionError::InvalidCredentials)
        .await;
    for _ in 0..4 {
        world.connect(&store).await.unwrap();
        world
            .until(&store, |it| matches!(it, Connection::Failed(_)))
            .await;
        world.disconnected(&store).await;
    }
    world
        .fails_with(&store, ConnectionError::UserLockedOut)
        .await;
    world.reset_password(&cluster, "freshPassword").await;
    world
        .update(password(&store, "freshPassword"))
        .await
        .unwrap();

    let secret = Secret::new("freshPassword");
    let person =
        world
            .cloudhsm
            .users()
            .login(&world.scope, &cluster, "kmsuser", Role::CryptoUser, secret);
    let token = person.await.unwrap();
    world
        .fails_with(&store, ConnectionError::UserLoggedIn)
        .await;
    world.cloudhsm.users().logout(&token).await.unwrap();

    world.connected(&store).await;
    world.disconnected(&store).await;
    // The connect rotated the password: the one before is wrong.
    let secret = Secret::new("freshPassword");
    let old =
        world
            .cloudhsm
            .users()
            .login(&world.scope, &cluster, "kmsuser", Role::CryptoUser, secret);
    assert!(old.await.is_err(), "the password was rotated");
}

/// Rule CR-13
#[tokio::test]
async fn a_lockout_while_connected_fails_operations_and_names_itself() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    for _ in 0..5 {
        let wrong = Secret::new("wrongPassword");
        let person = world.cloudhsm.users().login(
            &world.scope,
            &cluster,
            "kmsuser",
            Role::CryptoUser,
            wrong,
        );
        assert!(person.await.is_err(), "the password is known to KMS only");
    }
    let failed = world.encrypt(&key).await.unwrap_err();
    assert_eq!(failed.code, Code::KmsInvalidState);
    assert!(failed.message.contains("locked out"), "{}", failed.message);
    assert_eq!(world.connection(&store), Connection::Connected);

    world.disconnected(&store).await;
    world.reset_password(&cluster, "freshPassword").await;
    world
        .update(password(&store, "freshPassword"))
        .await
        .unwrap();
    world.connected(&store).await;
    world.encrypt(&key).await.unwrap();
}

/// Rule KS-13, KS-31
#[tokio::test]
async fn trouble_of_the_network_or_the_cluster_has_a_code_of_its_own() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    for (trouble, code) in [
        (
            NetworkTrouble::SubnetNotFound("subnet-1".into()),
            ConnectionError::SubnetNotFound,
        ),
        (
            NetworkTrouble::NoFreeAddress("subnet-1".into()),
            ConnectionError::InsufficientFreeAddressesInSubnet,
        ),
    ] {
        world
            .cloudhsm
            .controls()
            .set_network_trouble(&world.scope, &cluster, Some(trouble))
            .await
            .unwrap();
        world.fails_with(&store, code).await;
    }
    world
        .cloudhsm
        .controls()
        .set_network_trouble(&world.scope, &cluster, None)
        .await
        .unwrap();

    let hsms = world
        .cloudhsm
        .cluster(&world.scope, &cluster)
        .unwrap()
        .hsms
        .clone();
    for hsm in &hsms {
        world
            .cloudhsm
            .controls()
            .set_hsm_state(&hsm.id, HsmState::Degraded)
            .await
            .unwrap();
    }
    refused(
        world.connect(&store).await,
        Code::CloudHsmClusterInvalidConfiguration,
    );
    world
        .cloudhsm
        .controls()
        .destroy_cluster(&world.scope, &cluster)
        .await
        .unwrap();
    world
        .fails_with(&store, ConnectionError::ClusterNotFound)
        .await;
}

/// Rule KS-42, KEY-07, CR-10, CR-12
#[tokio::test]
async fn only_a_related_cluster_is_substituted_and_it_has_what_its_backup_had() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let unrelated = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();
    let backup = world
        .cloudhsm
        .back_up(&world.scope, &cluster)
        .await
        .unwrap();
    let late = world.create_key(Some(&store)).await.unwrap();
    let late_blob = world.encrypt(&late).await.unwrap();
    let related = world.cluster(&["a", "b"], Some(backup.to_string())).await;
    world.disconnected(&store).await;
    refused(
        world.update(substitute(&store, &unrelated)).await,
        Code::CloudHsmClusterNotRelated,
    );
    assert_eq!(world.kms.key_stores()[0].cluster, cluster.to_string());
    world.update(substitute(&store, &related)).await.unwrap();
    world.connected(&store).await;
    assert_eq!(world.decrypt(&blob, &[]).await.unwrap(), b"attack at dawn");
    assert_eq!(
        world.metadata(&key).await.cloud_hsm_cluster_id,
        Some(related.to_string())
    );
    assert_eq!(world.metadata(&key).await.current_key_material_id, None);
    refused(world.decrypt(&late_blob, &[]).await, Code::KmsInvalidState);
    refused(
        world.create(world.request("Second", &cluster)).await,
        Code::CloudHsmClusterInUse,
    );

    // One HSM serves; a key needs two.
    let hsms = world
        .cloudhsm
        .cluster(&world.scope, &related)
        .unwrap()
        .hsms
        .clone();
    world.cloudhsm.controls().crash(&hsms[0].id).unwrap();
    for _ in 0..4 {
        assert_eq!(world.decrypt(&blob, &[]).await.unwrap(), b"attack at dawn");
    }
    world.cloudhsm.controls().crash(&hsms[1].id).unwrap();
    refused(world.decrypt(&blob, &[]).await, Code::KmsInvalidState);
    assert_eq!(
        world.connection(&store),
        Connection::Connected,
        "a store never leaves by itself"
    );
    world
        .cloudhsm
        .controls()
        .restart(&hsms[0].id)
        .await
        .unwrap();
    for _ in 0..5_000 {
        if world.decrypt(&blob, &[]).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the store did not log in on the restarted HSM");
}

/// Rule KS-23, KS-50, KS-51
#[tokio::test]
async fn describing_shows_what_there_is_and_names_what_is_not() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    let describe = |id: Option<&str>, name: Option<&str>| {
        let request = DescribeCustomKeyStoresRequest {
            custom_key_store_id: id.map(str::to_owned),
            custom_key_store_name: name.map(str::to_owned),
            ..DescribeCustomKeyStoresRequest::default()
        };
        world.kms.describe_custom_key_stores(&world.scope, request)
    };
    refused(
        describe(Some("cks-none"), None).await,
        Code::CustomKeyStoreNotFound,
    );
    refused(describe(Some(&store), Some("Keys")).await, Code::Validation);
    world
        .update(password(&store, "wrongPassword"))
        .await
        .unwrap();
    world.connect(&store).await.unwrap();
    world
        .until(&store, |it| matches!(it, Connection::Failed(_)))
        .await;
    let shown = describe(None, Some("Keys"))
        .await
        .unwrap()
        .custom_key_stores
        .unwrap();
    assert_eq!(
        shown[0].connection_error_code.as_deref(),
        Some("INVALID_CREDENTIALS")
    );
    assert!(!format!("{shown:?}").contains("wrongPassword"));
    world.disconnected(&store).await;
    let shown = describe(Some(&store), None)
        .await
        .unwrap()
        .custom_key_stores
        .unwrap();
    assert_eq!(shown[0].connection_error_code, None);
}

/// Rule KS-64
///
/// Killed twice while connecting, KMS used to forget the password that some HSMs had got from the
/// first attempt: it drew another one and wrote it down in the same place.
#[tokio::test]
async fn a_rotation_that_was_cut_short_is_finished_with_its_own_password() {
    let mut world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let id = world.create(world.request("Keys", &cluster)).await.unwrap();
    let begun = "begunByTheFirstAttempt";
    let sealed = world
        .config
        .device_key
        .seal("kmsuser-password", begun.as_bytes(), &SystemEntropy);
    let name = format!(
        "kms/{}/{}/store/{id}",
        world.scope.account, world.scope.region
    );
    let passwords = |world: &World| {
        let record = world.config.store.get(&name).unwrap();
        serde_json::from_slice::<serde_json::Value>(&record.value).unwrap()
    };
    let mut record = passwords(&world);
    record["passwords"]["rotating"] = serde_json::to_value(&sealed).unwrap();
    let put = Transaction::new().put(&name, serde_json::to_vec(&record).unwrap());
    world.config.store.commit(put).await.unwrap();
    world.restart(false).await;
    world.connect(&id).await.unwrap();
    world.connected(&id).await;
    let kept: Vec<u8> =
        serde_json::from_value(passwords(&world)["passwords"]["current"].clone()).unwrap();
    let opened = world
        .config
        .device_key
        .open("kmsuser-password", &kept)
        .unwrap();
    assert_eq!(opened.as_slice(), begun.as_bytes());
}
