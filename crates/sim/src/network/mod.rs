//! The network between a facade and its HSMs: seeded delays, lost connections, partitions.
//!
//! Messages are the very bytes that QUIC carries, decoded again at the other end. A connection
//! is made the same way: the peer must present the certificate that is expected, signed by the
//! trust anchor. What QUIC hides from its users is hidden here: a lost packet is a delay. What it
//! does not hide is a connection that breaks, after which it is unknown what was carried out.
//!
//! Or QUIC itself carries them, over simulated UDP: see [`Carrier`].

mod channel;
mod observe;
mod quic;
mod sockets;
mod state;
mod udp;
mod weather;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_hsm::{Fence, HsmKeyId};
use portcullis_link::{BoxFuture, Channel, LinkError, Listener, Listening, Target, Transport};
use portcullis_seam::Entropy;

use crate::record::WorldRecorder;
use crate::{Random, SimEntropy};
use quic::Quic;
use sockets::{FIRST_PORT, Sockets};
pub use state::Counts;
pub(crate) use state::Memory;
use state::{NetworkShared, NetworkState};
pub(crate) use weather::IDLE_TIMEOUT;
pub use weather::{Carrier, Way, Weather};

/// A network of a world. Clones are the same network.
#[derive(Clone)]
pub struct Network(Arc<NetworkShared>);

impl Network {
    /// A network whose fates are drawn from `seed`.
    #[must_use]
    pub fn new(seed: u64, carrier: Carrier, recorder: Arc<WorldRecorder>) -> Self {
        let state = NetworkState {
            random: Random::new(seed, "network"),
            weather: Weather::fair(),
            next_port: FIRST_PORT,
            next_incarnation: 1,
            process: 0,
            listeners: BTreeMap::new(),
            sockets: Sockets::default(),
            cut: BTreeSet::new(),
            verified: BTreeSet::new(),
            paired: BTreeSet::new(),
            fences: BTreeMap::new(),
            materials: BTreeMap::new(),
            counts: Counts::default(),
        };
        Self(Arc::new(NetworkShared {
            recorder,
            carrier,
            entropy: Arc::new(SimEntropy::new(seed, "quic")),
            state: Mutex::new(state),
        }))
    }

    /// What happens to messages from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.0.state.lock().weather = weather;
    }

    /// Cuts the link to an HSM one way.
    pub fn cut(&self, hsm: &str, way: Way) {
        self.0.recorder.note(format_args!("cut {hsm} {way:?}"));
        self.0.state.lock().cut.insert((hsm.to_owned(), way));
    }

    /// Mends every link.
    pub fn mend(&self) {
        self.0.recorder.note(format_args!("all links are mended"));
        self.0.state.lock().cut.clear();
    }

    /// Ends the process that all connections and listeners belong to.
    pub fn end_process(&self) {
        self.0.recorder.note(format_args!("the process ends"));
        let mut state = self.0.state.lock();
        state.process += 1;
        state.sockets.clear();
        let listeners = std::mem::take(&mut state.listeners);
        drop(state);
        drop(listeners);
    }

    /// The connection whose login an HSM accepted last.
    #[must_use]
    pub fn last_fence(&self, hsm: &str) -> Option<Fence> {
        self.0.state.lock().fences.get(hsm).copied()
    }

    /// The id inside HSMs of the key with this label.
    #[must_use]
    pub fn material(&self, label: &str) -> Option<HsmKeyId> {
        self.0.state.lock().materials.get(label).copied()
    }

    /// What it knows of HSMs, keys and certificates.
    pub(crate) fn memory(&self) -> Memory {
        let state = self.0.state.lock();
        Memory {
            verified: state.verified.clone(),
            paired: state.paired.clone(),
            fences: state.fences.clone(),
            materials: state.materials.clone(),
        }
    }

    /// Goes on from what another network knew.
    pub(crate) fn remember(&self, memory: &Memory) {
        let mut state = self.0.state.lock();
        state.verified.clone_from(&memory.verified);
        state.paired.clone_from(&memory.paired);
        state.fences.clone_from(&memory.fences);
        state.materials.clone_from(&memory.materials);
    }

    /// What it did so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.state.lock().counts
    }
}

/// The network as one process has it. When that has ended, what is left of its tasks reaches
/// nobody any more.
#[derive(Debug, Clone)]
pub struct ProcessNetwork {
    network: Network,
    process: u64,
    /// Where QUIC carries the frames.
    quic: Option<Result<Quic, LinkError>>,
}

impl Network {
    /// The network for the process that runs.
    #[must_use]
    pub fn of_process(&self) -> ProcessNetwork {
        let process = self.0.process();
        let entropy = || Arc::clone(&self.0.entropy) as Arc<dyn Entropy>;
        ProcessNetwork {
            network: self.clone(),
            process,
            quic: match self.0.carrier {
                Carrier::Messages => None,
                Carrier::Quinn => Some(Quic::of(&self.0, process, entropy())),
            },
        }
    }
}

impl ProcessNetwork {
    /// Lets a message of this process travel to or from something that is no HSM.
    pub(crate) async fn travel(&self, name: &str, way: Way) -> Result<(), LinkError> {
        self.network.0.travel(name, way, self.process).await
    }
}

impl Transport for ProcessNetwork {
    fn dial(&self, target: Target) -> Arc<dyn Channel> {
        if let Some(Ok(quic)) = &self.quic {
            return quic.dial(target);
        }
        channel::open(Arc::clone(&self.network.0), target, self.process)
    }

    fn listen(&self, listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>> {
        Box::pin(async move {
            if self.network.0.process() != self.process {
                return Err(LinkError::Unusable("the process has ended".to_owned()));
            }
            match &self.quic {
                Some(Ok(quic)) => quic.listen(listener).await,
                Some(Err(error)) => Err(error.clone()),
                None => self.network.0.listen(listener),
            }
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// Where all HSMs of a world listen.
pub const BIND_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

#[cfg(test)]
mod tests;
