//! The product's transport: QUIC with quinn, TLS 1.3 with certificates on both sides.
//!
//! A channel has a lane, and one more for each thread that serves HTTP. A lane is a connection of its
//! own, with one long-lived stream for operations and a stream for each management command. Read
//! `channel` (one HSM seen from a facade), `lane` and `queue` (how operations share frames), then
//! `listener` (the HSM's side). `udp` is the machine's network, `socket` is for simulators. `control` is
//! apart from these: how the control plane reaches hosts that run HSMs.

mod callers;
mod channel;
mod connector;
mod control;
mod identity;
mod lane;
mod listener;
mod queue;
mod socket;
mod stream;
mod udp;
mod verifier;
mod wake_up;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_seam::Entropy;
use quinn::{Endpoint, EndpointConfig, TransportConfig, VarInt};
use tokio::runtime::Handle;

pub use channel::keep_lanes_here;
pub use control::{
    ControlAnswer, ControlCaller, ControlConnection, ControlListener, ControlQuestion, dial_control,
};
pub use identity::ClientIdentity;
pub use socket::{DatagramSocket, Datagrams};

use socket::Wire;

use crate::transport::BoxFuture;
use crate::{Channel, LinkError, Listener, Listening, Target, Transport};

/// Rule LINK-10: a dead peer is noticed after this long.
const IDLE_TIMEOUT_MS: u32 = 3_000;

/// Often enough that two losses do not look like a dead peer.
const KEEP_ALIVE: Duration = Duration::from_millis(900);

/// Loopback carries far more than an Ethernet frame. Ten packets go out in one segmentation
/// offload, which takes at most 64 KiB: with 6,500 they fit, with 9,000 throughput collapses.
const LOOPBACK_MTU: u16 = 6_500;

/// A lost first packet is sent again after three times this long; loopback takes microseconds,
/// but the peer may be starting.
const LOOPBACK_RTT: Duration = Duration::from_millis(10);

/// Bytes on their way on a stream before its reader must have read some: a few of the largest
/// frames.
const STREAM_WINDOW: u32 = 8 << 20;

/// Streams of a connection at once: one with operations, the others with a command each.
const STREAMS_MAX: u32 = 64;

/// What a [`QuicTransport`] needs to know.
#[derive(Debug, Clone)]
pub struct QuicSettings {
    /// What this side presents to the HSMs that it calls.
    pub client: ClientIdentity,
    /// The certificates (DER) of the facades that HSMs served here admit.
    pub accepted_clients: Vec<Vec<u8>>,
    /// For the jitter of reconnects.
    pub entropy: Arc<dyn Entropy>,
}

/// [`Transport`] over QUIC. Its tasks run on the runtime of the code that calls `dial` and `listen`,
/// unless it is told another one.
pub struct QuicTransport {
    settings: QuicSettings,
    wire: Wire,
    serving: Option<Arc<dyn ServingThreads>>,
}

/// Threads on which HSMs are served. They run as long as this is held.
pub trait ServingThreads: Send + Sync + fmt::Debug {
    /// The runtime for one more HSM.
    fn next(&self) -> Handle;
}

impl QuicTransport {
    /// A transport with these settings.
    #[must_use]
    pub const fn new(settings: QuicSettings) -> Self {
        Self {
            settings,
            wire: Wire::Udp,
            serving: None,
        }
    }

    /// Serves HSMs on threads of their own, so that their work holds up neither their callers nor others.
    #[must_use]
    pub fn serving_on(mut self, threads: Arc<dyn ServingThreads>) -> Self {
        self.serving = Some(threads);
        self
    }

    /// A transport whose datagrams go over `datagrams` instead of the machine's UDP, and whose
    /// endpoints draw from the entropy of `settings`: the simulator's.
    #[must_use]
    pub fn over(settings: QuicSettings, datagrams: Arc<dyn Datagrams>) -> Self {
        let wire = Wire::Given(datagrams, Arc::clone(&settings.entropy));
        Self {
            wire,
            ..Self::new(settings)
        }
    }
}

impl Transport for QuicTransport {
    fn dial(&self, target: Target) -> Arc<dyn Channel> {
        channel::open(&self.settings, &self.wire, target)
    }

    fn listen(&self, listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>> {
        let Some(threads) = &self.serving else {
            return Box::pin(listener::start(&self.settings, &self.wire, listener));
        };
        let runtime = threads.next();
        let (settings, wire) = (self.settings.clone(), self.wire.clone());
        let started =
            runtime.spawn(async move { listener::start(&settings, &wire, listener).await });
        Box::pin(async {
            let ended = |_| LinkError::Unusable("the HSM's runtime has ended".to_owned());
            started.await.map_err(ended)?
        })
    }
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("QuicTransport(..)")
    }
}

/// A quinn endpoint on `address`, for calling only when there is no server configuration.
fn bind_endpoint(
    wire: &Wire,
    address: SocketAddr,
    server: Option<quinn::ServerConfig>,
) -> io::Result<Endpoint> {
    let runtime = Arc::new(quinn::TokioRuntime);
    let mut config = EndpointConfig::default();
    config
        .max_udp_payload_size(LOOPBACK_MTU)
        .map_err(io::Error::other)?;
    if let Wire::Given(_, entropy) = wire {
        socket::seed(&mut config, entropy);
    }
    Endpoint::new_with_abstract_socket(config, server, wire.bind(address)?, runtime)
}

/// The same on both sides.
fn transport_config(loopback: bool) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT_MS).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(4 * STREAM_WINDOW))
        .send_window(u64::from(STREAM_WINDOW) * 4)
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None);
    if loopback {
        config
            .initial_mtu(LOOPBACK_MTU)
            .mtu_discovery_config(None)
            .initial_rtt(LOOPBACK_RTT);
    }
    config
}

#[cfg(test)]
mod tests;
