//! Faults on request: what each does, that it is listed, and that undoing it leaves nothing.

use std::sync::Arc;
use std::time::Duration;

use portcullis_admin::FaultOrder;
use portcullis_api::cloudhsm::DeleteHsmRequest;
use portcullis_api::{ClusterId, HsmId};
use portcullis_cloudhsm::FaultError;
use portcullis_clusters::{Clusters, HsmState};
use portcullis_hsm::{HsmKeyId, Refusal, Role, Secret};
use portcullis_link::{CallError, FaultyTransport, LinkFaults};
use portcullis_seam::SystemEntropy;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::link::Loopback;
use crate::world::{KMSUSER, World};

const ONE: HsmKeyId = HsmKeyId([1; 16]);
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) type FaultyWorld = World<FaultyTransport>;

pub(crate) async fn world() -> FaultyWorld {
    let faults = LinkFaults::new(Arc::new(SystemEntropy));
    let loopback = Arc::new(Loopback::default());
    World::with(FaultyTransport::new(loopback, Arc::new(faults))).await
}

pub(crate) async fn try_inject(world: &FaultyWorld, order: Value) -> Result<String, FaultError> {
    let order: FaultOrder = serde_json::from_value(order).unwrap();
    let injected = world
        .cloud
        .faults()
        .inject(world.scope.clone(), &order)
        .await?;
    assert!(world.cloud.faults().list().contains(&injected));
    Ok(injected.id)
}

pub(crate) async fn inject(world: &FaultyWorld, order: Value) -> String {
    try_inject(world, order).await.unwrap()
}

/// Whether a new client can log in, soon.
pub(crate) async fn serves(world: &FaultyWorld, cluster: &ClusterId, hsm: &HsmId) -> bool {
    let view = world.view(cluster);
    let found = view.hsms.iter().find(|one| one.id == *hsm);
    if found.is_none_or(|one| one.address.is_none()) {
        return false;
    }
    let login = world.try_client(cluster, hsm, Secret::new(KMSUSER));
    matches!(timeout(PATIENCE, login).await, Ok(Ok(_)))
}

/// Rules FT-02 and FT-04.
#[tokio::test(start_paused = true)]
async fn a_hung_hsm_answers_nothing_and_does_later_nothing_of_what_it_was_told() {
    let world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&cluster, &hsms[0]).await;
    let fault = inject(&world, json!({ "kind": "hang", "hsm": hsms[0] })).await;
    assert!(timeout(PATIENCE, client.generate(ONE)).await.is_err());
    let waiting = async {
        let generated = client.generate(ONE).await;
        assert_eq!(generated, Err(CallError::Refused(Refusal::Busy)));
        let sealed = client.encrypt(ONE, b"text").await;
        assert_eq!(sealed, Err(CallError::Refused(Refusal::NoSuchKey)));
    };
    let undo = async {
        sleep(PATIENCE).await;
        assert!(
            serves(&world, &cluster, &hsms[1]).await,
            "the other one does"
        );
        world.cloud.faults().undo(&fault).await.unwrap();
    };
    tokio::join!(waiting, undo);
    assert!(client.keys().await.is_empty(), "nothing was made late");
    assert!(world.cloud.faults().list().is_empty());
    let again = world.cloud.faults().undo(&fault).await;
    assert_eq!(again, Err(FaultError::NoSuchFault(fault)));
}

/// Rule FT-02.
#[tokio::test(start_paused = true)]
async fn a_fault_with_a_duration_ends_by_itself() {
    let world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let slow = json!({ "kind": "slow", "hsm": hsms[0], "delay_ms": 300, "duration_ms": 5000 });
    inject(&world, slow).await;
    inject(
        &world,
        json!({ "kind": "slow", "zone": "us-east-1a", "delay_ms": 400 }),
    )
    .await;
    let began = Instant::now();
    let client = world.client(&cluster, &hsms[0]).await;
    assert_eq!(began.elapsed(), Duration::from_millis(700), "both count");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.cloud.faults().list().len(), 1);
    let began = Instant::now();
    client.keys().await;
    assert_eq!(began.elapsed(), Duration::from_millis(400));
    assert_eq!(world.cloud.faults().clear().await, (1, Vec::new()));
    let began = Instant::now();
    client.keys().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Rule FT-05.
#[tokio::test]
async fn a_full_disk_refuses_what_would_be_written_and_serves_what_is_there() {
    let world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(ONE).await.unwrap();
    let sealed = client.encrypt(ONE, b"text").await.unwrap();
    let fault = inject(&world, json!({ "kind": "fill-disk", "hsm": hsms[0] })).await;
    let full = Err(CallError::Refused(Refusal::Full));
    assert_eq!(client.generate(HsmKeyId([2; 16])).await, full);
    assert_eq!(client.decrypt(ONE, &sealed).await.unwrap(), b"text");
    assert_eq!(client.keys().await, [ONE]);
    // Nor does it hold the cluster up: a third HSM comes, with what the others have.
    let third = world.create_hsm(&cluster, "c").await;
    assert!(serves(&world, &cluster, &third).await);
    world.cloud.faults().undo(&fault).await.unwrap();
    client.generate(HsmKeyId([2; 16])).await.unwrap();
}

/// Rule FT-02.
#[tokio::test]
async fn a_damaged_disk_keeps_its_hsm_down_until_it_is_undone_or_deleted() {
    let world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    world
        .client(&cluster, &hsms[0])
        .await
        .generate(ONE)
        .await
        .unwrap();
    let fault = inject(&world, json!({ "kind": "corrupt-disk", "hsm": hsms[0] })).await;
    assert!(!serves(&world, &cluster, &hsms[0]).await);
    assert!(world.cloud.controls().restart(&hsms[0]).await.is_err());
    world.cloud.faults().undo(&fault).await.unwrap();
    let client = world.client(&cluster, &hsms[0]).await;
    assert_eq!(client.keys().await, [ONE]);

    let fault = inject(&world, json!({ "kind": "corrupt-disk", "hsm": hsms[0] })).await;
    let request = DeleteHsmRequest {
        cluster_id: cluster.to_string(),
        hsm_id: Some(hsms[0].to_string()),
        ..DeleteHsmRequest::default()
    };
    world.cloud.delete_hsm(&world.scope, request).await.unwrap();
    assert_eq!(world.view(&cluster).hsms.len(), 1);
    world.cloud.faults().undo(&fault).await.unwrap();
    assert_eq!(world.view(&cluster).hsms.len(), 1, "it stays deleted");
}

/// Rules FT-07 and LINK-12.
#[tokio::test(start_paused = true)]
async fn a_zone_is_cut_off_with_the_hsms_that_come_into_it_later() {
    let world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let order = json!({ "kind": "partition", "zone": "us-east-1a", "direction": "from-hsm" });
    inject(&world, order).await;
    let later = world.create_hsm(&cluster, "a").await;
    let elsewhere = world.create_hsm(&cluster, "c").await;
    for (hsm, reached) in [
        (&hsms[0], false),
        (&hsms[1], true),
        (&later, false),
        (&elsewhere, true),
    ] {
        assert_eq!(serves(&world, &cluster, hsm).await, reached, "{hsm}");
    }
    assert_eq!(world.cloud.faults().list()[0].hsms.len(), 2);
    // What is made meanwhile is copied when the zone is back.
    let client = world.client(&cluster, &hsms[1]).await;
    client.generate(ONE).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    world.cloud.faults().clear().await;
    assert!(
        world
            .client(&cluster, &hsms[0])
            .await
            .keys()
            .await
            .is_empty()
    );
    sleep(Duration::from_secs(11)).await;
    assert_eq!(world.client(&cluster, &hsms[0]).await.keys().await, [ONE]);
}

/// Rule FT-06.
#[tokio::test]
async fn kmsuser_is_broken_on_one_hsm_and_an_undo_never_undoes_a_repair() {
    let world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let refused = async |password: &str| {
        let login = world.try_client(&cluster, &hsms[0], Secret::new(password));
        match login.await {
            Ok(client) => {
                client.logout().await;
                None
            }
            Err(error) => Some(error),
        }
    };
    for (kind, refusal) in [
        ("lock-kmsuser", Refusal::LockedOut),
        ("change-kmsuser-password", Refusal::WrongPassword),
        ("remove-kmsuser", Refusal::NoSuchUser),
    ] {
        let fault = inject(&world, json!({ "kind": kind, "hsm": hsms[0] })).await;
        assert_eq!(
            refused(KMSUSER).await,
            Some(CallError::Refused(refusal)),
            "{kind}"
        );
        assert!(
            serves(&world, &cluster, &hsms[1]).await,
            "{kind} is of one HSM"
        );
        world.cloud.faults().undo(&fault).await.unwrap();
        assert_eq!(refused(KMSUSER).await, None, "{kind} is undone");
    }
    let world = &world;
    let fault = inject(world, json!({ "kind": "lock-kmsuser", "hsm": hsms[0] })).await;
    for hsm in &hsms {
        world.cloud.controls().restart(hsm).await.unwrap();
    }
    let admin = world.admin(&cluster).await;
    let (role, new) = (Role::CryptoUser, Secret::new("newPassword"));
    let changed = world
        .cloud
        .users()
        .change_password(&admin, "kmsuser", role, new)
        .await;
    changed.unwrap();
    world.cloud.faults().undo(&fault).await.unwrap();
    assert_eq!(refused("newPassword").await, None);
}

/// Rule FT-03.
#[tokio::test]
async fn a_cluster_that_was_destroyed_is_listed_until_cleared_and_does_not_come_back() {
    let world = world().await;
    let (cluster, _) = world.active_cluster(&["a", "b"]).await;
    let fault = inject(
        &world,
        json!({ "kind": "delete-cluster", "cluster": cluster }),
    )
    .await;
    assert!(world.cloud.cluster(&world.scope, &cluster).is_none());
    assert!(!world.cloud.faults().list()[0].undoable);
    let undone = world.cloud.faults().undo(&fault).await;
    assert!(matches!(undone, Err(FaultError::Final(_))), "{undone:?}");
    assert_eq!(world.cloud.faults().list().len(), 1);
    assert_eq!(world.cloud.faults().clear().await, (0, Vec::new()));
    assert!(world.cloud.faults().list().is_empty());
}

/// Rule FT-02.
#[tokio::test]
async fn every_other_fault_is_undone_by_clear() {
    let world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let before = world.view(&cluster);
    inject(&world, json!({ "kind": "crash", "cluster": cluster })).await;
    inject(&world, json!({ "kind": "degrade", "hsm": hsms[0] })).await;
    inject(&world, json!({ "kind": "fill-subnet", "cluster": cluster })).await;
    inject(
        &world,
        json!({ "kind": "lose", "cluster": cluster, "percent": 100 }),
    )
    .await;
    let broken = world.view(&cluster);
    assert!(broken.network_trouble.is_some());
    assert!(
        broken
            .hsms
            .iter()
            .any(|hsm| hsm.state == HsmState::Degraded)
    );
    assert_eq!(world.cloud.faults().clear().await, (4, Vec::new()));
    assert_eq!(world.view(&cluster), before);
    for hsm in &hsms {
        assert!(serves(&world, &cluster, hsm).await);
    }
}

/// Rule FT-01.
#[tokio::test]
async fn what_is_not_there_is_not_broken() {
    let world = world().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    for order in [
        json!({ "kind": "hang", "zone": "eu-west-1a" }),
        json!({ "kind": "crash", "hsm": "hsm-aaaaaaaaaaa" }),
        json!({ "kind": "crash", "cluster": cluster, "zone": "us-east-1c" }),
        json!({ "kind": "delete-subnet", "cluster": "cluster-aaaaaaaaaaa" }),
        json!({ "kind": "delete-cluster", "cluster": "cluster-aaaaaaaaaaa" }),
    ] {
        let injected = try_inject(&world, order.clone()).await;
        assert!(injected.is_err(), "{order}");
    }
    // Nothing stays half broken: kmsuser of the second HSM cannot be removed, it is down.
    world.cloud.controls().crash(&hsms[1]).unwrap();
    let half = json!({ "kind": "remove-kmsuser", "cluster": cluster });
    assert!(try_inject(&world, half).await.is_err());
    assert!(world.cloud.faults().list().is_empty());
    assert!(serves(&world, &cluster, &hsms[0]).await);
}
