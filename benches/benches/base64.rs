//! What base64 costs by each library that is built anyway, and by the one that is there for speed.
#![allow(missing_docs, reason = "criterion makes public functions")]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its ratio and may fail loudly"
)]

use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_benches::median;
use tokio::time::Instant;

/// Calls timed at once: far more than a reading of the clock costs.
const CALLS: u32 = 20_000;

/// Readings of each, taken in turn.
const ROUNDS: usize = 15;

/// Bytes to text and back, as a reply and a request have them.
struct Library {
    name: &'static str,
    encode: fn(&[u8]) -> String,
    decode: fn(&str) -> Vec<u8>,
}

/// The first is the one that the others are measured by.
const LIBRARIES: [Library; 3] = [
    Library {
        name: "base64-simd",
        encode: |bytes| base64_simd::STANDARD.encode_to_string(bytes),
        decode: |text| base64_simd::STANDARD.decode_to_vec(text).unwrap(),
    },
    Library {
        name: "data-encoding",
        encode: |bytes| data_encoding::BASE64.encode(bytes),
        decode: |text| data_encoding::BASE64.decode(text.as_bytes()).unwrap(),
    },
    Library {
        name: "base64",
        encode: |bytes| base64::engine::general_purpose::STANDARD.encode(bytes),
        decode: |text| {
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap()
        },
    },
];

fn there_and_back(library: &Library, bytes: &[u8], text: &str) {
    black_box((library.encode)(black_box(bytes)));
    black_box((library.decode)(black_box(text)));
}

fn base64(criterion: &mut Criterion) {
    for length in [44, 4096] {
        let bytes = vec![7; length];
        let text = data_encoding::BASE64.encode(&bytes);
        let mut group = criterion.benchmark_group(format!("base64 of {length} B, there and back"));
        for library in &LIBRARIES {
            group.bench_function(library.name, |bencher| {
                bencher.iter(|| there_and_back(library, &bytes, &text));
            });
        }
        group.finish();
        compare(&bytes, &text);
    }
}

/// Medians in nanoseconds, measured in turn, and how often the first goes into each.
fn compare(bytes: &[u8], text: &str) {
    let mut times = LIBRARIES.map(|library| (library, Vec::new()));
    for _ in 0..ROUNDS {
        for (library, taken) in &mut times {
            taken.push(timed(|| there_and_back(library, bytes, text)));
        }
    }
    let times = times.map(|(library, taken)| (library.name, median(taken)));
    let first = times.first().map_or(f64::NAN, |(_, first)| *first);
    for (name, taken) in times {
        let (length, ratio) = (bytes.len(), taken / first);
        println!("{length} B by {name}: {taken:.0} ns, {ratio:.2} times (medians of {ROUNDS})");
    }
}

fn timed(call: impl Fn()) -> f64 {
    let began = Instant::now();
    (0..CALLS).for_each(|_| call());
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = base64
}
criterion_main!(benches);
