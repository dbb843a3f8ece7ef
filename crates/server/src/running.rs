use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use crate::http::{self, Edge, Shared};
use crate::metrics::CoreMetrics;
use crate::trail::Trail;

/// A server that serves. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    cores: Vec<Core>,
    trail: Arc<Trail>,
}

#[derive(Debug)]
struct Core {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Running {
    /// Stops accepting, answers what is in flight, closes every connection and returns.
    ///
    /// Rule WIRE-16: a shutdown answers the requests in flight and accepts no more.
    pub async fn shutdown(self) {
        // Nobody listens any more when every core has failed; then there is nothing to stop.
        let _nobody = self.stop.send(true);
        for core in self.cores {
            let _panicked = core.ended.await;
            if core.thread.join().is_err() {
                tracing::error!("a core ended in a panic");
            }
        }
        self.trail.close();
    }
}

/// Starts one thread for each core, which are as many as there are `metrics`.
///
/// # Errors
/// When the address cannot be bound or the operating system gives no thread.
pub(crate) fn start(
    bind: SocketAddr,
    shared: Shared,
    metrics: &[Arc<CoreMetrics>],
) -> io::Result<Running> {
    let cores = NonZeroUsize::new(metrics.len()).unwrap_or(NonZeroUsize::MIN);
    let listeners = http::bind(bind, cores)?;
    let address = listeners
        .first()
        .ok_or(io::ErrorKind::AddrNotAvailable)?
        .local_addr()?;
    let trail = Arc::clone(&shared.trail);
    let shared = Arc::new(shared);
    let (stop, stopped) = watch::channel(false);
    let mut cores = Vec::new();
    for (index, (listener, metrics)) in listeners.into_iter().zip(metrics).enumerate() {
        let edge = Arc::new(Edge::new(Arc::clone(&shared), Arc::clone(metrics)));
        let stopped = stopped.clone();
        let (ending, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("core-{index}"))
            .spawn(move || {
                http::run(listener, edge, stopped);
                let _nobody_waits = ending.send(());
            })?;
        cores.push(Core { thread, ended });
    }
    tracing::info!(%address, cores = cores.len(), "the endpoint serves");
    crate::console::log();
    Ok(Running {
        address,
        stop,
        cores,
        trail,
    })
}
