use std::time::Duration;

use portcullis_api::Scope;
use portcullis_api::cloudhsm::{
    CopyBackupToRegionRequest, CreateClusterRequest, CreateHsmRequest, DeleteBackupRequest,
    DeleteHsmRequest, DescribeBackupsRequest, RestoreBackupRequest,
};
use portcullis_cloudhsm::default_subnets;
use portcullis_clusters::{ClusterState, Clusters};
use portcullis_hsm::HsmKeyId;

use crate::world::World;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Rules CL-02 and BK-02: a cluster made from a backup is related to its origin, needs neither
/// initialisation nor activation, and has exactly what the backup had.
#[tokio::test]
async fn a_cluster_made_from_a_backup_has_the_certificate_users_and_keys_of_the_backup() {
    let world = World::new().await;
    let (origin, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&origin, &hsms[0]).await;
    let (before, deleted, after) = (HsmKeyId([1; 16]), HsmKeyId([2; 16]), HsmKeyId([3; 16]));
    client.generate(before).await.unwrap();
    client.generate(deleted).await.unwrap();
    let sealed = client.encrypt(before, b"attack at dawn").await.unwrap();
    let backup = world.cloud.back_up(&world.scope, &origin).await.unwrap();
    client.generate(after).await.unwrap();
    client.delete(deleted).await;

    let restored = world.create_cluster(Some(backup.to_string())).await;
    let shown = world.describe(&restored).await.unwrap();
    assert_eq!(shown.state.as_deref(), Some("ACTIVE"));
    assert_eq!(shown.source_backup_id, Some(backup.to_string()));
    assert_eq!(
        shown.certificates,
        world.describe(&origin).await.unwrap().certificates
    );
    let count = world.backups().await.len();

    let first = world.create_hsm(&restored, "a").await;
    assert_eq!(world.view(&restored).state, ClusterState::Active);
    assert_eq!(
        world.backups().await.len(),
        count,
        "nothing was added to an active cluster"
    );
    let second = world.create_hsm(&restored, "c").await;
    assert_eq!(world.view(&restored).active_zones(), 2);
    for hsm in [&first, &second] {
        let client = world.client(&restored, hsm).await;
        assert_eq!(client.keys().await, [before, deleted]);
        let opened = client.decrypt(before, &sealed).await.unwrap();
        assert_eq!(opened, b"attack at dawn");
    }
    let users = |cluster| world.cloud.users().list(&world.scope, cluster);
    assert_eq!(
        users(&restored).await.unwrap(),
        users(&origin).await.unwrap()
    );
}

/// Rule BK-07.
#[tokio::test]
async fn backups_are_taken_at_activation_and_when_an_hsm_comes_or_goes() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a"]).await;
    assert_eq!(world.backups().await.len(), 1);
    world.create_hsm(&cluster, "b").await;
    assert_eq!(world.backups().await.len(), 2);
    let request = DeleteHsmRequest {
        cluster_id: cluster.to_string(),
        hsm_id: Some(hsms[0].to_string()),
        ..DeleteHsmRequest::default()
    };
    world.cloud.delete_hsm(&world.scope, request).await.unwrap();
    let backups = world.backups().await;
    assert_eq!(backups.len(), 3);
    let dates: Vec<f64> = backups
        .iter()
        .map(|one| one.create_timestamp.unwrap().0)
        .collect();
    assert!(
        dates.is_sorted_by(|newer, older| newer > older),
        "no two share a date: {dates:?}"
    );
    assert!(
        backups
            .iter()
            .all(|one| one.backup_state.as_deref() == Some("READY"))
    );
}

/// Rules BK-07 and BK-05.
#[tokio::test(start_paused = true)]
async fn a_backup_is_taken_every_day_and_kept_for_the_retention_period() {
    let world = World::new().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    let idle = world.create_cluster(None).await;
    for day in 1..=100 {
        world.calendar.pass(DAY);
        tokio::time::sleep(Duration::from_secs(11)).await;
        let backups = world.backups().await;
        let count = |state: &str| {
            let mut shown = backups.iter();
            shown
                .by_ref()
                .filter(|one| one.backup_state.as_deref() == Some(state))
                .count()
        };
        // On day 91 the first one is older than 90 days; a week later it is gone for good.
        assert_eq!(count("READY"), 1 + day.min(90), "day {day}");
        let purged = day.saturating_sub(90);
        assert_eq!(count("PENDING_DELETION"), purged.min(7), "day {day}");
        assert_eq!(count("DELETED"), purged.saturating_sub(7), "day {day}");
    }
    let backups = world.backups().await;
    assert!(
        backups
            .iter()
            .all(|one| one.cluster_id == Some(cluster.to_string()))
    );
    assert_eq!(world.view(&idle).state, ClusterState::Uninitialized);
}

/// Rules BK-08, BK-09 and BK-11: a deleted backup can be restored for a week and is then gone,
/// with its image.
#[tokio::test(start_paused = true)]
async fn a_deleted_backup_can_be_restored_for_a_week() {
    let world = World::new().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    let backup = world.backups().await[0].backup_id.clone().unwrap();
    let delete = || DeleteBackupRequest {
        backup_id: backup.clone(),
    };
    let restore = || RestoreBackupRequest {
        backup_id: backup.clone(),
    };
    let image = format!("cloudhsm/image/us-east-1/111122223333/{backup}/");
    let parts = || world.store.scan(&image, None, usize::MAX).len();

    world
        .cloud
        .delete_backup(&world.scope, delete())
        .await
        .unwrap();
    world.calendar.pass(6 * DAY);
    tokio::time::sleep(Duration::from_secs(11)).await;
    world
        .cloud
        .restore_backup(&world.scope, restore())
        .await
        .unwrap();
    world
        .cloud
        .delete_backup(&world.scope, delete())
        .await
        .unwrap();
    assert_eq!(parts(), 1);
    world.calendar.pass(7 * DAY);
    tokio::time::sleep(Duration::from_secs(11)).await;
    let refused = world.cloud.restore_backup(&world.scope, restore()).await;
    assert!(refused.unwrap_err().message.contains("seven days"));
    assert_eq!(parts(), 0, "its image is gone");
    let shown = world.backups().await;
    let found = shown
        .iter()
        .find(|one| one.backup_id == Some(backup.clone()));
    assert_eq!(found.unwrap().backup_state.as_deref(), Some("DELETED"));
    // A backup was taken meanwhile, as of every cluster in service.
    assert!(shown.len() > 1);
    assert_eq!(world.view(&cluster).state, ClusterState::Active);
}

/// Rule BK-12: a copy outlives its source, and a cluster of its Region is made of it.
#[tokio::test(start_paused = true)]
async fn a_copy_in_another_region_stands_alone() {
    let world = World::new().await;
    let (origin, hsms) = world.active_cluster(&["a"]).await;
    let client = world.client(&origin, &hsms[0]).await;
    client.generate(HsmKeyId([1; 16])).await.unwrap();
    let backup = world.cloud.back_up(&world.scope, &origin).await.unwrap();
    let copy = CopyBackupToRegionRequest {
        destination_region: "eu-west-1".to_owned(),
        backup_id: backup.to_string(),
        tag_list: None,
    };
    world
        .cloud
        .copy_backup_to_region(&world.scope, copy)
        .await
        .unwrap();
    let delete = DeleteBackupRequest {
        backup_id: backup.to_string(),
    };
    world
        .cloud
        .delete_backup(&world.scope, delete)
        .await
        .unwrap();
    world.calendar.pass(400 * DAY);
    tokio::time::sleep(Duration::from_secs(11)).await;

    let there = Scope {
        region: "eu-west-1".parse().unwrap(),
        ..world.scope.clone()
    };
    let listed = world
        .cloud
        .describe_backups(&there, DescribeBackupsRequest::default())
        .await;
    let copied = &listed.unwrap().backups.unwrap()[0];
    assert_eq!(copied.backup_state.as_deref(), Some("READY"));
    let request = CreateClusterRequest {
        subnet_ids: default_subnets(&there.region).into_values().collect(),
        source_backup_id: copied.backup_id.clone(),
        ..world.create_cluster_request()
    };
    let made = world.cloud.create_cluster(&there, request).await.unwrap();
    let cluster = made.cluster.unwrap().cluster_id.unwrap();
    let request = CreateHsmRequest {
        cluster_id: cluster.clone(),
        availability_zone: "eu-west-1a".to_owned(),
        ip_address: None,
    };
    world.cloud.create_hsm(&there, request).await.unwrap();
    let restored = world.cloud.cluster(&there, &cluster.parse().unwrap());
    let restored = restored.unwrap();
    assert_eq!(restored.state, ClusterState::Active);
    assert_eq!(restored.certificate, world.view(&origin).certificate);
}
