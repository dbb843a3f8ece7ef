use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::edge::Edge;
use super::wiping::WipingStream;
use crate::trail::{Client, Peer};

/// How long to wait when the operating system gives no connection, e.g. for want of descriptors.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Runs one core on the calling thread until `stop` changes, then drains.
///
/// A current-thread runtime costs 6 µs of CPU a request where a multi-thread one costs 8 to 11:
/// no task ever moves to another core.
pub(crate) fn run(listener: StdListener, edge: Arc<Edge>, stop: watch::Receiver<bool>) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a core has no runtime and does not serve");
            return;
        }
    };
    runtime.block_on(serve(listener, edge, stop));
}

async fn serve(listener: StdListener, edge: Arc<Edge>, mut stop: watch::Receiver<bool>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a core has no socket and does not serve");
            return;
        }
    };
    let limits = edge.limits().clone();
    // A connection holds a permit, so that the permits are also the list of what must drain.
    let permits = Arc::new(Semaphore::new(limits.connections_per_core_max as usize));
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        if let Some((accepted, permit)) = accepted {
            let connection = connection(accepted, Arc::clone(&edge), stop.clone());
            tokio::spawn(async move {
                connection.await;
                drop(permit);
            });
        }
    }
    drop(listener);
    let drained = permits.acquire_many(limits.connections_per_core_max);
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!("connections are cut that did not finish while draining");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<((TcpStream, SocketAddr), OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok(accepted) => Some((accepted, permit)),
        Err(error) => {
            tracing::warn!(%error, "no connection could be accepted");
            tokio::time::sleep(ACCEPT_BACK_OFF).await;
            None
        }
    }
}

/// Serves one connection to its end. After `stop`, the request in flight is the last.
async fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    edge: Arc<Edge>,
    mut stop: watch::Receiver<bool>,
) {
    // Replies are single writes; waiting to fill a segment only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let limits = edge.limits();
    let client = Client::at(Peer {
        address: peer.ip(),
        is_secure: false,
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max);
    let service = service_fn(|request| edge.answer(request, &client));
    let mut connection =
        std::pin::pin!(http.serve_connection(TokioIo::new(WipingStream(stream)), service));
    let outcome = tokio::select! {
        biased;
        outcome = connection.as_mut() => outcome,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}
