//! Faults that outlive the process: listed, broken and undoable after a restart as before it.

use std::time::Duration;

use portcullis_admin::Fault;
use portcullis_clusters::{Clusters, HsmState, HsmView};
use portcullis_hsm::{HsmKeyId, Refusal, Secret};
use portcullis_link::CallError;
use serde_json::json;
use tokio::time::sleep;

use crate::chaos::{FaultyWorld, inject, serves, try_inject, world};
use crate::world::KMSUSER;

const ONE: HsmKeyId = HsmKeyId([1; 16]);

/// The list without what passes: how long each still lasts.
fn listed(world: &FaultyWorld) -> Vec<Fault> {
    let untimed = |report| Fault {
        left_ms: None,
        ..report
    };
    world
        .cloud
        .faults()
        .list()
        .into_iter()
        .map(untimed)
        .collect()
}

/// Rule FT-08.
#[tokio::test(start_paused = true)]
async fn every_fault_is_there_after_a_restart_and_can_be_undone() {
    let mut world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(ONE).await.unwrap();
    client.logout().await;
    let hsm = &hsms[0];
    for order in [
        json!({ "kind": "crash", "hsm": hsm }),
        json!({ "kind": "hang", "hsm": hsm }),
        json!({ "kind": "slow", "hsm": hsm, "delay_ms": 30_000 }),
        json!({ "kind": "corrupt-disk", "hsm": hsm }),
        json!({ "kind": "partition", "hsm": hsm, "direction": "from-hsm" }),
        json!({ "kind": "delay", "hsm": hsm, "delay_ms": 30_000 }),
        json!({ "kind": "lose", "hsm": hsm, "percent": 100 }),
        json!({ "kind": "lock-kmsuser", "hsm": hsm }),
        json!({ "kind": "change-kmsuser-password", "hsm": hsm }),
        json!({ "kind": "remove-kmsuser", "hsm": hsm }),
    ] {
        let fault = inject(&world, order.clone()).await;
        let before = listed(&world);
        world.start().await;
        assert_eq!(listed(&world), before, "{order}");
        assert!(!serves(&world, &cluster, hsm).await, "{order}");
        assert!(serves(&world, &cluster, &hsms[1]).await, "{order}");
        world.cloud.faults().undo(&fault).await.unwrap();
        assert!(serves(&world, &cluster, hsm).await, "{order} undone");
        let client = world.client(&cluster, hsm).await;
        assert_eq!(client.keys().await, [ONE], "{order} undone");
        client.logout().await;
        world.start().await;
        assert!(world.cloud.faults().list().is_empty(), "{order}");
        assert!(serves(&world, &cluster, hsm).await, "{order} stays undone");
    }
    let last = inject(&world, json!({ "kind": "hang", "hsm": hsm })).await;
    assert_eq!(last, "fault-11", "a number is never given again");
}

/// Rule FT-08: also what is not to be seen at one HSM's door.
#[tokio::test(start_paused = true)]
async fn faults_of_states_disks_and_networks_are_there_after_a_restart() {
    let mut world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let before = world.view(&cluster);
    inject(&world, json!({ "kind": "degrade", "hsm": hsms[0] })).await;
    inject(&world, json!({ "kind": "fill-disk", "hsm": hsms[1] })).await;
    inject(&world, json!({ "kind": "fill-subnet", "cluster": cluster })).await;
    let faults = listed(&world);
    world.start().await;
    assert_eq!(listed(&world), faults);
    let broken = world.view(&cluster);
    assert!(broken.network_trouble.is_some());
    let degraded = |hsm: &HsmView| hsm.id == hsms[0] && hsm.state == HsmState::Degraded;
    assert!(broken.hsms.iter().any(degraded));
    let login = world.try_client(&cluster, &hsms[1], Secret::new(KMSUSER));
    let full = CallError::Refused(Refusal::Full);
    assert_eq!(login.await.err(), Some(full), "a login is written down");
    assert_eq!(world.cloud.faults().clear().await, (3, Vec::new()));
    let mended = world.view(&cluster);
    assert_eq!(mended.network_trouble, before.network_trouble);
    assert!(mended.hsms.iter().all(|hsm| hsm.state == HsmState::Active));
    let client = world.client(&cluster, &hsms[1]).await;
    client.generate(ONE).await.unwrap();

    let order = json!({ "kind": "delete-cluster", "cluster": cluster });
    inject(&world, order).await;
    world.start().await;
    assert!(!world.cloud.faults().list()[0].undoable);
    assert_eq!(world.cloud.faults().clear().await, (0, Vec::new()));
    world.start().await;
    assert!(world.cloud.faults().list().is_empty());
    assert!(world.cloud.cluster(&world.scope, &cluster).is_none());
}

/// Rule FT-08: the time of a fault goes on while nothing runs.
#[tokio::test(start_paused = true)]
async fn a_fault_with_a_duration_ends_in_time_although_the_process_began_anew() {
    let mut world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let crash = json!({ "kind": "crash", "hsm": hsms[0], "duration_ms": 10_000 });
    inject(&world, crash.clone()).await;
    world.calendar.pass(Duration::from_secs(4));
    world.start().await;
    assert_eq!(world.cloud.faults().list()[0].left_ms, Some(6000));
    assert!(!serves(&world, &cluster, &hsms[0]).await);
    sleep(Duration::from_secs(7)).await;
    assert!(world.cloud.faults().list().is_empty());
    assert!(serves(&world, &cluster, &hsms[0]).await);

    inject(&world, crash).await;
    world.calendar.pass(Duration::from_secs(11));
    world.start().await;
    assert!(
        world.cloud.faults().list().is_empty(),
        "its time went by meanwhile"
    );
    assert!(serves(&world, &cluster, &hsms[0]).await);
}

/// Rule FT-08: whoever starts a crashed HSM by hand has mended it, and a restart does not break it
/// again.
#[tokio::test(start_paused = true)]
async fn an_hsm_that_was_restarted_by_hand_stays_up() {
    let mut world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    inject(&world, json!({ "kind": "crash", "cluster": cluster })).await;
    world.cloud.controls().restart(&hsms[0]).await.unwrap();
    assert_eq!(world.cloud.faults().list()[0].hsms, [hsms[1].clone()]);
    world.start().await;
    assert!(serves(&world, &cluster, &hsms[0]).await);
    assert!(!serves(&world, &cluster, &hsms[1]).await);
    world.cloud.controls().restart(&hsms[1]).await.unwrap();
    assert!(
        world.cloud.faults().list().is_empty(),
        "nothing of it is left"
    );
    world.start().await;
    assert!(world.cloud.faults().list().is_empty());
}

/// Rules FT-01 and FT-08: what could not be carried out is not found on the disk either, and what
/// undoes a fault lies there only sealed.
#[tokio::test]
async fn a_fault_that_failed_is_not_kept_and_no_hash_is_in_the_clear() {
    let mut world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    inject(&world, json!({ "kind": "remove-kmsuser", "hsm": hsms[1] })).await;
    // The first HSM is broken, then the second one has no kmsuser to be removed.
    let half = json!({ "kind": "remove-kmsuser", "cluster": cluster });
    assert!(try_inject(&world, half).await.is_err());
    assert!(serves(&world, &cluster, &hsms[0]).await);
    let kept = world.store.scan("cloudhsm/fault/", None, usize::MAX);
    assert_eq!(kept.len(), 1);
    let text = String::from_utf8_lossy(&kept[0].1.value).into_owned();
    assert!(
        !text.contains("kmsuser") && !text.contains("hsm-"),
        "{text}"
    );
    world.start().await;
    assert_eq!(world.cloud.faults().list().len(), 1);
    assert_eq!(world.cloud.faults().clear().await, (1, Vec::new()));
    let login = world.try_client(&cluster, &hsms[1], Secret::new(KMSUSER));
    assert!(login.await.is_ok());
}
