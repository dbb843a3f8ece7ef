//! Keys and ciphertexts over real clusters and real QUIC.
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
use portcullis_hsm::{DeviceKey, Limits, Role, Secret, Settings};
use portcullis_kms::{Connection, ConnectionError, Kms, KmsConfig};
use portcullis_link::{ClientIdentity, QuicSettings, QuicTransport, Transport};
use portcullis_seam::{Entropy, InlinePool, SystemClock, SystemEntropy};
use portcullis_store::Store;

use world::*;

/// Rule KEY-10, KEY-11, KEY-12, KEY-14
#[tokio::test]
async fn a_key_is_made_on_two_hsms_in_two_zones_or_not_at_all() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let hsms = world
        .cloudhsm
        .cluster(&world.scope, &cluster)
        .unwrap()
        .hsms
        .clone();
    world.create_key(Some(&store)).await.unwrap();
    world.cloudhsm.controls().crash(&hsms[1].id).unwrap();
    let unreachable = world.create_key(Some(&store)).await.unwrap_err();
    // Whichever HSM begins: one that was asked and did not answer, or one that cannot be reached.
    let codes = [
        Code::DependencyTimeout,
        Code::CloudHsmClusterInvalidConfiguration,
    ];
    assert!(codes.contains(&unreachable.code), "{unreachable:?}");
    world
        .cloudhsm
        .controls()
        .set_hsm_state(&hsms[1].id, HsmState::Degraded)
        .await
        .unwrap();
    let code = Code::CloudHsmClusterInvalidConfiguration;
    refused(world.create_key(Some(&store)).await, code);
    let create = |request| world.kms.create_key(&world.scope, request);
    let plain = CreateKeyRequest::default;
    for (request, code) in [
        (
            CreateKeyRequest {
                origin: Some("AWS_CLOUDHSM".into()),
                ..plain()
            },
            Code::Validation,
        ),
        (
            CreateKeyRequest {
                custom_key_store_id: Some(store.clone()),
                ..plain()
            },
            Code::Validation,
        ),
        (
            CreateKeyRequest {
                origin: Some("EXTERNAL_KEY_STORE".into()),
                ..plain()
            },
            Code::UnsupportedOperation,
        ),
        (
            CreateKeyRequest {
                key_spec: Some("RSA_2048".into()),
                ..plain()
            },
            Code::Validation,
        ),
        (
            CreateKeyRequest {
                origin: Some("AWS_CLOUDHSM".into()),
                custom_key_store_id: Some(store),
                multi_region: Some(true),
                ..plain()
            },
            Code::UnsupportedOperation,
        ),
    ] {
        refused(create(request).await, code);
    }
}

/// Rule QUO-05.
#[tokio::test]
async fn a_full_cluster_is_told_apart_from_one_in_trouble() {
    let world = World::holding(Limits {
        keys_max: 2,
        ..Limits::default()
    });
    let world = world.await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    for _ in 0..2 {
        world.create_key(Some(&store)).await.unwrap();
    }
    let third = world.create_key(Some(&store)).await;
    refused(third, Code::LimitExceeded);
}

/// Rule KEY-01, KEY-02, KEY-03, KEY-04, KEY-15, KEY-16
#[tokio::test]
async fn what_was_asked_for_while_disconnected_shows_when_connected() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    let state = |state: &str| Some(state.to_owned());
    let disable = || DisableKeyRequest {
        key_id: key.clone(),
    };
    let enable = || EnableKeyRequest {
        key_id: key.clone(),
    };
    world.disconnected(&store).await;
    assert_eq!(world.metadata(&key).await.key_state, state("Unavailable"));
    world
        .kms
        .disable_key(&world.scope, disable())
        .await
        .unwrap();
    assert_eq!(world.metadata(&key).await.key_state, state("Unavailable"));
    refused(world.encrypt(&key).await, Code::KmsInvalidState);
    world.connected(&store).await;
    assert_eq!(world.metadata(&key).await.key_state, state("Disabled"));
    refused(world.encrypt(&key).await, Code::Disabled);
    world.kms.enable_key(&world.scope, enable()).await.unwrap();
    world.encrypt(&key).await.unwrap();

    let schedule = |days| ScheduleKeyDeletionRequest {
        key_id: key.clone(),
        pending_window_in_days: Some(days),
    };
    for days in [6, 31] {
        let outcome = world
            .kms
            .schedule_key_deletion(&world.scope, schedule(days))
            .await;
        refused(outcome, Code::Validation);
    }
    world
        .kms
        .schedule_key_deletion(&world.scope, schedule(7))
        .await
        .unwrap();
    refused(world.encrypt(&key).await, Code::KmsInvalidState);
    refused(
        world.kms.enable_key(&world.scope, enable()).await,
        Code::KmsInvalidState,
    );
    world.disconnected(&store).await;
    assert_eq!(
        world.metadata(&key).await.key_state,
        state("PendingDeletion")
    );
    refused(world.delete(&store).await, Code::CustomKeyStoreHasCmks);
    let cancel = || CancelKeyDeletionRequest {
        key_id: key.clone(),
    };
    world
        .kms
        .cancel_key_deletion(&world.scope, cancel())
        .await
        .unwrap();
    refused(
        world.kms.cancel_key_deletion(&world.scope, cancel()).await,
        Code::KmsInvalidState,
    );
    world.connected(&store).await;
    assert_eq!(world.metadata(&key).await.key_state, state("Disabled"));
}

/// Rule CR-01, CR-02, CR-03, CR-04, CR-05, CR-11
#[tokio::test]
async fn a_ciphertext_opens_under_its_key_and_context_only() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let other = world.create_key(None).await.unwrap();
    let blob = world
        .encrypt_with(&key, &[("a", "1"), ("b", "2")])
        .await
        .unwrap();
    let opened = world
        .decrypt(&blob, &[("b", "2"), ("a", "1")])
        .await
        .unwrap();
    assert_eq!(opened, b"attack at dawn");
    for wrong in [
        &[][..],
        &[("a", "1")],
        &[("a", "2"), ("b", "1")],
        &[("a", "1b"), ("", "2")],
    ] {
        refused(world.decrypt(&blob, wrong).await, Code::InvalidCiphertext);
    }
    let bare = world.encrypt(&key).await.unwrap();
    for at in 0..bare.0.len() {
        let mut changed = bare.clone();
        changed.0[at] ^= 1;
        refused(world.decrypt(&changed, &[]).await, Code::InvalidCiphertext);
    }
    let named = DecryptRequest {
        ciphertext_blob: Some(bare.clone()),
        key_id: Some(other.clone()),
        ..DecryptRequest::default()
    };
    refused(
        world.kms.decrypt(&world.scope, named).await,
        Code::IncorrectKey,
    );
    let dry = EncryptRequest {
        key_id: key.clone(),
        plaintext: SecretBlob(vec![1].into()),
        dry_run: Some(true),
        ..EncryptRequest::default()
    };
    refused(
        world.kms.encrypt(&world.scope, dry).await,
        Code::DryRunOperation,
    );
}

/// Rule CR-03, CR-05
#[tokio::test]
async fn a_data_key_opens_to_itself_and_a_ciphertext_moves_between_keys() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let other = world.create_key(None).await.unwrap();
    let bare = world.encrypt(&key).await.unwrap();
    let both = GenerateDataKeyRequest {
        key_id: key.clone(),
        key_spec: Some("AES_256".to_owned()),
        number_of_bytes: Some(32),
        ..GenerateDataKeyRequest::default()
    };
    refused(
        world.kms.generate_data_key(&world.scope, both).await,
        Code::Validation,
    );
    let data_key = GenerateDataKeyRequest {
        key_id: key.clone(),
        key_spec: Some("AES_256".to_owned()),
        ..GenerateDataKeyRequest::default()
    };
    let made = world
        .kms
        .generate_data_key(&world.scope, data_key)
        .await
        .unwrap();
    let sealed = made.ciphertext_blob.unwrap();
    assert_eq!(
        world.decrypt(&sealed, &[]).await.unwrap(),
        made.plaintext.unwrap().0.to_vec()
    );
    let moved = ReEncryptRequest {
        ciphertext_blob: Some(bare),
        destination_key_id: other,
        ..ReEncryptRequest::default()
    };
    let moved = world.kms.re_encrypt(&world.scope, moved).await.unwrap();
    let opened = world
        .decrypt(&moved.ciphertext_blob.unwrap(), &[])
        .await
        .unwrap();
    assert_eq!(opened, b"attack at dawn");
    world
        .kms
        .disable_key(&world.scope, DisableKeyRequest { key_id: key })
        .await
        .unwrap();
    refused(world.decrypt(&sealed, &[]).await, Code::Disabled);
}

/// Rule KEY-05, KEY-06, KEY-21, KEY-22, KEY-23
#[tokio::test]
async fn a_key_is_found_by_id_arn_and_alias_where_each_is_permitted() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let alias = |name: &str, target: &str| CreateAliasRequest {
        alias_name: name.to_owned(),
        target_key_id: target.to_owned(),
    };
    let create = |request| world.kms.create_alias(&world.scope, request);
    create(alias("alias/one", &key)).await.unwrap();
    refused(create(alias("alias/one", &key)).await, Code::AlreadyExists);
    refused(
        create(alias("alias/aws/one", &key)).await,
        Code::InvalidAliasName,
    );
    refused(create(alias("one", &key)).await, Code::Validation);
    refused(
        create(alias("alias/two", "alias/one")).await,
        Code::Validation,
    );
    let arn = world.metadata(&key).await.arn.unwrap();
    for name in [&key, &arn, "alias/one", &world.scope.alias_arn("alias/one")] {
        assert_eq!(world.metadata(name).await.key_id.as_ref(), Some(&key));
    }
    for (name, code) in [
        ("alias/none", Code::NotFound),
        ("nonsense", Code::NotFound),
        ("arn:aws:s3:us-east-1:111122223333:key/x", Code::InvalidArn),
        ("arn:aws:kms:us-east-1:999999999999:key/x", Code::NotFound),
    ] {
        refused(world.encrypt(name).await, code);
    }
    let disable = DisableKeyRequest {
        key_id: "alias/one".to_owned(),
    };
    refused(
        world.kms.disable_key(&world.scope, disable).await,
        Code::NotFound,
    );
    let schedule = ScheduleKeyDeletionRequest {
        key_id: key.clone(),
        pending_window_in_days: None,
    };
    world
        .kms
        .schedule_key_deletion(&world.scope, schedule)
        .await
        .unwrap();
    refused(
        create(alias("alias/three", &key)).await,
        Code::KmsInvalidState,
    );
}

/// Rule AUTH-01, AUTH-02, AUTH-03
#[tokio::test]
async fn a_key_of_another_account_is_found_where_the_operation_permits_it() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let alias = CreateAliasRequest {
        alias_name: "alias/one".to_owned(),
        target_key_id: key.clone(),
    };
    world.kms.create_alias(&world.scope, alias).await.unwrap();
    let arn = world.metadata(&key).await.arn.unwrap();
    let alias = world.scope.alias_arn("alias/one");
    let other = portcullis_api::Scope {
        account: "444455556666".parse().unwrap(),
        ..world.scope.clone()
    };
    let encrypt = |name: &str| EncryptRequest {
        key_id: name.to_owned(),
        plaintext: SecretBlob(b"attack at dawn".to_vec().into()),
        ..EncryptRequest::default()
    };
    for name in [&arn, &alias] {
        let sealed = world.kms.encrypt(&other, encrypt(name)).await.unwrap();
        assert_eq!(sealed.key_id.as_ref(), Some(&arn));
        // The ciphertext says which key, so that nobody need name it.
        for key_id in [None, Some(arn.clone())] {
            let decrypt = DecryptRequest {
                ciphertext_blob: sealed.ciphertext_blob.clone(),
                key_id,
                ..DecryptRequest::default()
            };
            let opened = world.kms.decrypt(&other, decrypt).await.unwrap();
            assert_eq!(opened.plaintext.unwrap().0.to_vec(), b"attack at dawn");
            assert_eq!(opened.key_id.as_ref(), Some(&arn));
        }
    }
    // An ID and an alias name without an ARN are those of the caller's account.
    for name in [key.as_str(), "alias/one"] {
        refused(
            world.kms.encrypt(&other, encrypt(name)).await,
            Code::NotFound,
        );
    }
    let describe = DescribeKeyRequest {
        key_id: alias,
        ..DescribeKeyRequest::default()
    };
    let described = world.kms.describe_key(&other, describe).await.unwrap();
    let account = described.key_metadata.unwrap().aws_account_id;
    assert_eq!(account.as_deref(), Some("111122223333"));
    let disable = DisableKeyRequest {
        key_id: arn.clone(),
    };
    refused(world.kms.disable_key(&other, disable).await, Code::NotFound);
    let elsewhere = portcullis_api::Scope {
        region: "eu-west-1".parse().unwrap(),
        ..other
    };
    refused(
        world.kms.encrypt(&elsewhere, encrypt(&arn)).await,
        Code::NotFound,
    );
}
