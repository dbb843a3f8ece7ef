use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_hsm::Refusal;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream, VarInt};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::socket::Wire;
use super::stream::{MessageReader, StreamEnd};
use super::{QuicSettings, bind_endpoint, transport_config, verifier};
use crate::frame::{Answer, FrameError, Message, Order, ReplyFrame, Request};
use crate::{Conversation, LinkError, Listener, Listening, Service};
use portcullis_wiped::Wiped;

/// Frames of one connection that are being answered. Beyond it nothing is read: back-pressure.
const FRAMES_IN_WORK_MAX: usize = 16;

/// Facades of one HSM (AWS CloudHSM quotas: 900 client connections).
const CONNECTIONS_MAX: usize = 900;

/// Answers written under one lock of quinn's.
const WRITTEN_TOGETHER: usize = FRAMES_IN_WORK_MAX;

/// Application error codes with which a connection is closed.
const MALFORMED: VarInt = VarInt::from_u32(1);
const GONE: VarInt = VarInt::from_u32(2);
const UNANSWERED: VarInt = VarInt::from_u32(3);

/// An HSM that restarts finds its own port taken until the connections of its predecessor have
/// been closed, which takes three times their round trip and acknowledgement delay, or until
/// [`RELEASE_AFTER`].
const BIND_ATTEMPTS: u32 = 40;
const BIND_PAUSE: Duration = Duration::from_millis(25);

/// How long the port of an HSM that is gone may stay taken: shorter than all attempts to bind it
/// again together. On loopback its connections have been closed long before.
const RELEASE_AFTER: Duration = Duration::from_millis(500);

/// Starts to serve.
pub(super) async fn start(
    settings: &QuicSettings,
    wire: &Wire,
    listener: Listener,
) -> Result<Box<dyn Listening>, LinkError> {
    let unusable = |why: String| LinkError::Unusable(format!("{}: {why}", listener.bind));
    let tls = verifier::server_config(&listener.identity, &settings.accepted_clients)?;
    let tls = QuicServerConfig::try_from(tls).map_err(|error| unusable(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport_config(listener.bind.ip().is_loopback())));
    let endpoint = bind(wire, listener.bind, &config)
        .await
        .map_err(|error| unusable(error.to_string()))?;
    let address = endpoint
        .local_addr()
        .map_err(|error| unusable(error.to_string()))?;
    tracing::debug!(hsm = listener.name, %address, "listening");
    let accepting = tokio::spawn(accept(endpoint.clone(), listener));
    Ok(Box::new(QuicListening {
        endpoint,
        wire: wire.clone(),
        address,
        accepting,
    }))
}

async fn bind(
    wire: &Wire,
    address: SocketAddr,
    config: &quinn::ServerConfig,
) -> io::Result<Endpoint> {
    for _ in 1..BIND_ATTEMPTS {
        match bind_endpoint(wire, address, Some(config.clone())) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => sleep(BIND_PAUSE).await,
            outcome => return outcome,
        }
    }
    bind_endpoint(wire, address, Some(config.clone()))
}

struct QuicListening {
    endpoint: Endpoint,
    wire: Wire,
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl Listening for QuicListening {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Debug for QuicListening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "QuicListening({})", self.address)
    }
}

impl Drop for QuicListening {
    fn drop(&mut self) {
        self.accepting.abort();
        self.endpoint.close(GONE, b"the HSM is gone");
        // Without a runtime the endpoint has ended as well.
        if let Ok(runtime) = Handle::try_current() {
            let released = release(self.endpoint.clone(), self.wire.clone(), self.address.ip());
            runtime.spawn(released);
        }
    }
}

/// Rule LINK-14: the port of an HSM that is gone is free soon, also when a facade that is cut off
/// has not heard of it. quinn keeps the port until such a connection is given up, which takes as
/// long as the path to the facade was slow: seconds, in which the HSM could not be restarted.
async fn release(endpoint: Endpoint, wire: Wire, ip: IpAddr) {
    if timeout(RELEASE_AFTER, endpoint.wait_idle()).await.is_ok() {
        return;
    }
    // After a change of sockets quinn still listens on the one before, so it takes two.
    for _ in 0..2 {
        let spare = wire.bind(SocketAddr::new(ip, 0));
        if let Err(error) = spare.and_then(|spare| endpoint.rebind_abstract(spare)) {
            tracing::warn!(%error, "the port of an HSM that is gone stays taken for a while");
        }
    }
}

async fn accept(endpoint: Endpoint, listener: Listener) {
    let mut connections = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            incoming.refuse();
            continue;
        }
        connections.spawn(serve(
            incoming,
            Arc::clone(&listener.service),
            listener.name.clone(),
        ));
    }
}

async fn serve(incoming: Incoming, service: Arc<dyn Service>, name: String) {
    let connection = match incoming.await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(hsm = name, %error, "a connection was refused");
            return;
        }
    };
    let conversation = service.connected();
    let mut streams = JoinSet::new();
    while let Ok((send, receive)) = connection.accept_bi().await {
        while streams.try_join_next().is_some() {}
        let (conversation, connection) = (Arc::clone(&conversation), connection.clone());
        let name = name.clone();
        streams.spawn(async move {
            let served = serve_stream(&connection, send, receive, conversation).await;
            if let Err(StreamEnd::Frame(error)) = served {
                // Rule LINK-01: what is not a frame ends that connection and nothing else.
                tracing::warn!(hsm = name, %error, "closing a connection");
                connection.close(MALFORMED, error.to_string().as_bytes());
            }
        });
    }
}

async fn serve_stream(
    connection: &Connection,
    send: SendStream,
    receive: RecvStream,
    conversation: Arc<dyn Conversation>,
) -> Result<(), StreamEnd> {
    let mut messages = MessageReader::new(receive);
    match messages.next().await? {
        Message::Order(order) => serve_order(send, order, conversation).await,
        Message::Request(first) => {
            let (finished, queue) = mpsc::unbounded_channel();
            let mut writer = JoinSet::new();
            writer.spawn(write_answers(send, queue));
            let desk = Desk {
                connection: connection.clone(),
                room: Arc::new(Semaphore::new(FRAMES_IN_WORK_MAX)),
                finished,
                conversation,
            };
            desk.serve(messages, first).await
        }
        Message::Replies(_) | Message::Answer(_) => Err(StreamEnd::Frame(FrameError::Kind)),
    }
}

/// An answer on its way out, and the room it takes until it is written.
type Finished = (Wiped, OwnedSemaphorePermit);

/// Where the frames of one stream are answered.
struct Desk {
    connection: Connection,
    room: Arc<Semaphore>,
    /// Bounded by the permits that travel with the answers.
    finished: mpsc::UnboundedSender<Finished>,
    conversation: Arc<dyn Conversation>,
}

impl Desk {
    /// Answers frames until the stream ends.
    async fn serve(self, mut messages: MessageReader, first: Request) -> Result<(), StreamEnd> {
        let mut request = first;
        loop {
            let arrived = Instant::now();
            let room = Arc::clone(&self.room).acquire_owned().await;
            let Ok(permit) = room else {
                return Err(StreamEnd::Stream("the room is closed".to_owned()));
            };
            self.execute(request, arrived, permit);
            request = match messages.next().await? {
                Message::Request(request) => request,
                Message::Replies(_) | Message::Order(_) | Message::Answer(_) => {
                    return Err(StreamEnd::Frame(FrameError::Kind));
                }
            };
        }
    }

    fn execute(&self, request: Request, arrived: Instant, permit: OwnedSemaphorePermit) {
        let answering = Answering {
            open: Some((self.finished.clone(), permit)),
            connection: self.connection.clone(),
        };
        if arrived.elapsed() > request.patience() {
            // No caller waits for it any longer: it is not begun, so that the HSM catches up.
            let mut busy = ReplyFrame::answering(&request);
            request
                .calls()
                .for_each(|_| busy.push(|_| Err(Refusal::Busy)));
            answering.finish(busy);
            return;
        }
        let done = move |reply: ReplyFrame| answering.finish(reply);
        Arc::clone(&self.conversation).execute(request, Box::new(done));
    }
}

/// The duty to answer a frame. Dropping it unanswered ends the connection, since the facade would
/// wait in vain.
struct Answering {
    open: Option<(mpsc::UnboundedSender<Finished>, OwnedSemaphorePermit)>,
    connection: Connection,
}

impl Answering {
    fn finish(mut self, reply: ReplyFrame) {
        match reply.seal() {
            Ok(frame) => {
                if let Some((finished, permit)) = self.open.take() {
                    // The facade may be gone; then no caller waits for the answer.
                    let _gone = finished.send((frame, permit));
                }
            }
            Err(error) => tracing::error!(%error, "an answer does not fit its frame"),
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.connection
                .close(UNANSWERED, b"the HSM did not answer a frame");
        }
    }
}

/// Writes whatever is finished, together. Frames are wiped when the facade has acknowledged them.
async fn write_answers(mut send: SendStream, mut queue: mpsc::UnboundedReceiver<Finished>) {
    let mut finished = Vec::with_capacity(WRITTEN_TOGETHER);
    while queue.recv_many(&mut finished, WRITTEN_TOGETHER).await > 0 {
        let (mut frames, permits): (Vec<Bytes>, Vec<_>) = finished
            .drain(..)
            .map(|(frame, permit)| (Bytes::from_owner(frame), permit))
            .unzip();
        if send.write_all_chunks(&mut frames).await.is_err() {
            return;
        }
        drop(permits);
    }
}

async fn serve_order(
    mut send: SendStream,
    order: Order,
    conversation: Arc<dyn Conversation>,
) -> Result<(), StreamEnd> {
    // A task of its own: a command that has begun ends, although its caller went away.
    let command = order.command;
    let managed = tokio::spawn(async move { conversation.manage(command).await }).await;
    let result = managed.map_err(|error| StreamEnd::Stream(error.to_string()))?;
    let answer = match (Answer {
        id: order.id,
        result,
    })
    .encode()
    {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "an answer is too large");
            return Ok(());
        }
    };
    let written = send.write_chunk(Bytes::from_owner(answer)).await;
    written.map_err(|error| StreamEnd::Stream(error.to_string()))?;
    // Finishing fails only on a stream that was reset: then no caller waits.
    let _reset = send.finish();
    let _acknowledged = send.stopped().await;
    Ok(())
}
