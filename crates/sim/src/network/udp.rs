//! UDP between a facade and its HSMs: datagrams that are late, doubled, out of order or lost.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use portcullis_link::{DatagramSocket, Datagrams};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{FIRST_PORT, Fate, NetworkState, Shared, Way};

/// Where facades call from.
const FACADE_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// One datagram of so many that are late arrives a second time.
const LATE_TO_DOUBLED: u64 = 4;

/// The sockets that are bound.
#[derive(Default)]
pub(super) struct Sockets {
    bound: BTreeMap<SocketAddr, Weak<Inbox>>,
    /// Which HSM listens where.
    hsms: BTreeMap<SocketAddr, String>,
    binds: u16,
    /// Numbers the datagrams, so that two for one instant have an order.
    sent: u64,
}

impl Sockets {
    pub(super) fn name(&mut self, address: SocketAddr, hsm: &str) {
        self.hsms.insert(address, hsm.to_owned());
    }

    /// The process with all sockets has ended.
    pub(super) fn clear(&mut self) {
        self.bound.clear();
    }

    /// A free address for whoever does not care, or the one that was asked for.
    fn free_address(&mut self, asked: SocketAddr) -> io::Result<SocketAddr> {
        let ip = if asked.ip().is_unspecified() {
            FACADE_IP
        } else {
            asked.ip()
        };
        let mut address = SocketAddr::new(ip, asked.port());
        if asked.port() == 0 {
            address.set_port(FIRST_PORT.saturating_add(self.binds));
            self.binds = self.binds.saturating_add(1);
        }
        let taken = self.bound.get(&address).and_then(Weak::upgrade).is_some();
        if taken {
            Err(io::ErrorKind::AddrInUse.into())
        } else {
            Ok(address)
        }
    }

    /// The HSM at one end of the way from `from` to `to`.
    fn link(&self, from: SocketAddr, to: SocketAddr) -> Option<(String, Way)> {
        let there = self.hsms.get(&to).map(|hsm| (hsm.clone(), Way::ToHsm));
        there.or_else(|| Some((self.hsms.get(&from)?.clone(), Way::FromHsm)))
    }
}

/// The UDP of one process.
pub(super) struct ProcessUdp {
    pub(super) network: Arc<Shared>,
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
    network: Arc<Shared>,
    process: u64,
    address: SocketAddr,
    inbox: Arc<Inbox>,
}

/// What is under way to a socket.
#[derive(Default)]
struct Inbox(Mutex<UnderWay>);

#[derive(Default)]
struct UnderWay {
    /// By when they arrive.
    datagrams: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    /// Until the next one arrives.
    wait: Option<Pin<Box<Sleep>>>,
    reader: Option<Waker>,
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
        // Nobody listens there, and nobody says so.
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

impl UnderWay {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        while let Some(first) = self.datagrams.first_entry() {
            let (at, _) = *first.key();
            if at <= Instant::now() {
                let (from, datagram) = first.remove();
                let length = datagram.len().min(into.len());
                let room = into.get_mut(..length).unwrap_or_default();
                room.copy_from_slice(datagram.get(..length).unwrap_or_default());
                return Poll::Ready(Ok((length, from)));
            }
            let wait = self.wait.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if wait.deadline() != at {
                wait.as_mut().reset(at);
            }
            if wait.as_mut().poll(context).is_pending() {
                break;
            }
        }
        self.reader = Some(context.waker().clone());
        Poll::Pending
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
