//! A bare hyper that answers with the body it was sent: what any server here must at least do.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// Starts the echo, with one current-thread runtime for each core, and says where it listens.
///
/// # Panics
/// When it cannot listen.
#[expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]
#[must_use]
pub fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    for _ in 0..cores.get() {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(accept(listener));
        });
    }
    address
}

#[expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]
async fn accept(listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _peer) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service_fn(reply)));
    }
}

#[expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]
async fn reply(
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(http::Response::new(Full::new(body)))
}
