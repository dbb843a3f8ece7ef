//! What the facade costs: Encrypt over HTTP, verified, sealed on an HSM behind QUIC and answered,
//! against a bare hyper that echoes the same bytes.
//!
//! The same client drives both: 64 kept connections, requests signed beforehand, one in flight on
//! each connection. Both servers have one current-thread runtime for each core. Rounds alternate,
//! so that a slow moment of the machine meets both; printed are the medians and their ratio. A
//! second facade that records no events shows what recording them costs, in time and in processor time
//! of client and server. The client shares the machine with the servers, so rates are not what a server
//! alone could do.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark measures the machine's clock, prints, and may fail loudly"
)]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis_api::cloudhsm::{CreateClusterRequest, CreateHsmRequest};
use portcullis_api::kms::{
    ConnectCustomKeyStoreRequest, CreateCustomKeyStoreRequest, CreateKeyRequest,
};
use portcullis_api::{ClusterId, Scope, SecretText};
use portcullis_benches::{cpu_us, median, system};
use portcullis_cloudhsm::CloudHsm;
use portcullis_clusters::Clusters;
use portcullis_hsm::{Role, Secret};
use portcullis_kms::{Connection, Kms};
use portcullis_seam::{SystemClock, WallClock};
use portcullis_server::{Auth, Credentials, EventsConfig, Running, ServerConfig};
use portcullis_sigv4::{Date, Request, Signer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const CONNECTIONS: usize = 64;
const REQUESTS_PER_CONNECTION: usize = 100;
/// Requests of a round.
const REQUESTS: f64 = (CONNECTIONS * REQUESTS_PER_CONNECTION) as f64;
const ROUNDS: usize = 15;
const PLAINTEXTS: [usize; 2] = [32, 4096];

fn main() {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let background = Builder::new_multi_thread().enable_all().build().unwrap();
    let told = EventsConfig::default();
    let silent = EventsConfig {
        kept_max: 0,
        file: None,
    };
    let untold = background.block_on(facade(cores, silent));
    let facade = background.block_on(facade(cores, told));
    let echo = echo(cores);
    let client = Builder::new_current_thread().enable_all().build().unwrap();
    println!("{CONNECTIONS} connections, {} cores", cores.get());
    println!(
        "{:>10} {:>16} {:>16} {:>8} {:>16} {:>10} {:>9} {:>14} {:>10}",
        "plaintext",
        "Encrypt µs",
        "echo µs",
        "of echo",
        "no events µs",
        "events",
        "CPU µs",
        "no events CPU",
        "events"
    );
    for bytes in PLAINTEXTS {
        let request = facade.request(bytes);
        let mut pair = [
            Load::connect(&client, facade.running.address, &request),
            Load::connect(&client, echo, &request),
            Load::connect(&client, untold.running.address, &untold.request(bytes)),
        ];
        let mut took = [Vec::new(), Vec::new(), Vec::new()];
        let mut worked = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            let counts = took.iter_mut().zip(&mut worked);
            for (load, (took, worked)) in pair.iter_mut().zip(counts) {
                let before = cpu_us();
                let duration = load.round(&client);
                // The first round warms up caches, channels and signing keys.
                if round > 0 {
                    took.push(duration.as_secs_f64() * 1e6 / REQUESTS);
                    worked.push((cpu_us() - before) / REQUESTS);
                }
            }
        }
        let [encrypt, echo, silent] = took.map(median);
        let [encrypt_cpu, _echo, silent_cpu] = worked.map(median);
        println!(
            "{bytes:>8} B {:>16} {:>16} {:>8.2} {:>16} {:>10.3} {encrypt_cpu:>9.1} {silent_cpu:>14.1} {:>10.3}",
            rate(encrypt),
            rate(echo),
            echo / encrypt,
            rate(silent),
            silent / encrypt,
            silent_cpu / encrypt_cpu
        );
    }
    background.block_on(facade.running.shutdown());
    background.block_on(untold.running.shutdown());
}

fn rate(us: f64) -> String {
    format!("{us:.1} ({:.0}/s)", 1e6 / us)
}

/// A client's open connections, and the bytes that each sends again and again.
struct Load {
    connections: Vec<TcpStream>,
    request: Bytes,
}

impl Load {
    fn connect(runtime: &Runtime, address: SocketAddr, request: &Bytes) -> Self {
        let connect = async {
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                connections.push(stream);
            }
            connections
        };
        Self {
            connections: runtime.block_on(connect),
            request: request.clone(),
        }
    }

    fn round(&mut self, runtime: &Runtime) -> Duration {
        let began = Instant::now();
        let connections = std::mem::take(&mut self.connections);
        self.connections = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for mut connection in connections {
                let request = self.request.clone();
                tasks.spawn(async move {
                    let mut reply = vec![0; 16 << 10];
                    for _ in 0..REQUESTS_PER_CONNECTION {
                        connection.write_all(&request).await.unwrap();
                        read_reply(&mut connection, &mut reply).await;
                    }
                    connection
                });
            }
            tasks.join_all().await
        });
        began.elapsed()
    }
}

/// Reads one whole reply and checks that it is a good one.
async fn read_reply(connection: &mut TcpStream, buffer: &mut [u8]) {
    let mut have = 0;
    loop {
        let read = connection.read(&mut buffer[have..]).await.unwrap();
        assert!(read > 0, "the server closed a connection");
        have += read;
        let Some(length) = whole_length(&buffer[..have]) else {
            continue;
        };
        if have >= length {
            let good = buffer.starts_with(b"HTTP/1.1 200");
            assert!(good, "{}", String::from_utf8_lossy(&buffer[..have]));
            return;
        }
    }
}

/// The length of head and body, once the head is there.
fn whole_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "));
    Some(head + length.unwrap().parse::<usize>().unwrap())
}

/// A bare hyper that answers with the body it was sent: what any server here must at least do.
fn echo(cores: NonZeroUsize) -> SocketAddr {
    async fn reply(
        request: http::Request<Incoming>,
    ) -> Result<http::Response<Full<Bytes>>, Infallible> {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok(http::Response::new(Full::new(body)))
    }
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..cores.get() {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _peer) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let http = hyper::server::conn::http1::Builder::new();
                    tokio::spawn(http.serve_connection(TokioIo::new(stream), service_fn(reply)));
                }
            });
        });
    }
    address
}

/// A running Portcullis that verifies signatures, with a key in a connected key store.
struct Facade {
    running: Running,
    key: String,
}

impl Facade {
    fn request(&self, plaintext_bytes: usize) -> Bytes {
        let plaintext = base64_simd::STANDARD.encode_to_string(vec![7; plaintext_bytes]);
        let body = format!(r#"{{"KeyId":"{}","Plaintext":"{plaintext}"}}"#, self.key);
        let now = Date::from_unix_seconds(SystemClock.now().millis() / 1000);
        let (host, date) = (self.running.address.to_string(), now.to_string());
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("host", host.as_str()),
            ("x-amz-date", date.as_str()),
            ("x-amz-target", "TrentService.Encrypt"),
        ];
        let request = Request {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers[..],
            body: body.as_bytes(),
        };
        let signer = Signer::new("test", "test", "us-east-1", "kms");
        let authorization = signer.sign(&request, now);
        let mut text = String::from("POST / HTTP/1.1\r\n");
        let length = body.len().to_string();
        let unsigned = [
            ("authorization", authorization.as_str()),
            ("content-length", &length),
        ];
        for (name, value) in headers.iter().chain(&unsigned) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        Bytes::from(format!("{text}\r\n{body}"))
    }
}

async fn facade(cores: NonZeroUsize, events: EventsConfig) -> Facade {
    let system = system().await;
    let config = ServerConfig {
        auth: Auth::Verify(Credentials::default()),
        cores,
        events,
        ..ServerConfig::on_free_port()
    };
    let scope = config.defaults.clone();
    let cluster = cluster(&system.cloudhsm, &scope).await;
    let key = key(&system.kms, &system.cloudhsm, &scope, &cluster).await;
    Facade {
        running: system.serve(config).unwrap(),
        key,
    }
}

/// An activated cluster with HSMs in two zones and the user `kmsuser`.
async fn cluster(cloudhsm: &CloudHsm, scope: &Scope) -> ClusterId {
    let subnets = portcullis_cloudhsm::default_subnets(&scope.region);
    let zones: Vec<String> = subnets.keys().take(2).cloned().collect();
    let created = cloudhsm.create_cluster(
        scope,
        CreateClusterRequest {
            hsm_type: "hsm2m.medium".to_owned(),
            subnet_ids: subnets.into_values().take(2).collect(),
            ..CreateClusterRequest::default()
        },
    );
    let cluster = created.await.unwrap().cluster.unwrap();
    let id: ClusterId = cluster.cluster_id.unwrap().parse().unwrap();
    let create_hsm = async |zone: &String| {
        let request = CreateHsmRequest {
            cluster_id: id.to_string(),
            availability_zone: zone.clone(),
            ..CreateHsmRequest::default()
        };
        cloudhsm.create_hsm(scope, request).await.unwrap();
    };
    create_hsm(&zones[0]).await;
    cloudhsm.issue_certificates(scope, &id).await.unwrap();
    cloudhsm
        .users()
        .activate(scope, &id, Secret::new("adminPassword"))
        .await
        .unwrap();
    let login = cloudhsm.users().login(
        scope,
        &id,
        "admin",
        Role::Admin,
        Secret::new("adminPassword"),
    );
    let token = login.await.unwrap();
    let password = Secret::new("kmsPassword");
    cloudhsm
        .users()
        .create(&token, "kmsuser", Role::CryptoUser, password)
        .await
        .unwrap();
    cloudhsm.users().logout(&token).await.unwrap();
    create_hsm(&zones[1]).await;
    id
}

/// A key in a connected key store that the cluster backs.
async fn key(kms: &Arc<Kms>, cloudhsm: &CloudHsm, scope: &Scope, cluster: &ClusterId) -> String {
    let created = kms.create_custom_key_store(
        scope,
        CreateCustomKeyStoreRequest {
            custom_key_store_name: "Bench".to_owned(),
            cloud_hsm_cluster_id: Some(cluster.to_string()),
            trust_anchor_certificate: cloudhsm
                .cluster(scope, cluster)
                .unwrap()
                .trust_anchor
                .clone(),
            key_store_password: Some(SecretText::new("kmsPassword")),
            ..CreateCustomKeyStoreRequest::default()
        },
    );
    let store = created.await.unwrap().custom_key_store_id.unwrap();
    let connect = ConnectCustomKeyStoreRequest {
        custom_key_store_id: store.clone(),
    };
    kms.connect_custom_key_store(scope, connect).await.unwrap();
    while kms.key_stores()[0].connection != Connection::Connected {
        tokio::task::yield_now().await;
    }
    let created = kms.create_key(
        scope,
        CreateKeyRequest {
            origin: Some("AWS_CLOUDHSM".to_owned()),
            custom_key_store_id: Some(store),
            ..CreateKeyRequest::default()
        },
    );
    created.await.unwrap().key_metadata.unwrap().key_id.unwrap()
}
