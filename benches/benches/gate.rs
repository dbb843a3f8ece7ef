//! What the gate costs an operation: two atomic loads, beside a shared lock read twice.
#![allow(missing_docs, reason = "criterion makes public functions")]
#![allow(clippy::print_stdout, reason = "the ratio is the result")]

use std::hint::black_box;
use std::sync::RwLock;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_hsm::Epoch;
use portcullis_kms::Gate;
use tokio::time::Instant;

/// Passages timed at once: far more than a reading of the clock costs.
const PASSAGES: u32 = 100_000;

/// Readings of each, taken in turn.
const ROUNDS: usize = 31;

fn open() -> Gate {
    let gate = Gate::default();
    gate.open(Epoch(1));
    gate
}

fn through_gate(gate: &Gate) -> bool {
    black_box(gate)
        .enter()
        .is_some_and(|passage| black_box(gate).leave(passage))
}

fn through_lock(lock: &RwLock<(bool, u64)>) -> bool {
    let read = || {
        black_box(lock)
            .read()
            .map(|state| *state)
            .unwrap_or_default()
    };
    let before = read();
    before.0 && read() == before
}

fn gate(criterion: &mut Criterion) {
    let (gate, lock) = (open(), RwLock::new((true, 1)));
    let mut group = criterion.benchmark_group("gate");
    group.bench_function("two atomic loads", |bencher| {
        bencher.iter(|| through_gate(&gate));
    });
    group.bench_function("two reads of a lock", |bencher| {
        bencher.iter(|| through_lock(&lock));
    });
    group.finish();
    let ratio = paired(|| through_gate(&gate), || through_lock(&lock));
    println!("gate / lock: {ratio:.2} (medians of {ROUNDS} rounds, taken in turn)");
}

/// The ratio of the medians of two things, measured in turn.
fn paired(one: impl Fn() -> bool, other: impl Fn() -> bool) -> f64 {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ones.push(timed(&one));
        others.push(timed(&other));
    }
    median(ones).as_secs_f64() / median(others).as_secs_f64()
}

fn timed(run: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    for _ in 0..PASSAGES {
        black_box(run());
    }
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

criterion_group!(benches, gate);
criterion_main!(benches);
