//! UDP between a facade and its HSMs: datagrams that are late, doubled, out of order or lost.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use portcullis_link::{DatagramSocket, Datagrams};
use tokio::time::Instant;

use super::sockets::Inbox;
use super::state::{NetworkShared, NetworkState};
use super::weather::Fate;

/// One datagram of so many that are late arrives a second time.
const LATE_TO_DOUBLED: u64 = 4;

/// The UDP of one process.
pub(super) struct ProcessUdp {
    pub(super) network: Arc<NetworkShared>,
    pub(super) process: u64,
}

impl Datagrams for ProcessUdp {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        let mut state = self.network.state.lock();
        if state.process != self.process {
            return Err(io::Error::other("the process has ended"));
        }
        let address = state.sockets.free_address(address)?;
        let inbox = Arc::new(Inbox::default());
        state.sockets.bound.insert(address, Arc::downgrade(&inbox));
        drop(state);
        Ok(Arc::new(Socket {
            network: Arc::clone(&self.network),
            process: self.process,
            address,
            inbox,
        }))
    }
}

struct Socket {
    network: Arc<NetworkShared>,
    process: u64,
    address: SocketAddr,
    inbox: Arc<Inbox>,
}

impl DatagramSocket for Socket {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn send(&self, to: SocketAddr, datagram: &[u8]) {
        let mut state = self.network.state.lock();
        if state.process != self.process {
            return;
        }
        let fates = state.fates(self.address, to);
        let inbox = state.sockets.bound.get(&to).and_then(Weak::upgrade);
        let first = state.sockets.sent;
        state.sockets.sent += u64::try_from(fates.len()).unwrap_or(0);
        drop(state);
        // Nothing listens there, and no message says so.
        let Some(inbox) = inbox else { return };
        let mut under_way = inbox.0.lock();
        for (number, fate) in (first..).zip(fates) {
            if let Fate::Arrives(delay) = fate {
                let at = (Instant::now() + delay, number);
                let datagram = (self.address, datagram.to_vec());
                under_way.datagrams.insert(at, datagram);
            }
        }
        if let Some(reader) = under_way.reader.take() {
            drop(under_way);
            reader.wake();
        }
    }

    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        if self.network.process() != self.process {
            return Poll::Pending;
        }
        self.inbox.0.lock().poll_next(context, into)
    }
}

impl NetworkState {
    /// What becomes of a datagram: it arrives once, twice or not at all.
    fn fates(&mut self, from: SocketAddr, to: SocketAddr) -> Vec<Fate> {
        let doubled = self.weather.late_percent / LATE_TO_DOUBLED;
        let copies = if self.random.chance(doubled) { 2 } else { 1 };
        self.counts.doubled += copies - 1;
        let fates = (0..copies).map(|_| self.fate()).collect();
        let link = self.sockets.link(from, to);
        if link.is_some_and(|link| self.cut.contains(&link)) {
            return Vec::new();
        }
        fates
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut state = self.network.state.lock();
        let own = Arc::downgrade(&self.inbox);
        let bound = state.sockets.bound.get(&self.address);
        if bound.is_some_and(|bound| bound.ptr_eq(&own)) {
            state.sockets.bound.remove(&self.address);
        }
    }
}

impl fmt::Debug for ProcessUdp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ProcessUdp({})", self.process)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Socket({})", self.address)
    }
}
