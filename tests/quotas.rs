//! The quotas of requests: kept where that is asked for, and otherwise not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail loudly, and measure the machine's clock"
)]

use std::time::Instant;

use portcullis_tests::{Caller, Outcome, Portcullis};
use serde_json::json;

const KEY_STORE: &str = "cks-1234567890abcdef0";
const CALLERS: usize = 4;
const CALLS: usize = 1_500;

/// How many of so many calls of a key store were throttled, and how long they took.
fn throttled(portcullis: &Portcullis) -> (usize, f64) {
    let began = Instant::now();
    let run = || {
        let mut caller = Caller::new(portcullis.authority());
        let body = json!({ "NumberOfBytes": 1, "CustomKeyStoreId": KEY_STORE });
        let throttled = (0..CALLS).filter(|_| match caller.kms("GenerateRandom", &body) {
            Outcome::Done(_) => false,
            Outcome::Refused(why) if why["__type"] == "ThrottlingException" => true,
            other @ (Outcome::Refused(_) | Outcome::Lost) => panic!("{other:?}"),
        });
        throttled.count()
    };
    let count = std::thread::scope(|scope| {
        let callers: [_; CALLERS] = std::array::from_fn(|_| scope.spawn(run));
        callers.map(|caller| caller.join().unwrap()).iter().sum()
    });
    (count, began.elapsed().as_secs_f64())
}

/// Rules QUOTA-01, QUOTA-02 and QUOTA-03.
#[test]
fn quotas_are_kept_where_they_are_asked_for() {
    let guide = ["--world", "guide", "--ephemeral"];
    let unlimited = Portcullis::up(&guide);
    unlimited.python("quotas.py", &["none"]);
    assert_eq!(throttled(&unlimited).0, 0);
    drop(unlimited);

    let limited = Portcullis::up(&[&guide[..], &["--quota", "aws"]].concat());
    let (refused, took) = throttled(&limited);
    let served = (CALLERS * CALLS - refused) as f64;
    // One second's calls at once, and those that came back meanwhile.
    let most = 1_800.0 * (1.0 + took) + 2.0;
    assert!(served <= most, "{served} calls were served in {took} s");
    let slow = CALLERS as f64 * CALLS as f64 <= 1_800.0 * took;
    assert!(refused > 0 || slow, "none was refused in {took} s");
    limited.python("quotas.py", &["aws"]);
}
