//! The product's transport: QUIC with quinn, TLS 1.3 with certificates on both sides.

mod channel;
mod connector;
mod identity;
mod listener;
mod stream;
mod verifier;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portcullis_seam::Entropy;
use quinn::{Endpoint, EndpointConfig, MtuDiscoveryConfig, TransportConfig, VarInt};
use tokio::runtime::Handle;

pub use identity::ClientIdentity;

use crate::transport::BoxFuture;
use crate::{Channel, LinkError, Listener, Listening, Target, Transport};

/// A dead peer is noticed after this long.
const IDLE_TIMEOUT_MS: u32 = 3_000;

/// Often enough that two losses do not look like a dead peer.
const KEEP_ALIVE: Duration = Duration::from_millis(900);

/// Loopback carries far more than an Ethernet frame. 6,500 was measured best; at 9,000 and above
/// throughput collapses.
const LOOPBACK_MTU: u16 = 6_500;

/// Bytes in flight on a stream before its reader must have read some.
const STREAM_WINDOW: u32 = 8 << 20;

/// What a [`QuicTransport`] needs to know.
#[derive(Debug, Clone)]
pub struct QuicSettings {
    /// What this side presents to HSMs, and what its own HSMs accept from facades.
    pub client: ClientIdentity,
    /// Where its tasks run: they outlive the caller of `dial`.
    pub runtime: Handle,
    /// For the jitter of reconnects.
    pub entropy: Arc<dyn Entropy>,
}

/// [`Transport`] over QUIC.
pub struct QuicTransport {
    settings: QuicSettings,
    client: Endpoint,
}

impl QuicTransport {
    /// A transport whose client side sends from a UDP port of its own on loopback.
    ///
    /// # Errors
    /// When the operating system gives no UDP socket.
    pub fn new(settings: QuicSettings) -> Result<Self, LinkError> {
        let client = endpoint(&settings.runtime, (Ipv4Addr::LOCALHOST, 0).into(), None)?;
        Ok(Self { settings, client })
    }
}

impl Transport for QuicTransport {
    fn dial(&self, target: Target) -> Arc<dyn Channel> {
        channel::open(self.client.clone(), &self.settings, target)
    }

    fn listen(&self, listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>> {
        Box::pin(async move { listener::start(&self.settings, listener) })
    }
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "QuicTransport({:?})", self.client.local_addr())
    }
}

/// A quinn endpoint on `address`, for clients when there is no server configuration.
fn endpoint(
    runtime: &Handle,
    address: SocketAddr,
    server: Option<quinn::ServerConfig>,
) -> Result<Endpoint, LinkError> {
    let unusable = |error: std::io::Error| LinkError::Unusable(format!("{address}: {error}"));
    let socket = std::net::UdpSocket::bind(address).map_err(unusable)?;
    let mut config = EndpointConfig::default();
    config
        .max_udp_payload_size(LOOPBACK_MTU)
        .map_err(|error| LinkError::Unusable(format!("{address}: {error}")))?;
    let _entered = runtime.enter();
    Endpoint::new(config, server, socket, Arc::new(quinn::TokioRuntime)).map_err(unusable)
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
        .max_concurrent_bidi_streams(VarInt::from_u32(64))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None);
    if loopback {
        config
            .initial_mtu(LOOPBACK_MTU)
            .min_mtu(LOOPBACK_MTU)
            .mtu_discovery_config(None);
    } else {
        config.mtu_discovery_config(Some(MtuDiscoveryConfig::default()));
    }
    config
}

#[cfg(test)]
mod tests;
