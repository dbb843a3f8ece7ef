//! A client that sends the same signed request again and again, and reads every reply.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis_seam::{SystemClock, WallClock};
use portcullis_sigv4::{Date, Request, Signer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Open connections on which one request is sent again and again, one in flight on each.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    address: SocketAddr,
    connections: Vec<TcpStream>,
}

#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine's clock, and may fail loudly"
)]
impl Client {
    /// Connects, `connections` times.
    #[must_use]
    pub fn connect(address: SocketAddr, connections: usize) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connect = async {
            let mut open = Vec::new();
            for _ in 0..connections {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                open.push(stream);
            }
            open
        };
        Self {
            address,
            connections: runtime.block_on(connect),
            runtime,
        }
    }

    /// Sends `each` requests on every connection, and gives how long that took.
    pub fn round(&mut self, request: &Bytes, each: usize) -> Duration {
        let began = Instant::now();
        let connections = std::mem::take(&mut self.connections);
        self.connections = self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for connection in connections {
                tasks.spawn(exchange(connection, request.clone(), each));
            }
            tasks.join_all().await
        });
        began.elapsed()
    }

    /// How long each of `count` requests took, one after the other on one connection, in microseconds.
    pub fn one_by_one(&mut self, request: &Bytes, count: usize) -> Vec<f64> {
        let mut connection = self.connections.pop().unwrap();
        let (connection, took) = self.runtime.block_on(async move {
            let mut took = Vec::new();
            for _ in 0..count {
                let began = Instant::now();
                connection = exchange(connection, request.clone(), 1).await;
                took.push(began.elapsed().as_secs_f64() * 1e6);
            }
            (connection, took)
        });
        self.connections.push(connection);
        took
    }

    /// The body of the reply to one request.
    pub fn ask(&self, request: &Bytes) -> Vec<u8> {
        self.runtime.block_on(async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request).await.unwrap();
            let mut buffer = vec![0; REPLY_BYTES_MAX];
            let (head, length) = read_reply(&mut stream, &mut buffer).await;
            buffer.get(head..length).unwrap().to_vec()
        })
    }
}

/// No reply of a benchmark is larger.
const REPLY_BYTES_MAX: usize = 16 << 10;

#[expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]
async fn exchange(mut connection: TcpStream, request: Bytes, times: usize) -> TcpStream {
    let mut reply = vec![0; REPLY_BYTES_MAX];
    for _ in 0..times {
        connection.write_all(&request).await.unwrap();
        read_reply(&mut connection, &mut reply).await;
    }
    connection
}

/// Reads one whole reply, and checks that it is a good one. Gives the length of its head, and its length.
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may fail loudly"
)]
async fn read_reply(connection: &mut TcpStream, buffer: &mut [u8]) -> (usize, usize) {
    let mut have = 0;
    loop {
        let read = connection.read(&mut buffer[have..]).await.unwrap();
        assert!(read > 0, "the server closed a connection");
        have += read;
        let Some((head, length)) = whole_length(&buffer[..have]) else {
            continue;
        };
        if have >= length {
            let good = buffer.starts_with(b"HTTP/1.1 200");
            assert!(good, "{}", String::from_utf8_lossy(&buffer[..have]));
            return (head, length);
        }
    }
}

/// The lengths of the head, and of head and body, once the head is there.
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may fail loudly"
)]
fn whole_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "));
    Some((head, head + length.unwrap().parse::<usize>().unwrap()))
}

/// A request of KMS as it crosses the network, signed now with the keys `test` and `test`.
#[must_use]
pub fn signed(address: SocketAddr, operation: &str, body: &str) -> Bytes {
    let now = Date::from_unix_seconds(SystemClock.now().millis() / 1000);
    let (host, date) = (address.to_string(), now.to_string());
    let target = format!("TrentService.{operation}");
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("host", host.as_str()),
        ("x-amz-date", date.as_str()),
        ("x-amz-target", target.as_str()),
    ];
    let request = Request {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers[..],
        body: body.as_bytes(),
    };
    let authorization = Signer::new("test", "test", "us-east-1", "kms").sign(&request, now);
    let length = body.len().to_string();
    let unsigned = [
        ("authorization", authorization.as_str()),
        ("content-length", &length),
    ];
    let lines = headers.iter().chain(&unsigned);
    let lines = lines.map(|(name, value)| format!("{name}: {value}\r\n"));
    let head: String = lines.collect();
    Bytes::from(format!("POST / HTTP/1.1\r\n{head}\r\n{body}"))
}
