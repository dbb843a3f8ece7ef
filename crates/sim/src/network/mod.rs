//! The network between a facade and its HSMs: seeded delays, lost connections, partitions.
//!
//! Messages are the very bytes that QUIC carries, decoded again at the other end. A connection
//! is made the same way: the peer must present the certificate that is expected, signed by the
//! trust anchor. What QUIC hides from its users is hidden here: a lost packet is a delay. What it
//! does not hide is a connection that breaks, after which nobody knows what was carried out.
//!
//! Or QUIC itself carries them, over simulated UDP: see [`Carrier`].

mod channel;
mod observe;
mod quic;
mod udp;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use parking_lot::Mutex;
use portcullis_hsm::{Fence, HsmKeyId};
use portcullis_link::{
    BoxFuture, Channel, Conversation, Identity, LinkError, Listener, Listening, Service, Target,
    Transport, verify_certificate_signed_by,
};
use portcullis_seam::Entropy;
use portcullis_seam::plant::{Bug, planted};

use crate::record::Recorder;
use crate::{Random, SimEntropy, history::Event};
use quic::Quic;
use udp::Sockets;

/// How long a message that nobody acknowledges keeps its connection: as in the product.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// The first port that a listener gets.
const FIRST_PORT: u16 = 20_000;

/// Which way a link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// What the facade sends does not arrive.
    ToHsm,
    /// What the HSM sends does not arrive.
    FromHsm,
}

/// What happens to messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weather {
    /// Milliseconds on the way.
    pub delay: RangeInclusive<u64>,
    /// How many in a hundred are late.
    pub late_percent: u64,
    /// Milliseconds on the way for those.
    pub late: RangeInclusive<u64>,
    /// How many in a hundred break the connection instead of arriving.
    pub lost_percent: u64,
}

impl Weather {
    /// Nothing is late and nothing is lost.
    #[must_use]
    pub const fn fair() -> Self {
        Self {
            delay: 0..=2,
            late_percent: 0,
            late: 0..=0,
            lost_percent: 0,
        }
    }
}

/// What carries the frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// Seeded messages: what QUIC hides from its users is hidden.
    #[default]
    Messages,
    /// Rule SIM-11: the product's own endpoints, over UDP whose datagrams are lost, late, doubled
    /// and out of order.
    Quinn,
}

/// What becomes of one message, or datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives(Duration),
    Lost,
}

/// What is at the other end of a connection.
enum FarEnd {
    Here,
    /// It has forgotten the connection, and says so.
    Restarted,
    /// Its operating system says that nobody is there.
    Closed,
    /// Nobody says anything.
    Silent,
}

/// A connection, as its client has it.
#[derive(Clone)]
pub(super) struct Connection {
    incarnation: u64,
    /// The process that made it.
    process: u64,
    /// The HSM's end.
    conversation: Arc<dyn Conversation>,
}

/// A network of a world. Clones are the same network.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

pub(crate) struct Shared {
    recorder: Arc<Recorder>,
    carrier: Carrier,
    /// What endpoints of QUIC draw from.
    entropy: Arc<SimEntropy>,
    state: Mutex<NetworkState>,
}

struct NetworkState {
    random: Random,
    weather: Weather,
    next_port: u16,
    next_incarnation: u64,
    /// Raised when the process ends: what an earlier one sent or waits for is gone.
    process: u64,
    listeners: BTreeMap<SocketAddr, Served>,
    sockets: Sockets,
    cut: BTreeSet<(String, Way)>,
    /// Pairs of certificate and trust anchor that verify: the signature is checked once.
    verified: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// Pairs of certificate and private key that belong together: all HSMs of a cluster have one.
    paired: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// The connection that each HSM accepted last.
    fences: BTreeMap<String, Fence>,
    /// The id inside HSMs of each key, by its label.
    materials: BTreeMap<String, HsmKeyId>,
    counts: Counts,
}

/// What a network knows that outlives the process, for another network to go on from.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    verified: BTreeSet<(Vec<u8>, Vec<u8>)>,
    paired: BTreeSet<(Vec<u8>, Vec<u8>)>,
    fences: BTreeMap<String, Fence>,
    materials: BTreeMap<String, HsmKeyId>,
}

/// One start of one HSM's listener.
#[derive(Clone)]
struct Served {
    incarnation: u64,
    certificate: Vec<u8>,
    service: Arc<dyn Service>,
}

/// What the network did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages, or datagrams, that arrived.
    pub messages: u64,
    /// Messages that broke their connection, or datagrams that never arrived.
    pub lost: u64,
    /// Those that were late.
    pub late: u64,
    /// Datagrams that arrived twice.
    pub doubled: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections refused because the peer did not prove its identity.
    pub distrusted: u64,
    /// Operations whose answer never reached the facade.
    pub unanswered: u64,
}

impl Network {
    /// A network whose fates are drawn from `seed`.
    #[must_use]
    pub fn new(seed: u64, carrier: Carrier, recorder: Arc<Recorder>) -> Self {
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
        Self(Arc::new(Shared {
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

impl Shared {
    fn listen(self: &Arc<Self>, listener: Listener) -> Result<Box<dyn Listening>, LinkError> {
        let mut state = self.state.lock();
        state.check_key(&listener.identity)?;
        let address = state.free_address(listener.bind)?;
        let incarnation = state.next_incarnation;
        state.next_incarnation += 1;
        let served = Served {
            incarnation,
            certificate: listener.identity.certificate,
            service: listener.service,
        };
        state.listeners.insert(address, served);
        drop(state);
        self.recorder
            .note(format_args!("{} listens on {address}", listener.name));
        Ok(Box::new(SimListening {
            network: Arc::clone(self),
            address,
            incarnation,
        }))
    }

    /// Shakes hands with whoever listens, as TLS does on both ends.
    fn shake_hands(&self, target: &Target) -> Result<Connection, LinkError> {
        let mut state = self.state.lock();
        let Some(served) = state.listeners.get(&target.address).cloned() else {
            return Err(LinkError::Unreachable("nobody listens there".to_owned()));
        };
        match state.verify(&served.certificate, target) {
            Ok(()) => {
                state.counts.connections += 1;
                Ok(Connection {
                    incarnation: served.incarnation,
                    process: state.process,
                    conversation: served.service.connected(),
                })
            }
            Err(why) => {
                state.counts.distrusted += 1;
                Err(LinkError::Untrusted(why))
            }
        }
    }

    /// The process that runs.
    pub(super) fn process(&self) -> u64 {
        self.state.lock().process
    }

    fn is_cut(&self, hsm: &str, way: Way) -> bool {
        let cut = &self.state.lock().cut;
        !cut.is_empty() && cut.contains(&(hsm.to_owned(), way))
    }

    /// Who serves a connection that leads to `incarnation`.
    fn far_end(&self, address: SocketAddr, incarnation: u64) -> FarEnd {
        let state = &mut *self.state.lock();
        match state.listeners.get(&address) {
            Some(served) if served.incarnation == incarnation => FarEnd::Here,
            Some(_) => FarEnd::Restarted,
            None if state.random.chance(50) => FarEnd::Closed,
            None => FarEnd::Silent,
        }
    }

    fn fate(&self) -> Fate {
        self.state.lock().fate()
    }

    fn tell(&self, event: impl FnOnce(crate::history::Moment) -> Event) {
        self.recorder.tell(event);
    }
}

impl NetworkState {
    fn fate(&mut self) -> Fate {
        let Self {
            random,
            weather,
            counts,
            ..
        } = self;
        if random.chance(weather.lost_percent) {
            counts.lost += 1;
            return Fate::Lost;
        }
        counts.messages += 1;
        let millis = if random.chance(weather.late_percent) {
            counts.late += 1;
            random.within(&weather.late)
        } else {
            random.within(&weather.delay)
        };
        Fate::Arrives(Duration::from_millis(millis))
    }

    fn free_address(&mut self, bind: SocketAddr) -> Result<SocketAddr, LinkError> {
        if bind.port() != 0 {
            return if self.listeners.contains_key(&bind) {
                Err(LinkError::Unusable(format!("{bind} is in use")))
            } else {
                Ok(bind)
            };
        }
        let address = SocketAddr::new(bind.ip(), self.next_port);
        self.next_port += 1;
        Ok(address)
    }

    /// Whoever presents a certificate must have its private key.
    fn check_key(&mut self, identity: &Identity) -> Result<(), LinkError> {
        let pair = (identity.certificate.clone(), identity.private_key.to_vec());
        if !self.paired.contains(&pair) {
            check_key(identity)?;
            self.paired.insert(pair);
        }
        Ok(())
    }

    /// The checks of the product's verifier, in its order.
    fn verify(&mut self, presented: &[u8], target: &Target) -> Result<(), String> {
        if planted(Bug::CertificateCheckSkipped) {
            return Ok(());
        }
        if presented != target.cluster_certificate {
            return Err("it presents another certificate than its cluster's".to_owned());
        }
        let pair = (presented.to_vec(), target.trust_anchor.clone());
        if !self.verified.contains(&pair) {
            verify_certificate_signed_by(presented, &target.trust_anchor)
                .map_err(|error| error.to_string())?;
            self.verified.insert(pair);
        }
        Ok(())
    }
}

fn check_key(identity: &Identity) -> Result<(), LinkError> {
    let unusable = |why: &str| LinkError::Unusable(format!("the private key {why}"));
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &identity.private_key)
        .map_err(|_rejected| unusable("cannot be read"))?;
    let public = pair.public_key().as_ref();
    let mut windows = identity.certificate.windows(public.len());
    if windows.any(|window| window == public) {
        Ok(())
    } else {
        Err(unusable("is not that of the certificate"))
    }
}

#[derive(Debug)]
struct SimListening {
    network: Arc<Shared>,
    address: SocketAddr,
    incarnation: u64,
}

impl Listening for SimListening {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for SimListening {
    fn drop(&mut self) {
        let mut state = self.network.state.lock();
        if let Some(served) = state.listeners.get(&self.address)
            && served.incarnation == self.incarnation
        {
            state.listeners.remove(&self.address);
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Network({} listeners)",
            self.state.lock().listeners.len()
        )
    }
}

/// Where all HSMs of a world listen.
pub const BIND_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

#[cfg(test)]
mod tests;
