//! Connections whose other side is slow, silent or many, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::edge::World;
use crate::config::Auth;
use crate::http::{self, Bounds};
use crate::limits::{Limits, Patience};

/// How long anything that a test waits for may take, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

const BIG: usize = 2 << 20;

/// Limits of a server for few and impatient tests.
fn limits() -> Limits {
    Limits {
        patience: Patience {
            body: Duration::from_millis(300),
            write: Duration::from_millis(500),
            ..Patience::default()
        },
        ..Limits::default()
    }
}

/// `/echo` gives back what it is sent, `/big` gives two megabytes, `/stream` as many in pieces.
fn world(limits: Limits, cores: usize) -> World {
    let bounds = Bounds::new(limits, cores);
    let of_stream = Arc::clone(&bounds);
    let stream = move || async move {
        let pieces = (0..BIG / 1024).map(|_| vec![b'p'; 1024]);
        http::stream(&of_stream, "text/plain", pieces)
    };
    let router = Router::new()
        .route("/_portcullis/health", get(|| async { "alive" }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/big", get(|| async { vec![b'b'; BIG] }))
        .route("/stream", get(stream));
    World::with(Auth::Open, cores, bounds, router)
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.unwrap_or_else(|_elapsed| panic!("{what}: not within {DEADLINE:?}"))
}

/// A connection to which bytes are sent as they stand.
struct Raw(TcpStream);

impl Raw {
    async fn open(world: &World) -> Self {
        Self(TcpStream::connect(world.running.address).await.unwrap())
    }

    async fn sent(world: &World, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::open(world).await;
        raw.send(bytes).await;
        raw
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// All that comes until the server closes.
    async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let read = within("the server closes", self.0.read_to_end(&mut all)).await;
        let _reset = read.is_err();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Whether the server has closed, having said nothing more.
    async fn is_closed(&mut self) -> bool {
        self.rest().await.is_empty()
    }

    /// The next bytes that come.
    async fn some(&mut self) -> String {
        let mut some = vec![0; 65_536];
        let count = within("the server answers", self.0.read(&mut some)).await;
        String::from_utf8_lossy(&some[..count.unwrap_or(0)]).into_owned()
    }
}

fn call(target: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: TrentService.{target}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

const KEY: &str = r#"{"KeyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}"#;

impl World {
    /// A sample of the metrics.
    fn metric(&self, name: &str) -> u64 {
        let page = crate::metrics::page(&self.metrics);
        let found = page.lines().find_map(|line| line.strip_prefix(name));
        let value = found.unwrap_or_else(|| panic!("no {name} in\n{page}"));
        value.trim().parse().unwrap()
    }

    fn closed(&self, reason: &str) -> u64 {
        self.metric(&format!(
            "portcullis_connections_closed_total{{reason=\"{reason}\"}}"
        ))
    }

    fn open(&self, phase: &str) -> u64 {
        self.metric(&format!("portcullis_connections{{phase=\"{phase}\"}}"))
    }

    /// Waits until the metrics are so.
    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let is_so = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(what, is_so).await;
    }

    async fn stop(self) {
        within("the server stops", self.running.shutdown()).await;
    }
}

/// Rule WIRE-35.
#[tokio::test]
async fn who_says_nothing_or_half_a_head_is_closed() {
    let mut limits = limits();
    limits.patience.head = Duration::from_secs(2);
    let world = world(limits, 1);
    let list = call("ListKeys", "{}");
    let mut closing = Vec::new();
    for sent in ["", "POST / HTTP/1.1\r\nhost: x\r\n", &list] {
        closing.push(Raw::sent(&world, sent).await);
    }
    let mut lively = Raw::open(&world).await;
    let all_closed = async {
        for raw in &mut closing {
            let rest = raw.rest().await;
            assert!(
                rest.is_empty() || rest.starts_with("HTTP/1.1 200"),
                "{rest}"
            );
        }
    };
    let goes_on = async {
        loop {
            lively.send(&list).await;
            assert!(lively.some().await.starts_with("HTTP/1.1 200"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        biased;
        () = all_closed => {}
        () = goes_on => {}
    }
    world
        .until("both are counted", |world| {
            world.closed("idle") == 2 && world.closed("head") == 1
        })
        .await;
    world.serves().await;
    world.stop().await;
}

/// Rule WIRE-23.
#[tokio::test]
async fn a_body_that_does_not_come_is_given_up_whatever_path_it_was_sent_to() {
    let world = world(limits(), 1);
    let length = "content-type: application/json\r\ncontent-length: 100\r\n";
    let chunked = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let cases = [
        ("POST", "/", length, 400, "SerializationException"),
        ("POST", "/echo", length, 408, "did not arrive"),
        ("POST", "/echo", chunked, 408, "did not arrive"),
        ("POST", "/_portcullis/chaos", length, 408, "did not arrive"),
        ("PUT", "/nowhere", length, 408, "did not arrive"),
        ("GET", "/big", length, 408, "did not arrive"),
    ];
    let mut waiting = Vec::new();
    for (method, path, headers, ..) in cases {
        let mut raw = Raw::sent(&world, request(method, path, headers)).await;
        let begun = if headers == chunked { "5\r\nab" } else { "{" };
        raw.send(begun).await;
        waiting.push(raw);
    }
    for (raw, (method, path, _, status, says)) in waiting.iter_mut().zip(cases) {
        let reply = raw.rest().await;
        let starts = format!("HTTP/1.1 {status}");
        assert!(reply.starts_with(&starts), "{method} {path}: {reply}");
        assert!(reply.contains(says), "{method} {path}: {reply}");
    }
    world
        .until("all are counted", |world| world.closed("body") == 6)
        .await;
    world.serves().await;
    world.stop().await;
}

/// Rule WIRE-03, WIRE-23.
#[tokio::test]
async fn a_body_has_the_same_bounds_on_every_path() {
    let world = world(limits(), 1);
    let mut client = world.client().await;
    let json = [("content-type", "application/json")];
    let most = Bytes::from(vec![b'x'; 1 << 20]);
    let reply = client.send("POST", "/echo", &json, most.clone()).await;
    assert_eq!((reply.status, reply.body.len()), (200, most.len()));
    for path in ["/", "/echo", "/nowhere"] {
        let more = Bytes::from(vec![b'x'; (1 << 20) + 1]);
        let reply = client.send("POST", path, &json, more).await;
        assert_eq!(reply.status, 413, "{path}: {reply:?}");
    }
    let mut raw = Raw::sent(
        &world,
        request("POST", "/echo", "transfer-encoding: chunked\r\n"),
    )
    .await;
    raw.send("fffffffff\r\n").await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 4"));
    world.stop().await;
}

/// Rule WIRE-25.
#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let world = world(limits(), 1);
    let calls = call("ListKeys", "{}").repeat(100_000);
    let mut silent = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::open(&world).await;
        let calls = calls.clone();
        // The server reads no more either, so that this does not end before the server closes.
        silent.push(tokio::spawn(async move {
            let _closed = raw.0.write_all(calls.as_bytes()).await;
            raw
        }));
    }
    let mut reads_nothing = Raw::sent(&world, request("GET", "/big", "")).await;
    reads_nothing.send(request("GET", "/stream", "")).await;
    world
        .until("all are closed", |world| world.closed("write") == 4)
        .await;
    assert_eq!(world.open("stalled"), 0);
    world.serves().await;
    drop(silent);
    world.stop().await;
}

/// Rule WIRE-25.
#[tokio::test]
async fn a_slow_reader_gets_the_whole_of_a_large_reply() {
    let mut limits = limits();
    limits.patience.write = Duration::from_secs(2);
    let world = world(limits, 1);
    for path in ["/big", "/stream"] {
        let close = request("GET", path, "connection: close\r\n");
        let mut raw = Raw::sent(&world, close).await;
        let mut part = vec![0; 128 << 10];
        let mut count = 0;
        loop {
            let read = within("some of the reply", raw.0.read(&mut part)).await;
            match read.unwrap() {
                0 => break,
                bytes => count += bytes,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(count > BIG, "{path}: {count} bytes");
    }
    assert_eq!(world.closed("write"), 0);
    world.stop().await;
}

/// Rule WIRE-27.
#[tokio::test]
async fn when_no_place_is_left_the_longest_idle_connection_makes_room() {
    let mut limits = limits();
    limits.connections_max = 3;
    let world = world(limits, 1);
    let list = call("ListKeys", "{}");
    let mut busy = Raw::sent(&world, call("DescribeKey", KEY)).await;
    world.fake.entered.acquire().await.unwrap().forget();
    let mut longest = Raw::sent(&world, &list).await;
    assert!(longest.some().await.starts_with("HTTP/1.1 200"));
    // It has half a head, and has had it for longer than the next one is there.
    let mut half = Raw::sent(&world, "POST / HTT").await;
    world
        .until("both wait", |world| world.open("waiting") == 2)
        .await;
    let mut fourth = Raw::sent(&world, &list).await;
    assert!(fourth.some().await.starts_with("HTTP/1.1 200"));
    assert!(longest.is_closed().await);
    let mut fifth = Raw::sent(&world, &list).await;
    assert!(fifth.some().await.starts_with("HTTP/1.1 200"));
    assert!(half.is_closed().await);
    // Those that were served last are there still, and so is the one that was busy.
    fourth.send(&list).await;
    assert!(fourth.some().await.starts_with("HTTP/1.1 200"));
    world.fake.release.add_permits(1);
    assert!(busy.some().await.starts_with("HTTP/1.1 200"));
    assert_eq!(world.closed("full"), 2);
    world.stop().await;
}

/// Rules WIRE-28 and WIRE-32.
#[tokio::test]
async fn when_all_are_busy_a_new_connection_is_refused_at_once_and_the_health_is_told() {
    let mut limits = limits();
    limits.connections_max = 2;
    limits.refusals_per_core_max = 4;
    let world = world(limits, 1);
    let mut busy = Vec::new();
    for _ in 0..2 {
        busy.push(Raw::sent(&world, call("DescribeKey", KEY)).await);
        world.fake.entered.acquire().await.unwrap().forget();
    }
    // Those who come and say nothing, or not all, do not keep the others from being answered.
    let mut slow = Vec::new();
    for _ in 0..30 {
        slow.push(Raw::open(&world).await);
        slow.push(Raw::sent(&world, request("POST", "/", "content-length: 9\r\n")).await);
    }
    let aws = Raw::sent(&world, call("ListKeys", "{}")).await.rest().await;
    let (head, body) = aws.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503"), "{aws}");
    for header in [
        "retry-after: 1",
        "connection: close",
        "content-type: application/x-amz-json-1.1",
        "x-amzn-errortype: ServiceUnavailableException",
    ] {
        assert!(head.contains(header), "{header}: {aws}");
    }
    assert!(
        body.contains(r#""__type":"ServiceUnavailableException","message":"#),
        "{aws}"
    );
    let large = format!("content-length: {}\r\n", 1 << 20);
    let mut other = Raw::sent(&world, request("POST", "/echo", &large)).await;
    other.send(vec![b'x'; 1 << 20]).await;
    let other = other.rest().await;
    assert!(other.starts_with("HTTP/1.1 503"), "{other}");
    assert!(other.contains("retry-after: 1") && other.contains(r#"{"message":"#));
    let health = request("GET", "/_portcullis/health", "");
    let health = Raw::sent(&world, health).await.rest().await;
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    assert!(health.ends_with("alive"), "{health}");
    // Who says half a head, or sends half a body, is gone soon.
    let mut half = Raw::sent(&world, "GET /_portcullis/health HTTP/1.1\r\nhost").await;
    assert!(half.is_closed().await);
    let mut half = Raw::sent(&world, request("POST", "/", "content-length: 9\r\n")).await;
    assert!(half.rest().await.starts_with("HTTP/1.1 503"));
    assert_eq!(world.open("serving"), 2);
    assert!(world.metric("portcullis_connections_refused_total") >= 50);
    world.fake.release.add_permits(2);
    for busy in &mut busy {
        assert!(busy.some().await.starts_with("HTTP/1.1 200"));
    }
    world.serves().await;
    world.stop().await;
}

/// Rule WIRE-28.
#[tokio::test]
async fn a_core_that_is_full_answers_although_another_is_not() {
    let mut limits = limits();
    limits.connections_max = 16;
    let world = world(limits, 2);
    let mut busy = Vec::new();
    // Until both cores are full: the kernel chooses the core of each.
    while world.open("serving") < 16 {
        busy.push(Raw::sent(&world, call("DescribeKey", KEY)).await);
        let refused = world.metric("portcullis_connections_refused_total");
        assert!(busy.len() < 400, "{refused} refused");
        let all = busy.len() as u64;
        world
            .until("it is served or refused", |world| {
                world.open("serving") + world.metric("portcullis_connections_refused_total") >= all
            })
            .await;
    }
    let refused = Raw::sent(&world, call("ListKeys", "{}")).await.rest().await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    world.fake.release.add_permits(16);
    world
        .until("all are answered", |world| world.open("serving") == 0)
        .await;
    world.serves().await;
    world.stop().await;
}

/// Rule WIRE-29.
#[tokio::test]
async fn heads_and_bodies_in_pieces_share_a_budget() {
    let mut limits = limits();
    limits.request_bytes_max = 100 << 10;
    limits.patience.body = DEADLINE;
    let world = world(limits, 1);
    let length = "content-length: 65536\r\n";
    let mut first = Raw::sent(&world, request("POST", "/echo", length)).await;
    first.send(vec![b'x'; 60 << 10]).await;
    world
        .until("the first is read", |world| world.open("reading") == 1)
        .await;
    let mut second = Raw::sent(&world, request("POST", "/echo", length)).await;
    second.send(vec![b'x'; 60 << 10]).await;
    let second = second.rest().await;
    assert!(second.starts_with("HTTP/1.1 503"), "{second}");
    assert!(second.contains("retry-after: 1"), "{second}");
    let mut aws = call("ListKeys", &" ".repeat(60 << 10));
    aws.truncate(aws.len() - 1);
    let aws = Raw::sent(&world, aws).await.rest().await;
    assert!(aws.contains("ServiceUnavailableException"), "{aws}");
    let large = format!("x-large: {}", "x".repeat(60_000));
    let mut head = Raw::sent(&world, request("GET", "/echo", &large)).await;
    assert!(head.is_closed().await);
    world
        .until("it is counted", |world| world.closed("bytes") == 1)
        .await;
    // What comes in one piece is served as ever, and the rest when the first is done.
    world.serves().await;
    first.send(vec![b'x'; 4 << 10]).await;
    assert!(first.some().await.starts_with("HTTP/1.1 200"));
    drop(first);
    world
        .until("the first is gone", |world| world.open("serving") == 0)
        .await;
    let head = request("GET", "/echo", &format!("{large}\r\n"));
    let head = Raw::sent(&world, head).await.some().await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    world.stop().await;
}

/// Rule WIRE-30.
#[tokio::test]
async fn replies_that_are_not_read_share_a_budget_and_the_next_is_refused() {
    let mut limits = limits();
    limits.reply_bytes_max = BIG + (100 << 10);
    limits.patience.write = DEADLINE;
    let world = world(limits, 1);
    let mut whole = Raw::sent(&world, request("GET", "/big", "connection: close\r\n")).await;
    let mut pieces = Raw::sent(&world, request("GET", "/stream", "connection: close\r\n")).await;
    world
        .until("both stall", |world| world.open("stalled") == 2)
        .await;
    for path in ["/big", "/stream"] {
        let refused = Raw::sent(&world, request("GET", path, ""))
            .await
            .some()
            .await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{path}: {refused}");
        assert!(refused.contains("retry-after: 1"), "{path}: {refused}");
    }
    let health = request("GET", "/_portcullis/health", "");
    let health = Raw::sent(&world, health).await.some().await;
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    world.serves().await;
    for raw in [&mut whole, &mut pieces] {
        let reply = raw.rest().await;
        assert!(reply.len() > BIG, "{} bytes", reply.len());
    }
    for path in ["/big", "/stream"] {
        let close = request("GET", path, "connection: close\r\n");
        let reply = Raw::sent(&world, close).await.rest().await;
        assert!(reply.starts_with("HTTP/1.1 200"), "{path}");
        assert!(reply.len() > BIG, "{path}: {} bytes", reply.len());
    }
    world.stop().await;
}

/// Rule WIRE-29.
#[tokio::test]
async fn of_replies_of_calls_that_are_not_read_the_longest_unread_is_given_up() {
    let mut limits = limits();
    limits.unread_bytes_max = 6 << 20;
    limits.patience.write = DEADLINE;
    let world = world(limits, 1);
    let list = call("ListGrants", KEY);
    let _first = Raw::sent(&world, &list).await;
    world
        .until("the first stalls", |world| world.open("stalled") == 1)
        .await;
    let mut second = Raw::sent(&world, &list).await;
    world
        .until("the first is closed", |world| world.closed("bytes") == 1)
        .await;
    let mut reply = 0;
    while reply < 4 << 20 {
        let some = second.some().await.len();
        assert!(some > 0, "closed after {reply} bytes");
        reply += some;
    }
    world
        .until("nothing stalls", |world| world.open("stalled") == 0)
        .await;
    world.serves().await;
    world.stop().await;
}

/// Rule WIRE-31.
#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "the lock holds another thread on purpose"
)]
async fn who_sends_many_requests_together_makes_nobody_wait_for_all_of_them() {
    let world = world(limits(), 1);
    let mut many = Vec::new();
    for account in ["111111111111", "222222222222"] {
        let signed = format!(
            "host: localhost\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={account}/20260830/us-east-1/kms/aws4_request, SignedHeaders=host, \
             Signature={}",
            "0".repeat(64)
        );
        let calls = call("ListKeys", "{}").replace("host: localhost", &signed);
        many.push((Raw::open(&world).await, calls.repeat(8)));
    }
    world
        .until("both wait", |world| world.open("waiting") == 2)
        .await;
    // The core is held until all of them are there.
    let held = world.fake.core.lock();
    let mut holder = TcpStream::connect(world.running.address).await.unwrap();
    let hold = call("GetPublicKey", KEY);
    holder.write_all(hold.as_bytes()).await.unwrap();
    world.fake.entered.acquire().await.unwrap().forget();
    for (raw, calls) in &mut many {
        raw.send(calls).await;
    }
    drop(held);
    world
        .until("all are answered", |world| {
            world.fake.callers.lock().len() == 16
        })
        .await;
    let callers = world.fake.callers.lock().clone();
    let first = callers
        .iter()
        .take(4)
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(first.len(), 2, "{callers:?}");
    world.stop().await;
}

/// Sends a head and expects it to be refused with this status, in JSON that says this.
async fn is_refused(world: &World, head: &str, status: u16, says: &str) {
    let what = &head[..head.len().min(100)];
    let mut raw = Raw::open(world).await;
    // What is refused before its end is not read to it.
    let _closed_early = raw.0.write_all(head.as_bytes()).await;
    let reply = raw.rest().await;
    let starts = reply.get(..12).unwrap_or_default();
    assert!(starts.ends_with(&format!(" {status}")), "{what}: {reply}");
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("json"), "{what}: {reply}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let message = body["message"].as_str().unwrap();
    assert!(message.contains(says), "{what}: {reply}");
}

/// What a head says of the length of its body, beside `Host`.
const LENGTHS: [(&str, u16, &str); 14] = [
    (
        "content-length: 18446744073709551615",
        413,
        "Content-Length",
    ),
    (
        "content-length: 18446744073709551614",
        413,
        "Content-Length",
    ),
    ("content-length: 18446744073709551616", 400, "length"),
    ("content-length: 9223372036854775807", 413, "1048576 bytes"),
    ("content-length: -1", 400, "length"),
    ("content-length: +1", 400, "length"),
    ("content-length: 0x1", 400, "length"),
    ("content-length: ten", 400, "length"),
    ("content-length: 1\r\ncontent-length: 2", 400, "length"),
    ("content-length: 1, 2", 400, "length"),
    ("transfer-encoding: gzip", 400, "length"),
    ("transfer-encoding: chunked, gzip", 400, "length"),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: gzip",
        400,
        "length",
    ),
    (
        "content-length: 9\r\ntransfer-encoding: gzip",
        400,
        "length",
    ),
];

/// Heads that are wrong in another way: the rest of the first line, and the headers.
const OTHERS: [(&str, &str, u16, &str); 10] = [
    ("/ HTTP/1.1", "", 400, "no Host"),
    ("/echo HTTP/1.1", "", 400, "no Host"),
    ("/ HTTP/1.1", "host: a\r\nhost: a\r\n", 400, "two Host"),
    ("/ HTTP/1.1", "host: a\r\nHost: b\r\n", 400, "two Host"),
    (
        "/ HTTP/1.0",
        "transfer-encoding: chunked\r\n",
        400,
        "length",
    ),
    ("/ HTTP/1.1", "host : a\r\n", 400, "malformed"),
    ("/ HTTP/1.1", "no colon\r\nhost: a\r\n", 400, "malformed"),
    ("/ HTTP/1.1", "host: a\r\n folded\r\n", 400, "malformed"),
    ("/ b HTTP/1.1", "host: a\r\n", 400, "malformed"),
    ("/ HTTP/3.0", "host: a\r\n", 400, "malformed"),
];

/// Rule WIRE-24.
#[tokio::test]
async fn heads_that_say_two_things_or_too_much_are_refused_in_json() {
    let world = world(limits(), 1);
    for (headers, status, says) in LENGTHS {
        for path in ["/nowhere", "/echo"] {
            let head = request("POST", path, &format!("{headers}\r\n"));
            is_refused(&world, &head, status, says).await;
        }
    }
    for (line, headers, status, says) in OTHERS {
        let head = format!("POST {line}\r\n{headers}\r\n");
        is_refused(&world, &head, status, says).await;
    }
    let large = format!("x-large: {}\r\n", "x".repeat(70_000));
    let large = request("POST", "/", &large);
    is_refused(&world, &large, 431, "65536 bytes").await;
    let many = request("POST", "/", &"x: y\r\n".repeat(120));
    is_refused(&world, &many, 431, "100 headers").await;
    let long = request("POST", &"/".repeat(70_000), "");
    is_refused(&world, &long, 414, "65536 bytes").await;
    // Without a host, HTTP/1.0 is served.
    is_refused(&world, "POST /nowhere HTTP/1.0\r\n\r\n", 404, "nothing at").await;
    world.serves().await;
    world.stop().await;
}

/// Rule WIRE-24.
#[tokio::test]
async fn what_is_no_head_at_all_is_answered_or_closed() {
    let world = world(limits(), 1);
    for (bytes, expected) in [
        // A TLS hello, and the preface of HTTP/2, which speaks otherwise than in lines.
        (
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
            "HTTP/1.1 400",
        ),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        (b"\r\n\r\n", ""),
        (
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /\x00 HTTP/1.1\r\n\r\n",
            "HTTP/1.1 404",
        ),
    ] {
        let mut raw = Raw::sent(&world, bytes).await;
        raw.0.shutdown().await.unwrap();
        let reply = raw.rest().await;
        assert!(reply.starts_with(expected), "{bytes:?}: {reply}");
        assert!(
            !expected.is_empty() || reply.is_empty(),
            "{bytes:?}: {reply}"
        );
    }
    // A chunked body, whatever length is said beside it: the length is taken away (RFC 9112, 6.3).
    let both = "transfer-encoding: chunked\r\ncontent-length: 3\r\nconnection: close\r\n";
    let mut raw = Raw::sent(&world, request("POST", "/echo", both)).await;
    raw.send("5\r\nhello\r\n0\r\n\r\n").await;
    let reply = raw.rest().await;
    assert!(
        reply.starts_with("HTTP/1.1 200") && reply.ends_with("hello"),
        "{reply}"
    );
    world.stop().await;
}

#[tokio::test]
async fn unusual_methods_and_forms_of_a_path_are_answered() {
    let world = world(limits(), 1);
    let close = "connection: close\r\n";
    for (method, path, status) in [
        ("HEAD", "/_portcullis/health", 200),
        ("HEAD", "/nowhere", 404),
        ("HEAD", "/stream", 200),
        ("OPTIONS", "*", 404),
        ("OPTIONS", "/_portcullis/health", 404),
        ("GET", "http://localhost/_portcullis/health", 200),
        ("POST", "http://localhost/", 400),
        ("CONNECT", "localhost:443", 404),
        ("TRACE", "/", 404),
        ("BREW", "/", 404),
    ] {
        let reply = Raw::sent(&world, request(method, path, close))
            .await
            .rest()
            .await;
        let starts = format!("HTTP/1.1 {status}");
        assert!(reply.starts_with(&starts), "{method} {path}: {reply}");
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            method == "HEAD",
            body.is_empty(),
            "{method} {path}: {reply}"
        );
    }
    // Neither is a connection that was used so left in a state that is not waited in.
    let mut raw = Raw::sent(&world, request("HEAD", "/stream", "")).await;
    assert!(raw.some().await.starts_with("HTTP/1.1 200"));
    world
        .until("it waits", |world| world.open("waiting") == 1)
        .await;
    raw.send(call("ListKeys", "{}")).await;
    assert!(raw.some().await.starts_with("HTTP/1.1 200"));
    world.stop().await;
}

/// Rule WIRE-26.
#[tokio::test]
async fn a_stop_waits_for_nobody_who_has_no_request_and_not_for_ever_for_the_others() {
    let mut limits = limits();
    limits.patience.body = DEADLINE;
    limits.patience.write = DEADLINE;
    // Those with no request under way are closed at once, though the drain is long.
    limits.drain = 10 * DEADLINE;
    let waiting = world(limits.clone(), 2);
    let mut raws = Vec::new();
    for _ in 0..8 {
        raws.push(Raw::open(&waiting).await);
        raws.push(Raw::sent(&waiting, "POST / HTTP/1.1\r\nhost: ").await);
        raws.push(Raw::sent(&waiting, call("ListKeys", "{}")).await);
    }
    waiting
        .until("all wait", |world| world.open("waiting") == 24)
        .await;
    waiting.stop().await;
    // The others are cut when the drain is over.
    limits.drain = Duration::from_millis(200);
    let busy = world(limits, 2);
    for _ in 0..8 {
        raws.push(Raw::sent(&busy, request("POST", "/", "content-length: 9\r\n")).await);
        raws.push(Raw::sent(&busy, request("GET", "/stream", "")).await);
    }
    busy.until("all are busy", |world| {
        world.open("reading") == 8 && world.open("stalled") == 8
    })
    .await;
    busy.stop().await;
}
