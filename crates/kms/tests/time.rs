//! Keys that reach their day, and connects that take their time, on a clock that is put forward.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_imports,
    dead_code,
    unused_imports,
    reason = "tests fail loudly, and each uses a part of the world"
)]

mod world;

use std::time::Duration;

use portcullis_api::Code;
use portcullis_api::kms::*;
use portcullis_clusters::Clusters;
use portcullis_hsm::Secret;
use portcullis_kms::{Connection, EventRecord};
use portcullis_time::Pace;

use world::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    async fn schedule(&self, key: &str, days: i32) {
        let request = ScheduleKeyDeletionRequest {
            key_id: key.to_owned(),
            pending_window_in_days: Some(days),
        };
        self.kms
            .schedule_key_deletion(&self.scope, request)
            .await
            .unwrap();
    }

    async fn days_pass(&self, days: u32) {
        self.calendar.advance(DAY * days).await.unwrap();
        self.kms.reconcile_once().await;
    }

    async fn exists(&self, key: &str) -> bool {
        let request = DescribeKeyRequest {
            key_id: key.to_owned(),
            ..DescribeKeyRequest::default()
        };
        let described = self.kms.describe_key(&self.scope, request).await;
        if let Err(exception) = &described {
            assert_eq!(exception.code, Code::NotFound);
        }
        described.is_ok()
    }

    async fn described_state(&self, store: &str) -> String {
        let request = DescribeCustomKeyStoresRequest {
            custom_key_store_id: Some(store.to_owned()),
            ..DescribeCustomKeyStoresRequest::default()
        };
        let described = self
            .kms
            .describe_custom_key_stores(&self.scope, request)
            .await;
        let entry = described.unwrap().custom_key_stores.unwrap().remove(0);
        entry.connection_state.unwrap()
    }

    fn events(&self) -> Vec<EventRecord> {
        self.kms.events().records
    }
}

fn additional<'a>(event: &'a EventRecord, name: &str) -> Option<&'a str> {
    let mut members = event.additional.iter();
    members
        .find(|(member, _)| *member == name)
        .map(|(_, text)| text.as_str())
}

/// Rules KEY-17, KEY-18, KEY-19 and EV-02.
#[tokio::test]
async fn at_its_day_a_key_goes_with_its_aliases_and_an_event_tells_of_its_material() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let (gone, orphan) = (
        world.create_key(Some(&store)).await.unwrap(),
        world.create_key(Some(&store)).await.unwrap(),
    );
    let built_in = world.create_key(None).await.unwrap();
    let alias = CreateAliasRequest {
        alias_name: "alias/gone".to_owned(),
        target_key_id: gone.clone(),
    };
    world.kms.create_alias(&world.scope, alias).await.unwrap();
    for (key, days) in [(&gone, 7), (&built_in, 7), (&orphan, 8)] {
        world.schedule(key, days).await;
    }
    world.days_pass(6).await;
    assert!(world.exists(&gone).await, "a day too early");
    world.days_pass(1).await;
    assert!(!world.exists(&gone).await && !world.exists("alias/gone").await);
    assert!(!world.exists(&built_in).await);
    // Disconnected at its day: the record goes, the material stays.
    world.disconnected(&store).await;
    world.days_pass(1).await;
    assert!(!world.exists(&orphan).await);

    let events = world.events();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.name == "DeleteKey"));
    let of = |key: &str| events.iter().find(|event| event.key_arn.ends_with(key));
    assert_eq!(of(&built_in).unwrap().additional, []);
    for (key, status) in [(&gone, "SUCCESS"), (&orphan, "FAILURE")] {
        let event = of(key).unwrap();
        assert_eq!(additional(event, "customKeyStoreId"), Some(&*store));
        assert_eq!(
            additional(event, "clusterId"),
            Some(cluster.to_string().as_str())
        );
        let told = additional(event, "backingKeysDeletionStatus").unwrap();
        assert!(told.contains(status), "{told}");
        let backing = additional(event, "backingKeys").unwrap();
        assert!(backing.starts_with("[{\"backingKeyId\":\""), "{backing}");
    }
    world.days_pass(1).await;
    assert_eq!(world.events().len(), 3, "there is one attempt");
}

/// Rule KEY-18: with one of two HSMs down the material still goes: delete wins when it is back.
#[tokio::test]
async fn an_hsm_that_is_down_at_the_day_loses_the_material_when_it_is_back() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.connected(&store).await;
    let key = world.create_key(Some(&store)).await.unwrap();
    world.schedule(&key, 7).await;
    let hsms = world
        .cloudhsm
        .cluster(&world.scope, &cluster)
        .unwrap()
        .hsms
        .clone();
    world.cloudhsm.controls().crash(&hsms[0].id).unwrap();
    world.days_pass(7).await;
    let told = world.events();
    let status = additional(&told[0], "backingKeysDeletionStatus").unwrap();
    assert!(status.contains("SUCCESS"), "{status}");
}

/// Rules TIME-05 and TIME-06.
#[tokio::test]
async fn a_connect_lasts_as_many_descriptions_as_the_pace_says() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    let pacing = world.calendar.pacing();
    pacing.set_pace("describes:3".parse().unwrap());
    for round in 0..2 {
        world.connect(&store).await.unwrap();
        for _ in 0..3 {
            assert_eq!(world.described_state(&store).await, "CONNECTING", "{round}");
        }
        assert_eq!(world.described_state(&store).await, "CONNECTED");
        world.disconnect(&store).await.unwrap();
        for _ in 0..3 {
            assert_eq!(world.described_state(&store).await, "DISCONNECTING");
        }
        assert_eq!(world.described_state(&store).await, "DISCONNECTED");
    }
}

/// Rule TIME-05: nothing passes while CONNECTING, and a disconnect takes the connect's place.
#[tokio::test]
async fn a_connect_that_takes_as_long_as_on_aws_ends_when_the_clock_says_so() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let store = world.create(world.request("Keys", &cluster)).await.unwrap();
    world.calendar.pacing().set_pace(Pace::Aws);
    world.connect(&store).await.unwrap();
    let minutes = |count: u32| world.calendar.advance(Duration::from_secs(60) * count);
    minutes(19).await.unwrap();
    world.kms.reconcile_once().await;
    assert_eq!(world.connection(&store), Connection::Connecting);
    world.disconnect(&store).await.unwrap();
    minutes(1).await.unwrap();
    world.kms.reconcile_once().await;
    assert_eq!(world.connection(&store), Connection::Disconnected);

    world.connect(&store).await.unwrap();
    minutes(20).await.unwrap();
    world.kms.reconcile_once().await;
    assert_eq!(world.connection(&store), Connection::Connected);
}
