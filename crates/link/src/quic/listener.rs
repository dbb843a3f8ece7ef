use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::frame::{Answer, FrameError, Message, Order, ReplyFrame, Request};
use crate::{LinkError, Listener, Listening, Service};

use super::stream::{Ended, MessageReader};
use super::{QuicSettings, endpoint, transport_config, verifier};

/// Frames of one connection that are being answered. Beyond it nothing is read: back-pressure.
const FRAMES_IN_WORK_MAX: usize = 16;

/// Facades of one HSM; a CloudHSM cluster takes 900 client connections.
const CONNECTIONS_MAX: usize = 900;

/// Sent to a peer whose bytes are not frames.
const MALFORMED: VarInt = VarInt::from_u32(1);

/// Sent to everybody when the HSM goes away.
const GONE: VarInt = VarInt::from_u32(2);

/// Starts to serve.
pub(super) fn start(
    settings: &QuicSettings,
    listener: Listener,
) -> Result<Box<dyn Listening>, LinkError> {
    let tls = verifier::server_config(&listener.identity, &settings.client)?;
    let tls =
        QuicServerConfig::try_from(tls).map_err(|error| LinkError::Unusable(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport_config(listener.bind.ip().is_loopback())));
    let endpoint = endpoint(&settings.runtime, listener.bind, Some(config))?;
    let address = endpoint
        .local_addr()
        .map_err(|error| LinkError::Unusable(error.to_string()))?;
    tracing::debug!(hsm = listener.name, %address, "listening");
    let accepting = settings.runtime.spawn(accept(endpoint.clone(), listener));
    Ok(Box::new(QuicListening {
        endpoint,
        address,
        accepting,
    }))
}

#[derive(Debug)]
struct QuicListening {
    endpoint: Endpoint,
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl Listening for QuicListening {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for QuicListening {
    fn drop(&mut self) {
        self.accepting.abort();
        self.endpoint.close(GONE, b"the HSM is gone");
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
    let mut streams = JoinSet::new();
    while let Ok((send, receive)) = connection.accept_bi().await {
        while streams.try_join_next().is_some() {}
        let (service, connection) = (Arc::clone(&service), connection.clone());
        let name = name.clone();
        streams.spawn(async move {
            if let Err(Ended::Frame(error)) = serve_stream(send, receive, service).await {
                // Rule LINK-01: what is not a frame ends that connection and nothing else.
                tracing::warn!(hsm = name, %error, "malformed bytes; closing the connection");
                close_malformed(&connection, &error.to_string());
            }
        });
    }
}

fn close_malformed(connection: &Connection, why: &str) {
    connection.close(MALFORMED, why.as_bytes());
}

async fn serve_stream(
    send: SendStream,
    receive: RecvStream,
    service: Arc<dyn Service>,
) -> Result<(), Ended> {
    let mut messages = MessageReader::new(receive);
    match messages.next().await? {
        Message::Order(order) => serve_order(send, order, service).await,
        Message::Request(first) => serve_requests(send, messages, first, service).await,
        Message::Replies(_) | Message::Answer(_) => Err(Ended::Frame(FrameError::Kind)),
    }
}

/// Answers frames of operations until the stream ends.
async fn serve_requests(
    send: SendStream,
    mut messages: MessageReader,
    first: Request,
    service: Arc<dyn Service>,
) -> Result<(), Ended> {
    let room = Arc::new(Semaphore::new(FRAMES_IN_WORK_MAX));
    let (replies, queue) = mpsc::unbounded_channel();
    let mut writer = JoinSet::new();
    writer.spawn(write_replies(send, queue));
    let mut request = first;
    loop {
        // The semaphore is never closed, so a permit always comes.
        if let Ok(permit) = Arc::clone(&room).acquire_owned().await {
            let replies = replies.clone();
            let done = move |reply: ReplyFrame| {
                // The peer may be gone; then nobody waits for the answer.
                let _nobody_waits = replies.send((reply, permit));
            };
            Arc::clone(&service).execute(request, Box::new(done));
        }
        request = match messages.next().await? {
            Message::Request(request) => request,
            Message::Replies(_) | Message::Order(_) | Message::Answer(_) => {
                return Err(Ended::Frame(FrameError::Kind));
            }
        };
    }
}

type Written = (ReplyFrame, OwnedSemaphorePermit);

/// Bounded by the permits that travel with the frames.
async fn write_replies(mut send: SendStream, mut queue: mpsc::UnboundedReceiver<Written>) {
    while let Some((reply, _permit)) = queue.recv().await {
        let frame = match reply.seal() {
            Ok(frame) => frame,
            Err(error) => {
                tracing::error!(%error, "an answer does not answer its frame");
                return;
            }
        };
        if send.write_all(frame.as_ref()).await.is_err() {
            return;
        }
    }
}

async fn serve_order(
    mut send: SendStream,
    order: Order,
    service: Arc<dyn Service>,
) -> Result<(), Ended> {
    let result = service.manage(order.command).await;
    let answer = Answer {
        id: order.id,
        result,
    }
    .encode()
    .map_err(Ended::Frame)?;
    let written = send.write_all(answer.as_ref()).await;
    written.map_err(|error| Ended::Stream(error.to_string()))?;
    // Finishing fails only on a stream that was reset: then nobody waits.
    let _reset = send.finish();
    let _acknowledged = send.stopped().await;
    Ok(())
}
