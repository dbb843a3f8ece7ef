use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_link::ServingThreads;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads on which HSMs of this process are served. They end when this is dropped, with the transport that
/// holds it.
///
/// A call to an HSM then crosses one thread each way, and an HSM that works holds up neither the cores
/// that serve HTTP nor what goes on in the background.
#[derive(Debug)]
pub(crate) struct HsmThreads {
    runtimes: Vec<Handle>,
    /// How many HSMs were served so far.
    served: AtomicUsize,
    /// Each ends its thread when it is dropped.
    _ends: Vec<oneshot::Sender<()>>,
}

impl HsmThreads {
    /// One thread for every two cores: of the work of an Encrypt, a third is the HSM's.
    pub(crate) fn start() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (mut runtimes, mut ends) = (Vec::new(), Vec::new());
        for number in 0..cores.div_ceil(2) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtimes.push(runtime.handle().clone());
            let (end, ended) = oneshot::channel::<()>();
            ends.push(end);
            let name = format!("hsm-{number}");
            std::thread::Builder::new().name(name).spawn(move || {
                let _sender_dropped = runtime.block_on(ended);
            })?;
        }
        Ok(Self {
            runtimes,
            served: AtomicUsize::new(0),
            _ends: ends,
        })
    }
}

impl ServingThreads for HsmThreads {
    /// Each thread in turn.
    fn next(&self) -> Handle {
        let served = self.served.fetch_add(1, Ordering::Relaxed);
        let turn = served.checked_rem(self.runtimes.len()).unwrap_or_default();
        let runtime = self.runtimes.get(turn);
        runtime.map_or_else(Handle::current, Handle::clone)
    }
}
