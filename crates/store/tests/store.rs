//! What a store promises, on memory and on disk.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_seam::BoxFuture;
use portcullis_store::{Authority, Changed, Contents, Expect, Store, StoreError, Transaction};
use proptest::prelude::*;
use tokio::sync::Semaphore;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn put(key: &str, value: &str) -> Transaction {
    Transaction::new().put(key, value.as_bytes().to_vec())
}

fn value(store: &Store, key: &str) -> Option<String> {
    store
        .get(key)
        .map(|record| String::from_utf8(record.value.to_vec()).unwrap())
}

fn on_disk(test: impl FnOnce(Store)) {
    let folder = tempfile::tempdir().unwrap();
    test(Store::create(&folder.path().join("store"), None).unwrap());
}

/// Rule ST-01
#[test]
fn a_transaction_whose_expectations_fail_writes_nothing() {
    let check = |store: Store| {
        let first = wait(store.commit(put("a", "1"))).unwrap();
        for (expect, holds) in [
            (Expect::Absent, false),
            (Expect::Revision(first + 1), false),
            (Expect::Revision(first), true),
        ] {
            let both = put("b", "2").put("a", b"3".to_vec()).expect("a", expect);
            let outcome = wait(store.commit(both));
            assert_eq!(outcome.is_ok(), holds, "{expect:?}");
            assert_eq!(value(&store, "b").is_some(), holds, "{expect:?}");
        }
        let absent = Transaction::new().expect("none", Expect::Revision(1));
        let conflict = StoreError::Conflict {
            key: "none".to_owned(),
        };
        assert_eq!(wait(store.commit(absent)), Err(conflict));
    };
    check(Store::memory());
    on_disk(check);
}

/// Rule WORK-09
#[test]
fn a_store_tells_when_its_file_has_been_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::create(&path, None).unwrap();
    let closing = store.closing().unwrap();
    wait(store.commit(put("a", "1"))).unwrap();
    let other = store.clone();
    drop(store);
    assert!(!closing.wait(Duration::ZERO), "a handle is left");
    drop(other);
    assert!(closing.wait(Duration::from_secs(60)));
    // Nothing holds the file any more.
    let again = Store::open(&path, None).unwrap();
    assert_eq!(value(&again, "a").as_deref(), Some("1"));
    assert!(Store::memory().closing().is_none());
}

/// Rule ST-02, ST-03
#[test]
fn concurrent_commits_are_ordered_and_all_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::create(&path, None).unwrap();
    wait(async {
        let mut commits = tokio::task::JoinSet::new();
        for number in 0..200 {
            let store = store.clone();
            commits.spawn(async move { store.commit(put(&format!("k{number}"), "v")).await });
        }
        let mut revisions = Vec::new();
        while let Some(done) = commits.join_next().await {
            revisions.push(done.unwrap().unwrap());
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=200).collect::<Vec<_>>());
    });
    let before = store.scan("", None, 1000);
    drop(store);
    let again = reopen(&path);
    assert_eq!(again.scan("", None, 1000), before);
    assert_eq!(wait(again.commit(put("next", "v"))).unwrap(), 201);
}

/// The committer closes the file a moment after the last handle is gone.
fn reopen(path: &std::path::Path) -> Store {
    for _ in 0..100_000 {
        match Store::open(path, None) {
            Err(StoreError::InUse(_)) => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
    panic!("the file stays in use");
}

/// Rule ST-04
#[test]
fn a_second_opener_is_told_that_the_file_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let _first = Store::create(&path, None).unwrap();
    assert!(matches!(
        Store::open(&path, None),
        Err(StoreError::InUse(_))
    ));
}

/// Rule ST-05
#[test]
fn a_key_or_value_that_is_too_large_is_refused() {
    let store = Store::memory();
    let long = "k".repeat(portcullis_store::KEY_BYTES_MAX + 1);
    assert!(matches!(
        wait(store.commit(put(&long, ""))),
        Err(StoreError::TooLarge { .. })
    ));
    let large = Transaction::new().put("a", vec![0; portcullis_store::VALUE_BYTES_MAX + 1]);
    assert!(matches!(
        wait(store.commit(large)),
        Err(StoreError::TooLarge { .. })
    ));
}

/// Rule ST-06
#[test]
fn a_file_that_is_not_a_store_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    std::fs::write(&path, b"not a database, and long enough to be looked at").unwrap();
    let Err(StoreError::Unreadable(why)) = Store::open(&path, None) else {
        panic!("it was opened")
    };
    assert!(why.contains("store"), "{why}");
}

/// Rule ST-08
#[test]
fn the_contents_of_several_stores_are_of_one_instant() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Store::create(&folder.path().join(name), None).unwrap();
    let stores = [open("first"), open("second")];
    let writer = {
        let stores = stores.clone();
        std::thread::spawn(move || {
            for number in 1..=100 {
                for store in &stores {
                    wait(store.commit(put("number", &number.to_string()))).unwrap();
                }
            }
        })
    };
    let number = |contents: &Contents| -> u64 {
        let record = contents.records.first();
        let text = record.map_or("0", |(_, record)| {
            std::str::from_utf8(&record.value).unwrap()
        });
        text.parse().unwrap()
    };
    let mut looks = 0;
    while !writer.is_finished() {
        let contents = Store::contents_of(&stores).unwrap();
        let (first, second) = (number(&contents[0]), number(&contents[1]));
        assert!(first == second || first == second + 1, "{first} {second}");
        looks += 1;
    }
    writer.join().unwrap();
    assert!(looks > 0);
}

#[test]
fn a_file_made_of_contents_holds_them_and_goes_on_from_there() {
    let store = Store::memory();
    wait(store.commit(put("a", "1"))).unwrap();
    wait(store.commit(put("b", "2"))).unwrap();
    wait(store.commit(Transaction::new().delete("b"))).unwrap();
    let contents = Store::contents_of(std::slice::from_ref(&store)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy");
    Store::make(&path, &contents[0]).unwrap();
    assert!(Store::make(&path, &contents[0]).is_err(), "it is there");
    let copy = reopen(&path);
    assert_eq!(
        Store::contents_of(std::slice::from_ref(&copy)),
        Ok(contents)
    );
    assert_eq!(wait(copy.commit(put("c", "3"))), Ok(4));
}

#[test]
fn a_scan_pages_in_the_order_of_keys_within_its_prefix() {
    let store = Store::memory();
    for key in ["a/1", "a/2", "a/3", "b/1"] {
        wait(store.commit(put(key, key))).unwrap();
    }
    let keys = |after, limit| -> Vec<String> {
        store
            .scan("a/", after, limit)
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    };
    assert_eq!(keys(None, 2), ["a/1", "a/2"]);
    assert_eq!(keys(Some("a/2"), 2), ["a/3"]);
    assert_eq!(keys(Some("a/3"), 2), Vec::<String>::new());
}

#[test]
fn a_watcher_hears_of_the_latest_commit() {
    let store = Store::memory();
    let mut watch = store.watch();
    let revision = wait(store.commit(put("a", "1"))).unwrap();
    wait(watch.changed()).unwrap();
    assert_eq!(*watch.borrow(), revision);
}

#[test]
fn ten_thousand_records_are_read_at_start_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::create(&path, None).unwrap();
    let all = (0..10_000).fold(Transaction::new(), |transaction, number| {
        transaction.put(format!("kms/key/{number:05}"), vec![7; 600])
    });
    wait(store.commit(all)).unwrap();
    drop(store);
    let started = tokio::time::Instant::now();
    let again = reopen(&path);
    assert_eq!(again.scan("kms/key/", Some("kms/key/09998"), 9).len(), 1);
    assert!(
        started.elapsed().as_millis() < 200,
        "{:?}",
        started.elapsed()
    );
}

proptest! {
    #[test]
    fn a_store_behaves_like_a_map(
        writes in prop::collection::vec((0_u8..6, prop::option::of(any::<u8>())), 0..60)
    ) {
        let (store, mut model) = (Store::memory(), BTreeMap::new());
        for (key, value) in writes {
            let key = format!("k{key}");
            let transaction = match value {
                Some(byte) => { model.insert(key.clone(), byte); Transaction::new().put(key, vec![byte]) }
                None => { model.remove(&key); Transaction::new().delete(key) }
            };
            wait(store.commit(transaction)).unwrap();
        }
        let found: BTreeMap<String, u8> =
            store.scan("k", None, 100).into_iter().map(|(k, r)| (k, r.value[0])).collect();
        prop_assert_eq!(found, model);
    }
}

/// Rule ST-14, ST-15
#[test]
fn a_replica_sees_what_others_commit_and_commits_on_top_of_it() {
    let origin = Store::memory();
    wait(origin.commit(put("before", "0"))).unwrap();
    origin.keep_log();
    let replica = || wait(Store::replica(Arc::new(origin.clone()))).unwrap();
    let (one, two) = (replica(), replica());
    assert!(one.is_replica() && !origin.is_replica());
    assert_eq!(value(&one, "before").as_deref(), Some("0"));
    let revision = wait(one.commit(put("a", "1"))).unwrap();
    assert_eq!(value(&one, "a").as_deref(), Some("1"), "one's own is read");
    assert_eq!(value(&two, "a"), None, "not before it is asked for");
    wait(two.catch_up()).unwrap();
    assert_eq!(value(&two, "a").as_deref(), Some("1"));
    let changed = two.take_changed();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(two.take_changed().is_empty());
    // Both decide on the same record: one of them is told.
    let again = |to: &str| put("a", to).expect("a", Expect::Revision(revision));
    wait(two.commit(again("2"))).unwrap();
    assert!(matches!(
        wait(one.commit(again("3"))),
        Err(StoreError::Conflict { .. })
    ));
    wait(two.commit(Transaction::new().delete("a"))).unwrap();
    wait(one.catch_up()).unwrap();
    assert_eq!(value(&one, "a"), None);
    assert_eq!(
        one.take_changed().last(),
        Some(&("a".to_owned(), None)),
        "a deletion is a change"
    );
}

/// Rule ST-14
#[test]
fn who_has_fallen_far_behind_reads_everything_and_misses_no_deletion() {
    let origin = Store::memory();
    origin.keep_log();
    wait(origin.commit(put("old", "0"))).unwrap();
    let replica = wait(Store::replica(Arc::new(origin.clone()))).unwrap();
    wait(origin.commit(Transaction::new().delete("old"))).unwrap();
    for number in 0..5000 {
        wait(origin.commit(put(&format!("k{}", number % 7), "1"))).unwrap();
    }
    wait(replica.catch_up()).unwrap();
    assert_eq!(replica.scan("", None, 100), origin.scan("", None, 100));
    let changed = replica.take_changed();
    assert_eq!(changed.len(), 8, "{changed:?}");
    assert!(changed.contains(&("old".to_owned(), None)));
}

/// Counts how often it is read, and answers when it is let.
#[derive(Debug)]
struct Slow {
    store: Store,
    reads: AtomicUsize,
    answers: Semaphore,
}

impl Authority for Slow {
    fn commit(&self, transaction: Transaction) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.store.commit(transaction))
    }

    fn changed_after(&self, revision: u64) -> BoxFuture<'_, Result<Changed, StoreError>> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.answers.acquire().await.unwrap().forget();
            self.store.changed_after(revision).await
        })
    }
}

/// Rule ST-15
#[test]
fn those_who_ask_together_are_served_by_one_read() {
    let slow = Arc::new(Slow {
        store: Store::memory(),
        reads: AtomicUsize::new(0),
        answers: Semaphore::new(1),
    });
    slow.store.keep_log();
    wait(async {
        let authority: Arc<dyn Authority> = Arc::<Slow>::clone(&slow);
        let replica = Store::replica(authority).await.unwrap();
        slow.reads.store(0, Ordering::Relaxed);
        let mut asking = tokio::task::JoinSet::new();
        let ask = |replica: &Store| {
            let replica = replica.clone();
            async move { replica.catch_up().await }
        };
        asking.spawn(ask(&replica));
        tokio::task::yield_now().await;
        assert_eq!(slow.reads.load(Ordering::Relaxed), 1, "one is under way");
        for _ in 0..50 {
            asking.spawn(ask(&replica));
        }
        tokio::task::yield_now().await;
        slow.answers.add_permits(2);
        while let Some(asked) = asking.join_next().await {
            asked.unwrap().unwrap();
        }
        let reads = slow.reads.load(Ordering::Relaxed);
        assert_eq!(reads, 2, "the fifty that came meanwhile share the next");
    });
}
