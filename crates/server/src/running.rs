use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use crate::events::EventLog;
use crate::http::{self, Edge, Front, SharedByCores};
use crate::metrics::CoreMetrics;
use crate::surface::NotStarted;

/// A server that serves. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where the AWS endpoint is.
    pub address: SocketAddr,
    /// Where everything is served; the same address unless the admin API has one of its own.
    pub admin: SocketAddr,
    stop: watch::Sender<bool>,
    cores: Vec<CoreThread>,
    events: Arc<EventLog>,
}

#[derive(Debug)]
struct CoreThread {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Running {
    /// Stops accepting, answers what is in flight, closes every connection and returns.
    ///
    /// Rule WIRE-16: a shutdown answers the requests in flight and accepts no more.
    pub async fn shutdown(self) {
        // Nothing listens any more when every core has failed; then there is nothing to stop.
        let _nobody = self.stop.send(true);
        for core in self.cores {
            let _panicked = core.ended.await;
            if core.thread.join().is_err() {
                tracing::error!("a core ended in a panic");
            }
        }
        self.events.close();
    }
}

/// An address to listen on, and what is served there.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) address: SocketAddr,
    pub(crate) front: Front,
    /// What the threads of this address are called, with a number behind it.
    pub(crate) threads: &'static str,
    /// There is a thread for each.
    pub(crate) metrics: Vec<Arc<CoreMetrics>>,
}

/// An address that is listened on.
struct Open {
    address: SocketAddr,
    listeners: Vec<TcpListener>,
    opening: Opening,
}

/// Serves at `endpoint`, and at `admin` if that is another address.
///
/// # Errors
/// When an address cannot be bound or the operating system gives no thread.
pub(crate) fn start(
    endpoint: Opening,
    admin: Option<Opening>,
    shared: SharedByCores,
) -> Result<Running, NotStarted> {
    let at = endpoint.address;
    let endpoint = bind(endpoint).map_err(|error| NotStarted::Endpoint(at, error))?;
    let admin = admin.map(|admin| {
        let at = admin.address;
        bind(admin).map_err(|error| NotStarted::Admin(at, error))
    });
    let admin = admin.transpose()?;
    let address = endpoint.address;
    let admin_address = admin.as_ref().map_or(address, |admin| admin.address);
    let events = Arc::clone(&shared.events);
    let shared = Arc::new(shared);
    #[expect(
        clippy::disallowed_methods,
        reason = "thousands of connections wait for it, and the order in which they end does not matter: \
                  a list for each core is worth more"
    )]
    let (stop, stopped) = watch::channel(false);
    let mut cores = Vec::new();
    for open in [Some(endpoint), admin].into_iter().flatten() {
        spawn(open, &shared, &stopped, &mut cores).map_err(NotStarted::System)?;
    }
    tracing::info!(%address, admin = %admin_address, cores = cores.len(), "the endpoint serves");
    crate::console::log();
    Ok(Running {
        address,
        admin: admin_address,
        stop,
        cores,
        events,
    })
}

fn bind(opening: Opening) -> io::Result<Open> {
    let threads = NonZeroUsize::new(opening.metrics.len()).unwrap_or(NonZeroUsize::MIN);
    let listeners = http::bind(opening.address, threads)?;
    let first = listeners.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok(Open {
        address: first.local_addr()?,
        listeners,
        opening,
    })
}

/// Starts the threads of an address.
fn spawn(
    open: Open,
    shared: &Arc<SharedByCores>,
    stopped: &watch::Receiver<bool>,
    cores: &mut Vec<CoreThread>,
) -> io::Result<()> {
    let Opening {
        front,
        threads,
        metrics,
        ..
    } = open.opening;
    for (index, (listener, metrics)) in open.listeners.into_iter().zip(metrics).enumerate() {
        let edge = Arc::new(Edge::new(Arc::clone(shared), front.clone(), metrics));
        let stopped = stopped.clone();
        let (ending, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("{threads}-{index}"))
            .spawn(move || {
                http::run(listener, edge, stopped);
                let _nobody_waits = ending.send(());
            })?;
        cores.push(CoreThread { thread, ended });
    }
    Ok(())
}
