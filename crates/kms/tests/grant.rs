//! Grants over a real KMS: made, listed, ended, kept, and gone with their key.
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

use portcullis_api::kms::*;
use portcullis_api::{Code, Scope, SecretBlob};
use world::{World, refused};

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const BOB: &str = "arn:aws:iam::444455556666:user/bob";

fn request(key: &str, name: Option<&str>) -> CreateGrantRequest {
    CreateGrantRequest {
        key_id: key.to_owned(),
        grantee_principal: Some(ALICE.to_owned()),
        retiring_principal: Some(BOB.to_owned()),
        operations: vec!["Encrypt".to_owned(), "Decrypt".to_owned()],
        name: name.map(str::to_owned),
        ..CreateGrantRequest::default()
    }
}

fn list(key: &str) -> ListGrantsRequest {
    ListGrantsRequest {
        key_id: key.to_owned(),
        ..ListGrantsRequest::default()
    }
}

async fn ids(world: &World, input: ListGrantsRequest) -> Vec<String> {
    let listed = world.kms.list_grants(&world.scope, input).await.unwrap();
    let grants = listed.grants.unwrap().into_iter();
    grants.map(|grant| grant.grant_id.unwrap()).collect()
}

/// Rule GRANT-06
#[tokio::test]
async fn a_named_grant_is_made_once_and_an_unnamed_one_each_time() {
    let mut world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let create = |input| world.kms.create_grant(&world.scope, input);
    let first = create(request(&key, Some("app"))).await.unwrap();
    let again = create(request(&key, Some("app"))).await.unwrap();
    assert_eq!(first.grant_id, again.grant_id);
    assert_ne!(first.grant_token, again.grant_token);
    let mut other = request(&key, Some("app"));
    other.operations.push("DescribeKey".to_owned());
    let other = create(other).await.unwrap();
    assert_ne!(first.grant_id, other.grant_id);
    let unnamed = create(request(&key, None)).await.unwrap();
    let unnamed_again = create(request(&key, None)).await.unwrap();
    assert_ne!(unnamed.grant_id, unnamed_again.grant_id);
    let before = ids(&world, list(&key)).await;
    assert_eq!(before.len(), 4);
    world.restart(false).await;
    assert_eq!(ids(&world, list(&key)).await, before);
}

/// Rule GRANT-10
#[tokio::test]
async fn grants_are_listed_in_pages_by_key_and_by_who_may_retire_them() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let arn = world.metadata(&key).await.arn.unwrap();
    for _ in 0..5 {
        let made = world.kms.create_grant(&world.scope, request(&key, None));
        made.await.unwrap();
    }
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let input = ListGrantsRequest {
            limit: Some(2),
            marker,
            ..list(&key)
        };
        let page = world.kms.list_grants(&world.scope, input).await.unwrap();
        seen.extend(page.grants.unwrap());
        marker = page.next_marker;
        assert_eq!(page.truncated, Some(marker.is_some()));
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[0].key_id.as_ref(), Some(&arn));
    assert_eq!(
        seen[0].issuing_account.as_deref(),
        Some("arn:aws:iam::111122223333:root")
    );
    let of = |who: &str| ListGrantsRequest {
        grantee_principal: Some(who.to_owned()),
        ..list(&key)
    };
    assert_eq!(ids(&world, of(ALICE)).await.len(), 5);
    assert_eq!(ids(&world, of(BOB)).await.len(), 0);
    let one = ListGrantsRequest {
        grant_id: seen[2].grant_id.clone(),
        ..list(&key)
    };
    assert_eq!(ids(&world, one).await, [seen[2].grant_id.clone().unwrap()]);
    let bobs = Scope {
        account: "444455556666".parse().unwrap(),
        ..world.scope.clone()
    };
    let input = ListRetirableGrantsRequest {
        retiring_principal: Some(BOB.to_owned()),
        ..ListRetirableGrantsRequest::default()
    };
    let retirable = world.kms.list_retirable_grants(&bobs, input).await.unwrap();
    assert_eq!(retirable.grants.unwrap(), seen);
    let neither = ListRetirableGrantsRequest::default();
    refused(
        world.kms.list_retirable_grants(&bobs, neither).await,
        Code::Validation,
    );
    let malformed = ListGrantsRequest {
        grant_id: Some("x".to_owned()),
        ..list(&key)
    };
    refused(
        world.kms.list_grants(&world.scope, malformed).await,
        Code::InvalidGrantId,
    );
}

/// Rule GRANT-05, GRANT-07
#[tokio::test]
async fn a_grant_is_revoked_by_the_keys_side_and_retired_by_its_own() {
    let world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let arn = world.metadata(&key).await.arn.unwrap();
    let bobs = Scope {
        account: "444455556666".parse().unwrap(),
        ..world.scope.clone()
    };
    let mut made = Vec::new();
    for _ in 0..3 {
        let grant = world.kms.create_grant(&world.scope, request(&key, None));
        made.push(grant.await.unwrap());
    }
    let revoke = |dry_run| RevokeGrantRequest {
        key_id: key.clone(),
        grant_id: made[0].grant_id.clone().unwrap(),
        dry_run,
    };
    let dry = world.kms.revoke_grant(&world.scope, revoke(Some(true)));
    refused(dry.await, Code::DryRunOperation);
    let revoked = world.kms.revoke_grant(&world.scope, revoke(None));
    revoked.await.unwrap();
    let again = world.kms.revoke_grant(&world.scope, revoke(None));
    refused(again.await, Code::NotFound);
    let by_token = RetireGrantRequest {
        grant_token: made[1].grant_token.clone(),
        ..RetireGrantRequest::default()
    };
    let retire = |input| world.kms.retire_grant(&bobs, input);
    retire(by_token.clone()).await.unwrap();
    refused(retire(by_token.clone()).await, Code::NotFound);
    let by_id = RetireGrantRequest {
        key_id: Some(arn),
        grant_id: made[2].grant_id.clone(),
        ..RetireGrantRequest::default()
    };
    let both = RetireGrantRequest {
        grant_token: by_token.grant_token,
        ..by_id.clone()
    };
    refused(retire(both).await, Code::Validation);
    retire(by_id).await.unwrap();
    let foreign = RetireGrantRequest {
        grant_token: Some("AQpAM2RhZTk1MGMyNTk2".to_owned()),
        ..RetireGrantRequest::default()
    };
    refused(retire(foreign).await, Code::InvalidGrantToken);
    let token = CreateGrantRequest {
        grant_tokens: Some(vec!["nonsense".to_owned()]),
        ..request(&key, None)
    };
    refused(
        world.kms.create_grant(&world.scope, token).await,
        Code::InvalidGrantToken,
    );
    assert_eq!(ids(&world, list(&key)).await.len(), 0);
}

/// Rule GRANT-05: with nobody's permissions asked for.
#[tokio::test]
async fn a_token_that_was_not_given_out_here_is_refused_by_every_use() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let key = world.create_key(None).await.unwrap();
    let token = async |world: &World, key: &str| {
        let made = world.kms.create_grant(&world.scope, request(key, None));
        let made = made.await.unwrap();
        (made.grant_id.unwrap(), made.grant_token.unwrap())
    };
    let (ended, of_ended) = token(&world, &key).await;
    let (_, good) = token(&world, &key).await;
    let other = elsewhere.create_key(None).await.unwrap();
    let (_, foreign) = token(&elsewhere, &other).await;
    let encrypt = |tokens: &[&String]| {
        let request = EncryptRequest {
            key_id: key.clone(),
            plaintext: SecretBlob(b"attack at dawn".to_vec().into()),
            grant_tokens: Some(tokens.iter().map(|token| (*token).clone()).collect()),
            ..EncryptRequest::default()
        };
        world.kms.encrypt(&world.scope, request)
    };
    encrypt(&[&good, &of_ended]).await.unwrap();
    let revoke = RevokeGrantRequest {
        key_id: key.clone(),
        grant_id: ended,
        ..RevokeGrantRequest::default()
    };
    world.kms.revoke_grant(&world.scope, revoke).await.unwrap();
    // A grant that has ended permits nothing, which is all that its token says by then.
    encrypt(&[&of_ended]).await.unwrap();
    let nonsense = "AQpAM2RhZTk1MGMyNTk2".to_owned();
    for wrong in [&foreign, &nonsense, &good[1..].to_owned(), &String::new()] {
        refused(encrypt(&[&good, wrong]).await, Code::InvalidGrantToken);
    }
    // It is looked at before the key is, as permissions are.
    let missing = GetPublicKeyRequest {
        key_id: "0a1b2c3d-0a1b-4c3d-8e5f-0a1b2c3d4e5f".to_owned(),
        grant_tokens: Some(vec![nonsense]),
    };
    let answer = world.kms.get_public_key(&world.scope, missing).await;
    refused(answer, Code::InvalidGrantToken);
}

/// Rule GRANT-08, GRANT-09
#[tokio::test]
async fn a_grant_needs_a_usable_key_and_goes_with_it() {
    let mut world = World::new().await;
    let key = world.create_key(None).await.unwrap();
    let dry = CreateGrantRequest {
        dry_run: Some(true),
        ..request(&key, None)
    };
    let dry = world.kms.create_grant(&world.scope, dry).await;
    refused(dry, Code::DryRunOperation);
    let made = world.kms.create_grant(&world.scope, request(&key, None));
    made.await.unwrap();
    let disable = DisableKeyRequest {
        key_id: key.clone(),
    };
    world.kms.disable_key(&world.scope, disable).await.unwrap();
    let refusal = world.kms.create_grant(&world.scope, request(&key, None));
    refused(refusal.await, Code::Disabled);
    let schedule = ScheduleKeyDeletionRequest {
        key_id: key.clone(),
        pending_window_in_days: Some(7),
    };
    let scheduled = world.kms.schedule_key_deletion(&world.scope, schedule);
    scheduled.await.unwrap();
    let refusal = world.kms.create_grant(&world.scope, request(&key, None));
    refused(refusal.await, Code::KmsInvalidState);
    assert_eq!(ids(&world, list(&key)).await.len(), 1);
    let week = std::time::Duration::from_secs(8 * 24 * 60 * 60);
    world.calendar.advance(week).await.unwrap();
    world.kms.reconcile_once().await;
    let gone = world.kms.list_grants(&world.scope, list(&key)).await;
    refused(gone, Code::NotFound);
    // Nothing of it is left in the store either.
    let left = world.config.store.scan("kms/", None, usize::MAX);
    let left: Vec<_> = left
        .iter()
        .filter(|(name, _)| name.contains("/grant/"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    world.restart(false).await;
}

/// Rule ARN-01.
#[tokio::test]
async fn in_every_partition_all_arns_are_of_it() {
    let mut world = World::new().await;
    for (region, partition) in [
        ("us-east-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
    ] {
        world.scope.region = region.parse().unwrap();
        let key = world.create_key(None).await.unwrap();
        let arn = world.metadata(&key).await.arn.unwrap();
        assert!(
            arn.starts_with(&format!("arn:{partition}:kms:{region}:")),
            "{arn}"
        );
        let policy = GetKeyPolicyRequest {
            key_id: key.clone(),
            ..GetKeyPolicyRequest::default()
        };
        let policy = world
            .kms
            .get_key_policy(&world.scope, policy)
            .await
            .unwrap();
        let root = format!("arn:{partition}:iam::111122223333:root");
        assert!(policy.policy.unwrap().contains(&root));
        let grant = CreateGrantRequest {
            key_id: arn.clone(),
            operations: vec!["Encrypt".to_owned()],
            grantee_principal: Some(root.clone()),
            ..CreateGrantRequest::default()
        };
        world.kms.create_grant(&world.scope, grant).await.unwrap();
        let list = ListGrantsRequest {
            key_id: key.clone(),
            ..ListGrantsRequest::default()
        };
        let grants = world.kms.list_grants(&world.scope, list).await.unwrap();
        let grant = &grants.grants.unwrap()[0];
        assert_eq!(grant.issuing_account.as_ref(), Some(&root));
        assert_eq!(grant.key_id.as_ref(), Some(&arn));
        let blob = world.encrypt(&arn).await.unwrap();
        assert_eq!(world.decrypt(&blob, &[]).await.unwrap(), b"attack at dawn");
    }
}
