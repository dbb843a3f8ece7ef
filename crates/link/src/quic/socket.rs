//! QUIC over datagrams that another implementation carries: the same endpoints, without the machine's UDP.

use std::fmt::Debug;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use portcullis_seam::{Entropy, draw};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, EndpointConfig, UdpPoller};

use super::udp::UdpWire;

/// A network that carries datagrams: what a simulator hands in instead of the machine's UDP.
pub trait Datagrams: Send + Sync + Debug {
    /// A socket at `address`; port 0 chooses a free one.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] while another socket has the address.
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>>;
}

/// One socket of [`Datagrams`]. Dropping the last reference frees its address.
pub trait DatagramSocket: Send + Sync + Debug {
    /// Where it is bound.
    fn address(&self) -> SocketAddr;

    /// Sends a datagram, which arrives later, more than once, or never.
    fn send(&self, to: SocketAddr, datagram: &[u8]);

    /// Writes the next datagram into `into` and says how long it is and from where; or wakes
    /// `context` when there is one.
    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;
}

/// Where an endpoint's datagrams go.
#[derive(Debug, Clone)]
pub(super) enum Wire {
    /// The machine's UDP.
    Udp,
    /// What was handed in.
    Given(Arc<dyn Datagrams>, Arc<dyn Entropy>),
}

impl Wire {
    /// A socket at `address`.
    pub(super) fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        match self {
            Self::Udp => Ok(Arc::new(UdpWire::bind(address)?)),
            Self::Given(datagrams, _) => Ok(Arc::new(AdaptedSocket(datagrams.bind(address)?))),
        }
    }
}

/// How long quinn's own connection IDs are.
const CONNECTION_ID_BYTES: usize = 8;

/// Lets an endpoint draw what it draws from `entropy`, so that a seed decides it. TLS draws from
/// its library all the same.
pub(super) fn seed(config: &mut EndpointConfig, entropy: &Arc<dyn Entropy>) {
    config.rng_seed(Some(draw(&**entropy)));
    let entropy = Arc::clone(entropy);
    config.cid_generator(move || Box::new(Drawn(Arc::clone(&entropy))));
}

/// Draws connection IDs.
struct Drawn(Arc<dyn Entropy>);

impl ConnectionIdGenerator for Drawn {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&draw::<CONNECTION_ID_BYTES>(&*self.0))
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// A [`DatagramSocket`] as quinn wants it.
#[derive(Debug)]
struct AdaptedSocket(Arc<dyn DatagramSocket>);

impl AsyncUdpSocket for AdaptedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        for datagram in transmit.contents.chunks(size.max(1)) {
            self.0.send(transmit.destination, datagram);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut received = 0;
        for (buffer, meta) in buffers.iter_mut().zip(meta) {
            match self.0.poll_receive(context, buffer) {
                Poll::Ready(Ok((len, addr))) => {
                    *meta = RecvMeta {
                        addr,
                        len,
                        stride: len,
                        ..RecvMeta::default()
                    };
                    received += 1;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if received == 0 {
            Poll::Pending
        } else {
            Poll::Ready(Ok(received))
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address())
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// A simulated network has room for every datagram, or loses it.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
