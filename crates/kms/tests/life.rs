//! The life of keys: tags, policies, rotation, import, multi-Region keys.
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

use std::time::Duration;

use portcullis_api::kms::*;
use portcullis_api::{Code, Exception};

use world::*;

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        tag_key: key.to_owned(),
        tag_value: value.to_owned(),
    }
}

impl World {
    async fn tag(&self, key: &str, tags: Vec<Tag>) -> Result<(), Exception> {
        let request = TagResourceRequest {
            key_id: key.to_owned(),
            tags,
        };
        self.kms.tag_resource(&self.scope, request).await
    }

    async fn tags(
        &self,
        key: &str,
        limit: i32,
        marker: Option<String>,
    ) -> ListResourceTagsResponse {
        let request = ListResourceTagsRequest {
            key_id: key.to_owned(),
            limit: Some(limit),
            marker,
        };
        let listed = self.kms.list_resource_tags(&self.scope, request).await;
        listed.unwrap()
    }

    async fn schedule_deletion(&self, key: &str) {
        let request = ScheduleKeyDeletionRequest {
            key_id: key.to_owned(),
            pending_window_in_days: Some(7),
        };
        let scheduled = self.kms.schedule_key_deletion(&self.scope, request).await;
        scheduled.unwrap();
    }

    async fn policy(&self, key: &str, name: Option<&str>) -> Result<String, Code> {
        let request = GetKeyPolicyRequest {
            key_id: key.to_owned(),
            policy_name: name.map(str::to_owned),
        };
        let got = self.kms.get_key_policy(&self.scope, request).await;
        got.map(|got| got.policy.unwrap()).map_err(|it| it.code)
    }

    async fn put_policy(&self, key: &str, name: Option<&str>, policy: &str) -> Result<(), Code> {
        let request = PutKeyPolicyRequest {
            key_id: key.to_owned(),
            policy_name: name.map(str::to_owned),
            policy: policy.to_owned(),
            bypass_policy_lockout_safety_check: Some(true),
        };
        let put = self.kms.put_key_policy(&self.scope, request).await;
        put.map_err(|exception| exception.code)
    }
}

/// Rules LIFE-07 and LIFE-08.
#[tokio::test]
async fn a_key_has_the_tags_that_it_was_given_last_and_keeps_them_over_a_restart() {
    let mut world = World::new().await;
    let request = CreateKeyRequest {
        tags: Some(vec![tag("a", "1"), tag("b", "2"), tag("c", "3")]),
        description: Some("first".to_owned()),
        ..CreateKeyRequest::default()
    };
    let made = world.kms.create_key(&world.scope, request).await.unwrap();
    let key = made.key_metadata.unwrap().key_id.unwrap();
    world
        .tag(&key, vec![tag("b", "two"), tag("d", "")])
        .await
        .unwrap();
    let untag = UntagResourceRequest {
        key_id: key.clone(),
        tag_keys: vec!["c".to_owned(), "absent".to_owned()],
    };
    world.kms.untag_resource(&world.scope, untag).await.unwrap();
    let describe = UpdateKeyDescriptionRequest {
        key_id: key.clone(),
        description: "second".to_owned(),
    };
    let described = world
        .kms
        .update_key_description(&world.scope, describe)
        .await;
    described.unwrap();
    world.restart(false).await;
    let first = world.tags(&key, 2, None).await;
    assert_eq!(first.tags.unwrap(), [tag("a", "1"), tag("b", "two")]);
    let second = world.tags(&key, 2, first.next_marker).await;
    assert_eq!(second.tags.unwrap(), [tag("d", "")]);
    assert_eq!(second.truncated, Some(false));
    assert_eq!(world.metadata(&key).await.description.unwrap(), "second");

    let many = (0..48).map(|n| tag(&n.to_string(), "")).collect();
    refused(world.tag(&key, many).await, Code::Tag);
    refused(world.tag(&key, vec![tag("aws:a", "")]).await, Code::Tag);
    assert_eq!(world.tags(&key, 50, None).await.tags.unwrap().len(), 3);
    world.schedule_deletion(&key).await;
    refused(
        world.tag(&key, vec![tag("e", "")]).await,
        Code::KmsInvalidState,
    );
}

/// Rules LIFE-09 and LIFE-10.
#[tokio::test]
async fn a_key_has_the_default_policy_until_another_one_is_put() {
    let mut world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let default = world.policy(&key, None).await.unwrap();
    assert!(
        default.contains("arn:aws:iam::111122223333:root"),
        "{default}"
    );
    let mine = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}}"#;
    world.put_policy(&key, Some("default"), mine).await.unwrap();
    world.schedule_deletion(&key).await;
    world.restart(false).await;
    assert_eq!(world.policy(&key, Some("default")).await.unwrap(), mine);
    assert_eq!(
        world.policy(&key, Some("AWS_RAM")).await,
        Err(Code::NotFound)
    );
    let others = world.put_policy(&key, Some("AWS_RAM"), mine).await;
    assert_eq!(others, Err(Code::Validation));
    let malformed = world.put_policy(&key, None, "{}").await;
    assert_eq!(malformed, Err(Code::MalformedPolicyDocument));
    let long = format!("{mine}{}", " ".repeat(32_768));
    let long = world.put_policy(&key, None, &long).await;
    assert_eq!(long, Err(Code::LimitExceeded));
    world.put_policy(&key, None, &default).await.unwrap();
    assert_eq!(world.policy(&key, None).await.unwrap(), default);

    let request = CreateKeyRequest {
        policy: Some(mine.to_owned()),
        bypass_policy_lockout_safety_check: Some(true),
        ..CreateKeyRequest::default()
    };
    let made = world.kms.create_key(&world.scope, request).await.unwrap();
    let key = made.key_metadata.unwrap().key_id.unwrap();
    assert_eq!(world.policy(&key, None).await.unwrap(), mine);
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    async fn pass(&self, days: u32) {
        self.calendar.advance(DAY * days).await.unwrap();
        self.kms.reconcile_once().await;
    }

    async fn enable_rotation(&self, key: &str, days: Option<i32>) -> Result<(), Exception> {
        let request = EnableKeyRotationRequest {
            key_id: key.to_owned(),
            rotation_period_in_days: days,
        };
        self.kms.enable_key_rotation(&self.scope, request).await
    }

    async fn rotation(&self, key: &str) -> GetKeyRotationStatusResponse {
        let request = GetKeyRotationStatusRequest {
            key_id: key.to_owned(),
        };
        let status = self.kms.get_key_rotation_status(&self.scope, request).await;
        status.unwrap()
    }

    async fn rotate(&self, key: &str) -> Result<(), Exception> {
        let request = RotateKeyOnDemandRequest {
            key_id: key.to_owned(),
        };
        let rotated = self.kms.rotate_key_on_demand(&self.scope, request).await;
        rotated.map(drop)
    }

    async fn rotations(&self, key: &str, all: bool) -> Vec<RotationsListEntry> {
        let request = ListKeyRotationsRequest {
            key_id: key.to_owned(),
            include_key_material: all.then(|| "ALL_KEY_MATERIAL".to_owned()),
            ..ListKeyRotationsRequest::default()
        };
        let listed = self.kms.list_key_rotations(&self.scope, request).await;
        listed.unwrap().rotations.unwrap()
    }

    async fn disable(&self, key: &str) {
        let request = DisableKeyRequest {
            key_id: key.to_owned(),
        };
        self.kms.disable_key(&self.scope, request).await.unwrap();
    }

    async fn enable(&self, key: &str) {
        let request = EnableKeyRequest {
            key_id: key.to_owned(),
        };
        self.kms.enable_key(&self.scope, request).await.unwrap();
    }

    async fn multi_region_key(&self) -> String {
        let request = CreateKeyRequest {
            multi_region: Some(true),
            ..CreateKeyRequest::default()
        };
        let made = self.kms.create_key(&self.scope, request).await.unwrap();
        made.key_metadata.unwrap().key_id.unwrap()
    }

    async fn replicate(&self, key: &str, region: &str) -> Result<KeyMetadata, Exception> {
        let request = ReplicateKeyRequest {
            key_id: key.to_owned(),
            replica_region: region.to_owned(),
            tags: Some(vec![tag("region", region)]),
            ..ReplicateKeyRequest::default()
        };
        let made = self.kms.replicate_key(&self.scope, request).await?;
        assert_eq!(made.replica_tags.unwrap(), [tag("region", region)]);
        Ok(made.replica_key_metadata.unwrap())
    }

    /// The same world as somebody sees it who works in another Region.
    fn travel(&mut self, region: &str) {
        self.scope.region = region.parse().unwrap();
    }

    async fn state(&self, key: &str) -> String {
        self.metadata(key).await.key_state.unwrap()
    }
}

/// Rules LIFE-11, LIFE-12, LIFE-13, LIFE-14 and LIFE-15.
#[tokio::test]
async fn a_key_rotates_on_its_days_and_everything_sealed_before_still_opens() {
    let mut world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    assert_eq!(world.rotation(&key).await.key_rotation_enabled, Some(false));
    let first = world.metadata(&key).await.current_key_material_id.unwrap();
    let mut sealed = vec![world.encrypt(&key).await.unwrap()];
    world.enable_rotation(&key, Some(90)).await.unwrap();
    let status = world.rotation(&key).await;
    assert_eq!(status.rotation_period_in_days, Some(90));
    world.pass(89).await;
    assert_eq!(world.rotations(&key, false).await, []);
    world.pass(1).await;
    sealed.push(world.encrypt(&key).await.unwrap());
    let next = world.rotation(&key).await.next_rotation_date.unwrap().0;
    assert!((next - status.next_rotation_date.unwrap().0 - 90.0 * 86_400.0).abs() < 1.0);

    // Several periods at once bring several rotations.
    world.pass(270).await;
    sealed.push(world.encrypt(&key).await.unwrap());
    world.rotate(&key).await.unwrap();
    sealed.push(world.encrypt(&key).await.unwrap());
    let told = world.kms.events().records;
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|event| event.name == "RotateKey"));
    assert!(
        told[4]
            .additional
            .contains(&("rotationType", "ON_DEMAND".to_owned()))
    );
    assert!(
        told[0]
            .additional
            .contains(&("previousBackingKeyId", first.clone()))
    );
    world.restart(false).await;
    let rotations = world.rotations(&key, false).await;
    let kinds: Vec<_> = rotations
        .iter()
        .map(|it| it.rotation_type.as_deref().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "AUTOMATIC",
            "AUTOMATIC",
            "AUTOMATIC",
            "AUTOMATIC",
            "ON_DEMAND"
        ]
    );
    let all = world.rotations(&key, true).await;
    assert_eq!(all.len(), 6);
    assert_eq!(all[0].key_material_id.as_ref(), Some(&first));
    assert_eq!(all[0].rotation_date, None);
    let current = world.metadata(&key).await.current_key_material_id;
    assert_eq!(all[5].key_material_id, current);
    assert_eq!(all[5].key_material_state.as_deref(), Some("CURRENT"));
    for (blob, version) in sealed.iter().zip([0, 1, 4, 5]) {
        let request = DecryptRequest {
            ciphertext_blob: Some(blob.clone()),
            ..DecryptRequest::default()
        };
        let opened = world.kms.decrypt(&world.scope, request).await.unwrap();
        assert_eq!(opened.key_material_id, all[version].key_material_id);
    }
}

/// Rules LIFE-13 and LIFE-14.
#[tokio::test]
async fn a_disabled_key_catches_up_once_and_rotations_on_demand_have_a_quota() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    world.enable_rotation(&key, Some(90)).await.unwrap();
    // Near to an automatic rotation there is none on demand.
    world
        .calendar
        .advance(DAY * 90 - Duration::from_secs(600))
        .await
        .unwrap();
    refused(world.rotate(&key).await, Code::Conflict);
    world.disable(&key).await;
    refused(world.rotate(&key).await, Code::Disabled);
    refused(world.enable_rotation(&key, None).await, Code::Disabled);
    // What was missed while disabled is made up for once.
    world.pass(400).await;
    assert_eq!(world.rotations(&key, false).await.len(), 0);
    world.enable(&key).await;
    world.kms.reconcile_once().await;
    assert_eq!(world.rotations(&key, false).await.len(), 1);
    for _ in 0..25 {
        world.rotate(&key).await.unwrap();
    }
    refused(world.rotate(&key).await, Code::LimitExceeded);
    world.schedule_deletion(&key).await;
    assert_eq!(world.rotation(&key).await.key_rotation_enabled, Some(false));
    refused(
        world.enable_rotation(&key, None).await,
        Code::KmsInvalidState,
    );
    let materials = world.rotations(&key, true).await.len();
    assert_eq!(materials, 27);
}

/// Rules LIFE-20, LIFE-21, LIFE-23 and LIFE-24.
#[tokio::test]
async fn a_multi_region_key_is_one_key_in_all_its_regions() {
    let mut world = World::new().await;
    let key = world.multi_region_key().await;
    assert!(key.starts_with("mrk-"), "{key}");
    let single = world.create_key(None).await.unwrap();
    let unsupported = Code::UnsupportedOperation;
    refused(world.replicate(&single, "eu-west-1").await, unsupported);
    let replica = world.replicate(&key, "eu-west-1").await.unwrap();
    assert_eq!(replica.key_id.as_ref(), Some(&key));
    assert_eq!(replica.key_state.as_deref(), Some("Enabled"));
    let configuration = replica.multi_region_configuration.unwrap();
    assert_eq!(
        configuration.multi_region_key_type.as_deref(),
        Some("REPLICA")
    );
    // Rule LIFE-25.
    let untagged = ReplicateKeyRequest {
        key_id: world.multi_region_key().await,
        replica_region: "eu-west-1".to_owned(),
        ..ReplicateKeyRequest::default()
    };
    let untagged = world.kms.replicate_key(&world.scope, untagged).await;
    assert_eq!(untagged.unwrap().replica_tags, None);
    refused(
        world.replicate(&key, "eu-west-1").await,
        Code::AlreadyExists,
    );
    let blob = world.encrypt_with(&key, &[("a", "b")]).await.unwrap();

    world.travel("eu-west-1");
    assert_eq!(
        world.decrypt(&blob, &[("a", "b")]).await.unwrap(),
        b"attack at dawn"
    );
    refused(world.decrypt(&blob, &[]).await, Code::InvalidCiphertext);
    refused(world.replicate(&key, "eu-west-2").await, unsupported);
    refused(world.rotate(&key).await, unsupported);
    refused(world.enable_rotation(&key, None).await, unsupported);
    world.disable(&key).await;

    world.travel("us-east-1");
    world.rotate(&key).await.unwrap();
    world.enable_rotation(&key, Some(100)).await.unwrap();
    let newer = world.encrypt(&key).await.unwrap();
    world.travel("eu-west-1");
    refused(world.decrypt(&newer, &[]).await, Code::Disabled);
    world.enable(&key).await;
    assert!(world.decrypt(&newer, &[]).await.is_ok());
    assert_eq!(
        world.rotation(&key).await.rotation_period_in_days,
        Some(100)
    );
    assert_eq!(world.tags(&key, 50, None).await.tags.unwrap().len(), 1);
}

/// Rules LIFE-21 and LIFE-23.
#[tokio::test]
async fn a_primary_moves_and_waits_with_its_deletion_for_its_replicas() {
    let mut world = World::new().await;
    let key = world.multi_region_key().await;
    world.replicate(&key, "eu-west-1").await.unwrap();
    let blob = world.encrypt(&key).await.unwrap();
    world.rotate(&key).await.unwrap();
    let newer = world.encrypt(&key).await.unwrap();
    let update = |region: &str| UpdatePrimaryRegionRequest {
        key_id: key.clone(),
        primary_region: region.to_owned(),
    };
    let moved = world
        .kms
        .update_primary_region(&world.scope, update("ap-south-1"))
        .await;
    refused(moved, Code::NotFound);
    let moved = world
        .kms
        .update_primary_region(&world.scope, update("eu-west-1"))
        .await;
    moved.unwrap();
    world.restart(false).await;
    let configuration = world
        .metadata(&key)
        .await
        .multi_region_configuration
        .unwrap();
    assert_eq!(
        configuration.primary_key.unwrap().region.as_deref(),
        Some("eu-west-1")
    );
    world.travel("eu-west-1");
    world.schedule_deletion(&key).await;
    let primary = world.metadata(&key).await;
    assert_eq!(primary.key_state.as_deref(), Some("PendingReplicaDeletion"));
    assert_eq!(primary.pending_deletion_window_in_days, Some(7));
    world.travel("us-east-1");
    world.schedule_deletion(&key).await;
    world.pass(7).await;
    world.travel("eu-west-1");
    assert_eq!(world.state(&key).await, "PendingDeletion");
    let cancel = CancelKeyDeletionRequest {
        key_id: key.clone(),
    };
    world
        .kms
        .cancel_key_deletion(&world.scope, cancel)
        .await
        .unwrap();
    world.enable(&key).await;
    // The material that both had is still there.
    assert!(world.decrypt(&blob, &[]).await.is_ok());
    assert!(world.decrypt(&newer, &[]).await.is_ok());
}

/// Rule TIME-05.
#[tokio::test]
async fn a_replica_is_creating_and_a_moved_primary_updating_for_as_long_as_the_pace_says() {
    let mut world = World::new().await;
    let key = world.multi_region_key().await;
    world
        .calendar
        .pacing()
        .set_pace("describes:2".parse().unwrap());
    let replica = world.replicate(&key, "eu-west-1").await.unwrap();
    assert_eq!(replica.key_state.as_deref(), Some("Creating"));
    let blob = world.encrypt(&key).await.unwrap();
    world.travel("eu-west-1");
    refused(world.decrypt(&blob, &[]).await, Code::KmsInvalidState);
    assert_eq!(world.state(&key).await, "Creating");
    assert_eq!(world.state(&key).await, "Creating");
    assert_eq!(world.state(&key).await, "Enabled");
    world.travel("us-east-1");
    let update = UpdatePrimaryRegionRequest {
        key_id: key.clone(),
        primary_region: "eu-west-1".to_owned(),
    };
    let moved = world.kms.update_primary_region(&world.scope, update).await;
    moved.unwrap();
    assert!(world.encrypt(&key).await.is_ok(), "an Updating key is used");
    let disable = DisableKeyRequest {
        key_id: key.clone(),
    };
    let disabled = world.kms.disable_key(&world.scope, disable).await;
    refused(disabled, Code::KmsInvalidState);
    world
        .calendar
        .pacing()
        .set_pace("immediate".parse().unwrap());
    assert_eq!(world.state(&key).await, "Enabled");
    world.travel("eu-west-1");
    assert_eq!(world.state(&key).await, "Enabled");
}

/// Rule LIFE-43.
#[tokio::test]
async fn an_alias_moves_between_keys_of_one_type_and_usage() {
    let world = World::new().await;
    let make = async |spec: &str, usage: &str| {
        let request = CreateKeyRequest {
            key_spec: Some(spec.to_owned()),
            key_usage: Some(usage.to_owned()),
            ..CreateKeyRequest::default()
        };
        let made = world.kms.create_key(&world.scope, request).await.unwrap();
        made.key_metadata.unwrap().key_id.unwrap()
    };
    let first = make("ECC_NIST_P256", "SIGN_VERIFY").await;
    let alias = CreateAliasRequest {
        alias_name: "alias/moves".to_owned(),
        target_key_id: first,
    };
    world.kms.create_alias(&world.scope, alias).await.unwrap();
    for (spec, usage, permitted) in [
        ("ECC_NIST_P384", "SIGN_VERIFY", true),
        ("ECC_NIST_P256", "KEY_AGREEMENT", false),
        ("HMAC_256", "GENERATE_VERIFY_MAC", false),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", false),
    ] {
        let target = make(spec, usage).await;
        let update = UpdateAliasRequest {
            alias_name: "alias/moves".to_owned(),
            target_key_id: target,
        };
        let moved = world.kms.update_alias(&world.scope, update).await;
        let expected = (!permitted).then_some(Code::Validation);
        assert_eq!(moved.err().map(|it| it.code), expected, "{spec} {usage}");
    }
}

/// Rule LIFE-41
#[tokio::test]
async fn a_last_use_survives_a_restart_and_goes_with_its_key() {
    let mut world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let usage = async |world: &World| {
        let request = GetKeyLastUsageRequest {
            key_id: key.clone(),
        };
        let told = world.kms.get_key_last_usage(&world.scope, request).await;
        told.unwrap().key_last_usage.unwrap()
    };
    world.kms.save_last_uses().await;
    world.restart(false).await;
    assert_eq!(usage(&world).await.operation, None);
    world.encrypt(&key).await.unwrap();
    let told = usage(&world).await;
    assert_eq!(told.operation.as_deref(), Some("Encrypt"));
    world.kms.save_last_uses().await;
    let records = world.config.store.scan("kms/", None, usize::MAX);
    let saved = records
        .iter()
        .filter(|(name, _)| name.contains("/last-use/"));
    assert_eq!(saved.count(), 1);
    world.restart(false).await;
    assert_eq!(usage(&world).await, told);
    let schedule = ScheduleKeyDeletionRequest {
        key_id: key.clone(),
        pending_window_in_days: Some(7),
    };
    let scheduled = world.kms.schedule_key_deletion(&world.scope, schedule);
    scheduled.await.unwrap();
    let week = Duration::from_secs(8 * 24 * 60 * 60);
    world.calendar.advance(week).await.unwrap();
    world.kms.reconcile_once().await;
    let records = world.config.store.scan("kms/", None, usize::MAX);
    assert!(records.iter().all(|(name, _)| !name.contains("/last-use/")));
}
