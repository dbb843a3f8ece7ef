//! What a million keys cost: memory for each, time to make one in a world, to find one by its ID, and
//! to read a page of ListKeys in the middle, each beside the same among a thousand.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark measures the machine's clock, prints, and may fail loudly"
)]

use std::time::{Duration, Instant};

use portcullis_api::kms::{CreateKeyRequest, DescribeKeyRequest, ListKeysRequest};
use portcullis_api::{KeyId, Scope};
use portcullis_benches::system;
use portcullis_kms::Kms;
use tokio::runtime::Builder;

const SIZES: [usize; 2] = [1_000, 1_000_000];
const LOOKUPS: usize = 100_000;
const PAGES: usize = 200;

fn main() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    println!(
        "{:>10} {:>14} {:>14} {:>14} {:>14}",
        "keys", "bytes a key", "to make, µs", "lookup, ns", "page, µs"
    );
    let mut rows = Vec::new();
    for keys in SIZES {
        let row = runtime.block_on(measure(keys));
        println!(
            "{keys:>10} {:>14.0} {:>14.2} {:>14.0} {:>14.1}",
            row[0], row[1], row[2], row[3]
        );
        rows.push(row);
    }
    println!(
        "among a million: lookups take {:.2} and pages {:.2} times as long as among a thousand",
        rows[1][2] / rows[0][2],
        rows[1][3] / rows[0][3]
    );
}

async fn measure(keys: usize) -> [f64; 4] {
    let kms = system().await.kms;
    let scope = Scope {
        account: "111122223333".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let first = kms.create_key(&scope, CreateKeyRequest::default()).await;
    let first = first.unwrap().key_metadata.unwrap().key_id.unwrap();
    let first: KeyId = first.parse().unwrap();
    let (before, began) = (resident(), Instant::now());
    kms.create_keys_like(&scope, &first, keys - 1)
        .await
        .unwrap();
    let made = began.elapsed();
    let memory = resident().saturating_sub(before) as f64 / keys as f64;

    let names = names(&kms, &scope).await;
    let began = Instant::now();
    for at in 0..LOOKUPS {
        // A stride that is prime to the number of keys: neighbours lie far apart.
        let request = DescribeKeyRequest {
            key_id: names[at * 7_919 % names.len()].clone(),
            ..DescribeKeyRequest::default()
        };
        kms.describe_key(&scope, request).await.unwrap();
    }
    let lookup = began.elapsed();

    let middle = page(&kms, &scope, None, 100).await.1;
    let began = Instant::now();
    for _ in 0..PAGES {
        page(&kms, &scope, middle.clone(), 100).await;
    }
    let pages = began.elapsed();
    [
        memory,
        per(made, keys) / 1e3,
        per(lookup, LOOKUPS),
        per(pages, PAGES) / 1e3,
    ]
}

fn per(took: Duration, times: usize) -> f64 {
    took.as_secs_f64() * 1e9 / times as f64
}

/// The IDs of all keys, page by page.
async fn names(kms: &Kms, scope: &Scope) -> Vec<String> {
    let (mut names, mut marker) = page(kms, scope, None, 1000).await;
    while marker.is_some() {
        let (more, next) = page(kms, scope, marker, 1000).await;
        names.extend(more);
        marker = next;
    }
    names
}

async fn page(
    kms: &Kms,
    scope: &Scope,
    marker: Option<String>,
    limit: i32,
) -> (Vec<String>, Option<String>) {
    let request = ListKeysRequest {
        limit: Some(limit),
        marker,
        ..ListKeysRequest::default()
    };
    let page = kms.list_keys(scope, request).await.unwrap();
    let keys = page.keys.unwrap_or_default().into_iter();
    (
        keys.filter_map(|key| key.key_id).collect(),
        page.next_marker,
    )
}

/// Resident bytes of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
