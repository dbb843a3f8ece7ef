use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_hsm::{Call, Command, HsmKeyId, Operation, Output, Refusal, Reply, SessionId};
use portcullis_seam::SystemEntropy;
use rcgen::{CertificateParams, Issuer, KeyPair};
use tokio::sync::Notify;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::quic::{ClientIdentity, QuicSettings, QuicTransport};
use crate::transport::BoxFuture;
use crate::{
    CallError, Channel, Conversation, Done, Identity, Listener, Listening, ReplyFrame, Request,
    Service, Target, Transport,
};

/// A customer's root, a cluster certificate that it signed, and a facade that HSMs admit.
pub(super) struct World {
    pub(super) transport: QuicTransport,
    pub(super) anchor: Vec<u8>,
    pub(super) identity: Identity,
}

impl World {
    pub(super) fn new() -> Self {
        let (anchor, identity) = cluster_certificate();
        Self {
            transport: transport(),
            anchor,
            identity,
        }
    }

    pub(super) async fn listen<S: Service + 'static>(&self, service: Arc<S>) -> Box<dyn Listening> {
        self.listen_at((Ipv4Addr::LOCALHOST, 0).into(), service)
            .await
    }

    pub(super) async fn listen_at<S: Service + 'static>(
        &self,
        bind: SocketAddr,
        service: Arc<S>,
    ) -> Box<dyn Listening> {
        let identity = self.identity.clone();
        let listener = Listener {
            name: "hsm-test".to_owned(),
            bind,
            identity,
            service,
        };
        self.transport.listen(listener).await.unwrap()
    }

    pub(super) fn target(&self, address: SocketAddr) -> Target {
        Target {
            name: "hsm-test".to_owned(),
            address,
            trust_anchor: self.anchor.clone(),
            cluster_certificate: self.identity.certificate.clone(),
        }
    }

    pub(super) fn dial(&self, address: SocketAddr) -> Arc<dyn Channel> {
        self.transport.dial(self.target(address))
    }
}

/// A facade that admits itself.
pub(super) fn transport() -> QuicTransport {
    let client = ClientIdentity::generate().unwrap();
    let accepted_clients = vec![client.certificate.clone()];
    QuicTransport::new(QuicSettings {
        client,
        accepted_clients,
        entropy: Arc::new(SystemEntropy),
    })
}

/// A fresh root and a certificate that it signed.
pub(super) fn cluster_certificate() -> (Vec<u8>, Identity) {
    let root_key = KeyPair::generate().unwrap();
    let root = CertificateParams::default();
    let anchor = root.self_signed(&root_key).unwrap().der().to_vec();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&root, &root_key);
    let certificate = CertificateParams::default()
        .signed_by(&key, &issuer)
        .unwrap();
    let identity = Identity {
        certificate: certificate.der().to_vec(),
        private_key: Arc::new(Zeroizing::new(key.serialize_der())),
    };
    (anchor, identity)
}

/// Answers each operation with its own text; commands with no users.
#[derive(Debug, Default)]
pub(super) struct Echo {
    pub(super) operations: AtomicUsize,
    pub(super) frames: AtomicUsize,
}

impl Service for Echo {
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation> {
        self
    }
}

impl Conversation for Echo {
    fn execute(self: Arc<Self>, request: Request, done: Done) {
        self.operations.fetch_add(request.len(), Ordering::Relaxed);
        self.frames.fetch_add(1, Ordering::Relaxed);
        done(echo(&request));
    }

    fn manage(&self, command: Command) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(async move {
            if matches!(command, Command::Logout { .. }) {
                return Err(Refusal::NoSession);
            }
            Ok(Reply::Users(Vec::new()))
        })
    }
}

pub(super) fn echo(request: &Request) -> ReplyFrame {
    let mut reply = ReplyFrame::answering(request);
    for call in request.calls() {
        reply.push(|out| {
            let Operation::Encrypt { plaintext, .. } = call.operation else {
                return Err(Refusal::NotAuthentic);
            };
            out.extend_from_slice(plaintext);
            Ok(())
        });
    }
    reply
}

/// Holds every frame until it is released.
#[derive(Debug, Default)]
pub(super) struct WaitingOperation {
    held: Mutex<Vec<(Request, HeldDone)>>,
    pub(super) arrived: Notify,
}

pub(super) struct HeldDone(Done);

impl std::fmt::Debug for HeldDone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HeldDone(..)")
    }
}

impl WaitingOperation {
    pub(super) fn release(&self) {
        for (request, done) in self.held.lock().drain(..) {
            (done.0)(echo(&request));
        }
    }

    pub(super) fn drop_all(&self) {
        self.held.lock().clear();
    }
}

impl Service for WaitingOperation {
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation> {
        self
    }
}

impl Conversation for WaitingOperation {
    fn execute(self: Arc<Self>, request: Request, done: Done) {
        self.held.lock().push((request, HeldDone(done)));
        self.arrived.notify_one();
    }

    fn manage(&self, _command: Command) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(std::future::pending())
    }
}

pub(super) fn encrypt(plaintext: &[u8]) -> Call<'_> {
    let key = HsmKeyId([7; 16]);
    let operation = Operation::Encrypt {
        key,
        additional_data: b"context",
        plaintext,
    };
    Call {
        session: SessionId(1),
        operation,
    }
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(super) async fn ask(channel: &dyn Channel, text: &[u8]) -> Result<Output, CallError> {
    channel.execute(encrypt(text), soon()).await
}
