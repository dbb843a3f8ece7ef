//! What reading the body of an Encrypt and writing its reply cost as JSON, beside the base64 in
//! them, which no JSON library can save.
#![allow(missing_docs, reason = "criterion makes public functions")]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its ratio and may fail loudly"
)]

use std::hint::black_box;
use std::time::Duration;

use base64_simd::STANDARD;
use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_api::kms::{EncryptRequest, EncryptResponse};
use tokio::time::Instant;

/// What a ciphertext has beside the plaintext, about.
const SEALED_BYTES: usize = 100;

/// Calls timed at once: far more than a reading of the clock costs.
const CALLS: u32 = 20_000;

/// Readings of each, taken in turn.
const ROUNDS: usize = 15;

fn body(bytes: usize) -> Vec<u8> {
    let plaintext = STANDARD.encode_to_string(vec![7; bytes]);
    format!(
        "{{\"KeyId\":\"1234abcd-12ab-34cd-56ef-1234567890ab\",\"Plaintext\":\"{plaintext}\",\
         \"EncryptionContext\":{{\"department\":\"finance\"}}}}"
    )
    .into_bytes()
}

fn reply(bytes: usize) -> EncryptResponse {
    serde_json::from_value(serde_json::json!({
        "KeyId": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "CiphertextBlob": STANDARD.encode_to_string(vec![7; bytes + SEALED_BYTES]),
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
    .unwrap()
}

/// What cannot be saved: base64 to bytes and back, of the same sizes.
fn base64_alone(plaintext: &str, ciphertext: &[u8]) {
    black_box(STANDARD.decode_to_vec(black_box(plaintext)).unwrap());
    black_box(STANDARD.encode_to_string(black_box(ciphertext)));
}

fn as_json(body: &[u8], reply: &EncryptResponse) {
    let read: EncryptRequest = serde_json::from_slice(black_box(body)).unwrap();
    black_box(read);
    let mut written = Vec::with_capacity(1024);
    serde_json::to_writer(&mut written, black_box(reply)).unwrap();
    black_box(written);
}

fn decode(criterion: &mut Criterion) {
    for bytes in [32, 4096] {
        let (body, reply) = (body(bytes), reply(bytes));
        let plaintext = STANDARD.encode_to_string(vec![7; bytes]);
        let ciphertext = vec![7; bytes + SEALED_BYTES];
        let mut group = criterion.benchmark_group(format!("JSON of an Encrypt of {bytes} B"));
        group.bench_function("read and written", |bencher| {
            bencher.iter(|| as_json(&body, &reply));
        });
        group.bench_function("base64 alone", |bencher| {
            bencher.iter(|| base64_alone(&plaintext, &ciphertext));
        });
        group.finish();
        let (json, floor) = paired(
            || as_json(&body, &reply),
            || base64_alone(&plaintext, &ciphertext),
        );
        println!(
            "{bytes} B: {json:.0} ns, base64 alone {floor:.0} ns, {:.1} times \
             (medians of {ROUNDS} rounds, taken in turn)",
            json / floor
        );
    }
}

/// The medians of two things in nanoseconds a call, measured in turn.
fn paired(one: impl Fn(), other: impl Fn()) -> (f64, f64) {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ones.push(timed(&one));
        others.push(timed(&other));
    }
    (median(ones), median(others))
}

fn timed(call: impl Fn()) -> f64 {
    let began = Instant::now();
    (0..CALLS).for_each(|_| call());
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = decode
}
criterion_main!(benches);
