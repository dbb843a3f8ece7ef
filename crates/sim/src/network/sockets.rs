//! The UDP sockets of a network, and what is under way to each.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use super::weather::Way;

/// The first port that a listener gets.
pub(super) const FIRST_PORT: u16 = 20_000;

/// Where facades call from.
const FACADE_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// The sockets that are bound.
#[derive(Default)]
pub(super) struct Sockets {
    pub(super) bound: BTreeMap<SocketAddr, Weak<Inbox>>,
    /// Which HSM listens where.
    hsms: BTreeMap<SocketAddr, String>,
    binds: u16,
    /// Numbers the datagrams, so that two for one instant have an order.
    pub(super) sent: u64,
}

impl Sockets {
    pub(super) fn name(&mut self, address: SocketAddr, hsm: &str) {
        self.hsms.insert(address, hsm.to_owned());
    }

    /// The process with all sockets has ended.
    pub(super) fn clear(&mut self) {
        self.bound.clear();
    }

    /// A free address for a caller that names none, or the one that was asked for.
    pub(super) fn free_address(&mut self, asked: SocketAddr) -> io::Result<SocketAddr> {
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
    pub(super) fn link(&self, from: SocketAddr, to: SocketAddr) -> Option<(String, Way)> {
        let there = self.hsms.get(&to).map(|hsm| (hsm.clone(), Way::ToHsm));
        there.or_else(|| Some((self.hsms.get(&from)?.clone(), Way::FromHsm)))
    }
}

/// What is under way to a socket.
#[derive(Default)]
pub(super) struct Inbox(pub(super) Mutex<UnderWay>);

#[derive(Default)]
pub(super) struct UnderWay {
    /// By when they arrive.
    pub(super) datagrams: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    /// Until the next one arrives.
    wait: Option<Pin<Box<Sleep>>>,
    pub(super) reader: Option<Waker>,
}

impl UnderWay {
    pub(super) fn poll_next(
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
