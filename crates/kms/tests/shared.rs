//! Two facades over one store: what one commits the other sees, and what one disconnects is
//! disconnected for both.
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

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_api::kms::*;
use portcullis_api::{Code, Exception};
use portcullis_kms::{Connection, Kms, KmsConfig};
use portcullis_seam::BoxFuture;
use portcullis_store::{Authority, Changed, Store, StoreError, Transaction};
use portcullis_time::Pace;
use tokio::sync::Mutex;

use world::*;

/// A store that can be out of reach.
#[derive(Debug)]
struct Elsewhere {
    store: Store,
    unreachable: AtomicBool,
    /// Commits happen, and nobody hears of it.
    mute: AtomicBool,
    /// Commits pass one by one while this is free.
    passes: Mutex<()>,
}

impl Elsewhere {
    fn reach(&self) -> Result<&Store, StoreError> {
        if self.unreachable.load(Ordering::Relaxed) {
            return Err(StoreError::Closed("out of reach".to_owned()));
        }
        Ok(&self.store)
    }
}

impl Authority for Elsewhere {
    fn commit(&self, transaction: Transaction) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let _passes = self.passes.lock().await;
            let revision = self.reach()?.commit(transaction).await?;
            if self.mute.load(Ordering::Relaxed) {
                return Err(StoreError::Closed("no answer".to_owned()));
            }
            Ok(revision)
        })
    }

    fn changed_after(&self, revision: u64) -> BoxFuture<'_, Result<Changed, StoreError>> {
        Box::pin(async move { self.reach()?.changed_after(revision).await })
    }
}

impl World {
    /// Another facade over this world's store, and whether it reaches it.
    async fn facade(&self) -> (Self, Arc<Elsewhere>) {
        self.config.store.keep_log();
        let elsewhere = Arc::new(Elsewhere {
            store: self.config.store.clone(),
            unreachable: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            passes: Mutex::default(),
        });
        let authority: Arc<dyn Authority> = Arc::<Elsewhere>::clone(&elsewhere);
        let store = Store::replica(authority).await.unwrap();
        let config = KmsConfig {
            store,
            ..self.config.clone()
        };
        let facade = Self {
            kms: Kms::open(config.clone()).await.unwrap(),
            config,
            cloudhsm: Arc::clone(&self.cloudhsm),
            scope: self.scope.clone(),
            calendar: Arc::clone(&self.calendar),
        };
        (facade, elsewhere)
    }

    async fn up<T, F: Future<Output = Result<T, Exception>>>(
        &self,
        operation: impl Fn() -> F,
    ) -> Result<T, Exception> {
        self.kms.up_to_date(&self.scope, operation).await
    }

    async fn describes(&self, store: &str) -> String {
        let described = self
            .up(|| {
                let request = DescribeCustomKeyStoresRequest {
                    custom_key_store_id: Some(store.to_owned()),
                    ..DescribeCustomKeyStoresRequest::default()
                };
                self.kms.describe_custom_key_stores(&self.scope, request)
            })
            .await;
        let mut stores = described.unwrap().custom_key_stores.unwrap();
        stores.remove(0).connection_state.unwrap()
    }

    async fn keys(&self) -> usize {
        let list = || self.kms.list_keys(&self.scope, ListKeysRequest::default());
        self.up(list).await.unwrap().keys.unwrap().len()
    }

    async fn described(&self, store: &str, state: &str) {
        for _ in 0..10_000 {
            if self.describes(store).await == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{store} does not become {state}");
    }
}

/// Rules SHARE-01 and SHARE-03.
#[tokio::test]
async fn what_one_facade_commits_the_other_sees_and_a_name_is_given_once() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let other = world.cluster(&["a", "b"], None).await;
    let (one, _) = world.facade().await;
    let (two, _) = world.facade().await;
    let (first, second) = tokio::join!(
        one.up(|| one.create(one.request("Keys", &cluster))),
        two.up(|| two.create(two.request("Keys", &other))),
    );
    let taken = [&first, &second]
        .into_iter()
        .filter_map(|it| it.as_ref().err());
    let taken: Vec<_> = taken.map(|exception| exception.code).collect();
    assert_eq!(
        taken,
        [Code::CustomKeyStoreNameInUse],
        "{first:?} {second:?}"
    );
    let store = first.or(second).unwrap();
    for facade in [&one, &two] {
        assert_eq!(facade.describes(&store).await, "DISCONNECTED");
    }
    one.up(|| one.connect(&store)).await.unwrap();
    two.described(&store, "CONNECTED").await;
    // Keys made in both at the same time are in both, and so are their aliases.
    let mut keys = Vec::new();
    for _ in 0..5 {
        let (a, b) = tokio::join!(
            one.up(|| one.create_key(Some(&store))),
            two.up(|| two.create_key(Some(&store))),
        );
        keys.extend([a.unwrap(), b.unwrap()]);
    }
    for key in &keys {
        let blob = two.up(|| two.encrypt(key)).await.unwrap();
        let opened = one.up(|| one.decrypt(&blob, &[])).await.unwrap();
        assert_eq!(opened, b"attack at dawn");
    }
    let alias = || CreateAliasRequest {
        alias_name: "alias/orders".to_owned(),
        target_key_id: keys[0].clone(),
    };
    one.up(|| one.kms.create_alias(&one.scope, alias()))
        .await
        .unwrap();
    let again = two.up(|| two.kms.create_alias(&two.scope, alias())).await;
    refused(again, Code::AlreadyExists);
    two.up(|| two.encrypt("alias/orders")).await.unwrap();
}

/// Rules SHARE-02 and SHARE-04: also a call that has not looked at what others did before it began.
#[tokio::test]
async fn what_one_facade_disconnects_is_disconnected_for_the_other_at_once() {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let (one, _) = world.facade().await;
    let (two, reaches) = world.facade().await;
    let request = || one.request("Keys", &cluster);
    let store = one.up(|| one.create(request())).await.unwrap();
    for round in 0..3 {
        one.up(|| one.connect(&store)).await.unwrap();
        one.described(&store, "CONNECTED").await;
        let key = two.up(|| two.create_key(Some(&store))).await.unwrap();
        two.encrypt(&key).await.unwrap();
        one.up(|| one.disconnect(&store)).await.unwrap();
        refused(two.encrypt(&key).await, Code::KmsInvalidState);
        refused(two.up(|| two.encrypt(&key)).await, Code::KmsInvalidState);
        two.described(&store, "DISCONNECTED").await;
        let edited = two.up(|| two.update(rename(&store, &format!("Keys {round}"))));
        edited.await.unwrap();
    }
    // Where nobody can tell whether it is still connected nothing leaves.
    one.up(|| one.connect(&store)).await.unwrap();
    one.described(&store, "CONNECTED").await;
    let key = two.up(|| two.create_key(Some(&store))).await.unwrap();
    reaches.unreachable.store(true, Ordering::Relaxed);
    refused(two.encrypt(&key).await, Code::KmsInternal);
    one.up(|| one.encrypt(&key)).await.unwrap();
    reaches.unreachable.store(false, Ordering::Relaxed);
    two.up(|| two.encrypt(&key)).await.unwrap();
}

/// Rule SHARE-05
#[test]
fn a_connect_whose_facade_has_ended_is_finished_by_another() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (stays, ends) = (runtime(), runtime());
    let (world, two) = stays.block_on(async {
        let world = World::new().await;
        let two = world.facade().await.0;
        (world, two)
    });
    let cluster = stays.block_on(world.cluster(&["a", "b"], None));
    let request = || two.request("Keys", &cluster);
    let store = stays.block_on(two.up(|| two.create(request()))).unwrap();
    let pacing = world.calendar.pacing();
    pacing.set_pace(Pace::After(Duration::from_secs(3600)));
    ends.block_on(async {
        let (one, _) = world.facade().await;
        one.up(|| one.connect(&store)).await.unwrap();
        assert_eq!(one.describes(&store).await, "CONNECTING");
    });
    ends.shutdown_background();
    pacing.set_pace(Pace::Immediate);
    stays.block_on(async {
        assert_eq!(two.describes(&store).await, "CONNECTING");
        two.described(&store, "CONNECTED").await;
        two.up(|| two.create_key(Some(&store))).await.unwrap();
    });
}

/// Two facades, how the first reaches the store, and a key store that it has connected.
async fn pair() -> (World, Arc<Elsewhere>, World, String) {
    let world = World::new().await;
    let cluster = world.cluster(&["a", "b"], None).await;
    let (one, reaches) = world.facade().await;
    let (two, _) = world.facade().await;
    let request = || one.request("Keys", &cluster);
    let store = one.up(|| one.create(request())).await.unwrap();
    one.up(|| one.connect(&store)).await.unwrap();
    one.described(&store, "CONNECTED").await;
    (one, reaches, two, store)
}

/// Rule KEY-26: a key is recorded only while its store is as it was when the key was made.
#[tokio::test]
async fn a_key_whose_store_is_deleted_meanwhile_is_not_there() {
    let (one, reaches, two, store) = pair().await;
    let held = reaches.passes.lock().await;
    let late = one.up(|| one.create_key(Some(&store)));
    let meanwhile = async {
        two.up(|| two.disconnect(&store)).await.unwrap();
        two.described(&store, "DISCONNECTED").await;
        two.up(|| two.delete(&store)).await.unwrap();
        drop(held);
    };
    let (late, ()) = tokio::join!(late, meanwhile);
    refused(late, Code::CustomKeyStoreInvalidState);
    assert_eq!(two.keys().await, 0);
}

/// Rule SHARE-07
#[tokio::test]
async fn a_key_whose_commit_nobody_heard_of_is_whole_if_it_is_there() {
    let (one, reaches, two, store) = pair().await;
    reaches.mute.store(true, Ordering::Relaxed);
    let made = one.create_key(Some(&store)).await;
    refused(made, Code::KmsInternal);
    reaches.mute.store(false, Ordering::Relaxed);
    assert_eq!(two.keys().await, 1);
    let listed = two.kms.list_keys(&two.scope, ListKeysRequest::default());
    let key = listed.await.unwrap().keys.unwrap().remove(0);
    let key = key.key_id.unwrap();
    for facade in [&one, &two] {
        facade.up(|| facade.encrypt(&key)).await.unwrap();
    }
}

/// Rule SHARE-06
#[tokio::test]
async fn keys_outside_key_stores_are_refused_where_the_store_is_shared() {
    let world = World::new().await;
    let (one, _) = world.facade().await;
    let made = one.up(|| one.create_key(None)).await;
    refused(made, Code::UnsupportedOperation);
    let managed = one.up(|| one.encrypt("alias/aws/s3")).await;
    refused(managed, Code::UnsupportedOperation);
}
