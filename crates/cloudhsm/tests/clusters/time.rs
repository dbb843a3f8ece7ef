//! Changes of state that take their time.

use std::time::Duration;

use portcullis_api::cloudhsm::{
    CopyBackupToRegionRequest, CreateClusterRequest, CreateHsmRequest, DeleteHsmRequest,
    DescribeBackupsRequest, DescribeClustersRequest,
};
use portcullis_api::{ClusterId, HsmId, Scope};
use portcullis_hsm::HsmKeyId;

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
    remove_hsm(&world, &cluster, &hsm).await;
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
    world.cloud.reconcile_once().await;
    assert_eq!(described(&world, &cluster, &hsm).await, in_progress());
    world.start().await;
    world.calendar.pass(MINUTE * 9);
    world.cloud.reconcile_once().await;
    assert_eq!(described(&world, &cluster, &hsm).await, in_progress());
    world.calendar.pass(MINUTE);
    world.cloud.reconcile_once().await;
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

async fn remove_hsm(world: &World, cluster: &ClusterId, hsm: &HsmId) {
    let request = DeleteHsmRequest {
        cluster_id: cluster.to_string(),
        hsm_id: Some(hsm.to_string()),
        ..DeleteHsmRequest::default()
    };
    world.cloud.delete_hsm(&world.scope, request).await.unwrap();
}

/// The states of all backups, the newest first, as DescribeBackups shows them in a Region.
async fn backups(world: &World, region: &str) -> Vec<String> {
    let scope = Scope {
        region: region.parse().unwrap(),
        ..world.scope.clone()
    };
    let request = DescribeBackupsRequest::default();
    let described = world.cloud.describe_backups(&scope, request).await;
    let backups = described.unwrap().backups.unwrap().into_iter();
    backups.map(|one| one.backup_state.unwrap()).collect()
}

/// Lets time pass, and what waits for it be done.
async fn pass(world: &World, time: Duration) {
    world.calendar.pass(time);
    world.cloud.reconcile_once().await;
}

/// Rules BK-19 and TIME-05: the backup of an HSM that is added is there as long as that lasts, and
/// nothing waits for it.
#[tokio::test(start_paused = true)]
async fn the_backup_of_a_new_hsm_is_in_progress_until_the_hsm_is_active() {
    let mut world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a"]).await;
    world.pacing.set_pace("aws".parse().unwrap());
    let hsm = add_hsm(&world, &cluster, "b").await;
    let (begun, ready) = ("CREATE_IN_PROGRESS".to_owned(), "READY".to_owned());
    let shown = [begun.clone(), ready.clone()];
    assert_eq!(backups(&world, "us-east-1").await, shown);
    let request = CreateClusterRequest {
        source_backup_id: world.backups().await[0].backup_id.clone(),
        ..world.create_cluster_request()
    };
    let refused = world.cloud.create_cluster(&world.scope, request).await;
    assert!(refused.unwrap_err().message.contains("CREATE_IN_PROGRESS"));

    // A key that is made while the backup is in progress is in the backup that comes of it.
    let key = HsmKeyId([7; 16]);
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(key).await.unwrap();
    pass(&world, MINUTE * 9).await;
    assert_eq!(backups(&world, "us-east-1").await, shown);
    world.start().await;
    assert_eq!(backups(&world, "us-east-1").await, shown, "no second one");
    pass(&world, MINUTE * 10).await;
    assert_eq!(described(&world, &cluster, &hsm).await, active());
    assert_eq!(backups(&world, "us-east-1").await, [ready.clone(), ready]);
    let newest = world.backups().await[0].backup_id.clone();
    world.pacing.set_pace("immediate".parse().unwrap());
    let restored = world.create_cluster(newest).await;
    let hsm = world.create_hsm(&restored, "a").await;
    assert_eq!(world.client(&restored, &hsm).await.keys().await, [key]);
}

/// Rules BK-19 and TIME-06: whoever only looks at backups sees the end too.
#[tokio::test(start_paused = true)]
async fn the_backup_of_an_hsm_that_goes_is_ready_after_so_many_descriptions() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    world.pacing.set_pace("describes:2".parse().unwrap());
    remove_hsm(&world, &cluster, &hsms[0]).await;
    for _ in 0..2 {
        assert_eq!(backups(&world, "us-east-1").await[0], "CREATE_IN_PROGRESS");
    }
    assert_eq!(backups(&world, "us-east-1").await, ["READY"; 3]);
    let gone = ("ACTIVE".to_owned(), None);
    assert_eq!(described(&world, &cluster, &hsms[0]).await, gone);
}

/// Rules BK-19 and TIME-05: what a change of the cluster leaves behind when the cluster is destroyed
/// is a backup all the same.
#[tokio::test(start_paused = true)]
async fn a_begun_backup_of_a_cluster_that_vanishes_becomes_ready() {
    let world = World::new().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    world.pacing.set_pace("after:60".parse().unwrap());
    add_hsm(&world, &cluster, "b").await;
    let destroyed = world
        .cloud
        .controls()
        .destroy_cluster(&world.scope, &cluster)
        .await;
    destroyed.unwrap();
    pass(&world, Duration::ZERO).await;
    assert_eq!(backups(&world, "us-east-1").await[0], "CREATE_IN_PROGRESS");
    pass(&world, MINUTE).await;
    assert_eq!(backups(&world, "us-east-1").await, ["READY"; 2]);
}

/// Rules BK-19, BK-12 and TIME-05.
#[tokio::test(start_paused = true)]
async fn daily_backups_and_copies_take_their_time() {
    let world = World::new().await;
    world.active_cluster(&["a"]).await;
    world.pacing.set_pace("aws".parse().unwrap());
    pass(&world, Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(
        backups(&world, "us-east-1").await,
        ["CREATE_IN_PROGRESS", "READY"]
    );
    let request = CopyBackupToRegionRequest {
        backup_id: world.backups().await[1].backup_id.clone().unwrap(),
        destination_region: "eu-west-1".to_owned(),
        tag_list: None,
    };
    let copied = world.cloud.copy_backup_to_region(&world.scope, request);
    copied.await.unwrap();
    pass(&world, MINUTE * 2).await;
    assert_eq!(backups(&world, "us-east-1").await, ["READY"; 2]);
    assert_eq!(backups(&world, "eu-west-1").await, ["CREATE_IN_PROGRESS"]);
    // Nobody needs to ask for it.
    world.calendar.pass(MINUTE * 3);
    tokio::time::sleep(MINUTE * 6).await;
    assert_eq!(backups(&world, "eu-west-1").await, ["READY"]);
}
