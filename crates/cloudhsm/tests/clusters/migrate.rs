use std::sync::Arc;
use std::time::Duration;

use portcullis_api::cloudhsm::{CreateClusterRequest, ModifyClusterRequest};
use portcullis_api::{ClusterId, HsmId};
use portcullis_clusters::ClusterState;
use portcullis_fleet::Disks;
use portcullis_hsm::{HsmKeyId, Secret};

use crate::disks::FailingDisks;
use crate::world::{ADMIN, World};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// An active cluster of the older type with two HSMs, and a key that only one of them has.
async fn older_cluster(world: &World) -> (ClusterId, Vec<HsmId>) {
    let request = CreateClusterRequest {
        hsm_type: "hsm1.medium".to_owned(),
        ..world.create_cluster_request()
    };
    let made = world.cloud.create_cluster(&world.scope, request).await;
    let made = made.unwrap().cluster.unwrap();
    let cluster: ClusterId = made.cluster_id.unwrap().parse().unwrap();
    let mut hsms = vec![world.create_hsm(&cluster, "a").await];
    let issued = world.cloud.issue_certificates(&world.scope, &cluster).await;
    issued.unwrap();
    let activated = world
        .cloud
        .users()
        .activate(&world.scope, &cluster, Secret::new(ADMIN))
        .await;
    activated.unwrap();
    world.create_kmsuser(&cluster).await;
    hsms.push(world.create_hsm(&cluster, "b").await);
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(HsmKeyId([7; 16])).await.unwrap();
    (cluster, hsms)
}

async fn modify(world: &World, cluster: &ClusterId, hsm_type: &str) -> Result<String, String> {
    let request = ModifyClusterRequest {
        cluster_id: cluster.to_string(),
        hsm_type: Some(hsm_type.to_owned()),
        backup_retention_policy: None,
    };
    let changed = world.cloud.modify_cluster(&world.scope, request).await;
    changed
        .map(|reply| reply.cluster.unwrap().state.unwrap())
        .map_err(|refused| refused.message)
}

async fn types(world: &World, cluster: &ClusterId) -> Vec<String> {
    let shown = world.describe(cluster).await.unwrap();
    let hsms = shown.hsms.unwrap();
    hsms.into_iter().filter_map(|hsm| hsm.hsm_type).collect()
}

/// The zone, interface and address of every HSM, which tools keep.
async fn interfaces_of(world: &World, cluster: &ClusterId) -> Vec<[Option<String>; 3]> {
    let shown = world.describe(cluster).await.unwrap();
    let hsms = shown.hsms.unwrap().into_iter();
    let mut all: Vec<_> = hsms
        .map(|hsm| [hsm.availability_zone, hsm.eni_id, hsm.eni_ip])
        .collect();
    all.sort();
    all
}

/// Rules MIG-02, MIG-03 and MIG-04.
#[tokio::test]
async fn a_migration_replaces_every_hsm_and_can_be_rolled_back_for_a_day() {
    let world = World::new().await;
    let (cluster, before) = older_cluster(&world).await;
    let interfaces = interfaces_of(&world, &cluster).await;
    let modified = modify(&world, &cluster, "hsm2m.medium").await;
    assert_eq!(modified.as_deref(), Ok("MODIFY_IN_PROGRESS"));
    assert_eq!(world.view(&cluster).state, ClusterState::Active);
    assert_eq!(types(&world, &cluster).await, ["hsm2m.medium"; 2]);
    let after: Vec<HsmId> = world
        .view(&cluster)
        .hsms
        .iter()
        .map(|one| one.id.clone())
        .collect();
    assert!(after.iter().all(|hsm| !before.contains(hsm)));
    assert_eq!(interfaces_of(&world, &cluster).await, interfaces);
    for hsm in &after {
        let keys = world.client(&cluster, hsm).await.keys().await;
        assert_eq!(keys, [HsmKeyId([7; 16])], "users and keys came along");
    }
    world.calendar.pass(23 * HOUR);
    let back = modify(&world, &cluster, "hsm1.medium").await;
    assert_eq!(back.as_deref(), Ok("ROLLBACK_IN_PROGRESS"));
    assert_eq!(types(&world, &cluster).await, ["hsm1.medium"; 2]);
    assert_eq!(interfaces_of(&world, &cluster).await, interfaces);

    modify(&world, &cluster, "hsm2m.medium").await.unwrap();
    world.calendar.pass(24 * HOUR);
    let late = modify(&world, &cluster, "hsm1.medium").await.unwrap_err();
    assert!(late.contains("24 hours"), "{late}");
}

/// Rule MIG-05.
#[tokio::test]
async fn a_migration_that_fails_is_rolled_back_by_the_service() {
    let mut world = World::new().await;
    let disks = Arc::new(FailingDisks::default());
    world.disks = Arc::clone(&disks) as Arc<dyn Disks>;
    world.start().await;
    let (cluster, before) = older_cluster(&world).await;
    disks.refuse_new_ones(true);
    let modified = modify(&world, &cluster, "hsm2m.medium").await;
    assert_eq!(modified.as_deref(), Ok("MODIFY_IN_PROGRESS"));
    assert_eq!(world.view(&cluster).state, ClusterState::Active);
    assert_eq!(types(&world, &cluster).await, ["hsm1.medium"; 2]);
    let after: Vec<HsmId> = world
        .view(&cluster)
        .hsms
        .iter()
        .map(|one| one.id.clone())
        .collect();
    let mut before = before;
    before.sort();
    assert_eq!(after, before, "nothing is left of the attempt");
    disks.refuse_new_ones(false);
    modify(&world, &cluster, "hsm2m.medium").await.unwrap();
    assert_eq!(types(&world, &cluster).await, ["hsm2m.medium"; 2]);
}
