use std::time::Duration;

use portcullis_api::cloudhsm::DeleteHsmRequest;
use portcullis_cloudhsm::ClusterState;
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
    assert_eq!(shown.state.as_deref(), Some("INITIALIZED"));
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
    let users = |cluster| world.cloud.list_users(&world.scope, cluster);
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
        let count = world.backups().await.len();
        // On day 91 the first one is older than 90 days.
        assert_eq!(count, 1 + day.min(90), "day {day}");
    }
    let backups = world.backups().await;
    assert!(
        backups
            .iter()
            .all(|one| one.cluster_id == Some(cluster.to_string()))
    );
    assert_eq!(world.view(&idle).state, ClusterState::Uninitialized);
}
