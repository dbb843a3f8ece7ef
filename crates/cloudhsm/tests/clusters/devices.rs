//! HSMs that are as slow as a device, on a clock that the test holds.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::{ClusterId, HsmId};
use portcullis_fleet::{Latency, Profile};
use portcullis_hsm::{HsmKeyId, Refusal, Secret};
use portcullis_link::CallError;
use tokio::time::Instant;

use crate::world::{Client, KMSUSER, World};

const KEY: HsmKeyId = HsmKeyId([7; 16]);

fn profile(symmetric_per_s: u32) -> Profile {
    Profile {
        symmetric_per_s: NonZeroU32::new(symmetric_per_s).unwrap(),
        random_per_s: NonZeroU32::new(symmetric_per_s).unwrap(),
        login_per_s: None,
        management_per_s: None,
        latency_us: Latency {
            min: 500,
            p50: 1000,
            p99: 5000,
            max: 20_000,
        },
        queue_operations_max: NonZeroU32::new(64).unwrap(),
    }
}

/// A client of each HSM, all of which have the key.
async fn clients(world: &World, cluster: &ClusterId, hsms: &[HsmId]) -> Vec<Arc<Client>> {
    let mut clients = Vec::new();
    for hsm in hsms {
        clients.push(Arc::new(world.client(cluster, hsm).await));
    }
    let _made_or_there_already = clients[0].generate(KEY).await;
    // The service copies it to the others.
    tokio::time::sleep(Duration::from_secs(11)).await;
    clients
}

/// How many operations the HSMs behind `clients` carry out in ten seconds of sixteen callers each.
async fn throughput(clients: &[Arc<Client>]) -> u64 {
    let end = Instant::now() + Duration::from_secs(10);
    let mut callers = tokio::task::JoinSet::new();
    for client in clients {
        for _ in 0..16 {
            let client = Arc::clone(client);
            callers.spawn(async move {
                let mut done = 0;
                while Instant::now() < end {
                    done += u64::from(client.encrypt(KEY, b"text").await.is_ok());
                }
                done
            });
        }
    }
    callers.join_all().await.into_iter().sum()
}

/// Rules DEV-02 and DEV-04.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_loses_one_of_its_hsms_loses_that_ones_share() {
    for count in [2, 3, 6] {
        let world = World::new().await;
        let zones = ["a", "b", "c", "a", "b", "c"];
        let (cluster, hsms) = world.active_cluster(&zones[..count]).await;
        world.cloud.devices().set_default(Some(profile(100)));
        let mut clients = clients(&world, &cluster, &hsms).await;
        let share = 10 * 100;
        let whole = throughput(&clients).await;
        world.cloud.controls().crash(&hsms[0]).unwrap();
        clients.remove(0);
        let less = throughput(&clients).await;
        let near = |measured: u64, hsms: usize| {
            let expected = share * u64::try_from(hsms).unwrap();
            // What was queued at the end is still carried out: up to sixteen an HSM.
            measured.abs_diff(expected) <= 20 * u64::try_from(hsms).unwrap()
        };
        assert!(near(whole, count), "{count} HSMs: {whole}");
        assert!(near(less, count - 1), "one less of {count}: {less}");
    }
}

/// Rule DEV-03.
#[tokio::test(start_paused = true)]
async fn an_overloaded_device_answers_busy() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a"]).await;
    let client = clients(&world, &cluster, &hsms).await.remove(0);
    world.cloud.devices().set_default(Some(profile(1000)));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let client = Arc::clone(&client);
        callers.spawn(async move { client.encrypt(KEY, b"text").await });
    }
    let answers = callers.join_all().await;
    let busy =
        |answer: &&Result<_, CallError>| matches!(answer, Err(CallError::Refused(Refusal::Busy)));
    let busy = answers.iter().filter(busy).count();
    assert_eq!(busy, 100 - 65, "64 wait behind the one at work");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 65);
}

/// Rule DEV-05.
#[tokio::test(start_paused = true)]
async fn a_clusters_own_profile_comes_first_and_outlives_a_restart() {
    let mut world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a"]).await;
    world.cloud.devices().set_default(Some(profile(10)));
    world
        .cloud
        .devices()
        .set(&world.scope, &cluster, Some(profile(200)))
        .await
        .unwrap();
    let added = world.create_hsm(&cluster, "b").await;
    for _ in 0..2 {
        let hsms = [hsms[0].clone(), added.clone()];
        let clients = clients(&world, &cluster, &hsms).await;
        let measured = throughput(&clients).await;
        assert!((3900..4100).contains(&measured), "{measured}");
        world.start().await;
    }
    world
        .cloud
        .devices()
        .set(&world.scope, &cluster, None)
        .await
        .unwrap();
    let client = clients(&world, &cluster, &hsms).await.remove(0);
    let began = Instant::now();
    client.encrypt(KEY, b"text").await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "raw takes no time");
}

/// Rule DEV-07.
#[tokio::test(start_paused = true)]
async fn commands_take_their_time_and_wait_in_a_queue_of_their_own() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a"]).await;
    let client = clients(&world, &cluster, &hsms).await.remove(0);
    let rate = |per_s| Some(NonZeroU32::new(per_s).unwrap());
    world.cloud.devices().set_default(Some(Profile {
        login_per_s: rate(4),
        management_per_s: rate(100),
        latency_us: Latency::default(),
        ..profile(1000)
    }));
    let began = Instant::now();
    let another = world.client(&cluster, &hsms[0]).await;
    assert_eq!(began.elapsed(), Duration::from_millis(250), "a login");
    another.logout().await;
    assert_eq!(began.elapsed(), Duration::from_millis(260), "a logout");
    client.generate(HsmKeyId([8; 16])).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(270), "a key");

    // Seven logins at once: one at work, four that wait for a second at the most, and the rest is
    // answered at once.
    let began = Instant::now();
    let login = async || {
        let login = world.try_client(&cluster, &hsms[0], Secret::new(KMSUSER));
        (login.await.err(), began.elapsed())
    };
    let operate = async {
        client.encrypt(KEY, b"text").await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(1), "not held up");
    };
    let (a, b, c, d, e, f, g, ()) = tokio::join!(
        login(),
        login(),
        login(),
        login(),
        login(),
        login(),
        login(),
        operate
    );
    let answered = |quarter: u64| (None, Duration::from_millis(250 * quarter));
    assert_eq!([a, b, c, d, e], [1, 2, 3, 4, 5].map(answered));
    let busy = (Some(CallError::Refused(Refusal::Busy)), Duration::ZERO);
    assert_eq!([f, g], [busy.clone(), busy]);
}
