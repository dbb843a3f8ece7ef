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

use portcullis_api::Code;
use portcullis_api::kms::*;

use world::*;

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        tag_key: key.to_owned(),
        tag_value: value.to_owned(),
    }
}

impl World {
    async fn tag(&self, key: &str, tags: Vec<Tag>) -> Result<(), portcullis_api::Exception> {
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
    refused(world.tag(&key, many).await, Code::LimitExceeded);
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
    let mine = r#"{"Statement": {"Effect": "Allow", "Principal": "*"}}"#;
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
