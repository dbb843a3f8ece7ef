//! The product's own transport over simulated UDP, and what a world must know of what crosses it.
//!
//! Nothing is read off the wire, which is encrypted: calls are seen where the facade makes them,
//! and answers where the HSM gives them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use portcullis_hsm::{Call, Command, Output, Refusal, Reply};
use portcullis_link::{
    BoxFuture, CallError, Channel, ClientIdentity, Conversation, Done, LinkError, Listener,
    Listening, QuicSettings, QuicTransport, ReplyFrame, Request, Service, Target, Transport,
};
use portcullis_seam::Entropy;
use tokio::time::{Instant, sleep_until};

use super::observe::{ObservedOrder, Sealings};
use super::state::NetworkShared;
use super::udp::ProcessUdp;
use super::wire::broken;

/// QUIC as one process has it.
#[derive(Debug, Clone)]
pub(super) struct Quic {
    network: Arc<NetworkShared>,
    process: u64,
    transport: Arc<QuicTransport>,
}

/// What facades present. Its key comes from the TLS library, not from a seed, so that one for all
/// worlds of a program is as good as one for each.
fn identity() -> Result<ClientIdentity, LinkError> {
    static IDENTITY: OnceLock<Result<ClientIdentity, LinkError>> = OnceLock::new();
    IDENTITY.get_or_init(ClientIdentity::generate).clone()
}

impl Quic {
    pub(super) fn of(
        network: &Arc<NetworkShared>,
        process: u64,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, LinkError> {
        let client = identity()?;
        let settings = QuicSettings {
            accepted_clients: vec![client.certificate.clone()],
            client,
            entropy,
        };
        let udp = ProcessUdp {
            network: Arc::clone(network),
            process,
        };
        Ok(Self {
            network: Arc::clone(network),
            process,
            transport: Arc::new(QuicTransport::over(settings, Arc::new(udp))),
        })
    }

    pub(super) fn dial(&self, target: Target) -> Arc<dyn Channel> {
        Arc::new(WatchedChannel {
            at: self.place(&target.name),
            inner: self.transport.dial(target),
        })
    }

    pub(super) async fn listen(&self, listener: Listener) -> Result<Box<dyn Listening>, LinkError> {
        let name = listener.name.clone();
        let service = WatchedService {
            at: self.place(&name),
            inner: listener.service,
        };
        let watched = Listener {
            service: Arc::new(service),
            ..listener
        };
        let listening = self.transport.listen(watched).await?;
        let address = listening.address();
        self.network.state.lock().sockets.name(address, &name);
        self.network
            .recorder
            .note(format_args!("{name} listens on {address}"));
        Ok(listening)
    }

    fn place(&self, hsm: &str) -> HsmRoute {
        HsmRoute {
            network: Arc::clone(&self.network),
            process: self.process,
            hsm: hsm.to_owned(),
        }
    }
}

/// Which HSM, seen from which process.
#[derive(Clone)]
struct HsmRoute {
    network: Arc<NetworkShared>,
    process: u64,
    hsm: String,
}

impl HsmRoute {
    /// Whether the process still runs: what is left of one that has ended happens nowhere.
    fn lives(&self) -> bool {
        self.network.process() == self.process
    }
}

struct WatchedChannel {
    at: HsmRoute,
    inner: Arc<dyn Channel>,
}

impl WatchedChannel {
    /// Carries out a call. A task of a process that has ended gets no answer any more.
    async fn call<T>(
        &self,
        call: BoxFuture<'_, Result<T, CallError>>,
        deadline: Instant,
    ) -> Result<T, CallError> {
        if self.at.lives() {
            let outcome = call.await;
            if self.at.lives() {
                return outcome;
            }
        }
        sleep_until(deadline).await;
        Err(broken("the deadline passed").into())
    }
}

impl Channel for WatchedChannel {
    fn execute<'a>(
        &'a self,
        call: Call<'a>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Output, CallError>> {
        Box::pin(async move {
            if self.at.lives() {
                self.at.network.tell_asked(&self.at.hsm);
            }
            let outcome = self.call(self.inner.execute(call, deadline), deadline);
            let outcome = outcome.await;
            if matches!(outcome, Err(CallError::Link(LinkError::NoAnswer(_)))) {
                self.at.network.count_unanswered();
            }
            outcome
        })
    }

    fn manage(
        &self,
        command: Command,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reply, CallError>> {
        Box::pin(async move {
            let outcome = self.call(self.inner.manage(command, deadline), deadline);
            let outcome = outcome.await;
            if matches!(outcome, Err(CallError::Link(LinkError::Untrusted(_)))) {
                self.at.network.state.lock().counts.distrusted += 1;
            }
            outcome
        })
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight()
    }
}

struct WatchedService {
    at: HsmRoute,
    inner: Arc<dyn Service>,
}

impl Service for WatchedService {
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation> {
        self.at.network.state.lock().counts.connections += 1;
        Arc::new(WatchedConversation {
            at: self.at.clone(),
            inner: Arc::clone(&self.inner).connected(),
        })
    }
}

struct WatchedConversation {
    at: HsmRoute,
    inner: Arc<dyn Conversation>,
}

impl Conversation for WatchedConversation {
    fn execute(self: Arc<Self>, request: Request, done: Done) {
        let sealings = Sealings::of(&request);
        let at = self.at.clone();
        let told = move |reply: ReplyFrame| {
            if at.lives() {
                at.network.tell_sealed(&at.hsm, &sealings, reply.answers());
            }
            done(reply);
        };
        Arc::clone(&self.inner).execute(request, Box::new(told));
    }

    fn manage(&self, command: Command) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(async move {
            let order = ObservedOrder::of(&command);
            let result = self.inner.manage(command).await;
            if self.at.lives() {
                self.at.network.tell_ordered(&self.at.hsm, order, &result);
            }
            result
        })
    }
}

impl fmt::Debug for HsmRoute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.hsm)
    }
}

impl fmt::Debug for WatchedChannel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WatchedChannel({:?})", self.at)
    }
}

impl fmt::Debug for WatchedService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WatchedService({:?})", self.at)
    }
}

impl fmt::Debug for WatchedConversation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WatchedConversation({:?})", self.at)
    }
}
