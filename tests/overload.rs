//! More work than the machine does: who is refused, who is served all the same, and how it stops.
//!
//! Making RSA keys and checking passwords once shared one queue. Four callers of GenerateDataKeyPair
//! RSA_4096 made logins fail after 10 s and left a key store FAILED that was connected beside them;
//! clients that had gone were worked for all the same, 110 s for 200 of them; and SIGTERM worked the
//! queue off, which took 77 s for 64 callers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests fail loudly, pause as clients do, and measure the machine's clock"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use portcullis_tests::{Caller, Outcome, Portcullis, eventually, root};
use serde_json::{Value, json};

const CLUSTER: &str = "cluster-222222222222";
const STORE: &str = "cks-1234567890abcdef0";
const CALLERS: usize = 64;
const LEFT: usize = 200;

/// A stop takes 12 s at most on a machine that is idle otherwise; with what was queued worked off it
/// took 77 s there.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// How long a client waits after ThrottlingException, as SDKs do.
const BACK_OFF: Duration = Duration::from_millis(100);

fn done(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Done(value) => value,
        other @ (Outcome::Refused(_) | Outcome::Lost) => panic!("{other:?}"),
    }
}

fn new_key(caller: &mut Caller, input: &Value) -> String {
    let key = done(caller.kms("CreateKey", input));
    key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

/// The samples of `/metrics` about work that makes keys.
fn key_generation(portcullis: &Portcullis) -> BTreeMap<String, f64> {
    let mut stream = TcpStream::connect(portcullis.authority()).unwrap();
    let host = portcullis.authority();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let samples = page.lines().filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let name = name.strip_prefix("portcullis_work_")?;
        let name = name.replace("class=\"key-generation\"", "");
        Some((name, value.parse().ok()?))
    });
    samples.collect()
}

fn waiting(portcullis: &Portcullis) -> f64 {
    key_generation(portcullis)["queue_jobs{}"]
}

/// Jobs with this outcome.
fn jobs(samples: &BTreeMap<String, f64>, outcome: &str) -> f64 {
    samples[&format!("jobs_total{{,outcome=\"{outcome}\"}}")]
}

/// Calls GenerateDataKeyPair until `stop`, and pauses when it is throttled. Gives how often it was
/// served and throttled; nothing else is an answer before the stop.
fn make_pairs(portcullis: &Portcullis, key: &str, stop: &AtomicBool) -> (usize, usize) {
    let mut caller = Caller::new(portcullis.authority());
    let body = json!({ "KeyId": key, "KeyPairSpec": "RSA_4096" });
    let (mut served, mut throttled) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        match caller.kms("GenerateDataKeyPair", &body) {
            Outcome::Done(_) => served += 1,
            Outcome::Refused(why) if why["__type"] == "ThrottlingException" => {
                let text = why["message"].as_str().unwrap();
                assert!(text.contains("Nothing was changed"), "{text}");
                throttled += 1;
                std::thread::sleep(BACK_OFF);
            }
            // It stops: what waits is refused, and what is being made may outlast the drain.
            Outcome::Refused(why) if why["__type"] == "ServiceUnavailableException" => break,
            Outcome::Lost => break,
            other @ Outcome::Refused(_) => panic!("{other:?}"),
        }
    }
    (served, throttled)
}

/// Has the callers end, also when the test fails: the scope waits for them.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn connection_state(caller: &mut Caller) -> String {
    let input = json!({ "CustomKeyStoreId": STORE });
    let found = done(caller.kms("DescribeCustomKeyStores", &input));
    let state = &found["CustomKeyStores"][0]["ConnectionState"];
    state.as_str().unwrap().to_owned()
}

fn becomes(caller: &mut Caller, operation: &str, state: &str) {
    let began = Instant::now();
    done(caller.kms(operation, &json!({ "CustomKeyStoreId": STORE })));
    eventually(state, || {
        let now = connection_state(caller);
        assert_ne!(now, "FAILED", "{operation}");
        (now == state).then_some(())
    });
    eprintln!("{operation}: {state} after {:?}", began.elapsed());
}

/// What people do while the machine makes keys: log in, disconnect, connect, encrypt.
fn people_work(portcullis: &Portcullis) {
    let began = Instant::now();
    let users = portcullis.shell(&format!(
        "CLOUDHSM_CLUSTER_ID={CLUSTER} CLOUDHSM_ROLE=admin CLOUDHSM_PIN=admin:adminPassword \
         portcullis cloudhsm-cli user list"
    ));
    assert!(users.contains("kmsuser"), "{users}");
    eprintln!("login and list: {:?}", began.elapsed());
    let mut caller = Caller::new(portcullis.authority());
    becomes(&mut caller, "DisconnectCustomKeyStore", "DISCONNECTED");
    becomes(&mut caller, "ConnectCustomKeyStore", "CONNECTED");
    let input = json!({ "KeyId": "alias/old", "Plaintext": "aGVsbG8=" });
    done(caller.kms("Encrypt", &input));
}

/// Creates RSA keys beside the others; gives those that were acknowledged. A refused one is not there.
fn create_keys(portcullis: &Portcullis) -> BTreeSet<String> {
    let mut caller = Caller::new(portcullis.authority());
    let input = json!({ "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" });
    let mut made = BTreeSet::new();
    for _ in 0..4 {
        match caller.kms("CreateKey", &input) {
            Outcome::Done(key) => {
                made.insert(key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned());
            }
            Outcome::Refused(why) => assert_eq!(why["__type"], "ThrottlingException", "{why}"),
            Outcome::Lost => panic!("the connection broke"),
        }
    }
    made
}

fn all_keys(portcullis: &Portcullis) -> BTreeSet<String> {
    let mut caller = Caller::new(portcullis.authority());
    let listed = done(caller.kms("ListKeys", &json!({ "Limit": 1000 })));
    let keys = listed["Keys"].as_array().unwrap().iter();
    let ids = keys.map(|key| key["KeyId"].as_str().unwrap().to_owned());
    ids.collect()
}

/// Rules WORK-01, WORK-04 and WORK-05.
#[test]
fn beside_callers_that_make_keys_people_work_and_it_stops_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let world = root().join("tests/clients/keys.toml");
    let world = world.to_str().unwrap();
    let arguments = ["--world", world, "--data", folder.path().to_str().unwrap()];
    let mut portcullis = Portcullis::up(&arguments);
    let key = new_key(&mut Caller::new(portcullis.authority()), &json!({}));
    let before = all_keys(&portcullis);
    let (stop, mut made) = (AtomicBool::new(false), BTreeSet::new());
    let mut signalled = None;
    std::thread::scope(|scope| {
        let stop_callers = StopOnDrop(&stop);
        let make = || make_pairs(&portcullis, &key, &stop);
        #[expect(clippy::needless_collect, reason = "all call at once")]
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(make)).collect();
        eventually("calls wait", || (waiting(&portcullis) > 0.0).then_some(()));
        people_work(&portcullis);
        made = create_keys(&portcullis);
        eventually("some call is throttled", || {
            let samples = key_generation(&portcullis);
            (jobs(&samples, "refused") + jobs(&samples, "expired") > 0.0).then_some(())
        });
        eventually("calls wait", || (waiting(&portcullis) > 0.0).then_some(()));
        portcullis.signal("-TERM");
        signalled = Some(Instant::now());
        drop(stop_callers);
        let ends = callers.into_iter().map(|caller| caller.join().unwrap());
        let counts: Vec<(usize, usize)> = ends.collect();
        let served: usize = counts.iter().map(|count| count.0).sum();
        let throttled: usize = counts.iter().map(|count| count.1).sum();
        eprintln!("{served} pairs made, {throttled} calls throttled");
    });
    let ended = portcullis.wait();
    assert!(ended.success(), "{ended}");
    let took = signalled.unwrap().elapsed();
    eprintln!("stopped in {took:?}");
    assert!(took < STOPS_WITHIN, "{took:?}");
    drop(portcullis);
    // What was acknowledged is there, what was refused is not, and nothing is left half made.
    let again = Portcullis::up(&arguments);
    let expected: BTreeSet<String> = before.union(&made).cloned().collect();
    assert_eq!(all_keys(&again), expected);
    let mut caller = Caller::new(again.authority());
    for key in made {
        done(caller.kms("GetPublicKey", &json!({ "KeyId": key })));
    }
    eventually("the key store is connected again", || {
        (connection_state(&mut caller) == "CONNECTED").then_some(())
    });
}

/// Rule WORK-02.
#[test]
fn clients_that_left_cost_nothing() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral"]);
    let key = new_key(&mut Caller::new(portcullis.authority()), &json!({}));
    let body = json!({ "KeyId": key, "KeyPairSpec": "RSA_4096" }).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\nx-amz-target: TrentService.GenerateDataKeyPair\r\n\
         content-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
        portcullis.authority(),
        body.len()
    );
    let send = |_| {
        let mut stream = TcpStream::connect(portcullis.authority()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let clients: Vec<TcpStream> = (0..LEFT).map(send).collect();
    drop(clients);
    let samples = eventually("nothing is left to do", || {
        let samples = key_generation(&portcullis);
        let outcomes = ["begun", "left", "expired", "refused"];
        let jobs: f64 = outcomes.iter().map(|name| jobs(&samples, name)).sum();
        let idle = samples["queue_jobs{}"] + samples["running_jobs{}"] == 0.0;
        (idle && jobs > 0.0).then_some(samples)
    });
    eprintln!("{samples:?}");
    // Those that were being made when their clients left, and those that were made before.
    let begun = jobs(&samples, "begun");
    assert!(begun < LEFT as f64 / 4.0, "{samples:?}");
}
