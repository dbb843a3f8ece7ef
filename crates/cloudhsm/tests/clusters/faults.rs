use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::HsmId;
use portcullis_api::cloudhsm::CreateHsmRequest;
use portcullis_cloudhsm::{CloudHsm, OpenError};
use portcullis_clusters::{ClusterState, HsmState, NetworkTrouble};
use portcullis_fleet::{Disks, FileDisks};
use portcullis_hsm::{DeviceKey, HsmKeyId, Refusal, Role, Secret};
use portcullis_link::CallError;
use portcullis_seam::SystemEntropy;
use portcullis_store::{Room, Store, StoreError};
use tokio::time::Instant;

use crate::disks::FailingDisks;
use crate::world::{ADMIN, KMSUSER, World, soon};

const ONE: HsmKeyId = HsmKeyId([1; 16]);
const TWO: HsmKeyId = HsmKeyId([2; 16]);

/// Rules CL-12 and CL-15.
#[tokio::test]
async fn an_hsm_that_crashed_comes_back_on_its_address_with_its_users_and_keys() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(ONE).await.unwrap();
    let sealed = client.encrypt(ONE, b"text").await.unwrap();
    let before = world.view(&cluster);

    world.cloud.controls().crash(&hsms[0]).unwrap();
    assert!(matches!(
        client.encrypt(ONE, b"text").await,
        Err(CallError::Link(_))
    ));
    world.cloud.controls().restart(&hsms[0]).await.unwrap();

    assert_eq!(world.view(&cluster), before);
    let refused = client.encrypt(ONE, b"text").await;
    assert_eq!(refused, Err(CallError::Refused(Refusal::NoSession)));
    for hsm in &hsms {
        let client = world.client(&cluster, hsm).await;
        assert_eq!(client.decrypt(ONE, &sealed).await.unwrap(), b"text");
    }
}

/// Rule CL-12.
#[tokio::test(start_paused = true)]
async fn keys_that_an_hsm_lacks_are_copied_to_it_within_seconds() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(ONE).await.unwrap();
    let other = world.client(&cluster, &hsms[1]).await;
    assert!(other.keys().await.is_empty());
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(other.keys().await, [ONE]);
}

/// Rule CL-13: an HSM was down, or cut off, while a key was deleted.
#[tokio::test(start_paused = true)]
async fn a_deleted_key_stays_deleted_whatever_an_hsm_missed() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&cluster, &hsms[0]).await;
    let masked = client.generate(ONE).await.unwrap();
    client.generate(TWO).await.unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;

    // Down: it catches up before it answers anybody.
    world.cloud.controls().crash(&hsms[1]).unwrap();
    client.delete(ONE).await;
    world.cloud.controls().restart(&hsms[1]).await.unwrap();
    let other = world.client(&cluster, &hsms[1]).await;
    assert_eq!(other.keys().await, [TWO]);

    // Up, but the deletion did not reach it.
    client.delete(TWO).await;
    assert_eq!(other.keys().await, [TWO]);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(other.keys().await.is_empty() && client.keys().await.is_empty());

    // A creation or a copy that arrives late revives nothing.
    let late = client.generate(TWO).await;
    assert_eq!(late, Err(CallError::Refused(Refusal::NoSuchKey)));
    let late = other.insert(masked).await;
    assert_eq!(late, Err(CallError::Refused(Refusal::NoSuchKey)));
    // Nor does the HSM that knew of the deletion go without telling the others.
    let third = world.create_hsm(&cluster, "c").await;
    assert!(world.client(&cluster, &third).await.keys().await.is_empty());
}

/// Rule CL-14.
#[tokio::test]
async fn an_hsm_that_was_down_takes_over_the_users_as_they_were_changed_last() {
    let mut world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    for restart_all in [false, true] {
        world.cloud.controls().crash(&hsms[1]).unwrap();
        let admin = world.admin(&cluster).await;
        let password = if restart_all {
            "password3"
        } else {
            "password2"
        };
        let partly = world
            .cloud
            .users()
            .change_password(&admin, "kmsuser", Role::CryptoUser, Secret::new(password))
            .await;
        assert!(partly.is_err(), "one HSM is down");
        world.cloud.users().logout(&admin).await.unwrap();
        if restart_all {
            world.start().await;
        } else {
            world.cloud.controls().restart(&hsms[1]).await.unwrap();
        }
        for hsm in &hsms {
            let client = world.try_client(&cluster, hsm, Secret::new(password)).await;
            client.unwrap().logout().await;
        }
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart_on_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new().await;
    world.store = Store::create(&folder.path().join("records.redb"), None).unwrap();
    world.disks = Arc::new(FileDisks::new(
        folder.path().join("hsms"),
        Room::in_folder(folder.path()),
    ));
    world.start().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(ONE).await.unwrap();
    let sealed = client.encrypt(ONE, b"text").await.unwrap();
    let (before, roots) = (world.describe(&cluster).await, world.cloud.roots());
    let users = world
        .cloud
        .users()
        .list(&world.scope, &cluster)
        .await
        .unwrap();

    // The files are closed and opened again: nothing is kept in memory.
    world.store = Store::memory();
    world.disks = Arc::new(portcullis_fleet::MemoryDisks::default());
    world.start().await;
    world.store = reopened(&folder.path().join("records.redb")).await;
    world.disks = Arc::new(FileDisks::new(
        folder.path().join("hsms"),
        Room::in_folder(folder.path()),
    ));
    world.start().await;
    for hsm in &hsms {
        // Its file, too, is let go of only when its committer has ended.
        let deadline = soon();
        while let Err(error) = world.cloud.controls().restart(hsm).await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::task::yield_now().await;
        }
    }

    assert_eq!(world.describe(&cluster).await, before);
    assert_eq!(world.cloud.roots(), roots);
    assert_eq!(
        world
            .cloud
            .users()
            .list(&world.scope, &cluster)
            .await
            .unwrap(),
        users
    );
    for hsm in &hsms {
        let client = world.client(&cluster, hsm).await;
        assert_eq!(
            client.decrypt(ONE, &sealed).await.unwrap(),
            b"text",
            "{hsm}"
        );
    }
}

/// A store whose last user has only just let go of the file.
async fn reopened(path: &Path) -> Store {
    let deadline = soon();
    loop {
        match Store::open(path, None) {
            Ok(store) => return store,
            Err(StoreError::InUse(_)) if Instant::now() < deadline => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Rule BK-06: nothing secret lies on a disk, or is printed, as it is.
#[tokio::test]
async fn no_password_or_key_is_on_a_disk_or_in_a_log_line() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(ONE).await.unwrap();
    let mut stores = vec![world.store.clone()];
    stores.extend(hsms.iter().map(|hsm| world.disks.open(hsm).unwrap()));
    let images = world.store.scan("cloudhsm/image/", None, 100);
    assert!(!images.is_empty());
    for store in &stores {
        for (key, record) in store.scan("", None, usize::MAX) {
            for secret in [ADMIN, KMSUSER, "kmsuser", "arn:aws:kms", "PCIM"] {
                let found = record
                    .value
                    .windows(secret.len())
                    .any(|at| at == secret.as_bytes());
                assert!(!found, "{secret} is in {key}");
            }
        }
    }
    let printed = format!(
        "{:?} {:?} {:?}",
        world.cloud,
        world.config(),
        world.view(&cluster)
    );
    for secret in [ADMIN, KMSUSER, "PRIVATE"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}

/// Rule CL-15: a change that did not reach the disk is not acknowledged, and nobody sees it.
#[tokio::test]
async fn an_hsm_whose_disk_fails_goes_down_and_the_others_serve() {
    let mut world = World::new().await;
    let disks = Arc::new(FailingDisks::default());
    world.disks = Arc::clone(&disks) as Arc<dyn Disks>;
    world.start().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let (one, other) = (
        world.client(&cluster, &hsms[0]).await,
        world.client(&cluster, &hsms[1]).await,
    );
    one.generate(ONE).await.unwrap();

    disks.fail(&hsms[0]);
    let down = Err(CallError::Refused(Refusal::DiskFailed));
    assert_eq!(one.generate(TWO).await, down);
    assert_eq!(one.encrypt(ONE, b"text").await.map(drop), down.map(drop));
    other.generate(TWO).await.unwrap();

    disks.mend();
    world.cloud.controls().restart(&hsms[0]).await.unwrap();
    // What it had acknowledged is there; what it had not comes from the other HSM.
    assert_eq!(
        world.client(&cluster, &hsms[0]).await.keys().await,
        [ONE, TWO]
    );
}

#[tokio::test]
async fn another_device_key_opens_nothing() {
    let mut world = World::new().await;
    world.active_cluster(&["a"]).await;
    world.device_key = Arc::new(DeviceKey::draw(&SystemEntropy));
    let refused = CloudHsm::open(world.config()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Unreadable(_)), "{refused}");
    assert!(refused.to_string().contains("device key"));
}

#[tokio::test]
async fn chaos_can_degrade_an_hsm_break_the_network_and_destroy_a_cluster() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    world
        .cloud
        .controls()
        .set_hsm_state(&hsms[0], HsmState::Degraded)
        .await
        .unwrap();
    assert_eq!(world.view(&cluster).active_zones(), 1);
    let shown = world.describe(&cluster).await.unwrap();
    assert!(
        shown
            .hsms
            .unwrap()
            .iter()
            .any(|hsm| hsm.state.as_deref() == Some("DEGRADED"))
    );
    world
        .cloud
        .controls()
        .set_hsm_state(&hsms[0], HsmState::Active)
        .await
        .unwrap();

    let trouble = Some(NetworkTrouble::SecurityGroupChanged);
    let set = world
        .cloud
        .controls()
        .set_network_trouble(&world.scope, &cluster, trouble.clone())
        .await;
    set.unwrap();
    assert_eq!(world.view(&cluster).network_trouble, trouble);
    world
        .cloud
        .controls()
        .destroy_cluster(&world.scope, &cluster)
        .await
        .unwrap();
    assert!(world.cloud.clusters().is_empty());
    assert_eq!(world.transport.listening(), 0);
    assert!(!world.backups().await.is_empty());
    let unknown = "hsm-nosuchone222".parse().unwrap();
    assert!(
        world
            .cloud
            .controls()
            .crash(&unknown)
            .unwrap_err()
            .to_string()
            .contains("hsm-nosuchone222")
    );
}

/// A client that goes away in the middle of CreateHsm leaves nothing half done.
///
/// Rule CL-16
#[tokio::test]
async fn what_an_impatient_client_left_is_finished_by_the_next_call() {
    let world = World::new().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    // The first polls commit the decision; then the client is gone.
    for polls in 1..40 {
        let mut creating = Box::pin(world.create_hsm(&cluster, "b"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for _poll in 0..polls {
            let ended = creating.as_mut().poll(&mut context).is_ready();
            tokio::task::yield_now().await;
            if ended {
                break;
            }
        }
        drop(creating);
        if world.view(&cluster).hsms.len() >= 20 {
            break;
        }
    }
    world.create_hsm(&cluster, "c").await;
    let view = world.view(&cluster);
    assert_eq!(view.state, ClusterState::Active);
    assert!(
        view.hsms
            .iter()
            .all(|hsm| hsm.state == HsmState::Active && hsm.address.is_some())
    );
    for hsm in &view.hsms {
        world.client(&cluster, &hsm.id).await;
    }
}

/// Rules CL-16 and CL-27: an HSM that cannot be made at first is made as soon as its disk works.
#[tokio::test(start_paused = true)]
async fn an_hsm_that_could_not_be_made_is_made_later_without_being_asked_again() {
    let mut world = World::new().await;
    let disks = Arc::new(FailingDisks::default());
    world.disks = Arc::clone(&disks) as Arc<dyn Disks>;
    world.start().await;
    let (cluster, _) = world.active_cluster(&["a"]).await;
    let id: HsmId = "hsm-abcdefghijk".parse().unwrap();
    disks.fail(&id);
    let request = CreateHsmRequest {
        cluster_id: cluster.to_string(),
        availability_zone: "us-east-1b".to_owned(),
        ip_address: None,
    };
    world
        .cloud
        .create_hsm_as(&world.scope, id.clone(), request)
        .await
        .unwrap();
    assert_eq!(world.view(&cluster).state, ClusterState::UpdateInProgress);
    disks.mend();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.view(&cluster).state, ClusterState::Active);
    world.client(&cluster, &id).await;
}
