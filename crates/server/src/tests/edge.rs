//! The edge over a real socket, in front of a service that answers by the book.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_api::{Code, Exception, Operation, Scope};
use portcullis_kms::{Principal, RequestOrigin};
use portcullis_seam::{SystemClock, SystemEntropy};
use portcullis_sigv4::Signer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::client::EventClient;
use crate::config::{Auth, Credentials, ServerConfig};
use crate::decode::Input;
use crate::events::{CallNotes, EventFilter, EventLog};
use crate::handle::{Answer, Handle};
use crate::http::{Bounds, Front, SharedByCores};
use crate::limits::Limits;
use crate::metrics::CoreMetrics;
use crate::running::{Opening, Running, start};
use crate::surface::Surface;

/// Answers by operation: ListKeys gives its scope, DescribeKey waits to be released, EnableKey
/// waits too and then counts itself, GenerateRandom panics, DescribeClusters fails, ListGrants gives
/// four megabytes, GetPublicKey holds its core for as long as the test holds `core`.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) entered: Semaphore,
    pub(super) release: Semaphore,
    changed: Semaphore,
    pub(super) core: Mutex<()>,
    /// The accounts that called ListKeys.
    pub(super) callers: Mutex<Vec<String>>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is one case")]
impl Handle for Fake {
    fn permit(
        &self,
        _: (&Principal, &RequestOrigin),
        _: &Scope,
        _: &Input,
    ) -> Result<(), Exception> {
        Ok(())
    }

    fn call<'a>(&'a self, scope: &'a Scope, input: Input, _: &'a mut CallNotes) -> Answer<'a> {
        Box::pin(async move {
            match input.operation() {
                Operation::ListKeys => {
                    self.callers.lock().push(scope.account.to_string());
                    Ok(Bytes::from(format!(
                        r#"{{"account":"{}","region":"{}"}}"#,
                        scope.account, scope.region
                    )))
                }
                Operation::GetPublicKey => {
                    self.entered.add_permits(1);
                    drop(self.core.lock());
                    Ok(Bytes::new())
                }
                Operation::DescribeKey | Operation::EnableKey => {
                    self.entered.add_permits(1);
                    self.release.acquire().await.unwrap().forget();
                    self.changed.add_permits(1);
                    Ok(Bytes::new())
                }
                Operation::DescribeClusters => Err(Exception::new(
                    Code::CloudHsmInvalidRequest,
                    "A \"quoted\"\ntext.",
                )
                .because("never shown")),
                Operation::ListGrants => Ok(Bytes::from(vec![b' '; 4 << 20])),
                Operation::GenerateRandom => panic!("planted by the test"),
                other => Err(Exception::new(
                    Code::KmsInternal,
                    format!("no {other:?} here"),
                )),
            }
        })
    }
}

pub(super) struct World {
    pub(super) fake: Arc<Fake>,
    pub(super) running: Running,
    pub(super) metrics: Vec<Arc<CoreMetrics>>,
    events: Arc<EventLog>,
}

impl World {
    fn start(auth: Auth, cores: usize) -> Self {
        let bounds = Bounds::new(Limits::default(), cores);
        Self::with(auth, cores, bounds, Router::new())
    }

    pub(super) fn with(auth: Auth, cores: usize, bounds: Arc<Bounds>, router: Router) -> Self {
        let fake = Arc::new(Fake {
            entered: Semaphore::new(0),
            release: Semaphore::new(0),
            changed: Semaphore::new(0),
            core: Mutex::default(),
            callers: Mutex::default(),
        });
        let config = ServerConfig::default();
        let metrics: Vec<_> = (0..cores).map(|_| Arc::new(CoreMetrics::new())).collect();
        let handle: Arc<dyn Handle> = Arc::<Fake>::clone(&fake);
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let events = Arc::new(EventLog::new(config.events, clock, entropy).unwrap());
        let shared = SharedByCores {
            principals: None,
            auth,
            defaults: config.defaults,
            messages: portcullis_api::Messages::default(),
            bounds,
            host_names: Arc::default(),
            entropy: Arc::new(SystemEntropy),
            wall: Arc::new(SystemClock),
            services: handle,
            background: tokio::runtime::Handle::current(),
            events: Arc::clone(&events),
        };
        let opening = Opening {
            address: "127.0.0.1:0".parse().unwrap(),
            front: Front {
                router: crate::admin::nowhere(Surface::Everything, router),
                identity: None,
            },
            threads: "core",
            metrics: metrics.clone(),
        };
        let running = start(opening, None, shared).unwrap();
        Self {
            fake,
            running,
            metrics,
            events,
        }
    }

    pub(super) async fn client(&self) -> EventClient {
        EventClient::connect(self.running.address).await
    }

    pub(super) async fn serves(&self) {
        let reply = self
            .client()
            .await
            .call("TrentService.ListKeys", "{}")
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// Rules WIRE-01, WIRE-02, WIRE-03 and WIRE-04.
#[tokio::test]
async fn nonsense_is_refused_by_name_and_the_server_still_serves() {
    let world = World::start(Auth::Open, 1);
    let json = ("content-type", "application/x-amz-json-1.1");
    let encrypt = ("x-amz-target", "TrentService.Encrypt");
    let large = Bytes::from(vec![b' '; (1 << 20) + 1]);
    let target = |target: &'static str| ("x-amz-target", target);
    let cases: Vec<(Vec<(&str, &str)>, Bytes, _, _)> = vec![
        (vec![json], Bytes::new(), 400, "UnknownOperationException"),
        (
            vec![json, target("X.Y")],
            Bytes::new(),
            400,
            "UnknownOperationException",
        ),
        (
            vec![json, target("\u{e9}")],
            Bytes::new(),
            400,
            "UnknownOperationException",
        ),
        (vec![encrypt], "{}".into(), 400, "SerializationException"),
        (
            vec![("content-type", "text/xml"), encrypt],
            "{}".into(),
            400,
            "SerializationException",
        ),
        (
            vec![json, encrypt],
            "{".into(),
            400,
            "SerializationException",
        ),
        (
            vec![json, encrypt],
            Bytes::from_static(b"\0\xff\xfe"),
            400,
            "SerializationException",
        ),
        (vec![json, encrypt], "{}".into(), 400, "ValidationException"),
        (
            vec![json, encrypt],
            large,
            413,
            "RequestEntityTooLargeException",
        ),
    ];
    for (headers, body, status, code) in cases {
        let reply = world.client().await.send("POST", "/", &headers, body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{headers:?}"
        );
        world.serves().await;
    }
    world.running.shutdown().await;
}

/// Rule WIRE-14.
#[tokio::test]
async fn other_paths_and_methods_are_answered_with_where_to_go() {
    let world = World::start(Auth::Open, 1);
    for (method, path) in [
        ("GET", "/"),
        ("PUT", "/"),
        ("POST", "/elsewhere"),
        ("GET", "/x?y"),
    ] {
        let reply = world
            .client()
            .await
            .send(method, path, &[], Bytes::new())
            .await;
        assert_eq!(reply.status, 404, "{method} {path}");
        assert!(
            reply.body.contains("POST /"),
            "{method} {path}: {}",
            reply.body
        );
    }
    world.running.shutdown().await;
}

#[tokio::test]
async fn bytes_that_are_no_http_disturb_nobody() {
    let world = World::start(Auth::Open, 1);
    let mut head = String::from("POST / HTTP/1.1\r\n");
    for index in 0..4000 {
        write!(head, "x-padding-{index}: {:060}\r\n", 0).unwrap();
    }
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\r\n\r\n\r\n",
        b"POST",
        head.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(world.running.address).await.unwrap();
        let _closed_early = stream.write_all(bytes).await;
        let _closed_early = stream.shutdown().await;
        let mut reply = Vec::new();
        let _reset = stream.read_to_end(&mut reply).await;
        assert!(
            reply.is_empty() || reply.starts_with(b"HTTP/1.1 4"),
            "{reply:?}"
        );
        world.serves().await;
    }
    world.running.shutdown().await;
}

/// Rules WIRE-05 and WIRE-06.
#[tokio::test]
async fn replies_have_the_headers_and_the_error_form_of_their_service() {
    let world = World::start(Auth::Open, 1);
    let mut client = world.client().await;
    let good = client.call("TrentService.ListKeys", "{}").await;
    assert_eq!(good.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(good.header("x-amzn-errortype"), "");
    let hsm = client.call("BaldrApiService.DescribeClusters", "{}").await;
    assert_eq!(hsm.status, 400);
    assert_eq!(
        hsm.body,
        r#"{"__type":"CloudHsmInvalidRequestException","Message":"A \"quoted\"\ntext."}"#
    );
    let kms = client.call("TrentService.ListAliases", "{}").await;
    assert_eq!(kms.status, 500);
    assert!(
        kms.body.contains(r#","message":"no ListAliases here""#),
        "{}",
        kms.body
    );
    let ids = [&good, &hsm, &kms].map(|reply| reply.header("x-amzn-requestid").to_owned());
    assert_eq!(BTreeSet::from(ids).len(), 3);
    world.running.shutdown().await;
}

/// Rules WIRE-08, WIRE-09, WIRE-10 and WIRE-11.
#[tokio::test]
async fn under_verify_only_good_signatures_of_known_keys_pass() {
    let world = World::start(Auth::Verify(Credentials::default()), 1);
    let mut client = world.client().await;
    let signer =
        |user: &str, secret: &str, service: &str| Signer::new(user, secret, "eu-west-1", service);
    let good = client
        .signed(&signer("111122223333", "test", "kms"), b"{}", b"{}")
        .await;
    assert_eq!(
        good.body,
        r#"{"account":"111122223333","region":"eu-west-1"}"#
    );
    for (signer, sent, code) in [
        (
            signer("test", "wrong", "kms"),
            &b"{}"[..],
            "InvalidSignatureException",
        ),
        (
            signer("test", "test", "cloudhsm"),
            b"{}",
            "InvalidSignatureException",
        ),
        (
            signer("test", "test", "kms"),
            b"{ }",
            "InvalidSignatureException",
        ),
        (
            signer("AKIAUNKNOWN", "test", "kms"),
            b"{}",
            "UnrecognizedClientException",
        ),
    ] {
        let reply = client.signed(&signer, b"{}", sent).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code));
    }
    let unsigned = client.call("TrentService.ListKeys", "{}").await;
    assert_eq!(unsigned.code(), "MissingAuthenticationTokenException");
    let half = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "TrentService.ListKeys"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260830/us-east-1/kms/aws4_request",
        ),
    ];
    let reply = client.send("POST", "/", &half, Bytes::from("{}")).await;
    assert_eq!(reply.code(), "IncompleteSignatureException");
    world.running.shutdown().await;
}

/// Rule WIRE-07.
#[tokio::test]
async fn an_unsigned_request_gets_the_default_account_and_region() {
    let world = World::start(Auth::Open, 1);
    let reply = world.client().await.call("TrentService.ListKeys", "").await;
    assert_eq!(
        reply.body,
        r#"{"account":"000000000000","region":"us-east-1"}"#
    );
    world.running.shutdown().await;
}

/// Rule WIRE-17.
#[tokio::test]
async fn a_panic_is_answered_and_the_core_goes_on() {
    let world = World::start(Auth::Open, 1);
    let mut client = world.client().await;
    let reply = client
        .call("TrentService.GenerateRandom", r#"{"NumberOfBytes":8}"#)
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (500, "InternalFailure")
    );
    assert_eq!(client.call("TrentService.ListKeys", "{}").await.status, 200);
    world.running.shutdown().await;
}

const KEY: &str = r#"{"KeyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}"#;

/// Rule WIRE-16.
#[tokio::test]
async fn a_shutdown_answers_the_request_in_flight_and_accepts_no_more() {
    let world = World::start(Auth::Open, 2);
    let address = world.running.address;
    let mut client = world.client().await;
    let waiting = tokio::spawn(async move { client.call("TrentService.DescribeKey", KEY).await });
    let idle = world.client().await;
    world.fake.entered.acquire().await.unwrap().forget();
    let shutdown = tokio::spawn(world.running.shutdown());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!shutdown.is_finished());
    world.fake.release.add_permits(1);
    assert_eq!(waiting.await.unwrap().status, 200);
    shutdown.await.unwrap();
    drop(idle);
}

/// Rule WIRE-18.
#[tokio::test]
async fn a_change_is_carried_to_its_end_although_the_client_left() {
    let world = World::start(Auth::Open, 1);
    for (target, changed) in [
        ("TrentService.EnableKey", 1),
        ("TrentService.DescribeKey", 0),
    ] {
        let mut client = world.client().await;
        let leaving = tokio::spawn(async move { client.call(target, KEY).await });
        world.fake.entered.acquire().await.unwrap().forget();
        leaving.abort();
        // The core has seen the connection close when the call is no longer in flight.
        while world.metrics[0].in_flight() > 0 {
            tokio::task::yield_now().await;
        }
        world.fake.release.add_permits(1);
        if changed == 1 {
            world.fake.changed.acquire().await.unwrap().forget();
        } else {
            world.serves().await;
            assert_eq!(world.fake.changed.available_permits(), 0);
        }
    }
    world.running.shutdown().await;
}

#[tokio::test]
async fn all_cores_share_the_port_and_serve() {
    let world = World::start(Auth::Open, 3);
    for _ in 0..64 {
        world.serves().await;
    }
    let page = crate::metrics::page(&world.metrics);
    assert!(
        page.contains("operation=\"ListKeys\",outcome=\"success\"} 64"),
        "{page}"
    );
    let busy = world
        .metrics
        .iter()
        .filter(|core| crate::metrics::page(std::slice::from_ref(core)).contains("ListKeys"));
    assert!(
        busy.count() > 1,
        "the kernel gave every connection to one core"
    );
    world.running.shutdown().await;
}

/// Rule EV-05.
#[tokio::test]
async fn every_call_is_told_once_whatever_became_of_it() {
    let world = World::start(Auth::Open, 1);
    let mut client = world.client().await;
    let calls = [
        ("TrentService.ListKeys", "{}", None),
        ("TrentService.Encrypt", "{", Some("SerializationException")),
        ("TrentService.Encrypt", "{}", Some("ValidationException")),
        ("TrentService.GenerateRandom", "{}", Some("InternalFailure")),
        (
            "TrentService.CreateAlias",
            r#"{"AliasName":"alias/a","TargetKeyId":"k"}"#,
            Some("KMSInternalException"),
        ),
        (
            "BaldrApiService.DescribeClusters",
            "{}",
            Some("CloudHsmInvalidRequestException"),
        ),
    ];
    for (target, body, _code) in calls {
        client.call(target, body).await;
    }
    // What names no operation is no call.
    client.call("X.Y", "{}").await;
    let told = world.events.reader(EventFilter::default()).whole();
    let records = told["Records"].as_array().unwrap();
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["eventName"].as_str().unwrap(),
                record["errorCode"].as_str(),
            )
        })
        .collect();
    let expected: Vec<_> = calls
        .iter()
        .map(|(target, _body, code)| (target.split_once('.').unwrap().1, *code))
        .collect();
    assert_eq!(told, expected);
    let first = &records[0];
    assert_eq!(first["sourceIPAddress"], "127.0.0.1");
    assert_eq!(first["readOnly"], true);
    assert_eq!(first["userIdentity"]["accountId"], "000000000000");
    assert_eq!(records[4]["readOnly"], false);
    assert_eq!(records[5]["eventSource"], "cloudhsm.amazonaws.com");
}
