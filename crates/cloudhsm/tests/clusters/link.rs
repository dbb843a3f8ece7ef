//! A link in memory: frames reach the HSM at an address, if one listens there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_hsm::{Call, Command, Output, Refusal, Reply};
use portcullis_link::frame::{Message, RequestFrame, decode};
use portcullis_link::{
    BoxFuture, CallError, Channel, Conversation, LinkError, Listener, Listening, Service, Target,
    Transport, verify_certificate_signed_by,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Loopback {
    served: Arc<Served>,
}

#[derive(Debug, Default)]
struct Served {
    hsms: Mutex<BTreeMap<SocketAddr, Present>>,
    /// The HSMs' ends of connections, by the HSM's address and the channel's number.
    connections: Mutex<BTreeMap<(SocketAddr, u64), Arc<dyn Conversation>>>,
    dialled: AtomicU64,
    /// HSMs that the network does not reach at present.
    cut_off: Mutex<Vec<String>>,
}

/// An HSM that listens: its certificate and its service.
type Present = (Vec<u8>, Arc<dyn Service>);

#[derive(Debug)]
struct Serving {
    address: SocketAddr,
    served: Weak<Served>,
}

#[derive(Debug)]
struct LoopbackChannel {
    target: Target,
    served: Arc<Served>,
    number: u64,
}

impl Loopback {
    /// Cuts these HSMs off from the network; none heals it.
    pub(crate) fn cut_off(&self, hsms: &[&str]) {
        *self.served.cut_off.lock() = hsms.iter().map(|hsm| (*hsm).to_owned()).collect();
    }

    pub(crate) fn listening(&self) -> usize {
        self.served.hsms.lock().len()
    }
}

impl Transport for Loopback {
    fn dial(&self, target: Target) -> Arc<dyn Channel> {
        Arc::new(LoopbackChannel {
            target,
            served: Arc::clone(&self.served),
            number: self.served.dialled.fetch_add(1, Ordering::Relaxed),
        })
    }

    fn listen(&self, listener: Listener) -> BoxFuture<'_, Result<Box<dyn Listening>, LinkError>> {
        let mut hsms = self.served.hsms.lock();
        let free = |port: &u16| {
            !hsms.contains_key(&SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port))
        };
        let address = match listener.bind.port() {
            0 => SocketAddr::new(listener.bind.ip(), (20_000..).find(free).unwrap()),
            _ => listener.bind,
        };
        hsms.insert(address, (listener.identity.certificate, listener.service));
        let serving = Serving {
            address,
            served: Arc::downgrade(&self.served),
        };
        Box::pin(std::future::ready(Ok(
            Box::new(serving) as Box<dyn Listening>
        )))
    }
}

impl Listening for Serving {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(served) = self.served.upgrade() {
            served.hsms.lock().remove(&self.address);
            served
                .connections
                .lock()
                .retain(|(address, _), _| *address != self.address);
        }
    }
}

impl Drop for LoopbackChannel {
    fn drop(&mut self) {
        let connection = (self.target.address, self.number);
        self.served.connections.lock().remove(&connection);
    }
}

impl LoopbackChannel {
    /// The HSM, if it is there and proves itself as the link demands.
    fn peer(&self) -> Result<Arc<dyn Conversation>, CallError> {
        let unreachable = || LinkError::Unreachable("nobody listens".to_owned());
        if self.served.cut_off.lock().contains(&self.target.name) {
            return Err(unreachable().into());
        }
        let hsms = self.served.hsms.lock();
        let (certificate, service) = hsms.get(&self.target.address).ok_or_else(unreachable)?;
        let expected = *certificate == self.target.cluster_certificate;
        let signed = verify_certificate_signed_by(certificate, &self.target.trust_anchor);
        if !expected || signed.is_err() {
            return Err(LinkError::Untrusted("another certificate".to_owned()).into());
        }
        let mut connections = self.served.connections.lock();
        let connection = connections.entry((self.target.address, self.number));
        Ok(Arc::clone(
            connection.or_insert_with(|| Arc::clone(service).connected()),
        ))
    }

    async fn run(&self, call: Call<'_>) -> Result<Output, CallError> {
        let service = self.peer()?;
        let mut frame = RequestFrame::with_capacity(1024);
        frame.push(&call)?;
        let Ok(Message::Request(request)) = decode(frame.seal(1, Duration::from_secs(1))) else {
            return Err(Refusal::BadLength.into());
        };
        let (tell, told) = oneshot::channel();
        service.execute(
            request,
            Box::new(move |reply| drop(tell.send(reply.seal().unwrap()))),
        );
        let Ok(Message::Replies(replies)) = decode(told.await.unwrap()) else {
            return Err(LinkError::NoAnswer("not an answer".to_owned()).into());
        };
        let output = replies.get(0).unwrap()?;
        Ok(Output(output.to_vec().into()))
    }
}

impl Channel for LoopbackChannel {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(self.run(call))
    }

    fn manage(
        &self,
        command: Command,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(async move { Ok(self.peer()?.manage(command).await?) })
    }

    fn in_flight(&self) -> usize {
        0
    }
}
