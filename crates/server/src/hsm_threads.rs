use std::io;
use std::num::NonZeroUsize;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads on which HSMs of this process are served. They end when this is dropped.
///
/// A call to an HSM then crosses one thread each way, and an HSM that works holds up neither the cores
/// that serve HTTP nor what goes on in the background.
#[derive(Debug)]
pub(crate) struct HsmThreads {
    runtimes: Vec<Handle>,
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
            _ends: ends,
        })
    }

    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        self.runtimes.clone()
    }
}
