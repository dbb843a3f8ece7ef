use portcullis_api::cloudhsm::CreateHsmRequest;
use portcullis_cloudhsm::{Quotas, UserError};
use portcullis_hsm::{Refusal, Role, Secret};

use crate::world::World;

async fn world_with_quotas() -> World {
    let mut world = World::new().await;
    world.quotas = Quotas::Aws;
    world.start().await;
    world
}

/// Rule QUO-02.
#[tokio::test]
async fn a_fifth_cluster_is_refused_until_one_is_deleted() {
    let world = world_with_quotas().await;
    let mut clusters = Vec::new();
    for _ in 0..4 {
        clusters.push(world.create_cluster(None).await);
    }
    let request = world.create_cluster_request();
    let fifth = world.cloud.create_cluster(&world.scope, request).await;
    let refused = fifth.unwrap_err().message;
    assert!(refused.contains("quota is 4"), "{refused}");

    let delete = portcullis_api::cloudhsm::DeleteClusterRequest {
        cluster_id: clusters[0].to_string(),
    };
    world
        .cloud
        .delete_cluster(&world.scope, delete)
        .await
        .unwrap();
    world.create_cluster(None).await;
}

/// Rule QUO-03.
#[tokio::test]
async fn a_seventh_hsm_of_the_account_is_refused_in_whichever_cluster() {
    let world = world_with_quotas().await;
    let (one, _) = world.active_cluster(&["a", "b", "c"]).await;
    world.active_cluster(&["a", "b", "c"]).await;
    let request = CreateHsmRequest {
        cluster_id: one.to_string(),
        availability_zone: "us-east-1a".to_owned(),
        ip_address: None,
    };
    let seventh = world.cloud.create_hsm(&world.scope, request).await;
    let refused = seventh.unwrap_err().message;
    assert!(refused.contains("quota is 6"), "{refused}");
}

/// Rule QUO-01.
#[tokio::test]
async fn without_quotas_there_may_be_more_of_everything() {
    let world = World::new().await;
    for _ in 0..5 {
        world.create_cluster(None).await;
    }
    let (cluster, _) = world.active_cluster(&["a", "b", "c"]).await;
    for zone in ["a", "b", "c", "a"] {
        world.create_hsm(&cluster, zone).await;
    }
}

/// Rule QUO-04: a cluster of hsm2m.medium has 1,024 users, those that it begins with included;
/// also after a restart.
#[tokio::test]
async fn a_cluster_is_full_at_the_quota_of_its_type() {
    let mut world = world_with_quotas().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    world.start().await;
    let admin = world.admin(&cluster).await;
    let full = loop {
        let present = world.cloud.users().list(&world.scope, &cluster).await;
        let name = format!("user{}", present.unwrap().len());
        let password = Secret::new("password1");
        let made = world
            .cloud
            .users()
            .create(&admin, &name, Role::CryptoUser, password)
            .await;
        if let Err(refused) = made {
            break refused;
        }
    };
    assert_eq!(full, UserError::Refused(Refusal::Full));
    let users = world.cloud.users().list(&world.scope, &cluster).await;
    assert_eq!(users.unwrap().len(), 1024);
}
