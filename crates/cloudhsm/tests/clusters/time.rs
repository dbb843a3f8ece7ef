//! Changes of state that take their time.

use std::time::Duration;

use portcullis_api::cloudhsm::{CreateHsmRequest, DeleteHsmRequest, DescribeClustersRequest};
use portcullis_api::{ClusterId, HsmId};

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

async fn add_hsm(world: &World, cluster: &ClusterId, zone: &str) -> HsmId {
    let request = CreateHsmRequest {
        cluster_id: cluster.to_string(),
        availability_zone: format!("us-east-1{zone}"),
        ..CreateHsmRequest::default()
    };
    let made = world.cloud.create_hsm(&world.scope, request).await.unwrap();
    made.hsm.unwrap().hsm_id.unwrap().parse().unwrap()
}

/// The states of a cluster and of one of its HSMs, as DescribeClusters shows them.
async fn described(world: &World, cluster: &ClusterId, hsm: &HsmId) -> (String, Option<String>) {
    let request = DescribeClustersRequest::default();
    let described = world.cloud.describe_clusters(&world.scope, request).await;
    let mut clusters = described.unwrap().clusters.unwrap().into_iter();
    let found = clusters
        .find(|one| one.cluster_id == Some(cluster.to_string()))
        .unwrap();
    let mut hsms = found.hsms.unwrap_or_default().into_iter();
    let hsm = hsms.find(|one| one.hsm_id == Some(hsm.to_string()));
    (found.state.unwrap(), hsm.and_then(|hsm| hsm.state))
}

fn in_progress() -> (String, Option<String>) {
    let (cluster, hsm) = ("UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS");
    (cluster.to_owned(), Some(hsm.to_owned()))
}

fn active() -> (String, Option<String>) {
    ("ACTIVE".to_owned(), Some("ACTIVE".to_owned()))
}

/// Rules TIME-05 and TIME-06.
#[tokio::test(start_paused = true)]
async fn an_hsm_is_made_and_removed_after_so_many_descriptions() {
    let world = World::new().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    world.pacing.set_pace("describes:2".parse().unwrap());
    let hsm = add_hsm(&world, &cluster, "b").await;
    for _ in 0..2 {
        assert_eq!(described(&world, &cluster, &hsm).await, in_progress());
    }
    assert_eq!(described(&world, &cluster, &hsm).await, active());
    let request = DeleteHsmRequest {
        cluster_id: cluster.to_string(),
        hsm_id: Some(hsm.to_string()),
        ..DeleteHsmRequest::default()
    };
    world.cloud.delete_hsm(&world.scope, request).await.unwrap();
    for _ in 0..2 {
        let (_, state) = described(&world, &cluster, &hsm).await;
        assert_eq!(state.as_deref(), Some("DELETE_IN_PROGRESS"));
    }
    let gone = ("ACTIVE".to_owned(), None);
    assert_eq!(described(&world, &cluster, &hsm).await, gone);
}

/// Rule TIME-05.
#[tokio::test(start_paused = true)]
async fn an_hsm_takes_as_long_as_on_aws_and_begins_anew_after_a_restart() {
    let mut world = World::new().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    world.pacing.set_pace("aws".parse().unwrap());
    let hsm = add_hsm(&world, &cluster, "b").await;
    world.calendar.pass(MINUTE * 9);
    world.cloud.tend_once().await;
    assert_eq!(described(&world, &cluster, &hsm).await, in_progress());
    world.start().await;
    world.calendar.pass(MINUTE * 9);
    world.cloud.tend_once().await;
    assert_eq!(described(&world, &cluster, &hsm).await, in_progress());
    world.calendar.pass(MINUTE);
    world.cloud.tend_once().await;
    assert_eq!(described(&world, &cluster, &hsm).await, active());
}

/// Rule TIME-05: nobody needs to ask for it.
#[tokio::test(start_paused = true)]
async fn a_passing_state_ends_by_itself_when_its_time_is_over() {
    let world = World::new().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    world.pacing.set_pace("after:5".parse().unwrap());
    let hsm = add_hsm(&world, &cluster, "b").await;
    assert_eq!(described(&world, &cluster, &hsm).await, in_progress());
    world.calendar.pass(Duration::from_secs(5));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(described(&world, &cluster, &hsm).await, active());
}
