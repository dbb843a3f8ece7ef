//! What an HSM adds to AES-256-GCM: sessions, fences, look-ups and nonces around the raw seal.
//!
//! `cargo bench -p portcullis-benches --bench hsm` shows criterion's figures, then the ratios.
//! The two sides of a ratio take turns in one run, so that a slow moment of the machine meets
//! both; the ratio is the median over the turns.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark measures the machine's clock, prints, and may fail loudly"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use criterion::{BenchmarkId, Criterion, Throughput};
use portcullis_hsm::{
    Call, Command, Epoch, Fence, Hsm, HsmKeyId, KeyTemplate, Operation, Reply, Role, SEAL_BYTES,
    Secret, SessionId, Settings,
};
use portcullis_seam::{SystemEntropy, draw};

/// As many operations as one frame carries under load.
const BATCH: usize = 64;
/// An encryption context of one short pair, and the key's ARN.
const CONTEXT: [u8; 64] = [2; 64];
const TURNS: usize = 101;
const TURN: Duration = Duration::from_millis(4);

/// An HSM, a session of the owner of all its keys, and their ids in random order.
struct World {
    hsm: Hsm,
    session: SessionId,
    fenced: SessionId,
    keys: Vec<HsmKeyId>,
}

impl World {
    fn with_keys(count: usize) -> Self {
        let hsm = Hsm::blank(Settings::default(), Arc::new(SystemEntropy));
        let password = || Secret::new("password");
        run(
            &hsm,
            Command::Activate {
                password: password(),
            },
        );
        let admin = login(&hsm, "admin", Role::Admin, None);
        run(
            &hsm,
            Command::CreateUser {
                session: admin,
                username: "kmsuser".to_owned(),
                role: Role::CryptoUser,
                password: password(),
            },
        );
        let session = login(&hsm, "kmsuser", Role::CryptoUser, None);
        let fence = Fence {
            scope: [1; 16],
            epoch: Epoch(1),
        };
        let fenced = login(&hsm, "kmsuser", Role::CryptoUser, Some(fence));
        let keys: Vec<HsmKeyId> = (0..count).map(|_| HsmKeyId(draw(&SystemEntropy))).collect();
        for id in &keys {
            run(
                &hsm,
                Command::GenerateKey {
                    session,
                    id: *id,
                    template: KeyTemplate::sealing(*id, ""),
                },
            );
        }
        Self {
            hsm,
            session,
            fenced,
            keys,
        }
    }

    /// Seals `plaintext` once under each of the next [`BATCH`] keys, starting over at the end.
    fn seal(&self, at: &mut usize, plaintext: &[u8], out: &mut Vec<u8>) {
        let mut batch = self.hsm.batch();
        for _ in 0..BATCH {
            let key = *self.keys.get(*at).expect("it starts over before the end");
            *at = (*at + 1) % self.keys.len();
            let operation = Operation::Encrypt {
                key,
                additional_data: &CONTEXT,
                plaintext,
            };
            batch
                .run(
                    &Call {
                        session: self.session,
                        operation,
                    },
                    out,
                )
                .unwrap();
        }
    }
}

fn run(hsm: &Hsm, command: Command) -> Reply {
    hsm.manage(command).result.unwrap()
}

fn login(hsm: &Hsm, username: &str, role: Role, fence: Option<Fence>) -> SessionId {
    let login = Command::Login {
        username: username.to_owned(),
        role,
        password: Secret::new("password"),
        fence,
        exclusive: false,
        holder: 0,
    };
    match run(hsm, login) {
        Reply::Session(session) => session,
        other => panic!("{other:?}"),
    }
}

/// aws-lc-rs alone: the same bytes in place again and again, with a nonce that counts.
struct Raw {
    key: LessSafeKey,
    counter: u64,
}

impl Raw {
    fn new() -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap();
        Self {
            key: LessSafeKey::new(key),
            counter: 0,
        }
    }

    fn seal_batch(&mut self, text: &mut [u8]) {
        for _ in 0..BATCH {
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
            self.counter += 1;
            let nonce = Nonce::assume_unique_for_key(nonce);
            let tag = self
                .key
                .seal_in_place_separate_tag(nonce, Aad::from(&CONTEXT), text);
            let _tag = black_box(tag.unwrap());
        }
    }
}

/// A reply buffer, as the link gives one: large enough from the start, and used again.
fn buffer(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(BATCH * (bytes + SEAL_BYTES))
}

/// Batches of Encrypt calls of one session under one key.
fn batches(hsm: &Hsm, session: SessionId, key: HsmKeyId, bytes: usize) -> impl FnMut() {
    let (plaintext, mut out) = (vec![1; bytes], buffer(bytes));
    move || {
        out.clear();
        let mut batch = hsm.batch();
        for _ in 0..BATCH {
            let operation = Operation::Encrypt {
                key,
                additional_data: &CONTEXT,
                plaintext: &plaintext,
            };
            batch.run(&Call { session, operation }, &mut out).unwrap();
        }
        black_box(&out);
    }
}

/// The same calls, each in a batch of its own.
fn one_by_one(hsm: &Hsm, session: SessionId, key: HsmKeyId, bytes: usize) -> impl FnMut() {
    let (plaintext, mut out) = (vec![1; bytes], buffer(bytes));
    move || {
        out.clear();
        for _ in 0..BATCH {
            let operation = Operation::Encrypt {
                key,
                additional_data: &CONTEXT,
                plaintext: &plaintext,
            };
            hsm.batch()
                .run(&Call { session, operation }, &mut out)
                .unwrap();
        }
        black_box(&out);
    }
}

/// The same calls under two sessions in turn, so that each is looked up.
fn two_sessions(world: &World, bytes: usize) -> impl FnMut() {
    let (plaintext, mut out, key) = (vec![1; bytes], buffer(bytes), world.keys[0]);
    move || {
        out.clear();
        let mut batch = world.hsm.batch();
        for turn in 0..BATCH {
            let session = if turn % 2 == 0 {
                world.session
            } else {
                world.fenced
            };
            let operation = Operation::Encrypt {
                key,
                additional_data: &CONTEXT,
                plaintext: &plaintext,
            };
            batch.run(&Call { session, operation }, &mut out).unwrap();
        }
        black_box(&out);
    }
}

/// Batches in which every call has another key.
fn scattered(world: &World) -> impl FnMut() {
    let (mut at, mut out) = (0, buffer(32));
    move || {
        out.clear();
        world.seal(&mut at, &[1; 32], &mut out);
        black_box(&out);
    }
}

fn raw(bytes: usize) -> impl FnMut() {
    let (mut raw, mut text) = (Raw::new(), vec![1; bytes]);
    move || raw.seal_batch(&mut text)
}

/// Nanoseconds an operation takes, over one turn.
fn turn(side: &mut dyn FnMut()) -> f64 {
    let (started, mut batches) = (Instant::now(), 0_usize);
    while started.elapsed() < TURN {
        side();
        batches += 1;
    }
    started.elapsed().as_nanos() as f64 / (batches * BATCH) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Lets the two sides take turns; prints both medians and the median of `left / right`: the share
/// of the left side's throughput that the right side reaches.
fn compare(name: &str, mut left: impl FnMut(), mut right: impl FnMut()) {
    let _warm = (turn(&mut left), turn(&mut right));
    let turns: Vec<(f64, f64)> = (0..TURNS)
        .map(|_| (turn(&mut left), turn(&mut right)))
        .collect();
    let lefts = median(turns.iter().map(|(left, _)| *left).collect());
    let rights = median(turns.iter().map(|(_, right)| *right).collect());
    let ratio = median(turns.iter().map(|(left, right)| left / right).collect());
    println!("{name:<52} {lefts:>9.1} {rights:>9.1} {ratio:>7.2}");
}

fn with_criterion(world: &World) {
    let mut criterion = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut group = criterion.benchmark_group("hsm/seal");
    for bytes in [32, 4096] {
        group.throughput(Throughput::Elements(BATCH as u64));
        let key = world.keys[0];
        let (mut raw, mut batch) = (raw(bytes), batches(&world.hsm, world.session, key, bytes));
        group.bench_function(BenchmarkId::new("raw", bytes), |bench| bench.iter(&mut raw));
        group.bench_function(BenchmarkId::new("batch", bytes), |bench| {
            bench.iter(&mut batch);
        });
    }
    group.finish();
    criterion.final_summary();
}

fn main() {
    let small = World::with_keys(1000);
    with_criterion(&small);

    let (hsm, key) = (&small.hsm, small.keys[0]);
    let session = small.session;
    println!(
        "\n{:<52} {:>9} {:>9} {:>7}",
        "medians in ns an operation", "left", "right", "l / r"
    );
    for bytes in [32, 4096] {
        let name = format!("{bytes} B: aws-lc-rs alone, HSM in batches of {BATCH}");
        compare(&name, raw(bytes), batches(hsm, session, key, bytes));
    }
    let one_key = || batches(hsm, session, key, 32);
    compare(
        "32 B: aws-lc-rs alone, HSM in batches of 1",
        raw(32),
        one_by_one(hsm, session, key, 32),
    );
    compare(
        "32 B: session without, with a fence",
        one_key(),
        batches(hsm, small.fenced, key, 32),
    );
    compare(
        "32 B: one session, session looked up every time",
        one_key(),
        two_sessions(&small, 32),
    );
    compare(
        "32 B: one key, key looked up among 10^3",
        one_key(),
        scattered(&small),
    );
    let large = World::with_keys(1_000_000);
    compare(
        "32 B: key looked up among 10^3, among 10^6",
        scattered(&small),
        scattered(&large),
    );
}
