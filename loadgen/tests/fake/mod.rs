//! A small KMS over real sockets: key stores' states, clusters' passwords, three cryptographic
//! operations that keep their plaintexts, and faults that a load generator must notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use portcullis_seam::{SystemClock, SystemEntropy, WallClock, draw};
use portcullis_sigv4::{Authorization, Date, Request as Signed, Verifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Operations go through although the key store is disconnected.
    pub(crate) leaks: bool,
    /// Every so many Decrypts give another plaintext.
    pub(crate) wrong_plaintext_every: Option<u64>,
    /// Operations fail otherwise than as disconnected while the key store is disconnected.
    pub(crate) wrong_error: bool,
    /// Every so many operations fail as disconnected while the key store is connected.
    pub(crate) disconnected_every: Option<u64>,
    /// Every so many operations fail with KMSInternalException.
    pub(crate) internal_error_every: Option<u64>,
    /// After this many operations, all of them wait until the stall is over, once.
    pub(crate) stall: Option<(u64, Duration)>,
    /// Each operation takes this long.
    pub(crate) takes: Duration,
    /// Only one cluster exists.
    pub(crate) lonely: bool,
}

pub(crate) const KEY: &str =
    "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";
pub(crate) const STORE: &str = "cks-1234567890abcdef0";
pub(crate) const ADMIN_PASSWORD: &str = "admin-password";
const CLUSTERS: [&str; 2] = ["cluster-aaaaaaaaaaa", "cluster-bbbbbbbbbbb"];

/// A running fake. It ends with the process.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    name: String,
    names_seen: Vec<String>,
    cluster: String,
    clusters_seen: Vec<String>,
    /// The password that the key store hands over.
    handed: String,
    /// The password of kmsuser by cluster.
    passwords: BTreeMap<String, String>,
    connection: Connection,
    kept: Vec<(String, String)>,
    operations: u64,
    decrypts: u64,
    stalled_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Connection {
    Disconnected,
    Connecting(Instant),
    Connected,
    Failed,
}

impl Fake {
    pub(crate) fn start(faults: Faults) -> Self {
        let clusters: &[&str] = if faults.lonely {
            &CLUSTERS[..1]
        } else {
            &CLUSTERS
        };
        let state = Arc::new(Mutex::new(State {
            faults,
            name: "ExampleKeyStore".to_owned(),
            names_seen: Vec::new(),
            cluster: CLUSTERS[0].to_owned(),
            clusters_seen: Vec::new(),
            handed: String::new(),
            passwords: clusters
                .iter()
                .map(|id| ((*id).to_owned(), fresh()))
                .collect(),
            connection: Connection::Connected,
            kept: Vec::new(),
            operations: 0,
            decrypts: 0,
            stalled_until: None,
        }));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime
                .block_on(async { serve(TcpListener::from_std(listener).unwrap(), shared).await });
        });
        Self { endpoint, state }
    }

    /// Every name that the key store was given.
    pub(crate) fn names_seen(&self) -> Vec<String> {
        self.state.lock().unwrap().names_seen.clone()
    }

    /// Every cluster that the key store was pointed at.
    pub(crate) fn clusters_seen(&self) -> Vec<String> {
        self.state.lock().unwrap().clusters_seen.clone()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state.lock().unwrap().present() == Connection::Connected
    }

    pub(crate) fn disconnect(&self) {
        self.state.lock().unwrap().connection = Connection::Disconnected;
    }
}

fn fresh() -> String {
    HEXLOWER.encode(&draw::<8>(&SystemEntropy))
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

type Reply = Result<Value, (&'static str, &'static str)>;

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let input: Value = serde_json::from_slice(&body).unwrap();
    if head.uri.path() != "/" {
        let reply = state.lock().unwrap().admin(head.uri.path(), &input);
        return Ok(Response::new(Full::from(reply.to_string())));
    }
    let target = head.headers["x-amz-target"].to_str().unwrap().to_owned();
    if !is_signed(&head.headers, &body) {
        return Ok(refuse(
            "InvalidSignatureException",
            "the signature is wrong",
        ));
    }
    let (takes, stalled_until) = state.lock().unwrap().pauses(&target);
    if let Some(until) = stalled_until {
        tokio::time::sleep_until(until).await;
    }
    if takes > Duration::ZERO {
        tokio::time::sleep(takes).await;
    }
    Ok(match state.lock().unwrap().call(&target, &input) {
        Ok(reply) => Response::new(Full::from(reply.to_string())),
        Err((name, message)) => refuse(name, message),
    })
}

fn refuse(name: &str, message: &str) -> Response<Full<Bytes>> {
    let body = json!({ "__type": name, "message": message }).to_string();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn is_signed(headers: &hyper::HeaderMap, body: &[u8]) -> bool {
    let pairs: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let request = Signed {
        method: "POST",
        path: "/",
        query: "",
        headers: pairs.as_slice(),
        body,
    };
    let value = headers["authorization"].to_str().unwrap();
    let now = Date::from_unix_seconds(SystemClock.now().millis() / 1000);
    Authorization::parse(value).is_ok_and(|authorization| {
        Verifier::default()
            .verify(&request, &authorization, "test", now)
            .is_ok()
    })
}

fn text<'a>(input: &'a Value, name: &str) -> &'a str {
    input[name].as_str().unwrap_or_default()
}

impl State {
    fn present(&mut self) -> Connection {
        if let Connection::Connecting(until) = self.connection
            && Instant::now() >= until
        {
            let right = self.passwords.get(&self.cluster).cloned();
            let matches = self.handed.is_empty() || right == Some(self.handed.clone());
            self.connection = if matches {
                Connection::Connected
            } else {
                Connection::Failed
            };
            // As KMS does: from now on nobody else knows the password.
            self.passwords.insert(self.cluster.clone(), fresh());
            self.handed = String::new();
        }
        self.connection
    }

    fn pauses(&mut self, target: &str) -> (Duration, Option<Instant>) {
        if !["Encrypt", "Decrypt", "GenerateDataKey"]
            .iter()
            .any(|name| target.ends_with(name))
        {
            return (Duration::ZERO, None);
        }
        self.operations += 1;
        if let Some((after, lasts)) = self.faults.stall
            && self.operations == after
        {
            self.stalled_until = Some(Instant::now() + lasts);
        }
        (self.faults.takes, self.stalled_until)
    }

    fn call(&mut self, target: &str, input: &Value) -> Reply {
        match target.split('.').nth(1).unwrap() {
            "Encrypt" => self
                .gate()
                .map(|()| self.seal(input, text(input, "Plaintext"), false)),
            "GenerateDataKey" => {
                let key = base64_simd::STANDARD.encode_to_string(draw::<32>(&SystemEntropy));
                self.gate().map(|()| self.seal(input, &key, true))
            }
            "Decrypt" => self.gate().and_then(|()| self.open(input)),
            "ListKeys" => Ok(json!({ "Keys": [{ "KeyId": KEY }], "Truncated": false })),
            "DescribeKey" => Ok(json!({ "KeyMetadata": {
                "Arn": KEY, "KeyState": "Enabled", "CreationDate": 1.5, "CustomKeyStoreId": STORE,
            } })),
            "DescribeCustomKeyStores" => Ok(self.describe()),
            "DescribeClusters" => Ok(self.describe_clusters()),
            "DisconnectCustomKeyStore" => {
                self.connection = Connection::Disconnected;
                Ok(json!({}))
            }
            "ConnectCustomKeyStore" => {
                self.connection =
                    Connection::Connecting(Instant::now() + Duration::from_millis(20));
                Ok(json!({}))
            }
            "UpdateCustomKeyStore" => self.update(input),
            other => panic!("{other} is not in the fake"),
        }
    }

    fn gate(&mut self) -> Result<(), (&'static str, &'static str)> {
        const DISCONNECTED: (&str, &str) = ("KMSInvalidStateException", "the key is unavailable");
        let nth =
            |every: Option<u64>| every.is_some_and(|every| self.operations.is_multiple_of(every));
        let (disconnected, internal) = (
            nth(self.faults.disconnected_every),
            nth(self.faults.internal_error_every),
        );
        match self.present() {
            Connection::Connected if disconnected => Err(DISCONNECTED),
            Connection::Connected if internal => Err(("KMSInternalException", "try again")),
            Connection::Connected => Ok(()),
            _ if self.faults.leaks => Ok(()),
            _ if self.faults.wrong_error => Err(("NotFoundException", "no such key")),
            _ => Err(DISCONNECTED),
        }
    }

    fn seal(&mut self, input: &Value, plaintext: &str, show: bool) -> Value {
        let context = input["EncryptionContext"].to_string();
        self.kept.push((context, plaintext.to_owned()));
        let blob = base64_simd::STANDARD.encode_to_string((self.kept.len() - 1).to_string());
        let mut reply = json!({ "KeyId": KEY, "CiphertextBlob": blob });
        if show {
            reply["Plaintext"] = Value::from(plaintext);
        }
        reply
    }

    fn open(&mut self, input: &Value) -> Reply {
        let blob = base64_simd::STANDARD
            .decode_to_vec(text(input, "CiphertextBlob"))
            .unwrap();
        let number: usize = String::from_utf8(blob).unwrap().parse().unwrap();
        let (context, plaintext) = self.kept[number].clone();
        assert_eq!(context, input["EncryptionContext"].to_string());
        self.decrypts += 1;
        if self
            .faults
            .wrong_plaintext_every
            .is_some_and(|every| self.decrypts.is_multiple_of(every))
        {
            return Ok(json!({ "KeyId": KEY, "Plaintext": "d3Jvbmc=" }));
        }
        Ok(json!({ "KeyId": KEY, "Plaintext": plaintext }))
    }

    fn describe(&mut self) -> Value {
        let state = match self.present() {
            Connection::Disconnected => "DISCONNECTED",
            Connection::Connecting(_) => "CONNECTING",
            Connection::Connected => "CONNECTED",
            Connection::Failed => "FAILED",
        };
        let mut store = json!({
            "CustomKeyStoreId": STORE,
            "CustomKeyStoreName": self.name,
            "CloudHsmClusterId": self.cluster,
            "ConnectionState": state,
        });
        if state == "FAILED" {
            store["ConnectionErrorCode"] = Value::from("INVALID_CREDENTIALS");
        }
        json!({ "CustomKeyStores": [store], "Truncated": false })
    }

    fn describe_clusters(&self) -> Value {
        let clusters = self.passwords.keys().map(|id| {
            json!({
                "ClusterId": id,
                "State": "ACTIVE",
                "Certificates": { "ClusterCertificate": "the same" },
            })
        });
        json!({ "Clusters": clusters.collect::<Vec<_>>() })
    }

    fn update(&mut self, input: &Value) -> Reply {
        if self.present() != Connection::Disconnected {
            return Err(("CustomKeyStoreInvalidStateException", "disconnect it first"));
        }
        if let Some(name) = input["NewCustomKeyStoreName"].as_str() {
            self.name = name.to_owned();
            self.names_seen.push(name.to_owned());
        }
        if let Some(password) = input["KeyStorePassword"].as_str() {
            self.handed = password.to_owned();
        }
        if let Some(cluster) = input["CloudHsmClusterId"].as_str() {
            self.cluster = cluster.to_owned();
            self.clusters_seen.push(cluster.to_owned());
        }
        Ok(json!({}))
    }

    fn admin(&mut self, path: &str, input: &Value) -> Value {
        let mut parts = path
            .trim_start_matches("/_portcullis/cloudhsm/")
            .splitn(2, '/');
        let (cluster, verb) = (parts.next().unwrap(), parts.next().unwrap());
        match verb {
            "login" if text(input, "password") != ADMIN_PASSWORD => {
                json!({ "error_code": 1, "data": "the password is wrong" })
            }
            "login" => json!({
                "error_code": 0,
                "data": { "username": "admin", "role": "admin", "token": "session" },
            }),
            "users/change-password" => {
                assert_eq!(text(input, "username"), "kmsuser");
                self.passwords
                    .insert(cluster.to_owned(), text(input, "password").to_owned());
                json!({
                    "error_code": 0,
                    "data": { "username": "kmsuser", "role": "crypto-user" },
                })
            }
            _ => json!({ "error_code": 0, "data": "done" }),
        }
    }
}
