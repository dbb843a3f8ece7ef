//! What a durable commit costs beside the disk's own sync, and how long a store takes to open.
//!
//! The pair is taken in turn on one disk: 600 bytes appended to a file and synced, and a record of
//! 600 bytes committed. Then 64 commits at once, which share syncs.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine's clock, prints, and may fail loudly"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use portcullis_store::{Store, Transaction};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// A key's record has some 600 bytes.
const RECORD_BYTES: usize = 600;
const ROUNDS: usize = 201;
const AT_ONCE: usize = 64;
const RECORDS: usize = 10_000;

fn main() {
    // The target folder: the system's temporary one is in memory on many machines.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    let store = Store::create(&folder.path().join("store"), None).unwrap();
    let mut file = File::create(folder.path().join("raw")).unwrap();
    let mut took = [Vec::new(), Vec::new(), Vec::new()];
    let [raw, one, many] = &mut took;
    for round in 0..ROUNDS {
        raw.push(timed(|| sync(&mut file)));
        one.push(timed(|| runtime.block_on(commit(&store, round))));
        many.push(timed(|| runtime.block_on(commit_at_once(&store, round))));
    }
    let [raw, one, many] = took.map(median_us);
    println!("sync of {RECORD_BYTES} bytes        {raw:>9.0} µs");
    println!(
        "commit                   {one:>9.0} µs, commit / sync: {:.2}",
        one / raw
    );
    println!(
        "{AT_ONCE} commits at once       {many:>9.0} µs, each / sync: {:.3}",
        many / raw / 64.0
    );
    println!("(medians of {ROUNDS} rounds, taken in turn)");
    open(folder.path(), &runtime);
}

fn sync(file: &mut File) {
    file.write_all(&[7; RECORD_BYTES]).unwrap();
    file.sync_data().unwrap();
}

async fn commit(store: &Store, round: usize) {
    let put = Transaction::new().put(format!("one/{round:06}"), vec![7; RECORD_BYTES]);
    store.commit(put).await.unwrap();
}

async fn commit_at_once(store: &Store, round: usize) {
    let mut commits = JoinSet::new();
    for number in 0..AT_ONCE {
        let store = store.clone();
        let key = format!("many/{round:06}/{number:02}");
        let put = Transaction::new().put(key, vec![7; RECORD_BYTES]);
        commits.spawn(async move { store.commit(put).await.unwrap() });
    }
    while let Some(done) = commits.join_next().await {
        done.unwrap();
    }
}

/// Opening reads every record; the ratio to reading the bare file says what the form costs.
fn open(folder: &Path, runtime: &Runtime) {
    let path = folder.join("ten thousand");
    let store = Store::create(&path, None).unwrap();
    let all = (0..RECORDS).fold(Transaction::new(), |all, number| {
        all.put(format!("kms/key/{number:05}"), vec![7; RECORD_BYTES])
    });
    runtime.block_on(store.commit(all)).unwrap();
    drop(store);
    let mut took = [Vec::new(), Vec::new()];
    let [read, opened] = &mut took;
    for _ in 0..15 {
        read.push(timed(|| drop(std::fs::read(&path).unwrap())));
        opened.push(timed(|| drop(reopen(&path))));
    }
    let [read, opened] = took.map(median_us);
    println!(
        "open {RECORDS} records       {opened:>9.0} µs, open / read of the file: {:.1}",
        opened / read
    );
}

/// A store's committer closes the file a moment after its last user is gone.
fn reopen(path: &Path) -> Store {
    loop {
        if let Ok(store) = Store::open(path, None) {
            return store;
        }
        std::thread::yield_now();
    }
}

fn timed(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).unwrap().as_secs_f64() * 1e6
}
